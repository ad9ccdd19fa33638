/** A log: all that is kept, and what comes. */

import { address } from "./api.js";
import { el, setText } from "./dom.js";
import { makeFinder } from "./log/finder.js";
import { Pane } from "./log/pane.js";
import { Source } from "./log/source.js";
import { recall, remember } from "./memory.js";
import { attempt } from "./toasts.js";
import { loadStyleOf } from "./vendor.js";

/** @import {Instance, Tool, ToolKind} from "./types.js" */

/** @type {ToolKind} */
export const log = { kind: "log", label: "Log", key: "l", open };

/** @param {HTMLElement} panel @param {Instance} instance @returns {Tool} */
function open(panel, instance) {
  const source = new Source(instance.id);
  const pane = new Pane(source, `Log of ${instance.name}`);
  const finder = makeFinder(source, pane);
  const follow = el("button", { text: "Follow", "aria-pressed": "true", "data-testid": "log-follow", onclick: () => (pane.follow ? pane.hold() : void attempt(pane.toEnd())) });
  const problem = el("p", { class: "problem", role: "alert" });
  pane.addEventListener("follow", () => follow.setAttribute("aria-pressed", String(pane.follow)));
  pane.addEventListener("gone", (event) => setText(problem, /** @type {CustomEvent} */ (event).detail));
  panel.append(el("div", { class: "tools-bar log-bar" }, finder.form, el("span", { class: "space" }), follow,
    choice(pane, "wrap", "Wrap", true), choice(pane, "times", "Times", false),
    el("a", { href: address(`${source.base}/download`), download: "", text: "Download", "data-testid": "log-download" }), problem), pane.node);
  void attempt(loadStyleOf("log").then(() => pane.toEnd()));
  return { close: () => { finder.close(); pane.close(); }, show: () => pane.later() };
}

/** A choice of how lines look, which the browser remembers. @param {Pane} pane @param {string} name @param {string} words @param {boolean} usual */
function choice(pane, name, words, usual) {
  const on = recall(`log-${name}`, usual);
  const button = el("button", { text: words, "aria-pressed": String(on), "data-testid": `log-${name}` });
  pane.node.classList.toggle(name, on);
  button.addEventListener("click", () => {
    const now = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(now));
    remember(`log-${name}`, now);
    pane.redraw(() => pane.node.classList.toggle(name, now));
  });
  return button;
}
