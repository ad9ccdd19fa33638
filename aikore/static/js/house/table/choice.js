/** Several instances chosen together, and what can be done with all of them. */

import { access } from "../access.js";
import { send } from "../actions.js";
import { store } from "../store.js";
import { byId, el, setText } from "../../kit/dom.js";

/** @import {Instance} from "../types.js" */

/** @type {Set<number>} ids */
export const together = new Set();
/** @type {number | null} where a range begins */
let anchor = null;
/** @type {number[]} what the last range took in; another one from the same beginning replaces it */
let range = [];

/** @type {[string, string][]} */
const BULK_ACTIONS = [["start", "Start"], ["stop", "Stop"], ["restart", "Restart"]];
/** @type {HTMLButtonElement[]} */
const buttons = [];

/** Offer what can be done with all. */
export function beginChoice() {
  buttons.push(...BULK_ACTIONS.map(([action, text]) => el("button", { text, "data-testid": `all-${action}`, onclick: () => {
    for (const instance of chosen()) if (instance.actions.includes(action)) void send(instance, action);
  } })));
  byId("bulk-actions").append(...buttons);
}

/** @returns {Instance[]} */
const chosen = () => [...together].flatMap((id) => store.instances.get(id) ?? []);

/** @param {number} id @param {boolean} yes */
export function chooseOne(id, yes) {
  if (yes) together.add(id);
  else together.delete(id);
  anchor = id;
  range = [];
}

/** Choose everything between where the last choice was made and this. @param {number[]} order @param {number} id */
export function chooseRange(order, id) {
  const from = order.indexOf(anchor ?? id);
  const to = order.indexOf(id);
  if (from < 0) return chooseOne(id, true);
  for (const before of range) together.delete(before);
  range = order.slice(Math.min(from, to), Math.max(from, to) + 1);
  for (const between of range) together.add(between);
}

/** @param {number} id where a range would begin */
export function anchorAt(id) {
  if (!together.size) anchor = id;
}

/** Show how many are chosen and what is possible with them. @param {number[]} order the ids that are shown */
export function showChoice(order) {
  for (const id of together) if (!store.instances.has(id)) together.delete(id);
  const all = /** @type {HTMLInputElement} */ (byId("choose-all"));
  all.checked = order.length > 0 && order.every((id) => together.has(id));
  all.indeterminate = together.size > 0 && !all.checked;
  byId("chosen").hidden = together.size === 0;
  setText(byId("chosen-count"), `${together.size} chosen`);
  for (const [index, [action]] of BULK_ACTIONS.entries()) {
    const button = /** @type {HTMLButtonElement} */ (buttons[index]);
    button.hidden = !access.may("instances.run");
    button.disabled = !chosen().some((instance) => instance.actions.includes(action));
  }
}
