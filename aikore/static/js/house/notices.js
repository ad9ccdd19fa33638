/** What AiKore told without being asked: a mark on the bell while something is new, and the list behind it. */

import { store } from "./store.js";
import { listLine, openDialog } from "../kit/dialog.js";
import { byId, el, setText } from "../kit/dom.js";
import { icon } from "../kit/icons.js";
import { recall, remember } from "../kit/memory.js";

const KEY = "notices-seen";

/** @type {HTMLElement | null} */
let list = null;

export function updateNotices() {
  if (list) show(list); // what is shown is no longer new
  const seen = recall(KEY, 0);
  const fresh = store.notices.filter(({ at }) => at > seen);
  const bell = byId("notices");
  setText(byId("notices-new"), fresh.length ? String(fresh.length) : "");
  bell.setAttribute("aria-label", fresh.length ? `Notices, ${fresh.length} new` : "Notices");
  bell.dataset.level = fresh.some(({ level }) => level === "error") ? "error" : fresh.length ? "warning" : "";
}

/** @param {HTMLElement} list */
function show(list) {
  list.replaceChildren(...[...store.notices].reverse().map(({ level, message, at }) => {
    const line = listLine(message, `${level} · ${new Date(at * 1000).toLocaleString()}`);
    line.dataset.level = level;
    return line;
  }));
  if (!store.notices.length) list.append(el("li", { class: "hint", text: "Nothing was told yet. A full disk, a hot GPU or endless restarts would stand here." }));
  const newest = store.notices.at(-1);
  if (newest) remember(KEY, newest.at);
}

function openNotices() {
  list = el("ul", { class: "list notices", "data-testid": "notices-list" });
  const { node } = openDialog("Notices", "notices-dialog", list);
  node.addEventListener("close", () => { list = null; });
  updateNotices();
}

export function beginNotices() {
  byId("notices").prepend(icon("bell"));
  byId("notices").addEventListener("click", openNotices);
}
