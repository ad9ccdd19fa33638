/** Deleted instances: bring one back, or remove it for good. */

import { access } from "./access.js";
import { call } from "./api.js";
import { listLine, openDialog, sureButton } from "./dialog.js";
import { byId, el } from "./dom.js";
import { store } from "./store.js";
import { shownSize } from "./units.js";

/** @import {Trashed} from "./types.js" */
/** @import {Dialog} from "./dialog.js" */

/** @type {{list: HTMLElement, dialog: Dialog} | null} */
let open = null;

export function openTrash() {
  const list = el("ul", { class: "list" });
  open = { list, dialog: openDialog("Trash", "trash", list) };
  open.dialog.node.addEventListener("close", () => { open = null; });
  updateTrash();
}

export function updateTrash() {
  byId("show-trash").textContent = store.trash.length ? `Trash (${store.trash.length})` : "Trash";
  if (!open) return;
  const { list, dialog } = open;
  list.replaceChildren(...store.trash.map((entry) => line(entry, dialog)));
  if (!store.trash.length) list.append(el("li", { class: "hint", text: "The trash is empty." }));
}

/** @param {Trashed} entry @param {Dialog} dialog */
function line(entry, { tried }) {
  const path = `/api/trash/${encodeURIComponent(entry.id)}`;
  const size = entry.size === null ? "" : shownSize(entry.size);
  const remove = sureButton("Remove", size ? `Remove ${size} for good` : "Remove for good", () => void tried(call("DELETE", path)));
  const restore = el("button", { text: "Restore", "data-testid": "restore", onclick: () => void tried(call("POST", `${path}/restore`)) });
  const what = `${entry.base_blueprint} · ${size || "counting…"} · ${new Date(entry.deleted_at).toLocaleString()}`;
  return listLine(entry.name, what, ...(access.may("instances.edit") ? [restore, remove] : []));
}
