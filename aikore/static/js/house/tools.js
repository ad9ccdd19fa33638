/** Tools of instances as tabs, in one column or two beside each other. A hidden tab keeps running: panels never move. */

import { access } from "./access.js";
import { AIKORE, instanceById } from "./aikore.js";
import { isPhone, showPane, whenPhone } from "./layout.js";
import { store } from "./store.js";
import { nameTab, openIn, walkable } from "./tabs.js";
import { toolKind } from "./toolkinds.js";
import { makeDivider } from "../kit/divider.js";
import { byId } from "../kit/dom.js";
import { icon } from "../kit/icons.js";
import { recall, remember } from "../kit/memory.js";
import { popMenu } from "../kit/menu.js";

/** @import {Instance, ToolKind} from "./types.js" */
/** @import {OpenTool} from "./tabs.js" */

/** @typedef {{kind: string, slug: string, column: number, front: boolean}} Remembered */

/** @type {Map<string, OpenTool>} */
const open = new Map();
/** @type {(string | undefined)[]} the key of the tab in front, by column */
const front = [undefined, undefined];
/** the column that was used last */
let current = 0;
let restored = false;

const strips = () => ["tabs-0", "tabs-1"].map(byId);
const movers = () => ["move-0", "move-1"].map(byId);

/** @param {OpenTool} one @returns {number} where it is shown */
const columnOf = (one) => (isPhone() ? 0 : one.column);

/** @param {ToolKind} kind @param {Instance} instance */
const opens = (kind, instance) => access.may(kind.permission) && (kind.offered?.(instance) ?? true);

/** @param {string} kind @param {Instance} instance @param {number} [place] what is shown of it, where the tool has places */
export function openTool(kind, instance, place) {
  const key = `${kind}-${instance.id}`;
  const found = toolKind(kind);
  if (!found || !opens(found, instance)) return;
  if (!open.has(key)) make(key, found, instance, current);
  show(key);
  showPane("tools");
  if (place !== undefined) open.get(key)?.tool.at?.(place);
}

/** @param {string} key @param {ToolKind} kind @param {Instance} instance @param {number} column */
function make(key, kind, instance, column) {
  const on = { show: () => show(key), close: () => closeTool(key), menu: (/** @type {HTMLElement} */ tab) => openTabMenu(key, tab) };
  open.set(key, openIn(byId("tools"), key, kind, instance, column, on));
}

/** @param {string} key */
function show(key) {
  const one = open.get(key);
  if (!one) return;
  front[one.column] = key;
  current = one.column;
  place();
  one.tab.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/** @param {string} key */
export function closeTool(key) {
  const one = open.get(key);
  if (!one) return;
  if (one.tool.dirty?.() && !confirm(`${one.words.textContent} has changes that are not saved. Close it all the same?`)) return;
  const hadFocus = one.tab.contains(document.activeElement) || one.panel.contains(document.activeElement);
  one.tool.close();
  one.panel.remove();
  one.tab.remove();
  open.delete(key);
  place();
  if (hadFocus) open.get(currentTool() ?? "")?.tab.focus();
}

/** @returns {string | undefined} the key of the tab that was used last */
export const currentTool = () => front[current];

/** @returns {Instance | undefined} the instance of that tab */
export const currentInstance = () => store.instances.get(open.get(currentTool() ?? "")?.id ?? -1);

/** @returns {HTMLElement | undefined} what that tab shows */
export const currentPanel = () => open.get(currentTool() ?? "")?.panel;

/** Bring the tab beside the current one to the front. @param {-1 | 1} way */
export function stepTool(way) {
  const keys = [...open.values()].filter((one) => one.column === current || isPhone()).map((one) => one.key);
  const next = keys[(keys.indexOf(currentTool() ?? "") + way + keys.length) % keys.length];
  if (next) show(next);
}

/** Move a tab to the other column. @param {string | undefined} key */
export function moveTool(key) {
  const one = open.get(key ?? "");
  if (!one || open.size < 2) return;
  const hadFocus = one.tab.contains(document.activeElement);
  one.column = 1 - one.column;
  show(one.key);
  if (hadFocus) one.tab.focus();
}

/** @param {string} key @param {HTMLElement} tab */
function openTabMenu(key, tab) {
  const others = [...open.keys()].filter((other) => other !== key);
  popMenu(tab, [
    ["close", "Close", () => closeTool(key)],
    ...(others.length ? [
      /** @type {import("../kit/menu.js").Item} */ (["close-others", "Close all others", () => others.forEach(closeTool)]),
      /** @type {import("../kit/menu.js").Item} */ (["move", "Move to the other side", () => moveTool(key)]),
    ] : []),
  ]);
}

/** Let every column have a tab in front, and no empty left one beside a full right one. */
function settle() {
  const all = [...open.values()];
  if (!all.some((one) => one.column === 0)) {
    for (const one of all) one.column = 0;
    front[0] = front[1];
  }
  for (const column of [0, 1]) {
    const here = all.filter((one) => one.column === column);
    if (!here.some((one) => one.key === front[column])) front[column] = here.at(-1)?.key;
  }
  if (!front[current]) current = 0;
}

/** Show what is open as it now is. */
function place() {
  settle();
  const split = front[1] !== undefined && !isPhone();
  byId("tools").toggleAttribute("data-split", split);
  byId("no-tool").hidden = open.size > 0;
  for (const [column, mover] of movers().entries()) mover.hidden = open.size < 2 || isPhone() || (column === 1 && !split);
  const tabs = strips();
  for (const one of open.values()) {
    const column = columnOf(one);
    const shown = one.key === (isPhone() ? front[current] : front[column]);
    if (one.tab.parentElement !== tabs[column]) tabs[column]?.append(one.tab);
    one.panel.dataset.column = String(column);
    one.panel.toggleAttribute("data-hidden", !shown);
    one.tab.setAttribute("aria-selected", String(shown));
    one.tab.tabIndex = shown ? 0 : -1;
    if (shown !== one.shown) (shown ? one.tool.show : one.tool.hide)?.();
    one.shown = shown;
  }
  if (restored) remember("tools", [...open.values()].map((one) => ({ kind: one.kind.kind, slug: one.slug, column: one.column, front: front[one.column] === one.key })));
}

export function updateTools() {
  restore();
  for (const one of [...open.values()]) {
    const instance = instanceById(one.id);
    if (instance) {
      nameTab(one, instance);
      one.tool.update?.(instance);
    } else if (!one.tool.dirty?.()) closeTool(one.key); // what somebody typed stays for them to copy
  }
}

/** Once it is known what there is and who looks, open what was open here last time. */
function restore() {
  if (restored || !store.ready || !access.me) return;
  restored = true;
  const bySlug = new Map([AIKORE, ...store.instances.values()].map((instance) => [instance.slug, instance]));
  for (const { kind, slug, column, front: inFront } of recall("tools", /** @type {Remembered[]} */ ([]))) {
    const instance = bySlug.get(slug);
    const found = toolKind(kind);
    const key = `${kind}-${instance?.id}`;
    if (!instance || !found || !opens(found, instance) || open.has(key)) continue;
    make(key, found, instance, column === 1 ? 1 : 0);
    if (inFront) front[column === 1 ? 1 : 0] = key;
  }
  place();
}

export function beginTools() {
  strips().forEach(walkable);
  for (const [column, mover] of movers().entries()) {
    mover.append(icon("split"));
    mover.addEventListener("click", () => moveTool(front[column]));
  }
  makeDivider(byId("split-divider"), { name: "split", box: byId("tools"), least: 15, most: 85, usual: 50 });
  whenPhone(place);
  addEventListener("beforeunload", (event) => {
    if ([...open.values()].some((one) => one.tool.dirty?.())) event.preventDefault();
  });
  document.addEventListener("focusin", (event) => {
    const one = [...open.values()].find(({ panel, tab }) => panel.contains(/** @type {Node} */ (event.target)) || tab.contains(/** @type {Node} */ (event.target)));
    if (one && front[one.column] === one.key) current = one.column;
  });
}
