/** Puts the page together: says which tools there are, begins the parts of the frame and wires them to the store. */

import { beginPerson, showPerson } from "./access/person.js";
import { access } from "./house/access.js";
import { newInstance, updateForm } from "./house/form/form.js";
import { beginKeys } from "./house/keys.js";
import { beginLayout } from "./house/layout.js";
import { mountMonitoring } from "./house/monitor/monitor.js";
import { beginNotices, updateNotices } from "./house/notices.js";
import { togglePalette } from "./house/palette.js";
import { connect } from "./house/socket.js";
import { store } from "./house/store.js";
import { beginTable, updateRow, updateTable, updateTimes } from "./house/table/table.js";
import { offerTools } from "./house/toolkinds.js";
import { beginTools, updateTools } from "./house/tools.js";
import { openTrash, updateTrash } from "./house/trash.js";
import { address } from "./kit/base.js";
import { byId, setText } from "./kit/dom.js";
import { beginTheme } from "./kit/theme.js";
import { toast } from "./kit/toasts.js";
import { KINDS } from "./tools/kinds.js";

/** @param {Event} event of the store: what changed is shown where it is to be seen */
function update(event) {
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
}

/** Whether there is anything to say of GPUs: a chosen one that is gone counts. */
const hasGpus = () => store.system.gpus?.length !== 0 || [...store.instances.values()].some((one) => one.gpus?.length);

/** Show what who is logged in may do. */
function updateAccess() {
  document.body.dataset.role = access.me?.role;
  const edits = access.may("instances.edit");
  document.body.toggleAttribute("data-edits", edits);
  for (const id of ["new", "first"]) byId(id).hidden = !edits;
  byId("open-house").hidden = access.on;
  showPerson();
  updateTable();
  updateTools();
  updateTrash();
}

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

export function begin() {
  offerTools(KINDS);
  store.addEventListener("change", update);
  access.addEventListener("change", updateAccess);
  beginTheme();
  beginLayout();
  beginTable();
  beginTools();
  beginKeys();
  beginNotices();
  beginPerson();
  mountMonitoring(byId("monitoring"));
  for (const id of ["new", "first"]) byId(id).addEventListener("click", newInstance);
  byId("find").addEventListener("click", togglePalette);
  if (/Mac|iP(hone|ad)/.test(navigator.userAgent)) setText(byId("find-keys"), "⌘ K");
  byId("show-trash").addEventListener("click", openTrash);
  setInterval(updateTimes, 1000);
  void access.refresh();
  connect();
}
