/** One tab and the keys of a strip of tabs. What is open, and where, is the matter of tools.js. */

import { el } from "./dom.js";
import { icon } from "./icons.js";

/**
 * @param {string} key
 * @param {string} kind
 * @param {{show: () => void, close: () => void, menu: (tab: HTMLElement) => void}} on
 */
export function makeTab(key, kind, on) {
  const words = el("span", { class: "words" });
  const close = el("span", { class: "close", "aria-hidden": "true", title: "Close", "data-testid": "close-tab", onclick: on.close }, icon("close"));
  const tab = el("div", { class: "tab", role: "tab", id: `tab-${key}`, "aria-controls": `panel-${key}`, "aria-keyshortcuts": "Delete", "data-testid": `tab-${kind}`, tabindex: "-1" }, words, close);
  tab.addEventListener("click", (event) => { if (!close.contains(/** @type {Node} */ (event.target))) on.show(); });
  tab.addEventListener("mousedown", (event) => { if (event.button === 1) event.preventDefault(); });
  tab.addEventListener("auxclick", (event) => { if (event.button === 1) on.close(); });
  tab.addEventListener("contextmenu", (event) => {
    event.preventDefault();
    on.menu(tab);
  });
  tab.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") on.show();
    else if (event.key === "Delete" || event.key === "Backspace") on.close();
    else return;
    event.preventDefault();
  });
  return { tab, words };
}

/** Arrows walk along a strip, and the wheel scrolls it. @param {HTMLElement} strip */
export function walkable(strip) {
  strip.addEventListener("keydown", (event) => {
    const tabs = /** @type {HTMLElement[]} */ ([...strip.children]);
    const at = tabs.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const last = tabs.length - 1;
    const to = { ArrowLeft: at > 0 ? at - 1 : last, ArrowRight: at < last ? at + 1 : 0, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    tabs[to]?.focus();
    tabs[to]?.click();
  });
  strip.addEventListener("wheel", (event) => {
    if (Math.abs(event.deltaY) > Math.abs(event.deltaX)) strip.scrollLeft += event.deltaY;
  }, { passive: true });
}
