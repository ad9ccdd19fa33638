/** The order that people give the table by hand, dragged by a row's drawing or moved by keys. The server keeps it for all. */

import { call } from "./api.js";
import { rearrange, sorted } from "./arrange.js";
import { store } from "./store.js";
import { attempt } from "./toasts.js";

/** Put an instance before or after another one. What was sorted by a column keeps its order and is now by hand.
 * @param {number} id @param {number} target @param {boolean} after @param {() => void} done */
export async function putBeside(id, target, after, done) {
  const moved = store.instances.get(id);
  const all = sorted(store.instances.values()).filter((instance) => instance !== moved);
  const at = all.findIndex((instance) => instance.id === target);
  if (!moved || at < 0) return;
  all.splice(after ? at + 1 : at, 0, moved);
  if (!(await attempt(call("POST", "/api/instances/order", { ids: all.map((instance) => instance.id) })))) return;
  rearrange({ sort: "", falling: false });
  done();
}

/** @param {HTMLElement} handle @param {number} id @param {() => void} dropped */
export function draggable(handle, id, dropped) {
  handle.addEventListener("pointerdown", (event) => {
    if (event.button === 0) follow(id, dropped);
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
    const row = document.elementFromPoint(event.clientX, event.clientY)?.closest("tr[data-instance]");
    target = row instanceof HTMLElement && row.dataset.instance !== String(id) ? row : null;
    if (!target) return;
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
    const [where, beside] = [target?.dataset.drop, Number(target?.dataset.instance)];
    end();
    if (!where) return;
    void putBeside(id, beside, where === "after", dropped);
  }, { signal });
}
