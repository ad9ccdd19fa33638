/** Ctrl/⌘-K: finds instances and actions by parts of their words, and does what is chosen. */

import { actionsOf } from "./actions.js";
import { drawingOf } from "./table/arrange.js";
import { COMMANDS, mayRun } from "./commands.js";
import { el } from "../kit/dom.js";
import { icon } from "../kit/icons.js";
import { store } from "./store.js";

const SHOWN_MAX = 40;

/** @typedef {import("../kit/icons.js").IconName} IconName */
/** @typedef {{words: string, note: string, key: string, drawing: IconName, first: boolean, run: () => void}} Entry `first`: shown before anything is typed */

/** @returns {Entry[]} */
function entries() {
  const first = SHOWN_MAX - COMMANDS.length; // before anything is typed, both are to be seen
  const ofInstances = [...store.instances.values()].flatMap((instance, place) => {
    const drawing = drawingOf(instance);
    return actionsOf(instance).map((action, index) => (
      { words: instance.name, note: action.words(instance), key: "", drawing, first: index === 0 && place < first, run: () => action.run(instance) }));
  });
  const ofHouse = COMMANDS.filter(mayRun).map(({ words, key, run }) => (
    { words, note: "", key: key ?? "", drawing: /** @type {IconName} */ ("more"), first: true, run }));
  return [...ofInstances, ...ofHouse];
}

/** @param {string} text @param {string[]} parts @returns {number} how far it is from what is sought; infinite: not it */
function distance(text, parts) {
  let sum = 0;
  for (const part of parts) {
    const at = text.indexOf(part);
    if (at < 0) return Infinity;
    sum += at === 0 ? 0 : /\s|·|-/.test(text[at - 1] ?? "") ? 1 : 2 + at / 1000;
  }
  return sum;
}

/** @param {Entry[]} all @param {string} sought @returns {Entry[]} */
function matching(all, sought) {
  const parts = sought.toLowerCase().split(/\s+/).filter(Boolean);
  if (!parts.length) return all.filter((entry) => entry.first).slice(0, SHOWN_MAX);
  return all.map((entry) => ({ entry, far: distance(`${entry.words} ${entry.note}`.toLowerCase(), parts) }))
    .filter(({ far }) => far < Infinity).sort((a, b) => a.far - b.far).slice(0, SHOWN_MAX).map(({ entry }) => entry);
}

/** @type {HTMLDialogElement | null} */
let shown = null;

export function togglePalette() {
  if (shown) shown.close();
  else open();
}

function open() {
  const all = entries();
  /** @type {Entry[]} */
  let found = [];
  let at = 0;
  const list = el("ul", { role: "listbox", id: "palette-list", "aria-label": "Found" });
  const field = el("input", { type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": list.id, "aria-label": "Find an instance or an action", placeholder: "Find an instance or an action", autocomplete: "off", spellcheck: "false", "data-testid": "palette-field" });
  const nothing = el("p", { class: "empty", text: "Nothing has these words." });
  const dialog = el("dialog", { class: "palette", "aria-label": "Find and do", "data-testid": "palette" }, field, list, nothing);
  const mark = () => {
    for (const [index, line] of [...list.children].entries()) {
      line.setAttribute("aria-selected", String(index === at));
      if (index === at) line.scrollIntoView({ block: "nearest" });
    }
    if (found.length) field.setAttribute("aria-activedescendant", `palette-${at}`);
    else field.removeAttribute("aria-activedescendant");
  };
  const draw = () => {
    found = matching(all, field.value);
    at = 0;
    list.replaceChildren(...found.map((entry, index) => line(entry, index, () => run(entry))));
    nothing.hidden = found.length > 0;
    list.hidden = found.length === 0;
    mark();
  };
  /** @param {Entry | undefined} entry */
  const run = (entry) => {
    if (!entry) return;
    dialog.close(); // gives the focus back first, so that what is opened may take it
    entry.run();
  };
  field.addEventListener("input", draw);
  field.addEventListener("keydown", (event) => {
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") run(found[at]);
    else if (way && found.length) at = (at + way + found.length) % found.length;
    else return;
    event.preventDefault();
    mark();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { dialog.remove(); shown = null; });
  document.body.append(dialog);
  shown = dialog;
  dialog.showModal();
  draw();
}

/** @param {Entry} entry @param {number} index @param {() => void} run */
function line({ words, note, key, drawing }, index, run) {
  return el("li", { role: "option", id: `palette-${index}`, onclick: run }, icon(drawing), el("span", { class: "title", text: words }),
    el("span", { class: "sub", text: note }), ...(key ? [el("kbd", { text: key.length === 1 ? key.toUpperCase() : key })] : []));
}
