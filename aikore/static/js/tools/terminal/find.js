/** Finds text in a terminal's scrollback. */

import { el, setText } from "../../kit/dom.js";

/** @param {import("@xterm/addon-search").SearchAddon} search @param {() => void} left */
export function makeFind(search, left) {
  const sought = el("input", { type: "search", placeholder: "Find", "aria-label": "Find in the terminal", "data-testid": "terminal-find" });
  const count = el("span", { class: "hint", role: "status", "data-testid": "terminal-found" });
  const up = el("button", { text: "↑", "aria-label": "Previous match", onclick: () => run("findPrevious") });
  const down = el("button", { text: "↓", "aria-label": "Next match", onclick: () => run("findNext") });
  const bar = el("div", { class: "find", role: "search", hidden: true }, sought, count, up, down,
    el("button", { class: "quiet", text: "×", "aria-label": "Close the search", onclick: () => hide() }));

  /** @param {"findNext" | "findPrevious"} way @param {boolean} [grow] */
  const run = (way, grow = false) => search[way](sought.value, { incremental: grow, decorations: marks() });
  const hide = () => { bar.hidden = true; search.clearDecorations(); left(); };
  const show = () => { bar.hidden = false; sought.select(); };
  search.onDidChangeResults(({ resultIndex, resultCount }) => {
    setText(count, !sought.value ? "" : resultCount ? `${resultIndex + 1} of ${resultCount}` : "Not found");
  });
  sought.addEventListener("input", () => run("findPrevious", true));
  bar.addEventListener("keydown", (event) => {
    if (event.key === "Enter") run(event.shiftKey ? "findNext" : "findPrevious");
    if (event.key === "Escape") hide();
    event.stopPropagation();
  });
  return { bar, show };
}

function marks() {
  const style = getComputedStyle(document.documentElement);
  const [match, active] = ["starting", "accent"].map((name) => style.getPropertyValue(`--${name}`).trim());
  return { matchBackground: match, matchOverviewRuler: match ?? "", activeMatchBackground: active, activeMatchColorOverviewRuler: active ?? "" };
}
