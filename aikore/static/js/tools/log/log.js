/** A log: all that is kept, and what comes; others beside it, in the order of time. */

import { store } from "../../house/store.js";
import { address } from "../../kit/base.js";
import { el, setText } from "../../kit/dom.js";
import { recall, remember } from "../../kit/memory.js";
import { popMenu } from "../../kit/menu.js";
import { attempt } from "../../kit/toasts.js";
import { loadStyleOf } from "../../kit/vendor.js";
import { makeFinder } from "./finder.js";
import { Pane } from "./pane.js";
import { Source } from "./source.js";
import { Together } from "./together.js";

/** @import {Instance, Tool, ToolKind} from "../../house/types.js" */

/** @type {ToolKind} */
export const log = { kind: "log", label: "Log", key: "l", permission: "logs.read", open };

/** @param {HTMLElement} panel @param {Instance} instance @returns {Tool} */
function open(panel, instance) {
  const source = new Source(instance.id);
  const pane = new Pane(source, `Log of ${instance.name}`);
  const finder = makeFinder(source, pane, "Search the whole log");
  const follow = el("button", { text: "Follow", "aria-pressed": "true", "data-testid": "log-follow", onclick: () => (pane.follow ? pane.hold() : void attempt(pane.toEnd())) });
  const problem = el("p", { class: "problem", role: "alert" });
  pane.addEventListener("follow", () => follow.setAttribute("aria-pressed", String(pane.follow)));
  pane.addEventListener("gone", (event) => setText(problem, /** @type {CustomEvent} */ (event).detail));
  const host = el("div", { class: "log-host" }, pane.node);
  const others = makeOthers(instance, host, pane, [finder.form, follow]);
  panel.append(el("div", { class: "tools-bar log-bar" }, finder.form, others.bar, el("span", { class: "space" }), follow,
    choice(host, pane, "wrap", "Wrap", true), choice(host, pane, "times", "Times", false),
    el("a", { href: address(`${source.base}/download`), download: "", text: "Download", "data-testid": "log-download" }), problem), host);
  const begun = attempt(loadStyleOf("log").then(() => pane.toEnd()));
  const at = markPlace(pane);
  return { close: () => { finder.close(); pane.close(); others.close(); }, show: () => pane.later(), at: (offset) => void attempt(begun.then(() => at(offset))) };
}

/** @param {Pane} pane @returns {(offset: number) => Promise<void>} shows the line that holds a byte, marked wherever it is drawn */
function markPlace(pane) {
  let place = -1;
  const mark = () => {
    pane.block.querySelector(".here")?.classList.remove("here");
    if (place >= pane.stretch.first) pane.rowOf(place)?.classList.add("here");
  };
  pane.addEventListener("draw", mark);
  return async (offset) => {
    place = offset;
    await pane.show(offset);
    mark();
  };
}

/** A choice of how lines look, which the browser remembers.
 * @param {HTMLElement} host @param {Pane} pane @param {string} name @param {string} words @param {boolean} usual */
function choice(host, pane, name, words, usual) {
  const on = recall(`log-${name}`, usual);
  const button = el("button", { text: words, "aria-pressed": String(on), "data-testid": `log-${name}` });
  host.classList.toggle(name, on);
  button.addEventListener("click", () => {
    const now = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(now));
    remember(`log-${name}`, now);
    pane.redraw(() => host.classList.toggle(name, now));
  });
  return button;
}

/** The logs beside this one.
 * @param {Instance} instance @param {HTMLElement} host @param {Pane} pane @param {HTMLElement[]} alone what is only for one log */
function makeOthers(instance, host, pane, alone) {
  /** @type {Set<number>} */
  const chosen = new Set();
  /** @type {Together | null} */
  let together = null;
  /** @type {ReturnType<typeof makeFinder> | null} */
  let finder = null;
  const search = el("span", { class: "others" });
  const names = el("span", { class: "others" });
  const add = el("button", { text: "With …", "aria-haspopup": "menu", "data-testid": "log-with", onclick: () => menu() });

  const menu = () => {
    const rest = [...store.instances.values()].filter(({ id }) => id !== instance.id && !chosen.has(id));
    popMenu(add, rest.map(({ id, name }) => [String(id), name, () => { chosen.add(id); show(); }]), rest.length ? "In the order of time with" : "There is no other instance.");
  };
  const close = () => {
    finder?.close();
    together?.close();
  };
  const show = () => {
    const instances = [instance.id, ...chosen].flatMap((id) => store.instances.get(id) ?? []);
    names.replaceChildren(...instances.slice(1).map(({ id, name }) => el("button", { text: `${name} ×`, title: `Without ${name}`, onclick: () => { chosen.delete(id); show(); } })));
    close();
    together = chosen.size ? new Together(instances) : null;
    finder = together && makeFinder(together, together, "Search these logs");
    search.replaceChildren(...(finder ? [finder.form] : []));
    for (const one of alone) one.hidden = together !== null;
    host.replaceChildren(together?.node ?? pane.node);
    if (together) void attempt(together.begin());
    else pane.later();
  };
  return { bar: el("span", { class: "others" }, search, names, add), close };
}
