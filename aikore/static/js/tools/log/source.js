/** Where a log comes from: stretches by byte offset, what is printed from now on, and what a search finds. */

import { call, socketUrl } from "../../house/api.js";

/** @import {Payloads} from "../../house/types.js" */
/** @typedef {Payloads["TimeMark"]} Mark from this byte on, lines were written at this Unix time or later */
/** @typedef {{offset: number, next: number, start: number, end: number, text: string, times: Mark[]}} Piece */
/** @typedef {Payloads["LogMatch"]} Match */
/**
 * @typedef {object} Follower
 * @property {(text: string, offset: number, next: number) => void} data
 * @property {(text: string) => void} live the progress line as it is drawn now
 * @property {(next: number) => void} gap what came before `next` is gone
 * @property {(reason: string) => void} gone the log cannot be followed
 */

const PIECE_BYTES = 131072;
const PAUSE_MS = 1000;
const NOT_FOUND = 4404;

export class Source {
  /** @type {WebSocket | undefined} */
  #socket;
  #timer = 0;

  /** @param {number} instance */
  constructor(instance) {
    this.base = `/api/instances/${instance}/logs`;
  }

  /** The newest lines. @returns {Promise<Piece>} */
  async tail() {
    return (await call("GET", `${this.base}?limit=${PIECE_BYTES}`)).data;
  }

  /** @param {number} offset @param {number} [limit] @returns {Promise<Piece>} */
  async from(offset, limit = PIECE_BYTES) {
    return (await call("GET", `${this.base}?offset=${Math.max(0, Math.round(offset))}&limit=${limit}`)).data;
  }

  /** What lies right before an offset. @param {number} offset @param {number} start the oldest one @returns {Promise<Piece>} */
  async before(offset, start) {
    const from = Math.max(start, offset - PIECE_BYTES);
    const piece = await this.from(from, offset - from);
    while (piece.next < offset) { // it ended at the border of a rotated file
      const more = await this.from(piece.next, offset - piece.next);
      if (more.next === piece.next) break;
      piece.text += more.text;
      piece.next = more.next;
      piece.times.push(...more.times);
    }
    return piece;
  }

  /** Go along what is printed, from an offset on. @param {number} offset @param {Follower} follower */
  follow(offset, follower) {
    this.stop();
    const socket = new WebSocket(socketUrl(`${this.base}/stream?offset=${offset}`));
    let next = offset;
    socket.addEventListener("message", (event) => {
      const frame = JSON.parse(event.data);
      next = frame.next ?? next;
      if (frame.type === "data") follower.data(frame.text, frame.offset, frame.next);
      else if (frame.type === "live") follower.live(frame.text);
      else if (frame.type === "gap") follower.gap(frame.next);
    });
    socket.addEventListener("close", ({ code, reason }) => {
      if (socket !== this.#socket) return;
      if (code === NOT_FOUND) return;
      if (reason) follower.gone(reason);
      this.#timer = window.setTimeout(() => this.follow(next, follower), PAUSE_MS);
    });
    this.#socket = socket;
  }

  stop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  /** @param {string} text @param {boolean} exact tells capital and small letters apart @param {number} offset
   * @returns {Promise<{matches: Match[], next: number, start: number, end: number, done: boolean}>} */
  async search(text, exact, offset) {
    return (await call("GET", `${this.base}?search=${encodeURIComponent(text)}&offset=${offset}&limit=1000${exact ? "&case=true" : ""}`)).data;
  }
}
