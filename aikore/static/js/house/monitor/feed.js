/** The stream of figures, one for the whole page. It runs while somebody can see the page, and comes back by itself. */

import { socketUrl } from "../api.js";

/** @import {InstanceFigures, Stats} from "./figures.js" */

const FIRST_PAUSE = 500;
const LAST_PAUSE = 5000;

/** Tells `sample` (detail: the figures) and `begin` after every time without them. */
class Feed extends EventTarget {
  /** @type {Stats | null} */
  latest = null;
  /** @type {Map<number, InstanceFigures>} the running instances in these figures */
  running = new Map();
  /** @type {WebSocket | null} */
  #socket = null;
  #pause = FIRST_PAUSE;
  #retry = 0;

  begin() {
    document.addEventListener("visibilitychange", () => this.#settle());
    this.#settle();
  }

  #settle() {
    clearTimeout(this.#retry);
    if (document.hidden) this.#socket?.close();
    else if (!this.#socket) this.#open();
  }

  #open() {
    const socket = new WebSocket(socketUrl("/api/system/stats/stream"));
    this.#socket = socket;
    let first = true;
    socket.addEventListener("message", (event) => {
      const stats = /** @type {Stats} */ (JSON.parse(event.data));
      this.latest = stats;
      this.running = new Map(stats.instances.map((one) => [one.id, one]));
      this.#pause = FIRST_PAUSE;
      if (first) this.dispatchEvent(new Event("begin"));
      first = false;
      this.dispatchEvent(new CustomEvent("sample", { detail: stats }));
    });
    socket.addEventListener("close", () => {
      this.#socket = null;
      if (document.hidden) return;
      this.#retry = setTimeout(() => this.#settle(), this.#pause);
      this.#pause = Math.min(this.#pause * 2, LAST_PAUSE);
    });
  }
}

export const feed = new Feed();
