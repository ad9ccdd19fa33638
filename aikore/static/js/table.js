/** The table of instances: one row per instance, kept and patched in place. */

import { access } from "./access.js";
import { openMenu, send } from "./actions.js";
import { byId, el, setText } from "./dom.js";
import { store } from "./store.js";
import { openTool } from "./tools.js";

/** @import {Instance} from "./types.js" */

/** @typedef {{row: HTMLTableRowElement, update: (instance: Instance) => void}} Row */

/** @type {Map<number, Row>} */
const rows = new Map();
/** @type {number | null} */
let chosen = null;

/** @returns {Instance | undefined} */
export function chosenInstance() {
  return chosen === null ? undefined : store.instances.get(chosen);
}

/** @param {Instance} instance */
function statusWords(instance) {
  return instance.status_detail ? `${instance.status} · ${instance.status_detail}` : instance.status;
}

/** @param {number} id @returns {Row} */
function makeRow(id) {
  const current = () => /** @type {Instance} */ (store.instances.get(id));
  const title = el("span", { class: "title" });
  const sub = el("span", { class: "sub" });
  const words = el("span", { class: "words" });
  const since = el("time", { class: "since" });
  const state = el("span", { class: "state" }, el("i", { "aria-hidden": "true" }), words, since);
  const gpus = el("td");
  const port = el("td", { class: "number" });
  const go = el("button", { "data-testid": "toggle", onclick: () => void send(current(), go.dataset.action ?? "start") });
  const view = el("button", { text: "Open", "data-testid": "view", onclick: () => openTool("view", current()) });
  const log = el("button", { text: "Log", "data-testid": "log", onclick: () => openTool("log", current()) });
  const more = el("button", { text: "⋯", "aria-label": "More", "aria-haspopup": "menu", "data-testid": "more", onclick: () => openMenu(current(), more) });
  const row = el("tr", { tabindex: "0", "data-instance": id, onfocusin: () => choose(id), onclick: () => choose(id) },
    el("td", { class: "name" }, el("span", { class: "line" }, title, sub)), el("td", { class: "status" }, state), gpus, port,
    el("td", { class: "acts" }, go, view, log, more));
  const update = (/** @type {Instance} */ instance) => {
    row.dataset.status = instance.status;
    setText(title, instance.name);
    title.title = instance.name;
    setText(sub, instance.is_comfyui_active_slot ? `${instance.base_blueprint} · /comfyui/` : instance.base_blueprint);
    setText(words, statusWords(instance));
    since.dateTime = instance.status_since;
    setText(since, ago(instance.status_since));
    state.title = `${statusWords(instance)}\nsince ${new Date(instance.status_since).toLocaleString()}`;
    gpus.replaceChildren(...gpuChips(instance.gpu_ids));
    setText(port, String(instance.port));
    const action = instance.actions.includes("stop") ? "stop" : "start";
    go.dataset.action = action;
    setText(go, action === "stop" ? "Stop" : "Start");
    go.hidden = !access.may("operator");
    go.disabled = !instance.actions.includes(action);
    for (const button of [go, view, log, more]) button.setAttribute("aria-description", instance.name);
  };
  return { row, update };
}

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;

/** @param {string} time @returns {string} how long ago, in the largest unit that fits */
function ago(time) {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(time)) / 1000));
  if (seconds < MINUTE) return `${seconds} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  return seconds < 2 * DAY ? `${Math.floor(seconds / HOUR)} h` : `${Math.floor(seconds / DAY)} d`;
}

/** Let the shown times grow; while the connection is lost they stand still. */
export function updateTimes() {
  if (store.lostSince || document.hidden) return;
  for (const time of byId("rows").querySelectorAll("time")) setText(time, ago(time.dateTime));
}

/** @param {string[] | null} ids @returns {HTMLElement[]} */
function gpuChips(ids) {
  const texts = ids === null ? ["all"] : ids.length === 0 ? ["CPU"] : ids.map((id) => (id.length > 8 ? id.slice(0, 8) : id));
  return texts.map((text) => el("span", { class: "chip", text }));
}

/** @param {number} id */
function choose(id) {
  chosen = id;
  for (const [other, { row }] of rows) row.setAttribute("aria-selected", String(other === id));
}

/** @param {-1 | 1} step */
export function moveChoice(step) {
  const visible = [...rows.values()].map(({ row }) => row).filter((row) => !row.hidden);
  const at = visible.findIndex((row) => row.getAttribute("aria-selected") === "true");
  visible[Math.min(visible.length - 1, Math.max(0, at + step))]?.focus();
}

export function updateTable() {
  const body = byId("rows");
  for (const [id, { row }] of rows) {
    if (!store.instances.has(id)) {
      row.remove();
      rows.delete(id);
      if (chosen === id) chosen = null;
    }
  }
  for (const instance of store.instances.values()) {
    let row = rows.get(instance.id);
    if (!row) {
      row = makeRow(instance.id);
      rows.set(instance.id, row);
      body.append(row.row);
    }
    row.update(instance);
  }
  filterTable();
}

/** @param {Instance} instance */
export function updateRow(instance) {
  const row = rows.get(instance.id);
  if (row) row.update(instance);
  else updateTable();
}

export function filterTable() {
  const sought = /** @type {HTMLInputElement} */ (byId("filter")).value.trim().toLowerCase();
  let shown = 0;
  for (const instance of store.instances.values()) {
    const row = rows.get(instance.id)?.row;
    const matches = `${instance.name} ${instance.base_blueprint} ${instance.status}`.toLowerCase().includes(sought);
    if (row) row.hidden = !matches;
    if (matches) shown++;
  }
  byId("loading").hidden = store.ready;
  byId("empty").hidden = !store.ready || store.instances.size > 0;
  byId("no-match").hidden = shown > 0 || store.instances.size === 0;
}
