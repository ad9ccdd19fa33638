/** Deleted instances: bring one back, or remove it for good. */

import { access } from "./access.js";
import { call } from "./api.js";
import { sureButton } from "./dialog.js";
import { byId, el } from "./dom.js";
import { store } from "./store.js";
import { attempt } from "./toasts.js";
import { shownSize } from "./units.js";

/** @import {Trashed} from "./types.js" */

/** @type {HTMLElement | null} */
let list = null;

export function openTrash() {
  list = el("ul", { class: "list", "data-testid": "trash" });
  const dialog = el("dialog", { "aria-label": "Trash" }, el("h2", { text: "Trash" }), list,
    el("div", { class: "end" }, el("button", { text: "Close", onclick: () => dialog.close() })));
  dialog.addEventListener("close", () => { dialog.remove(); list = null; });
  document.body.append(dialog);
  updateTrash();
  dialog.showModal();
}

export function updateTrash() {
  byId("show-trash").textContent = store.trash.length ? `Trash (${store.trash.length})` : "Trash";
  if (!list) return;
  list.replaceChildren(...store.trash.map(line));
  if (!store.trash.length) list.append(el("li", { class: "hint", text: "The trash is empty." }));
}

/** @param {Trashed} entry */
function line(entry) {
  const path = `/api/trash/${encodeURIComponent(entry.id)}`;
  const remove = sureButton("Remove", `Remove ${shownSize(entry.size)} for good`, () => void attempt(call("DELETE", path)));
  const restore = el("button", { text: "Restore", "data-testid": "restore", onclick: () => void attempt(call("POST", `${path}/restore`)) });
  return el("li", {}, el("span", { class: "grow" }, el("span", { class: "title", text: entry.name }),
    el("span", { class: "sub", text: `${entry.base_blueprint} · ${shownSize(entry.size)} · ${new Date(entry.deleted_at).toLocaleString()}` })),
  ...(access.may("admin") ? [restore, remove] : []));
}
