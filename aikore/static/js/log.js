/** A live log: history, then what comes; bounded in memory, drawn once per frame. */

import { Ansi } from "./ansi.js";
import { address, call, socketUrl } from "./api.js";
import { el } from "./dom.js";
import { attempt } from "./toasts.js";

/** @import {Instance} from "./types.js" */
/** @import {Tool, ToolKind} from "./types.js" */

/** @type {ToolKind} */
export const log = { kind: "log", label: "Log", key: "l", open };

const TAIL_BYTES = 262144;
const LINES_MAX = 5000;
const LINE_SHOWN = 10000;
const NEAR_END = 40;

/** @param {HTMLElement} panel @param {Instance} instance @returns {Tool} */
function open(panel, instance) {
  const base = `/api/instances/${instance.id}/logs`;
  const output = el("pre", { class: "log", tabindex: "0", "aria-label": `Log of ${instance.name}`, "data-testid": "log-text" });
  const live = el("div", { class: "live" });
  output.append(live);
  const follow = el("input", { type: "checkbox", checked: true });
  const sought = el("input", { type: "search", placeholder: "Search the whole log", "aria-label": "Search the whole log", "data-testid": "log-search" });
  const matches = el("ul", { class: "matches", hidden: true, "data-testid": "matches" });
  const form = el("form", {}, sought);
  panel.append(el("div", { class: "tools-bar" }, form, el("label", {}, follow, " Follow"), el("span", { class: "space" }),
    el("a", { href: address(`${base}/download`), download: "", text: "Download" })), matches, output);

  const ansi = new Ansi();
  /** @type {string[]} */
  let waiting = [];
  let unended = "";
  let drawn = 0;
  let frame = 0;
  let next = -1;
  let closed = false;
  const drawOpen = () => live.replaceChildren(...ansi.peek(unended.slice(-LINE_SHOWN)));
  /** @type {WebSocket | undefined} */
  let socket;

  const draw = () => {
    frame = 0;
    const batch = document.createDocumentFragment();
    for (const line of waiting) batch.append(el("div", {}, ...ansi.line(line)));
    drawn += waiting.length;
    waiting = [];
    output.insertBefore(batch, live);
    for (; drawn > LINES_MAX; drawn--) output.firstElementChild?.remove();
    if (follow.checked) output.scrollTop = output.scrollHeight;
  };
  const later = () => { frame ||= requestAnimationFrame(draw); };
  /** @param {string} text */
  const take = (text) => {
    const lines = (unended + text).split("\n");
    unended = lines.pop() ?? "";
    if (unended.length > LINE_SHOWN) {
      lines.push(unended);
      unended = "";
    }
    for (const line of lines) waiting.push(line === "" ? "\u200b" : shortened(line));
    if (waiting.length > LINES_MAX) waiting = waiting.slice(-LINES_MAX); // a page in the background draws nothing
    drawOpen();
    later();
  };
  /** @param {{type: string, text?: string, next?: number, offset?: number}} message */
  const receive = (message) => {
    if (message.type === "start") next = message.offset ?? next;
    else if (message.type === "data") {
      next = message.next ?? next;
      take(message.text ?? "");
    } else if (message.type === "live") {
      if (message.text) live.replaceChildren(...ansi.peek(message.text));
      else drawOpen();
      later();
    } else if (message.type === "gap") {
      next = message.next ?? next;
      take("\n[older output is no longer kept]\n");
    }
  };
  const connect = () => {
    if (closed) return;
    socket = new WebSocket(socketUrl(`${base}/stream?${next < 0 ? `tail=${TAIL_BYTES}` : `offset=${next}`}`));
    socket.addEventListener("message", (event) => receive(JSON.parse(event.data)));
    socket.addEventListener("close", (event) => { if (!closed && event.code !== 4404) setTimeout(connect, 1000); });
  };
  output.addEventListener("scroll", () => {
    follow.checked = output.scrollHeight - output.scrollTop - output.clientHeight < NEAR_END;
  });
  follow.addEventListener("change", later);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(search(base, sought.value, matches));
  });
  connect();
  return { close: () => { closed = true; socket?.close(); } };
}

/** @param {string} line @returns {string} what is shown of it; the download has all */
function shortened(line) {
  return line.length > LINE_SHOWN ? `${line.slice(0, LINE_SHOWN)} … ${line.length - LINE_SHOWN} more characters` : line;
}

/** @param {string} base @param {string} sought @param {HTMLElement} list */
async function search(base, sought, list) {
  list.replaceChildren();
  list.hidden = !sought;
  if (!sought) return;
  let offset = 0;
  for (let round = 0; round < 20; round++) {
    const { data } = await call("GET", `${base}?search=${encodeURIComponent(sought)}&offset=${offset}&limit=200`);
    for (const match of data.matches) list.append(marked(match.line_text, sought));
    offset = data.next;
    if (data.done || list.childElementCount >= 200) break;
  }
  if (!list.childElementCount) list.append(el("li", { text: "Not found." }));
}

/** @param {string} line @param {string} sought */
function marked(line, sought) {
  const at = line.toLowerCase().indexOf(sought.toLowerCase());
  if (at < 0) return el("li", { text: line });
  return el("li", {}, line.slice(0, at), el("mark", { text: line.slice(at, at + sought.length) }), line.slice(at + sought.length));
}
