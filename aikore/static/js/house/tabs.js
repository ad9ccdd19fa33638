/** One open tool with its tab and panel, and the keys of a strip of tabs. What is open, and where, tools.js knows. */

import { el, setText } from "../kit/dom.js";
import { icon } from "../kit/icons.js";
import { messageOf } from "../kit/problems.js";

/** @import {Instance, Tool, ToolKind} from "./types.js" */

/**
 * @typedef {object} OpenTool
 * @property {string} key
 * @property {ToolKind} kind
 * @property {number} id of its instance
 * @property {string} slug by which the browser remembers it
 * @property {number} column 0 or 1
 * @property {HTMLElement} panel
 * @property {HTMLElement} tab
 * @property {HTMLElement} words
 * @property {Tool} tool
 * @property {boolean} [shown]
 */
/** @typedef {{show: () => void, close: () => void, menu: (tab: HTMLElement) => void}} TabEvents what somebody does with a tab */

/**
 * @param {string} key
 * @param {string} kind
 * @param {TabEvents} on
 */
function makeTab(key, kind, on) {
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

/**
 * @param {HTMLElement} place of all panels
 * @param {string} key
 * @param {ToolKind} kind
 * @param {Instance} instance
 * @param {number} column
 * @param {TabEvents} on
 * @returns {OpenTool}
 */
export function openIn(place, key, kind, instance, column, on) {
  const panel = el("div", { class: "panel", role: "tabpanel", id: `panel-${key}`, "aria-labelledby": `tab-${key}` });
  place.append(panel);
  const one = { key, kind, id: instance.id, slug: instance.slug, column, panel, ...makeTab(key, kind.kind, on), tool: begun(kind, panel, instance) };
  nameTab(one, instance);
  return one;
}

/** A tool that fails says so in its own panel; the others go on. @param {ToolKind} kind @param {HTMLElement} panel @param {Instance} instance @returns {Tool} */
function begun(kind, panel, instance) {
  try {
    return kind.open(panel, instance);
  } catch (error) {
    panel.replaceChildren(el("p", { class: "empty problem", role: "alert", text: `${kind.label} cannot be opened: ${messageOf(error)}` }));
    return { close: () => {} };
  }
}

/** @param {OpenTool} one @param {Instance} instance */
export function nameTab({ kind, words, tab }, instance) {
  setText(words, kind.kind === "view" ? instance.name : `${instance.name} · ${kind.label}`);
  tab.title = words.textContent ?? "";
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
