/** The deleted files of an instance. */

import { openDialog, listLine, sureButton, when } from "../../kit/dialog.js";
import { el } from "../../kit/dom.js";
import { shownSize } from "../../kit/units.js";

/** @import {RemoteFiles} from "./remote.js" */

/** @param {RemoteFiles} remote @param {() => void} changed */
export function openFileTrash(remote, changed) {
  const list = el("ul", { class: "list", "data-testid": "file-trash" });
  const dialog = openDialog("Deleted files", "file-trash-dialog", list);
  const show = async () => {
    const deleted = await remote.trash();
    list.replaceChildren(...deleted.map((one) => listLine(one.path, `${one.place} · ${shownSize(one.size)} · ${when(one.deleted_at)}`,
      el("button", { text: "Restore", "data-testid": "file-restore", onclick: () => void act(remote.restore(one.id)) }),
      sureButton("Remove", `Remove ${shownSize(one.size)} for good`, () => void act(remote.removeForGood(one.id))))));
    if (!deleted.length) list.append(el("li", { class: "hint", text: "Nothing was deleted here." }));
  };
  const act = async (/** @type {Promise<unknown>} */ work) => {
    if (await dialog.tried(work) === null) return;
    changed();
    await dialog.tried(show());
  };
  void dialog.tried(show());
}
