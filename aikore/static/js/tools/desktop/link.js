/** The line to a desktop: shows it in an element, comes back by itself when it breaks, and says how things are. */

import { Problem, call, socketUrl } from "../../house/api.js";
import { loadDesktop } from "../../kit/vendor.js";

/** @import {Instance} from "../../house/types.js" */
/**
 * @typedef {EventTarget & {
 *   resizeSession: boolean, focusOnClick: boolean, scaleViewport: boolean, viewOnly: boolean, qualityLevel: number, compressionLevel: number, background: string,
 *   clipboardPasteFrom: (text: string) => void, disconnect: () => void,
 * }} Rfb what we use of noVNC
 */
/** @typedef {[string, string]} Why why nothing is shown, and what more is to be said */
/**
 * @typedef {object} Listener
 * @property {(rfb: Rfb) => void} up it is shown
 * @property {(why: Why, instance: Instance | null) => void} down why it is not shown; the instance where it is known
 * @property {(text: string) => void} clipboard what was copied on it
 */

const PAUSE_MS = 500;
const PAUSE_MOST_MS = 4000;

/** @param {Instance} instance whose desktop is not shown @returns {Why} */
function why({ name, status, status_detail, failure, actions, persistent_mode }) {
  if (!persistent_mode) return [`${name} has no desktop.`, "Edit it and tick “Desktop”."];
  if (status === "starting") return [`${name} is starting.`, status_detail || "Its desktop comes by itself."];
  if (status === "stopping") return [`${name} is stopping.`, ""];
  if (status === "error") return [`${name} ended with an error.`, failure ? `${failure.cause}. ${failure.advice}` : status_detail];
  if (actions.includes("start")) return [`${name} does not run.`, "Its desktop begins and ends with it."];
  return [`The desktop of ${name} is not up yet.`, "It comes by itself."];
}

export class Link {
  /** @type {Rfb | null} */
  #rfb = null;
  #timer = 0;
  #pause = PAUSE_MS;
  #wanted = false;

  /** @param {number | string} id of the instance, or its slug @param {HTMLElement} target @param {Listener} listener */
  constructor(id, target, listener) {
    this.id = id;
    this.target = target;
    this.listener = listener;
  }

  /** Show it from now on. */
  open() {
    if (this.#wanted) return;
    this.#wanted = true;
    void this.#connect();
  }

  /** Show it no longer; what is on it goes on. */
  close() {
    this.#wanted = false;
    clearTimeout(this.#timer);
    this.#rfb?.disconnect();
    this.#rfb = null;
  }

  /** Try again at once: the instance may be up now. */
  hurry() {
    if (!this.#wanted || this.#rfb) return;
    this.#pause = PAUSE_MS;
    clearTimeout(this.#timer);
    void this.#connect();
  }

  async #connect() {
    let parts;
    try {
      parts = await loadDesktop();
    } catch (error) {
      this.#retry(["The page did not load completely.", String(error)], null);
      return;
    }
    if (!this.#wanted || this.#rfb) return;
    const socket = new WebSocket(socketUrl(`/api/instances/${this.id}/desktop`));
    const rfb = /** @type {Rfb} */ (new parts.RFB(this.target, socket, { shared: true }));
    this.#rfb = rfb;
    rfb.addEventListener("connect", () => { this.#pause = PAUSE_MS; this.listener.up(rfb); });
    rfb.addEventListener("clipboard", (event) => this.listener.clipboard(/** @type {CustomEvent} */ (event).detail.text));
    rfb.addEventListener("disconnect", () => {
      if (this.#rfb === rfb) this.#rfb = null;
      if (this.#wanted) void this.#explain();
    });
  }

  async #explain() {
    try {
      const { data } = await call("GET", `/api/instances/${this.id}`);
      this.#retry(why(data), data);
    } catch (error) {
      if (error instanceof Problem && error.status === 404) this.listener.down([error.message, ""], null);
      else this.#retry(["The connection is lost.", "It comes back by itself; the desktop goes on meanwhile."], null);
    }
  }

  /** @param {Why} reason @param {Instance | null} instance */
  #retry(reason, instance) {
    if (!this.#wanted || this.#rfb) return;
    this.listener.down(reason, instance);
    this.#timer = window.setTimeout(() => void this.#connect(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, PAUSE_MOST_MS);
  }
}
