/** Begins the page: wires the store to the views and the keys to the actions. */

import { access } from "./access.js";
import { openMenu, send, toggle } from "./actions.js";
import { byId, el, setText } from "./dom.js";
import { newInstance } from "./form.js";
import { showPerson } from "./person.js";
import { connect } from "./socket.js";
import { store } from "./store.js";
import { chosenInstance, filterTable, moveChoice, updateRow, updateTable, updateTimes } from "./table.js";
import { toast } from "./toasts.js";
import { openTool, updateTools } from "./tools.js";
import { openTrash, updateTrash } from "./trash.js";
import { leaveWhole } from "./view.js";

/** @import {Instance, Role} from "./types.js" */

store.addEventListener("change", (event) => {
  const { topic, data } = /** @type {CustomEvent} */ (event).detail;
  if (topic === "instance") updateRow(data);
  else if (topic === "all" || topic === "instance_removed") updateTable();
  if (topic === "all" || topic.startsWith("instance")) updateTools();
  if (topic === "instance_removed" || topic === "instance") filterTable();
  if (topic === "all" || topic === "trash") updateTrash();
  if (topic === "notice") toast(data.message, { error: data.level === "error" });
  if (topic === "connection" || topic === "all") showConnection();
  showTitle();
});

access.addEventListener("change", () => {
  document.body.dataset.role = access.me?.role;
  for (const id of ["new", "first"]) byId(id).hidden = !access.may("admin");
  byId("open-house").hidden = access.on;
  showPerson();
  updateTable();
  updateTools();
  updateTrash();
});

function showConnection() {
  document.body.classList.toggle("lost", store.lostSince !== null);
  setText(byId("connection"), store.lostSince ? `Connection lost since ${store.lostSince.toLocaleTimeString()}` : "");
}

function showTitle() {
  const failed = [...store.instances.values()].filter((instance) => instance.status === "error").length;
  const title = failed ? `(${failed} failed) AiKore` : "AiKore";
  if (document.title !== title) document.title = title;
}

// Theme ------------------------------------------------------------------------------------------------------

const system = matchMedia("(prefers-color-scheme: light)");

function showTheme() {
  const theme = localStorage.getItem("theme") ?? (system.matches ? "light" : "dark");
  document.documentElement.dataset.theme = theme;
  setText(byId("theme"), theme === "light" ? "Dark" : "Light");
}

byId("theme").addEventListener("click", () => {
  localStorage.setItem("theme", document.documentElement.dataset.theme === "light" ? "dark" : "light");
  showTheme();
});
system.addEventListener("change", showTheme);
showTheme();

// Panes ------------------------------------------------------------------------------------------------------

const divider = byId("divider");

/** @param {number} share of the window, in percent */
function setDivider(share) {
  const kept = Math.min(75, Math.max(25, share));
  byId("instances").style.setProperty("--left", `${kept}%`);
  divider.setAttribute("aria-valuenow", String(Math.round(kept)));
  localStorage.setItem("left", String(kept));
}

divider.addEventListener("pointerdown", (event) => {
  divider.setPointerCapture(event.pointerId);
  document.body.classList.add("dragging");
});
divider.addEventListener("pointermove", (event) => {
  if (divider.hasPointerCapture(event.pointerId)) setDivider((event.clientX / innerWidth) * 100);
});
divider.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -2, ArrowRight: 2 }[event.key];
  if (step) setDivider(Number(divider.getAttribute("aria-valuenow")) + step);
});
setDivider(Number(localStorage.getItem("left")) || 50);

function showPane() {
  for (const button of document.querySelectorAll("nav.phone button")) {
    button.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (button).dataset.pane === document.body.dataset.pane));
  }
}

for (const button of document.querySelectorAll("nav.phone button")) {
  button.addEventListener("click", () => {
    document.body.dataset.pane = /** @type {HTMLElement} */ (button).dataset.pane;
    showPane();
  });
}
document.addEventListener("pane", showPane);
document.body.dataset.pane = "instances";

// Buttons and keys -------------------------------------------------------------------------------------------

byId("new").addEventListener("click", newInstance);
byId("first").addEventListener("click", newInstance);
byId("show-trash").addEventListener("click", openTrash);
byId("filter").addEventListener("input", filterTable);

/** @type {Record<string, [string, (instance: Instance) => void, Role?]>} words, what it does, who may */
const KEYS = {
  s: ["Start or stop", (instance) => void toggle(instance), "operator"],
  r: ["Restart", (instance) => void send(instance, "restart"), "operator"],
  l: ["Log", (instance) => openTool("log", instance)],
  v: ["View", (instance) => openTool("view", instance)],
  t: ["Terminal", (instance) => openTool("terminal", instance), "operator"],
  e: ["Script", (instance) => openTool("script", instance), "operator"],
  Enter: ["View", (instance) => openTool("view", instance)],
  m: ["More", (instance) => openMenu(instance, /** @type {HTMLElement} */ (document.querySelector(`[data-instance="${instance.id}"] [data-testid="more"]`)))],
};

document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    byId("filter").focus();
    return;
  }
  if (event.key === "Escape" && leaveWhole()) return;
  const typing = event.target instanceof Element && event.target.closest("input, textarea, select, dialog, iframe, pre, .menu, #divider");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "?") showKeys();
  else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    moveChoice(event.key === "ArrowDown" ? 1 : -1);
  } else if (!(event.target instanceof HTMLButtonElement && event.key === "Enter")) {
    const instance = chosenInstance();
    const [, run, role = "viewer"] = KEYS[event.key] ?? [];
    if (instance && run && access.may(role)) run(instance);
  }
});

function showKeys() {
  const rows = [["↑ ↓", "Choose an instance"], ...Object.entries(KEYS).filter(([, [, , role = "viewer"]]) => access.may(role)).map(([key, [words]]) => [key.length === 1 ? key.toUpperCase() : key, words]), ["Ctrl K", "Find"], ["Esc", "Close, or leave the whole window"]];
  const list = el("div", { class: "keys" });
  for (const [key, words] of rows) list.append(el("kbd", { text: key }), el("span", { text: words }));
  const dialog = el("dialog", { "aria-label": "Keys" }, el("h2", { text: "Keys" }), list,
    el("div", { class: "end" }, el("button", { text: "Close", onclick: () => dialog.close() })));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

setInterval(updateTimes, 1000);
void access.look().finally(connect);
