/** The heads of the table: columns that sort it, and groups that fold. */

import { arrangement, BY_FIGURE, BY_COLUMN, rearrange } from "./arrange.js";
import { COLUMNS } from "./row.js";
import { byId, el, setText } from "../../kit/dom.js";
import { icon } from "../../kit/icons.js";

/** @import {Group} from "./arrange.js" */

/** @type {Map<string, HTMLTableRowElement>} headings by their group's key */
const headings = new Map();

/** @param {Group} group @param {boolean} folded @param {() => void} changed @returns {HTMLTableRowElement} */
export function heading({ key, words, members, joined }, folded, changed) {
  let row = headings.get(key);
  if (!row) {
    row = el("tr", { class: "group" }, el("td", {},
      el("button", { "data-testid": "group", onclick: () => { foldGroup(key); changed(); } }, icon("fold"), el("span", { class: "title" }), el("span", { class: "sub" }))));
    if (joined !== null) row.dataset.joined = joined;
    headings.set(key, row);
  }
  const [button, title, count] = ["button", ".title", ".sub"].map((selector) => /** @type {HTMLElement} */ (row.querySelector(selector)));
  button?.setAttribute("aria-expanded", String(!folded));
  if (title) setText(title, words);
  if (count) setText(count, String(members.length));
  return row;
}

/** @param {string} key */
function foldGroup(key) {
  const { folded } = arrangement;
  rearrange({ folded: folded.includes(key) ? folded.filter((other) => other !== key) : [...folded, key] });
}

/** A press sorts by a column, a second one the other way round, a third one leaves it by hand. @param {string} name */
function sortBy(name) {
  const first = name in BY_FIGURE;
  if (arrangement.sort !== name) rearrange({ sort: name, falling: first });
  else if (arrangement.falling === first) rearrange({ falling: !first });
  else rearrange({ sort: "", falling: false });
  showSort();
}

export function showSort() {
  for (const head of /** @type {NodeListOf<HTMLElement>} */ (byId("heads").querySelectorAll("[data-sort]"))) {
    const mine = head.dataset.sort === arrangement.sort;
    head.setAttribute("aria-sort", !mine ? "none" : arrangement.falling ? "descending" : "ascending");
  }
}

/** @param {() => void} changed */
export function makeHeads(changed) {
  const last = byId("heads").lastElementChild;
  for (const [name, words, hint] of COLUMNS) {
    const sortable = name in BY_COLUMN;
    last?.before(el("th", { scope: "col", class: `c-${name}`, "data-sort": sortable ? name : null, title: hint || null },
      sortable ? el("button", { text: words, "data-testid": `sort-${name}`, onclick: () => { sortBy(name); changed(); } }) : words));
  }
  showSort();
}
