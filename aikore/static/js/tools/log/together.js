/** Several logs in the order of time: the newest lines, older ones on the way up, and what is printed now. */

import { call } from "../../house/api.js";
import { PLAIN } from "../../kit/ansi.js";
import { el, setText } from "../../kit/dom.js";
import { fold } from "./finder.js";
import { Stretch } from "./lines.js";
import { makeRow } from "./row.js";
import { Source } from "./source.js";

/** @import {Instance, Payloads} from "../../house/types.js" */
/** @typedef {Payloads["MergedLine"]} MergedLine */
/** @typedef {{row: HTMLElement, text: string}} Kept */

const PAGE = 500;
/** Lines that are kept; further back one log alone goes. */
const LINES_MOST = 5000;
const NEAR = 40;
/** Colours that tell logs apart, besides their names. */
const COLOURS = [4, 2, 5, 3, 6, 1];

/** What the finder searches and shows: lines have numbers, those before the first ones negative. Tells `draw`. */
export class Together extends EventTarget {
  block = el("div", {});
  #note = el("p", { class: "hint", "data-testid": "log-kept" });
  /** @type {Kept[]} */
  #lines = [];
  /** the number of the first line */
  #first = 0;
  #before = "";
  /** @type {Promise<void> | null} older lines are on their way */
  #loading = null;
  #closed = false;
  /** @type {Source[]} */
  #sources = [];

  /** @param {Instance[]} instances */
  constructor(instances) {
    super();
    this.instances = instances;
    this.node = el("div", { class: "log together", "data-own-keys": "", tabindex: "0", role: "log", "aria-live": "off", "aria-label": `Logs of ${instances.map(({ name }) => name).join(", ")}`, "data-testid": "log-together" }, this.#note, this.block);
    this.node.addEventListener("scroll", () => { if (this.node.scrollTop < this.node.clientHeight) void this.#older(); }, { passive: true });
  }

  async begin() {
    const { data } = await call("GET", this.#path());
    if (this.#closed) return;
    this.#before = data.before ?? "";
    this.#add(data.lines, false);
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
        this.#came(stretch.lines.map(({ offset, text }) => ({ instance: id, offset, time, text })));
        stretch.dropFirst(stretch.lines.length);
      },
      live: () => {},
      gap: (next) => { stretch = new Stretch(next); },
      gone: () => {},
    });
  }

  /** @param {MergedLine[]} lines */
  #came(lines) {
    const atEnd = this.#atEnd();
    this.#add(lines.slice(-LINES_MOST), false);
    this.#drop(this.#lines.length - (atEnd ? LINES_MOST : LINES_MOST * 2)); // who reads further up is not disturbed at once
    if (atEnd) this.node.scrollTop = this.node.scrollHeight;
  }

  /** @param {number} count of the oldest lines; what is seen stays where it is */
  #drop(count) {
    if (count <= 0) return;
    const before = this.node.scrollHeight;
    for (const { row } of this.#lines.splice(0, count)) row.remove();
    this.#first += count;
    this.node.scrollTop -= before - this.node.scrollHeight;
  }

  /** @param {MergedLine[]} lines @param {boolean} above */
  #add(lines, above) {
    const made = lines.map((line) => this.#made(line));
    const rows = made.map(({ row }) => row);
    if (above) {
      this.block.prepend(...rows);
      this.#lines = made.concat(this.#lines);
      this.#first -= made.length;
    } else {
      this.block.append(...rows);
      this.#lines.push(...made);
    }
    setText(this.#note, this.#full ? `Of several logs ${LINES_MOST.toLocaleString()} lines are kept here; one log alone has all.` : this.#before ? "" : "Here the logs begin.");
    this.dispatchEvent(new Event("draw"));
  }

  get #full() {
    return this.#lines.length >= LINES_MOST;
  }

  #atEnd() {
    return this.node.scrollHeight - this.node.scrollTop - this.node.clientHeight < NEAR;
  }

  /** Bring older lines, if there are any and they can be kept. @returns {Promise<void>} */
  #older() {
    if (!this.#before || this.#full) return Promise.resolve();
    this.#loading ??= this.#load().finally(() => { this.#loading = null; });
    return this.#loading;
  }

  async #load() {
    const { data } = await call("GET", this.#path());
    this.#before = data.before ?? "";
    const before = this.node.scrollHeight;
    this.#add(data.lines, true);
    this.node.scrollTop += this.node.scrollHeight - before;
  }

  /** @param {MergedLine} line @returns {Kept} */
  #made({ instance, offset, time, text }) {
    const at = this.instances.findIndex(({ id }) => id === instance);
    const row = makeRow({ offset, text, style: PLAIN }, time || undefined);
    const plain = row.textContent ?? "";
    const who = el("span", { class: "who", text: this.instances[at]?.name ?? "" });
    who.style.color = `var(--ansi-${COLOURS[at % COLOURS.length]})`;
    row.prepend(who);
    return { row, text: plain };
  }

  /** Search all lines that can be kept here. @param {string} sought @param {boolean} exact */
  async search(sought, exact) {
    while (!this.#closed && this.#before && !this.#full) await this.#older();
    const wanted = fold(sought, exact);
    const matches = this.#lines.flatMap(({ text }, at) => (fold(text, exact).includes(wanted) ? [{ offset: this.#first + at }] : []));
    return { matches, next: 0, done: true };
  }

  /** @param {number} number @returns {HTMLElement | null} */
  rowOf(number) {
    return this.#lines[number - this.#first]?.row ?? null;
  }

  /** @returns {number} the number of the first line that is seen */
  get place() {
    const at = this.#lines.findIndex(({ row }) => row.offsetTop + row.offsetHeight > this.node.scrollTop);
    return this.#first + Math.max(0, at);
  }

  /** @param {number} number */
  async show(number) {
    const row = this.rowOf(number);
    if (row) this.node.scrollTop = row.offsetTop - this.node.clientHeight / 3;
  }

  close() {
    this.#closed = true;
    for (const source of this.#sources) source.stop();
  }
}
