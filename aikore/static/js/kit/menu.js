/** A menu at the button that opens it. */

import { el } from "./dom.js";

/** @typedef {[string, string, () => void]} Item name, words, what it does */

/** @param {HTMLElement} anchor @param {Item[]} items @param {string} [heading] */
export function popMenu(anchor, items, heading) {
  const menu = el("div", { class: "menu", popover: "auto", role: "menu", "data-testid": "menu" });
  if (heading) menu.append(el("p", { class: "hint", text: heading }));
  for (const [name, words, run] of items) {
    menu.append(el("button", { role: "menuitem", "data-action": name, text: words, onclick: () => { menu.hidePopover(); run(); } }));
  }
  (anchor.closest("section, header, dialog") ?? document.body).append(menu); // within a landmark, for who listens to the page
  menu.addEventListener("toggle", (event) => {
    if (/** @type {ToggleEvent} */ (event).newState === "closed") menu.remove();
  });
  menu.addEventListener("keydown", (event) => step(menu, event));
  menu.showPopover();
  const place = anchor.getBoundingClientRect();
  menu.style.left = `${Math.max(8, place.right - menu.offsetWidth)}px`;
  menu.style.top = `${Math.min(place.bottom + 4, innerHeight - menu.offsetHeight - 8)}px`;
  menu.querySelector("button")?.focus();
}

/** @param {HTMLElement} menu @param {KeyboardEvent} event */
function step(menu, event) {
  const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!way) return;
  event.preventDefault();
  const buttons = [...menu.querySelectorAll("button")];
  const at = buttons.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
  buttons[(at + way + buttons.length) % buttons.length]?.focus();
}
