/** A bar between two panes that is dragged by pointer or moved by arrow keys. Its size is remembered. */

import { recall, remember } from "./memory.js";

const STEP = 2;

/**
 * @typedef {object} Bounds
 * @property {string} name under which the size is remembered; also the CSS variable
 * @property {HTMLElement} box whose share is given, in percent
 * @property {number} least
 * @property {number} most
 * @property {number} usual
 * @property {boolean} [fromEnd] whether the share counts from the right or from below
 */

/** @param {HTMLElement} bar a `role="separator"` @param {Bounds} bounds */
export function makeDivider(bar, { name, box, least, most, usual, fromEnd = false }) {
  const upright = bar.getAttribute("aria-orientation") === "vertical";
  let share = usual;
  /** @param {number} wanted */
  const set = (wanted) => {
    share = Math.min(most, Math.max(least, Number.isFinite(wanted) ? wanted : usual));
    box.style.setProperty(`--${name}`, `${share}%`);
    bar.setAttribute("aria-valuenow", String(Math.round(share)));
  };
  /** @param {number} wanted */
  const move = (wanted) => {
    set(wanted);
    remember(name, share);
  };
  bar.setAttribute("aria-valuemin", String(least));
  bar.setAttribute("aria-valuemax", String(most));
  bar.addEventListener("pointerdown", (event) => {
    bar.setPointerCapture(event.pointerId);
    document.body.classList.add("dragging"); // an embedded page would swallow the pointer
  });
  bar.addEventListener("pointermove", (event) => {
    if (!bar.hasPointerCapture(event.pointerId)) return;
    const frame = box.getBoundingClientRect();
    const part = upright ? (event.clientX - frame.left) / frame.width : (event.clientY - frame.top) / frame.height;
    move((fromEnd ? 1 - part : part) * 100);
  });
  bar.addEventListener("lostpointercapture", () => document.body.classList.remove("dragging"));
  bar.addEventListener("dblclick", () => move(usual));
  bar.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === "Home") move(least);
    else if (event.key === "End") move(most);
    else if (event.key === "Enter") move(usual);
    else if (way) move(share + (fromEnd ? -way : way) * STEP);
    else return;
    event.preventDefault();
  });
  set(Number(recall(name, usual)));
}
