/** Who is logged in and what they may do. When nobody is any more, leaves for the login page. */

import { BASE, call } from "./api.js";

/** @import {Me, Role} from "./types.js" */

const ROLES = /** @type {Role[]} */ (["viewer", "operator", "admin", "owner"]);

class Access extends EventTarget {
  /** @type {Me | null} null until the server has said it */
  me = null;
  /** whether a login is asked for at all */
  on = true;
  /** @type {Promise<void> | null} */
  #looking = null;

  /** @param {Role} role @returns {boolean} whether who is logged in has this role or a higher one */
  may(role) {
    return this.me !== null && ROLES.indexOf(this.me.role) >= ROLES.indexOf(role);
  }

  /** Ask the server who is logged in. @returns {Promise<void>} */
  look() {
    this.#looking ??= this.#ask().finally(() => { this.#looking = null; });
    return this.#looking;
  }

  async #ask() {
    const { data } = await call("GET", "/api/auth/status").catch(() => ({ data: null }));
    if (!data) return; // the event socket comes back and asks again
    if (!data.identity) {
      toLogin(location.pathname + location.search);
      return;
    }
    const same = JSON.stringify([data.auth === "on", data.identity]) === JSON.stringify([this.on, this.me]);
    this.on = data.auth === "on";
    this.me = data.identity;
    if (!same) this.dispatchEvent(new Event("change"));
  }
}

/** @param {string} [next] where to go afterwards */
export function toLogin(next) {
  location.assign(`${BASE}.aikore/login${next ? `?next=${next}` : ""}`);
}

export const access = new Access();
document.addEventListener("login-required", () => void access.look());
