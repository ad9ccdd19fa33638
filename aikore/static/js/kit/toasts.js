/** Short notices in the corner; what can be undone offers it. */

import { byId, el } from "./dom.js";
import { messageOf } from "./problems.js";

const SHOWN_MS = 8000;

/**
 * @param {string} message
 * @param {{error?: boolean, action?: string, run?: () => void}} [options]
 */
export function toast(message, options = {}) {
  const box = el("div", { class: options.error ? "toast error" : "toast", "data-testid": "toast" }, el("span", { text: message }));
  const leave = () => box.remove();
  if (options.action) {
    box.append(el("button", { class: "quiet", text: options.action, "data-testid": "toast-action", onclick: () => { leave(); options.run?.(); } }));
  }
  box.append(el("button", { class: "quiet", "aria-label": "Close", text: "×", onclick: leave }));
  byId("toasts").append(box);
  if (!options.error) setTimeout(leave, SHOWN_MS);
}

/** Run something and show what stands in its way.
 * @param {Promise<unknown>} work @returns {Promise<boolean>} */
export async function attempt(work) {
  try {
    await work;
    return true;
  } catch (error) {
    toast(messageOf(error), { error: true });
    return false;
  }
}
