/** The calls of an instance's files: one place of it, by paths below. */

import { call } from "../../house/api.js";
import { address } from "../../kit/base.js";

/** @import {Payloads} from "../../house/types.js" */
/** @typedef {Payloads["PlaceName"]} PlaceName */
/** @typedef {Payloads["EntryView"]} Entry */
/** @typedef {Payloads["FolderView"]} Folder */
/** @typedef {Payloads["DeletedView"]} Deleted */

const PAGE = 1000;

/** @param {string} folder @param {string} name */
export const join = (folder, name) => (folder ? `${folder}/${name}` : name);

/** @param {string} path */
export const parent = (path) => path.slice(0, Math.max(0, path.lastIndexOf("/")));

/** @param {string} path */
export const nameOf = (path) => path.slice(path.lastIndexOf("/") + 1);

export class RemoteFiles {
  /** @type {PlaceName} */
  place = "instance";

  /** @param {number} instance */
  constructor(instance) {
    this.base = `/api/instances/${instance}/files`;
  }

  /** @param {string} what @param {Record<string, string>} [query] */
  #at(what, query = {}) {
    return `${this.base}${what}?${new URLSearchParams({ place: this.place, ...query })}`;
  }

  /** @param {string} path @param {number} offset @returns {Promise<Folder>} */
  async list(path, offset) {
    return (await call("GET", this.#at("", { path, offset: String(offset), limit: String(PAGE) }))).data;
  }

  /** @param {string} path @returns {Promise<{content: string, version: string}>} */
  async read(path) {
    return (await call("GET", this.#at("/text", { path }))).data;
  }

  /** @param {string} path @param {string} content @param {string | null} version none: it is a new file @returns {Promise<string>} its version now */
  async write(path, content, version) {
    return (await call("PUT", this.#at("/text", { path }), { content }, version === null ? {} : { "If-Match": version })).data.version;
  }

  /** @param {string} path @returns {string} */
  download(path) {
    return address(this.#at("/content", { path }));
  }

  /** @param {string} path @param {boolean} overwrite @returns {string} */
  upload(path, overwrite) {
    return address(this.#at("/content", { path, overwrite: String(overwrite) }));
  }

  /** @param {string} path */
  makeFolder(path) {
    return call("POST", this.#at("/folder"), { path });
  }

  /** @param {string} path @param {string} to */
  move(path, to) {
    return call("POST", this.#at("/move"), { path, to });
  }

  /** @param {string} path @returns {Promise<() => Promise<unknown>>} brings it back */
  async remove(path) {
    const { place } = this;
    await call("DELETE", this.#at("", { path }));
    const thrown = (await this.trash()).find((one) => one.place === place && one.path === path);
    return async () => thrown && this.restore(thrown.id);
  }

  /** @returns {Promise<Deleted[]>} */
  async trash() {
    return (await call("GET", `${this.base}/trash`)).data;
  }

  /** @param {string} id */
  restore(id) {
    return call("POST", `${this.base}/trash/${encodeURIComponent(id)}/restore`);
  }

  /** @param {string} id */
  removeForGood(id) {
    return call("DELETE", `${this.base}/trash/${encodeURIComponent(id)}`);
  }
}
