/** Tabs beside each other: views, logs and scripts of instances. A hidden tab keeps running. */

import { byId, el, setText } from "./dom.js";
import { log } from "./log.js";
import { makeScript } from "./script.js";
import { store } from "./store.js";
import { terminal } from "./terminal.js";
import { makeView } from "./view.js";

/** @import {Instance, ToolKind} from "./types.js" */

/**
 * @typedef {object} Tool
 * @property {HTMLElement} panel
 * @property {(instance: Instance) => void} [update]
 * @property {() => boolean} [mayClose]
 * @property {() => void} [close]
 */
/** @typedef {{tool: Tool, tab: HTMLElement, label: HTMLButtonElement, id: number, kind: string}} Open */

const MAKERS = { view: makeView, log: made(log), script: makeScript, terminal: made(terminal) };
const WORDS = { view: "", log: "log", script: "script", terminal: "terminal" };

/** @param {ToolKind} kind @returns {(instance: Instance) => Tool} */
function made(kind) {
  return (instance) => {
    const panel = el("div", {});
    const tool = kind.open(panel, instance);
    return { ...tool, panel, mayClose: () => !tool.dirty?.() || confirm("There are changes that are not saved. Close it all the same?") };
  };
}

/** @type {Map<string, Open>} */
const open = new Map();

/** @param {keyof typeof MAKERS} kind @param {Instance} instance */
export function openTool(kind, instance) {
  const key = `${kind}-${instance.id}`;
  if (!open.has(key)) open.set(key, make(key, kind, instance));
  show(key);
  document.body.dataset.pane = "tools";
  document.dispatchEvent(new CustomEvent("pane"));
}

/** @param {string} key @param {keyof typeof MAKERS} kind @param {Instance} instance @returns {Open} */
function make(key, kind, instance) {
  const tool = MAKERS[kind](instance);
  tool.panel.classList.add("panel");
  tool.panel.id = `panel-${key}`;
  tool.panel.setAttribute("role", "tabpanel");
  const label = el("button", { role: "tab", "aria-controls": tool.panel.id, "data-testid": `tab-${kind}`, onclick: () => show(key) });
  const tab = el("div", { class: "tab" }, label, el("button", { class: "close", "aria-label": "Close tab", text: "×", onclick: () => close(key) }));
  byId("tabs").append(tab);
  byId("panels").append(tool.panel);
  const made = { tool, tab, label, id: instance.id, kind };
  name(made, instance);
  return made;
}

/** @param {Open} made @param {Instance} instance */
function name(made, instance) {
  const word = WORDS[/** @type {keyof typeof WORDS} */ (made.kind)];
  setText(made.label, word ? `${instance.name} · ${word}` : instance.name);
  made.tool.panel.setAttribute("aria-label", made.label.textContent ?? "");
}

/** @param {string} key */
function show(key) {
  for (const [other, { tool, tab, label }] of open) {
    tool.panel.toggleAttribute("data-hidden", other !== key);
    tab.toggleAttribute("data-chosen", other === key);
    label.setAttribute("aria-selected", String(other === key));
  }
  byId("no-tool").hidden = open.size > 0;
}

/** @param {string} key */
function close(key) {
  const closing = open.get(key);
  if (!closing || closing.tool.mayClose?.() === false) return;
  closing.tool.close?.();
  closing.tool.panel.remove();
  closing.tab.remove();
  open.delete(key);
  const last = [...open.keys()].pop();
  if (last) show(last);
  byId("no-tool").hidden = open.size > 0;
}

export function updateTools() {
  for (const [key, made] of open) {
    const instance = store.instances.get(made.id);
    if (!instance) close(key);
    else {
      name(made, instance);
      made.tool.update?.(instance);
    }
  }
}
