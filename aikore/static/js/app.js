/** Begins the page: wires the store to the views. */

import { access } from "./access.js";
import { address } from "./api.js";
import { byId, setText } from "./dom.js";
import { newInstance, updateForm } from "./form.js";
import { beginKeys } from "./keys.js";
import { beginLayout } from "./layout.js";
import { mountMonitoring } from "./monitor.js";
import { beginNotices, updateNotices } from "./notices.js";
import { togglePalette } from "./palette.js";
import { showPerson } from "./person.js";
import { connect } from "./socket.js";
import { store } from "./store.js";
import { beginTable, updateRow, updateTable, updateTimes } from "./table.js";
import { beginTheme } from "./theme.js";
import { toast } from "./toasts.js";
import { beginTools, updateTools } from "./tools.js";
import { openTrash, updateTrash } from "./trash.js";

store.addEventListener("change", (event) => {
  const { topic, data } = /** @type {CustomEvent} */ (event).detail;
  const all = topic === "all";
  if (topic === "instance") updateRow(data);
  else if (all || topic === "instance_removed" || topic === "blueprints") updateTable();
  if (all || topic.startsWith("instance")) updateTools();
  if (topic !== "notice") updateForm();
  if (all || topic === "trash") updateTrash();
  if (all || topic === "system" || topic.startsWith("instance")) document.body.toggleAttribute("data-no-gpus", !hasGpus());
  if (topic === "notice") toast(data.message, { error: data.level === "error" });
  if (all || topic === "notice") updateNotices();
  if (all || topic === "connection") showConnection();
  showTitle();
});

/** Whether there is anything to say of GPUs: a chosen one that is gone counts. */
const hasGpus = () => store.system.gpus?.length !== 0 || [...store.instances.values()].some((one) => one.gpus?.length);

access.addEventListener("change", () => {
  document.body.dataset.role = access.me?.role;
  const edits = access.may("instances.edit");
  document.body.toggleAttribute("data-edits", edits);
  for (const id of ["new", "first"]) byId(id).hidden = !edits;
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
  if (document.title === title) return;
  document.title = title;
  /** @type {HTMLLinkElement} */ (byId("icon")).href = address(failed ? "/static/icons/mark-failed.svg" : "/static/icons/mark.svg");
}

beginTheme();
beginLayout();
beginTable();
beginTools();
beginKeys();
beginNotices();
mountMonitoring(byId("monitoring"));
byId("new").addEventListener("click", newInstance);
byId("first").addEventListener("click", newInstance);
byId("find").addEventListener("click", togglePalette);
if (/Mac|iP(hone|ad)/.test(navigator.userAgent)) setText(byId("find-keys"), "⌘ K");
byId("show-trash").addEventListener("click", openTrash);
setInterval(updateTimes, 1000);
void access.look();
connect();
