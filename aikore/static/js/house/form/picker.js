/** Picks a blueprint: searched by words, narrowed by category. It follows the list of the server while it is open. */

import { store } from "../store.js";
import { el, setText } from "../../kit/dom.js";
import { blueprintIcon, icon } from "../../kit/icons.js";

/** @import {Blueprint} from "../types.js" */

/** @param {Blueprint} blueprint */
const last = (blueprint) => Number(/^\d/.test(blueprint.id)); // 99-… are for testing

/** @param {string | undefined} first what is chosen already */
export function blueprintPicker(first) {
  let chosen = first;
  let category = "";
  let drawn = "";
  const search = el("input", { type: "search", placeholder: "Search blueprints", "aria-label": "Search blueprints", autocomplete: "off", "data-testid": "blueprint-search" });
  const categories = el("div", { class: "categories", role: "group", "aria-label": "Categories" });
  const box = el("fieldset", { class: "picker", "aria-label": "Blueprint" });
  const empty = el("p", { class: "hint", role: "status" });
  const about = el("p", { class: "hint about", "data-testid": "about" });
  const node = el("div", { class: "field" }, el("span", { class: "label", text: "Blueprint" }), el("div", { class: "line-form" }, search, categories), box, empty, about);
  const changed = () => node.dispatchEvent(new Event("picked"));

  const filter = () => {
    const parts = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const label of /** @type {HTMLCollectionOf<HTMLElement>} */ (box.children)) {
      const words = `${label.textContent} ${label.dataset.words}`.toLowerCase();
      label.hidden = (category !== "" && label.dataset.category !== category) || !parts.every((part) => words.includes(part));
      if (!label.hidden) shown++;
    }
    setText(empty, !store.ready ? "Loading …" : shown ? "" : store.blueprints.length ? "No blueprint has these words." : "There is no blueprint.");
  };
  const drawCategories = () => {
    const names = [...new Set(store.blueprints.map((blueprint) => blueprint.category).filter(Boolean))].sort();
    if (!names.includes(category)) category = "";
    categories.replaceChildren(...["", ...names].map((name) => el("button", { type: "button", class: "quiet", text: name || "All", "aria-pressed": String(name === category), onclick: (/** @type {Event} */ event) => {
      category = name;
      for (const button of categories.children) button.setAttribute("aria-pressed", String(button === event.currentTarget));
      filter();
    } })));
    categories.hidden = names.length < 2;
  };
  const tell = () => {
    const blueprint = store.blueprints.find((one) => one.id === chosen);
    about.replaceChildren(...(blueprint ? described(blueprint) : [chosen ? `The blueprint ${chosen} is not there any more.` : ""]));
  };
  /** Draw the list when it differs from what is drawn; the choice, the words and the focus stay. */
  const update = () => {
    const now = JSON.stringify([store.ready, store.blueprints]);
    if (drawn === now) return;
    drawn = now;
    const focused = box.contains(document.activeElement) ? /** @type {HTMLInputElement} */ (document.activeElement).value : null;
    const order = [...store.blueprints].sort((a, b) => last(a) - last(b) || a.id.localeCompare(b.id));
    box.replaceChildren(...order.map((blueprint) => choice(blueprint, blueprint.id === chosen)));
    if (focused !== null) [...box.querySelectorAll("input")].find((radio) => radio.value === focused)?.focus();
    drawCategories();
    filter();
    tell();
  };
  /** @param {string} id */
  const choose = (id) => {
    chosen = id;
    tell();
    changed();
  };
  box.addEventListener("change", (event) => choose(/** @type {HTMLInputElement} */ (event.target).value));
  search.addEventListener("input", filter);
  search.addEventListener("keydown", (event) => {
    const radio = /** @type {HTMLInputElement | null} */ (box.querySelector("label:not([hidden]) input:enabled"));
    if (event.key !== "Enter" && event.key !== "ArrowDown") return;
    event.preventDefault(); // Enter would send the form
    radio?.click();
    radio?.focus();
  });
  update();
  return { node, search, update, value: () => chosen ?? "" };
}

/** @param {Blueprint} blueprint @param {boolean} checked */
function choice(blueprint, checked) {
  const { id, name, category, description, error } = blueprint;
  const radio = el("input", { type: "radio", name: "blueprint", value: id, checked, disabled: Boolean(error), "data-testid": `blueprint-${id}` });
  return el("label", { class: error ? "choice broken" : "choice", "data-category": category, "data-words": `${id} ${category}`, title: error ?? description }, radio,
    el("b", {}, icon(blueprintIcon(`${id} ${name} ${category}`)), name || id), el("span", { text: error ?? description ?? "" }));
}

/** @param {Blueprint} blueprint @returns {(Node | string)[]} */
function described(blueprint) {
  const { category, source, homepage } = blueprint;
  const words = [category, source === "custom" ? "your own" : "comes with AiKore"].filter(Boolean).join(" · ");
  if (!/^https?:\/\//.test(homepage ?? "")) return [words];
  return [`${words} · `, el("a", { href: homepage, target: "_blank", rel: "noopener noreferrer", text: new URL(homepage).host })];
}
