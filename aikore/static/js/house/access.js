/** Who is logged in and what they may do. When nobody is any more, leaves for the login page. */

import { call, login } from "./api.js";
import { BASE } from "../kit/base.js";

/** @import {Me, Permission} from "./types.js" */

class Access extends EventTarget {
  /** @type {Me | null} null until the server has said it */
  me = null;
  /** whether a login is asked for at all */
  on = true;
  /** @type {ReadonlySet<Permission>} */
  #permissions = new Set();
  /** @type {Promise<void> | null} */
  #refreshing = null;

  /** @param {Permission} permission @returns {boolean} whether who is logged in may do this, as the server says */
  may(permission) {
    return this.#permissions.has(permission);
  }

  /** Ask the server who is logged in. @returns {Promise<void>} */
  refresh() {
    this.#refreshing ??= this.#ask().finally(() => { this.#refreshing = null; });
    return this.#refreshing;
  }

  async #ask() {
    const { data } = await call("GET", "/api/auth/status").catch(() => ({ data: null }));
    if (!data) return; // the event socket comes back and asks again
    if (!data.identity) {
      toLogin(location.pathname + location.search);
      return;
    }
    const same = JSON.stringify([data.auth === "on", data.identity, data.permissions]) === JSON.stringify([this.on, this.me, [...this.#permissions]]);
    this.on = data.auth === "on";
    this.me = data.identity;
    this.#permissions = new Set(data.permissions);
    if (!same) this.dispatchEvent(new Event("change"));
  }
}

/** @param {string} [next] where to go afterwards */
export function toLogin(next) {
  location.assign(`${BASE}.aikore/login${next ? `?next=${next}` : ""}`);
}

export const access = new Access();
login.addEventListener("required", () => void access.refresh());
