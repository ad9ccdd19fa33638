/** The three panes: their sizes, the folded monitoring, and one pane at a time on a phone. */

import { makeDivider } from "../kit/divider.js";
import { byId, setText } from "../kit/dom.js";
import { icon } from "../kit/icons.js";
import { recall, remember } from "../kit/memory.js";

/** @typedef {"instances" | "tools" | "load"} Pane */

const PHONE = "(max-width: 760px)";

/** @returns {boolean} whether there is room for one pane only */
export const isPhone = () => matchMedia(PHONE).matches;

/** @param {() => void} changed */
export const whenPhone = (changed) => matchMedia(PHONE).addEventListener("change", changed);

let unfolded = Boolean(recall("monitoring", false));

/** On a phone, bring a pane to the front. @param {Pane} pane */
export function showPane(pane) {
  document.body.dataset.pane = pane;
  for (const button of document.querySelectorAll("nav.phone button")) {
    button.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (button).dataset.pane === pane));
  }
  showFold();
}

export function toggleMonitoring() {
  unfolded = !unfolded;
  remember("monitoring", unfolded);
  showFold();
}

/** `data-open` of #monitoring says whether it is unfolded; a `fold` event tells of a change. */
function showFold() {
  const section = byId("monitoring");
  const open = String(unfolded || isPhone());
  byId("panes").toggleAttribute("data-monitoring", unfolded);
  byId("fold").setAttribute("aria-expanded", String(unfolded));
  setText(byId("fold-words"), unfolded ? "Fold the load" : "Unfold the load");
  if (section.dataset.open === open) return;
  section.dataset.open = open;
  section.dispatchEvent(new Event("fold"));
}

/** The next pane that is shown gets the focus. */
export function nextPane() {
  const shown = ["instances", "tools", "bottom"].map(byId).filter((pane) => pane.checkVisibility());
  const at = shown.findIndex((pane) => pane.contains(document.activeElement));
  const pane = shown[(at + 1) % shown.length];
  const first = pane?.querySelector('[tabindex="0"], button:not([hidden], [tabindex]), input');
  if (first instanceof HTMLElement) first.focus();
}

export function beginLayout() {
  const panes = byId("panes");
  makeDivider(byId("divider"), { name: "left", box: panes, least: 20, most: 80, usual: 50 });
  makeDivider(byId("bottom-divider"), { name: "bottom", box: panes, least: 15, most: 75, usual: 35, fromEnd: true });
  byId("fold").prepend(icon("fold"));
  byId("fold").addEventListener("click", toggleMonitoring);
  for (const button of document.querySelectorAll("nav.phone button")) {
    button.addEventListener("click", () => showPane(/** @type {Pane} */ (/** @type {HTMLElement} */ (button).dataset.pane)));
  }
  whenPhone(showFold);
  showPane("instances");
}
