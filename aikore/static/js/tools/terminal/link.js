/** The line to one terminal on the server: counts its bytes, so that a lost connection goes on where it broke off. */

import { socketUrl } from "../../house/api.js";

/** @import {Payloads} from "../../house/types.js" */
/** @typedef {Payloads["Terminal"]} Shell */
/**
 * @typedef {object} Listener
 * @property {(data: Uint8Array, answers: boolean, shown: () => void) => void} write draw this, then call `shown`; `answers` says whether a query in it is ours to answer
 * @property {(restore: string) => void} reset what is drawn is no longer true; `restore` brings an emulator into the program's modes
 * @property {(session: Shell) => void} begin
 * @property {() => void} begun the server knows our size, and input reaches it
 * @property {(columns: number, rows: number) => void} resize
 * @property {(title: string) => void} title
 * @property {(lost: boolean) => void} lost
 * @property {(words: string) => void} end it is over; there is nothing to connect with any more
 */

const ACK_BYTES = 32768;
const PAUSE_MS = 500;
const PAUSE_MOST_MS = 5000;
const EARLY_MOST = 1000;
const NOT_FOUND = 4404;
const REFUSED = 4409;
const ENDED = 4410;
const ENCODER = new TextEncoder();

export class Link {
  /** @type {WebSocket | undefined} */
  #socket;
  #received = 0;
  #shown = 0;
  #acked = 0;
  /** The bytes whose queries we answer: of several viewers one answers each, and of a replayed history nobody. */
  #answersFrom = Infinity;
  #answersUntil = Infinity;
  #pause = PAUSE_MS;
  #timer = 0;
  #closed = false;
  #code = 0;
  /** What was typed before the line was open for the first time; null from then on. @type {Uint8Array<ArrayBuffer>[] | null} */
  #early = [];

  /** @param {string} path @param {string | null} id null opens a new terminal @param {Listener} listener @param {() => {columns: number, rows: number}} size */
  constructor(path, id, listener, size) {
    this.path = path;
    this.id = id;
    this.listener = listener;
    this.size = size;
    this.#connect();
  }

  #connect() {
    const query = new URLSearchParams(Object.entries(this.size()).map(([key, value]) => [key, String(value)]));
    if (this.id) {
      query.set("session", this.id);
      if (this.#received) query.set("offset", String(this.#received));
    }
    const socket = new WebSocket(socketUrl(`${this.path}?${query}`));
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => (typeof data === "string" ? this.#obey(JSON.parse(data)) : this.#take(new Uint8Array(data))));
    socket.addEventListener("open", () => this.#opened(socket));
    socket.addEventListener("close", (event) => this.#lost(event));
    this.#socket = socket;
  }

  /** @param {Uint8Array} data @returns {void} */
  #take(data) {
    const at = this.#received;
    const cut = [this.#answersFrom, this.#answersUntil].find((place) => place > at && place < at + data.length);
    if (cut !== undefined) {
      this.#take(data.subarray(0, cut - at));
      return this.#take(data.subarray(cut - at));
    }
    this.#received += data.length;
    const upTo = this.#received;
    this.listener.write(data, at >= this.#answersFrom && at < this.#answersUntil, () => {
      this.#shown = Math.max(this.#shown, upTo);
      if (this.#shown === this.#received || this.#shown - this.#acked >= ACK_BYTES) this.#acknowledge();
    });
  }

  #acknowledge() {
    this.#acked = this.#shown;
    this.control({ type: "ack", offset: this.#shown });
  }

  /** @param {any} control */
  #obey(control) {
    if (control.type === "session") this.#begin(control);
    else if (control.type === "reset") this.#restart(control);
    else if (control.type === "answers") this.#answers(control);
    else if (control.type === "resize") this.listener.resize(control.columns, control.rows);
    else if (control.type === "title") this.listener.title(control.title);
    else if (control.type === "exit") this.#code = control.code;
  }

  /** @param {Shell & {offset: number, end: number, reset: boolean, restore?: string}} control */
  #begin(control) {
    this.id = control.id;
    this.#pause = PAUSE_MS;
    this.#answersFrom = this.#answersUntil = Infinity;
    this.listener.lost(false);
    this.listener.begin(control);
    if (control.reset) this.#restart(control);
    else this.#acknowledge();
    this.control({ type: "resize", ...this.size() });
    this.listener.begun();
  }

  /** @param {{from?: number, until?: number}} control */
  #answers({ from, until }) {
    if (from !== undefined) [this.#answersFrom, this.#answersUntil] = [from, Infinity];
    else this.#answersUntil = until ?? 0;
  }

  /** @param {{offset: number, restore?: string}} place */
  #restart({ offset, restore = "" }) {
    this.listener.reset(restore);
    this.#received = this.#shown = offset;
    this.#acknowledge();
  }

  /** @param {CloseEvent} event */
  #lost({ code, reason }) {
    if (this.#closed) return;
    if (code === ENDED) this.#over(`The shell has ended${this.#code ? ` with code ${this.#code}` : ""}.`);
    else if (code === NOT_FOUND) this.#over(this.#received ? "This terminal has ended: AiKore was restarted, or somebody ended it." : reason);
    else if (code === REFUSED) this.#over(reason);
    else {
      this.listener.lost(true);
      this.#timer = window.setTimeout(() => this.#connect(), this.#pause);
      this.#pause = Math.min(this.#pause * 2, PAUSE_MOST_MS);
    }
  }

  /** @param {string} words */
  #over(words) {
    this.#closed = true;
    this.listener.end(words);
  }

  /** What is typed before the first connection stands waits for it; into a lost one nothing is typed.
   * @param {string | Uint8Array<ArrayBuffer>} input */
  send(input) {
    const data = typeof input === "string" ? ENCODER.encode(input) : input;
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(data);
    else if (this.#early && this.#early.length < EARLY_MOST) this.#early.push(data);
  }

  /** @param {WebSocket} socket */
  #opened(socket) {
    for (const data of this.#early ?? []) socket.send(data);
    this.#early = null;
  }

  /** @param {Record<string, unknown>} control */
  control(control) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(control));
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }
}
