/** One tool takes the whole window; a thin handle leads back. */

import { el } from "../kit/dom.js";

/** @param {Element | null | undefined} panel */
export function enterWhole(panel) {
  if (!panel || document.getElementById("leave-whole")) return;
  panel.setAttribute("data-whole", "");
  document.body.classList.add("whole");
  const handle = el("button", { id: "leave-whole", "aria-label": "Back to AiKore", title: "Back to AiKore (Esc)", text: "⌄", onclick: () => leaveWhole() });
  document.body.append(handle);
  handle.focus();
}

/** @returns {boolean} whether the window was whole */
export function leaveWhole() {
  document.getElementById("leave-whole")?.remove();
  document.querySelector("[data-whole]")?.removeAttribute("data-whole");
  const was = document.body.classList.contains("whole");
  document.body.classList.remove("whole");
  return was;
}
