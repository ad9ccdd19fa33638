/** Several logs in the order of time: the newest lines, older ones on the way up, and what is printed now. */

import { PLAIN } from "../ansi.js";
import { call } from "../api.js";
import { el } from "../dom.js";
import { Stretch } from "./lines.js";
import { makeRow } from "./row.js";
import { Source } from "./source.js";

/** @import {Instance} from "../types.js" */
/** @typedef {{instance: number, offset: number, time: number | null, text: string}} MergedLine */

const PAGE = 500;
/** Rows that are kept; further back one log alone goes. */
const ROWS_MOST = 5000;
const NEAR = 40;
/** Colours that tell logs apart, besides their names. */
const COLOURS = [4, 2, 5, 3, 6, 1];

export class Together {
  #before = "";
  #busy = false;
  #closed = false;
  /** @type {Source[]} */
  #sources = [];

  /** @param {Instance[]} instances */
  constructor(instances) {
    this.instances = instances;
    this.node = el("div", { class: "log together", "data-own-keys": "", tabindex: "0", role: "log", "aria-live": "off", "aria-label": `Logs of ${instances.map(({ name }) => name).join(", ")}`, "data-testid": "log-together" });
    this.node.addEventListener("scroll", () => { if (this.node.scrollTop < this.node.clientHeight) void this.#older(); }, { passive: true });
  }

  async begin() {
    const { data } = await call("GET", this.#path());
    if (this.#closed) return;
    this.#before = data.before ?? "";
    this.node.replaceChildren(...data.lines.map((/** @type {MergedLine} */ line) => this.#row(line)));
    this.node.scrollTop = this.node.scrollHeight;
    for (const { id } of this.instances) this.#follow(id, data.ends[id] ?? 0);
  }

  #path() {
    const before = this.#before ? `&before=${encodeURIComponent(this.#before)}` : "";
    return `/api/logs/merged?instances=${this.instances.map(({ id }) => id).join(",")}&limit=${PAGE}${before}`;
  }

  /** @param {number} id @param {number} offset */
  #follow(id, offset) {
    const source = new Source(id);
    let stretch = new Stretch(offset);
    this.#sources.push(source);
    source.follow(offset, {
      data: (text, _offset, next) => {
        stretch.append(text, next);
        const time = Date.now() / 1000;
        this.#came(stretch.lines.map((line) => this.#row({ instance: id, offset: line.offset, time, text: line.text })));
        stretch.dropFirst(stretch.lines.length);
      },
      live: () => {},
      gap: (next) => { stretch = new Stretch(next); },
      gone: () => {},
    });
  }

  /** @param {HTMLElement[]} rows */
  #came(rows) {
    const atEnd = this.#atEnd();
    this.node.append(...rows.slice(-ROWS_MOST));
    if (!atEnd) return;
    for (let more = this.node.childElementCount - ROWS_MOST; more > 0; more--) this.node.firstChild?.remove();
    this.node.scrollTop = this.node.scrollHeight;
  }

  #atEnd() {
    return this.node.scrollHeight - this.node.scrollTop - this.node.clientHeight < NEAR;
  }

  async #older() {
    if (this.#busy || !this.#before || this.node.childElementCount >= ROWS_MOST) return;
    this.#busy = true;
    try {
      const { data } = await call("GET", this.#path());
      this.#before = data.before ?? "";
      const before = this.node.scrollHeight;
      this.node.prepend(...data.lines.map((/** @type {MergedLine} */ line) => this.#row(line)));
      this.node.scrollTop += this.node.scrollHeight - before;
    } finally {
      this.#busy = false;
    }
  }

  /** @param {MergedLine} line */
  #row({ instance, offset, time, text }) {
    const at = this.instances.findIndex(({ id }) => id === instance);
    const row = makeRow({ offset, text, style: PLAIN }, time || undefined);
    const who = el("span", { class: "who", text: this.instances[at]?.name ?? "" });
    who.style.color = `var(--ansi-${COLOURS[at % COLOURS.length]})`;
    row.prepend(who);
    return row;
  }

  close() {
    this.#closed = true;
    for (const source of this.#sources) source.stop();
  }
}
