/** The order that people give the table by hand, dragged by a row's drawing or moved by keys. The server keeps it for all. */

import { access } from "../access.js";
import { call } from "../api.js";
import { arrangement, rearrange, sorted } from "./arrange.js";
import { byId } from "../../kit/dom.js";
import { store } from "../store.js";
import { attempt } from "../../kit/toasts.js";

/** @import {Instance} from "../types.js" */

/** Put an instance before or after another one; where groups are shown, it joins that one's group. What was sorted by a column keeps its order and is now by hand.
 * @param {number} id @param {number} target @param {boolean} after @param {() => void} done */
export async function putBeside(id, target, after, done) {
  const moved = store.instances.get(id);
  const all = sorted(store.instances.values()).filter((instance) => instance !== moved);
  const at = all.findIndex((instance) => instance.id === target);
  if (!moved || at < 0 || !access.may("instances.edit")) return;
  if (arrangement.grouping === "group" && !(await join(moved, /** @type {Instance} */ (all[at]).group))) return;
  all.splice(after ? at + 1 : at, 0, moved);
  if (!(await attempt(call("POST", "/api/instances/order", { ids: all.map((instance) => instance.id) })))) return;
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
