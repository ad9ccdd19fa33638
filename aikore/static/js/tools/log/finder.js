/** Searches a whole log, counts what is found, goes from one place to the next, and marks what is seen. */

import { el, setText } from "../../kit/dom.js";

/** @typedef {{search: (sought: string, exact: boolean, offset: number) => Promise<{matches: {offset: number}[], next: number, done: boolean}>}} Searched */
/** @typedef {EventTarget & {block: HTMLElement, readonly place: number, show: (offset: number) => Promise<void>, rowOf: (offset: number) => HTMLElement | null}} Shown */

const FOUND_MOST = 20000;
const TYPING_MS = 250;

/** @param {Searched} source @param {Shown} pane @param {string} words what the field says */
export function makeFinder(source, pane, words) {
  const sought = el("input", { type: "search", placeholder: words, "aria-label": words, "data-testid": "log-search" });
  const exact = el("button", { type: "button", text: "Aa", title: "Tell capital and small letters apart", "aria-pressed": "false" });
  const count = el("span", { class: "hint count", role: "status", "data-testid": "log-found" });
  const up = el("button", { type: "button", text: "↑", "aria-label": "Previous match", "data-testid": "log-previous", disabled: true });
  const down = el("button", { type: "button", text: "↓", "aria-label": "Next match", "data-testid": "log-next", disabled: true });
  const form = el("form", { class: "finder", role: "search" }, sought, exact, up, down, count);
  const isExact = () => exact.getAttribute("aria-pressed") === "true";

  /** @type {number[]} */
  let found = [];
  let current = -1;
  let done = true;
  let run = 0;
  let timer = 0;
  let asked = "";

  const show = () => {
    const more = done ? "" : "+";
    const place = current >= 0 ? `${(current + 1).toLocaleString()} of ` : "";
    setText(count, !asked ? "" : found.length ? `${place}${found.length.toLocaleString()}${more}` : done ? "Not found" : "Searching …");
    up.disabled = down.disabled = !found.length;
    mark();
  };
  /** @param {number} at */
  const go = (at) => {
    current = (at + found.length) % found.length;
    void pane.show(found[current] ?? 0).then(show);
  };
  const search = async () => {
    const mine = ++run;
    asked = sought.value;
    found = [];
    current = -1;
    done = !asked;
    show();
    const from = pane.place;
    for (let offset = 0; asked && !done && mine === run;) {
      const answer = await source.search(asked, isExact(), offset);
      if (mine !== run) return;
      for (const match of answer.matches) found.push(match.offset);
      offset = answer.next;
      done = answer.done || found.length >= FOUND_MOST;
      const next = found.findIndex((one) => one >= from);
      if (current < 0 && next >= 0) go(next);
      show();
    }
    if (mine === run && current < 0 && found.length) go(found.length - 1);
  };
  const mark = () => highlight(pane.block, asked, isExact(), current >= 0 ? pane.rowOf(found[current] ?? 0) : null);
  const soon = () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => void search().catch((error) => setText(count, error.message)), TYPING_MS);
  };

  pane.addEventListener("draw", mark);
  sought.addEventListener("input", soon);
  exact.addEventListener("click", () => { exact.setAttribute("aria-pressed", String(!isExact())); soon(); });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (asked !== sought.value) soon();
    else if (found.length) go(current + 1);
  });
  sought.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.shiftKey || !found.length) return;
    event.preventDefault();
    go(current - 1);
  });
  up.addEventListener("click", () => go(current - 1));
  down.addEventListener("click", () => go(current + 1));
  return { form, close: () => { run++; clearTimeout(timer); highlight(pane.block, "", false, null); } };
}

/** @type {WeakMap<HTMLElement, Range[]>} */
const marked = new WeakMap();

/** Marks by the browser's highlights: rows stay as they are. @param {HTMLElement} block @param {string} sought @param {boolean} exact @param {HTMLElement | null} now */
function highlight(block, sought, exact, now) {
  for (const row of block.querySelectorAll(".found")) if (row !== now) row.classList.remove("found");
  now?.classList.add("found");
  if (!("highlights" in CSS)) return;
  const all = CSS.highlights.get("log") ?? new Highlight();
  CSS.highlights.set("log", all);
  for (const range of marked.get(block) ?? []) all.delete(range);
  const ranges = sought ? [...block.children].flatMap((row) => rangesIn(row, sought, exact)) : [];
  for (const range of ranges) all.add(range);
  marked.set(block, ranges);
}

/** @param {Element} row @param {string} sought @param {boolean} exact @returns {Range[]} */
function rangesIn(row, sought, exact) {
  const text = fold(row.textContent ?? "", exact);
  const wanted = fold(sought, exact);
  const name = row.querySelector(".who")?.textContent?.length ?? 0; // whose line it is, where several logs are together
  /** @type {Range[]} */
  const ranges = [];
  for (let at = text.indexOf(wanted, name); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
    const range = document.createRange();
    range.setStart(...position(row, at));
    range.setEnd(...position(row, at + wanted.length));
    ranges.push(range);
  }
  return ranges;
}

/** @param {string} text @param {boolean} exact @returns {string} the same for all that is taken for the same */
export const fold = (text, exact) => (exact ? text : text.toLowerCase());

/** @param {Element} row @param {number} at @returns {[Node, number]} */
function position(row, at) {
  let left = at;
  const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const size = node.textContent?.length ?? 0;
    if (left <= size) return [node, left];
    left -= size;
  }
  return [row, row.childNodes.length];
}
