/** The entries of a folder as a table; arrows go up and down, Enter opens, F2 renames, Delete deletes. */

import { el } from "../../kit/dom.js";
import { icon } from "../../kit/icons.js";
import { shownSize } from "../../kit/units.js";

/** @import {Entry} from "./remote.js" */

const PICTURES = /\.(png|jpe?g|webp|gif|avif|bmp|svg)$/i;
const FILMS = /\.(mp4|webm|mkv|mov)$/i;

/**
 * @param {Entry[]} entries
 * @param {{open: (entry: Entry) => void, menu: (entry: Entry, anchor: HTMLElement) => void, rename: (entry: Entry, cell: HTMLElement) => void, remove: (entry: Entry) => void, up: () => void}} doing
 */
export function makeListing(entries, doing) {
  const body = el("tbody", { "data-testid": "file-rows" }, ...entries.map((entry) => makeRow(entry, doing)));
  return el("table", { class: "files" },
    el("thead", {}, el("tr", {}, el("th", { scope: "col", text: "Name" }), el("th", { scope: "col", class: "number", text: "Size" }),
      el("th", { scope: "col", class: "when", text: "Changed" }), el("th", { scope: "col" }, el("span", { class: "unseen", text: "Actions" })))), body);
}

/** @param {Entry} entry @param {Parameters<typeof makeListing>[1]} doing */
function makeRow(entry, doing) {
  const opens = entry.reachable && (entry.kind === "folder" || entry.kind === "file");
  const name = el("button", { class: "name", disabled: !opens, "data-testid": "file-open", onclick: () => doing.open(entry) },
    icon(pictureOf(entry)), el("span", { class: "title", text: entry.name }));
  const cell = el("td", {}, name);
  if (entry.target !== null) cell.append(el("span", { class: "sub", text: `→ ${entry.target}` }));
  if (!entry.reachable) cell.append(el("span", { class: "sub", text: "a name that only a terminal can reach" }));
  const more = el("button", { class: "picture", "aria-label": `More for ${entry.name}`, "aria-haspopup": "menu", hidden: !entry.reachable, "data-testid": "file-more", onclick: () => doing.menu(entry, more) }, icon("more"));
  const row = el("tr", { "data-file": entry.name }, cell,
    el("td", { class: "number", text: entry.kind === "file" ? shownSize(entry.size) : "" }),
    el("td", { class: "when", text: minute(entry.modified) }),
    el("td", { class: "more" }, more));
  row.addEventListener("keydown", (event) => {
    const way = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
    if (way) /** @type {HTMLElement | null} */ (way.querySelector("button:not(:disabled)"))?.focus();
    else if (event.key === "F2" && entry.reachable) doing.rename(entry, cell);
    else if (event.key === "Delete" && entry.reachable) doing.remove(entry);
    else if (event.key === "Backspace" && event.target instanceof HTMLButtonElement) doing.up();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return row;
}

/** @param {number} time @returns {string} year to minute, here */
function minute(time) {
  const date = new Date(time * 1000);
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60000);
  return local.toISOString().slice(0, 16).replace("T", " ");
}

/** @param {Entry} entry */
function pictureOf({ kind, name }) {
  if (kind === "folder" || kind === "link") return kind;
  if (PICTURES.test(name)) return "picture";
  return FILMS.test(name) ? "film" : "page";
}
