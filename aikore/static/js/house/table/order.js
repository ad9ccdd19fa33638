/** The order that people give the table by hand, dragged by a row's drawing or moved by keys. The server keeps it for all. */

import { access } from "../access.js";
import { call } from "../api.js";
import { store } from "../store.js";
import { arrangement, rearrange, sorted } from "./arrange.js";
import { byId } from "../../kit/dom.js";
import { attempt } from "../../kit/toasts.js";

/** @import {Instance} from "../types.js" */

/** @param {number[]} ids in their order @param {number} id @param {number} target @param {boolean} after @returns {number[]} the order with one put before or after another */
export function placed(ids, id, target, after) {
  const all = ids.filter((other) => other !== id);
  all.splice(all.indexOf(target) + Number(after), 0, id);
  return all;
}

/** Put an instance before or after another one; where groups are shown, it joins that one's group. What was sorted by a column keeps its order and is now by hand.
 * @param {number} id @param {number} target @param {boolean} after @param {() => void} done */
export async function putBeside(id, target, after, done) {
  const [moved, beside] = [store.instances.get(id), store.instances.get(target)];
  if (!moved || !beside || moved === beside || !access.may("instances.edit")) return;
  const ids = placed(sorted(store.instances.values()).map((instance) => instance.id), id, target, after);
  if (arrangement.grouping === "group" && !(await join(moved, beside.group))) return;
  if (!(await attempt(call("POST", "/api/instances/order", { ids })))) return;
  rearrange({ sort: "", falling: false });
  done();
}

/** @param {Instance} instance @param {string} group @returns {Promise<unknown>} something true when it is in the group */
async function join(instance, group) {
  return instance.group === group || attempt(call("PATCH", `/api/instances/${instance.id}`, { group }));
}

/** @param {HTMLElement} handle @param {number} id @param {() => void} dropped */
export function draggable(handle, id, dropped) {
  handle.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && access.may("instances.edit")) follow(id, dropped);
  });
}

/** Follow the pointer until it is let go of. @param {number} id @param {() => void} dropped */
function follow(id, dropped) {
  const listening = new AbortController();
  const { signal } = listening;
  /** @type {HTMLElement | null} */
  let target = null;
  const unmark = () => target?.removeAttribute("data-drop");
  /** @param {PointerEvent} event */
  const over = (event) => {
    unmark();
    const { left } = byId("rows").getBoundingClientRect(); // where the heads of groups have their only cell
    const row = document.elementFromPoint(left + 17, event.clientY)?.closest("tr[data-instance], tr[data-joined]");
    target = row instanceof HTMLElement && row.dataset.instance !== String(id) ? row : null;
    if (!target) return;
    if (target.dataset.joined !== undefined) return void (target.dataset.drop = "in");
    const frame = target.getBoundingClientRect();
    target.dataset.drop = event.clientY > frame.top + frame.height / 2 ? "after" : "before";
  };
  const end = () => {
    unmark();
    document.body.classList.remove("dragging");
    listening.abort();
  };
  document.body.classList.add("dragging");
  document.addEventListener("pointermove", over, { signal });
  document.addEventListener("pointercancel", end, { signal });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") end(); }, { signal });
  document.addEventListener("pointerup", () => {
    const [where, beside, joined] = [target?.dataset.drop, Number(target?.dataset.instance), target?.dataset.joined];
    end();
    const moved = store.instances.get(id);
    if (!where || !moved) return;
    if (joined !== undefined) void join(moved, joined);
    else void putBeside(id, beside, where === "after", dropped);
  }, { signal });
}
