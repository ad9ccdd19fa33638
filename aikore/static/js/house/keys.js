/** The keys of the page. While somebody types, or a tool takes its own keys, only the palette's and Esc count. */

import { access } from "./access.js";
import { allActions, openMenu } from "./actions.js";
import { COMMANDS, mayRun, shownKey } from "./commands.js";
import { togglePalette } from "./palette.js";
import { chooseBy, chosenInstance, clearChoice, moveBy, rowOf, toggleChosen } from "./table/table.js";
import { currentInstance } from "./tools.js";
import { leaveWhole } from "./whole.js";
import { byId, el } from "../kit/dom.js";

const FIELDS = "input:not([type=checkbox]), textarea, select, [contenteditable], dialog, iframe, pre, .menu, [role=separator], [data-own-keys]";

/** @param {KeyboardEvent} event @returns {boolean} */
function elsewhere(event) {
  return event.target instanceof Element && event.target.closest(FIELDS) !== null;
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (event.defaultPrevented) return;
  const owned = event.target instanceof Element && event.target.closest("[data-own-keys]");
  if (event.key.toLowerCase() === "k" && (event.metaKey || (event.ctrlKey && !owned)) && !event.altKey) togglePalette();
  else if (event.key === "Escape" && !document.querySelector("dialog[open], .menu")) escape(event);
  else if (event.ctrlKey || event.metaKey) return;
  else if (event.key === "F6") COMMANDS.find(({ key }) => key === "F6")?.run();
  else if (elsewhere(event) || !plain(event)) return;
  event.preventDefault();
}

/** @param {KeyboardEvent} event @returns {boolean} whether the key means something */
function plain(event) {
  const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (way) {
    if (event.altKey) moveBy(way);
    else chooseBy(way, event.shiftKey);
    return true;
  }
  if (event.altKey) return false;
  const pressing = event.target instanceof Element && event.target.closest("button, a, summary, [type=checkbox]") !== null;
  if (pressing && (event.key === "Enter" || event.key === " ")) return false;
  if (event.key === "?") return done(showKeys);
  const command = COMMANDS.find(({ key }) => key === event.key);
  if (command) return mayRun(command) && done(command.run);
  return ofInstance(event);
}

/** Within the tools a key means the instance of the tool, else the chosen row. @param {KeyboardEvent} event */
function ofInstance({ key, target }) {
  const inTools = target instanceof Element && target.closest("#tools") !== null;
  const instance = inTools ? currentInstance() : chosenInstance();
  if (!instance) return false;
  if (key === " " && !inTools) return done(toggleChosen);
  const more = rowOf(instance)?.querySelector('[data-testid="more"]');
  if (key === "m" && more instanceof HTMLElement) return done(() => openMenu(instance, more));
  const action = allActions().find((one) => one.key === (key === "Enter" ? "v" : key));
  return action !== undefined && action.possible(instance) && done(() => action.run(instance));
}

/** @param {() => void} run */
function done(run) {
  run();
  return true;
}

/** @param {KeyboardEvent} event */
function escape(event) {
  if (leaveWhole()) return;
  const filter = /** @type {HTMLInputElement} */ (byId("filter"));
  if (event.target === filter) {
    filter.value = "";
    filter.dispatchEvent(new Event("input"));
    chooseBy(0, false);
  } else clearChoice();
}

export function showKeys() {
  /** @type {[string, string][]} */
  const rows = [
    ["Ctrl K", "Find an instance or an action"], ["↑ ↓", "Choose an instance"], ...(access.may("apps.open") ? [/** @type {[string, string]} */ (["Enter", "View it"])] : []),
    ...allActions().filter(({ key, permission }) => key && access.may(permission)).map(({ name, key, words }) => /** @type {[string, string]} */ (
      [shownKey(key ?? ""), name === "toggle" ? "Start or stop" : words(/** @type {any} */ ({ actions: [] }))])),
    ["M", "Its menu"], ["Space", "Choose several"], ["Shift ↑ ↓", "Choose a range"], ["Alt ↑ ↓", "Move it up or down"],
    ...COMMANDS.filter((one) => one.key && mayRun(one)).map(({ key, words }) => /** @type {[string, string]} */ ([shownKey(key ?? ""), words])),
    ["Esc", "Close, or leave the whole window"],
  ];
  const dialog = el("dialog", { class: "broad", "aria-label": "Keys" }, el("h2", { text: "Keys" }),
    el("div", { class: "keys" }, ...rows.map(([key, words]) => el("div", {}, el("kbd", { text: key }), el("span", { text: words })))),
    el("div", { class: "end" }, el("button", { text: "Close", onclick: () => dialog.close() })));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

export function beginKeys() {
  document.addEventListener("keydown", pressed);
}
