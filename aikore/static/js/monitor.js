/** The load of the machine, in the pane at the bottom. */

import { el } from "./dom.js";

/** @param {HTMLElement} section its `data-open` says whether it is unfolded, a `fold` event that this changed */
export function mountMonitoring(section) {
  section.append(el("p", { class: "hint", text: "Load" }));
}
