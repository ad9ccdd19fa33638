/** One row of the table, made once and patched in place. */

import { access } from "../access.js";
import { openMenu, send, toggling } from "../actions.js";
import { isGone, pinWords } from "../pins.js";
import { store } from "../store.js";
import { blueprintName, drawingOf } from "./arrange.js";
import { openTool } from "../tools.js";
import { el, setText } from "../../kit/dom.js";
import { icon } from "../../kit/icons.js";
import { ago } from "../../kit/times.js";

/** @import {Instance, Pin} from "../types.js" */

/**
 * @typedef {object} Row
 * @property {HTMLTableRowElement} row
 * @property {() => void} fill give it its cells; until then it has its name
 * @property {(instance: Instance) => void} update
 * @property {(yes: boolean) => void} chosen whether it is chosen together with others
 * @property {(now: boolean) => void} current whether it is the row that keys mean; only it can be reached by Tab
 */

/** The columns of the table: name, heading, hint. The order of the cells below. */
export const COLUMNS = /** @type {const} */ ([
  ["name", "Name", ""], ["blueprint", "Blueprint", ""], ["status", "Status", ""], ["gpu", "GPU", "The GPUs it may use"],
  ["cpu", "CPU", "Processor"], ["memory", "RAM", "Memory"], ["vram", "VRAM", "Memory of GPUs"],
  ["auto", "Auto", "Starts with AiKore"], ["address", "Address", ""],
]);

/** @param {string} name @param {...Node} content */
const cell = (name, ...content) => el("td", { class: `c-${name}` }, ...content);
/** @param {string} figure */
const figure = (figure) => el("td", { class: `c-${figure === "gpu" ? "vram" : figure} figure`, "data-figure": figure });

/** @param {number} id @param {(id: number) => void} choose @param {(handle: HTMLElement) => void} filled it has a handle by which it is dragged @returns {Row} */
export function makeRow(id, choose, filled) {
  const now = () => /** @type {Instance} */ (store.instances.get(id));
  const name = cell("name");
  /** @type {ReturnType<typeof makeCells> | undefined} */
  let cells;
  const menu = (/** @type {MouseEvent} */ event) => {
    if (!cells || event.target instanceof HTMLAnchorElement) return; // a link keeps the browser's own menu
    event.preventDefault();
    openMenu(now(), cells.more);
  };
  const row = el("tr", { tabindex: "-1", "data-instance": id, onfocusin: () => choose(id), onclick: () => choose(id), oncontextmenu: menu }, cell("choose"), name);
  return {
    row,
    fill: () => {
      if (cells) return;
      cells = makeCells(now);
      row.replaceChildren(...cells.all);
      cells.update(now());
      cells.chosen(row.ariaSelected === "true");
      filled(cells.handle);
    },
    update: (instance) => {
      row.dataset.status = instance.status;
      if (cells) cells.update(instance);
      else setText(name, instance.name);
    },
    chosen: (yes) => {
      row.ariaSelected = String(yes);
      cells?.chosen(yes);
    },
    current: (yes) => {
      row.toggleAttribute("data-current", yes);
      for (const node of [row, ...(cells?.reachable() ?? [])]) node.tabIndex = yes ? 0 : -1;
    },
  };
}

/** @param {() => Instance} now */
function makeCells(now) {
  const box = el("input", { type: "checkbox", "data-testid": "choose", tabindex: "-1" });
  const handle = el("span", { class: "handle" });
  const title = el("span", { class: "title" });
  const slot = el("span", { class: "chip", text: "/comfyui/", title: "Also answers at /comfyui/" });
  const blueprint = el("span", { class: "sub" });
  const words = el("span", { class: "words" });
  const since = el("time", { class: "since" });
  const status = el("span", { class: "unseen" });
  const state = el("span", { class: "state" }, el("i", { "aria-hidden": "true" }), status, words, since);
  const warned = el("button", { class: "chip warned", "data-testid": "warnings", onclick: () => openTool("log", now(), now().warnings?.offset) });
  const gone = el("span", { class: "chip gone", "data-testid": "gpu-gone" });
  const gpus = cell("gpu");
  const auto = cell("auto");
  const address = el("a", { target: "_blank", rel: "noopener" });
  const go = el("button", { "data-testid": "toggle", onclick: () => void send(now(), toggling(now())) });
  const view = el("button", { class: "picture", title: "View (V)", "aria-label": "View", "data-testid": "view", onclick: () => openTool("view", now()) }, icon("open"));
  const log = el("button", { class: "picture", title: "Log (L)", "aria-label": "Log", "data-testid": "log", onclick: () => openTool("log", now()) }, icon("lines"));
  const more = el("button", { class: "picture", title: "More (M)", "aria-label": "More", "aria-haspopup": "menu", "data-testid": "more", onclick: () => openMenu(now(), more) }, icon("more"));
  const all = [
    cell("choose", box), cell("name", el("span", { class: "line", ondblclick: () => openTool("view", now()) }, handle, title, slot, warned, gone)), cell("blueprint", blueprint), cell("status", state), gpus,
    figure("cpu"), figure("memory"), figure("gpu"), auto, cell("address", address), cell("acts", el("span", { class: "acts" }, go, view, log, more)),
  ];
  for (const node of [box, warned, address, go, view, log, more]) node.tabIndex = -1;
  const reachable = () => [box, warned, ...(address.href ? [address] : []), go, view, log, more];
  let drawing = "";
  const update = (/** @type {Instance} */ instance) => {
    setText(title, instance.name);
    title.title = instance.name;
    showWarnings(instance, warned);
    slot.hidden = !instance.is_comfyui_active_slot;
    setText(blueprint, blueprintName(instance));
    const wanted = drawingOf(instance);
    if (wanted !== drawing) handle.replaceChildren(icon(drawing = wanted));
    showState(instance, state, status, words, since);
    gpus.replaceChildren(...gpuChips(instance.gpus));
    showGone(instance.gpus, gone);
    setText(auto, instance.autostart ? "auto" : "");
    if (access.may("apps.open")) address.href = instance.urls.path;
    else address.removeAttribute("href");
    setText(address, instance.urls.path);
    setText(go, toggling(instance) === "stop" ? "Stop" : "Start");
    go.dataset.action = toggling(instance);
    handle.title = access.may("instances.edit") ? "Drag to order" : "";
    go.hidden = !access.may("instances.run");
    view.hidden = !access.may("apps.open");
    log.hidden = !access.may("logs.read");
    go.disabled = !instance.actions.includes(toggling(instance));
    box.setAttribute("aria-label", `Choose ${instance.name}`);
    for (const button of [go, view, log, more]) button.setAttribute("aria-description", instance.name);
  };
  const chosen = (/** @type {boolean} */ yes) => { box.checked = yes; };
  return { all, handle, more, reachable, update, chosen };
}

/** The shape says the status and the words why, or at which stage; without a reason the words say the status.
 * @param {Instance} instance @param {HTMLElement} state @param {HTMLElement} name @param {HTMLElement} words @param {HTMLTimeElement} since */
function showState({ status, status_detail: detail, status_since: time, failure, exit_signal: signal }, state, name, words, since) {
  setText(name, detail ? `${status}: ` : "");
  setText(words, (!signal && failure?.cause) || detail || status); // why a signal came is only guessed
  since.dateTime = time;
  setText(since, ago(time));
  state.title = `${detail ? `${status}: ${detail}` : status}\nsince ${new Date(time).toLocaleString()}`;
}

/** Leads to the line of the log that its blueprint warns of. @param {Instance} instance @param {HTMLElement} chip */
function showWarnings({ name, warnings }, chip) {
  chip.hidden = !warnings || !access.may("logs.read");
  if (!warnings) return;
  setText(chip, `⚠ ${warnings.count}`);
  chip.title = `${warnings.text}${warnings.count > 1 ? `\nand ${warnings.count - 1} more in its log` : ""}`;
  chip.setAttribute("aria-label", `${warnings.count === 1 ? "A warning" : `${warnings.count} warnings`} in the log of ${name}`);
}

/** Says that a chosen GPU is gone, where there is no room for the column of GPUs. @param {Pin[] | null} pins @param {HTMLElement} chip */
function showGone(pins, chip) {
  const found = (pins ?? []).filter(isGone);
  chip.hidden = !found.length;
  setText(chip, found[0] ? `GPU ${found[0].state}` : "");
  chip.title = found.map(({ reason }) => reason).join("\n");
}

/** @param {Pin[] | null} pins @returns {HTMLElement[]} */
function gpuChips(pins) {
  const chip = (/** @type {string} */ text) => el("span", { class: "chip", text });
  if (!pins?.length) return [chip(pins ? "CPU" : "all")];
  return pins.map((pin) => el("span", {
    class: isGone(pin) ? "chip gone" : "chip", "data-pin": pin.state, title: pin.reason || `GPU ${pin.id ?? pin.uuid}: ${pin.name}`,
    text: isGone(pin) ? `${pinWords(pin)} ${pin.state}` : pinWords(pin),
  }));
}
