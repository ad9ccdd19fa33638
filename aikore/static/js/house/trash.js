/** Deleted instances: bring one back, or remove it for good. Folders without an instance: take one in. */

import { access } from "./access.js";
import { call } from "./api.js";
import { store } from "./store.js";
import { listLine, openDialog, sureButton } from "../kit/dialog.js";
import { byId, el } from "../kit/dom.js";
import { shownSize } from "../kit/units.js";

/** @import {Trashed, Unlisted} from "./types.js" */
/** @import {Dialog} from "../kit/dialog.js" */

/** @type {{list: HTMLElement, dialog: Dialog} | null} */
let open = null;

export function openTrash() {
  const list = el("ul", { class: "list" });
  const lost = el("section", { "data-testid": "unlisted", hidden: true });
  open = { list, dialog: openDialog("Trash", "trash", list, lost) };
  void showUnlisted(lost, open.dialog);
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

/** Folders that belong to no instance, as a lost database leaves them. @param {HTMLElement} section @param {Dialog} dialog */
async function showUnlisted(section, dialog) {
  const answer = await dialog.tried(call("GET", "/api/unlisted"));
  const found = /** @type {Unlisted[]} */ (answer?.data ?? []);
  section.hidden = !found.length;
  const takeIn = (/** @type {Unlisted} */ { slug }) => async () => {
    await dialog.tried(call("POST", `/api/unlisted/${encodeURIComponent(slug)}/take-in`));
    await showUnlisted(section, dialog);
  };
  section.replaceChildren(
    el("h3", { text: "Folders without an instance" }),
    el("ul", { class: "list" }, ...found.map((folder) => listLine(folder.name, `${folder.base_blueprint} · instances/${folder.slug}`,
      ...(access.may("instances.edit") ? [el("button", { text: "Take in", "data-testid": "take-in", onclick: takeIn(folder) })] : [])))),
  );
}
