/** What the server last said, in one place. Only the socket writes it; views listen. */

/** @import {Instance, Snapshot} from "./types.js" */

const NOTICES_KEPT = 100;

class Store extends EventTarget {
  /** @type {Map<number, Instance>} */
  instances = new Map();
  /** @type {Snapshot["blueprints"]} */
  blueprints = [];
  /** @type {Snapshot["trash"]} */
  trash = [];
  /** @type {Snapshot["system"]} */
  system = {};
  /** @type {Snapshot["notices"]} the newest last */
  notices = [];
  ready = false;
  /** @type {Date | null} since when the connection is lost */
  lostSince = null;

  /** @param {{type: string, topic?: string, data: any}} message */
  apply(message) {
    if (message.type === "change") this.#change(message.topic ?? "", message.data);
    else this.#begin(message.data);
  }

  /** @param {Snapshot} data */
  #begin(data) {
    this.instances = new Map((data.instances ?? []).map((instance) => [instance.id, instance]));
    this.blueprints = data.blueprints ?? [];
    this.trash = data.trash ?? [];
    this.system = data.system ?? {};
    this.notices = data.notices ?? [];
    this.ready = true;
    this.#tell("all", null);
  }

  /** @param {string} topic @param {any} data */
  #change(topic, data) {
    if (topic === "instance") this.instances.set(data.id, data);
    else if (topic === "instance_removed") this.instances.delete(data.id);
    else if (topic === "blueprints") this.blueprints = data;
    else if (topic === "trash") this.trash = data;
    else if (topic === "system") this.system = data;
    else if (topic === "notice") this.notices = [...this.notices.slice(1 - NOTICES_KEPT), data];
    this.#tell(topic, data);
  }

  /** @param {Date | null} since */
  setLost(since) {
    this.lostSince = since;
    this.#tell("connection", null);
  }

  /** @param {string} topic @param {any} data */
  #tell(topic, data) {
    this.dispatchEvent(new CustomEvent("change", { detail: { topic, data } }));
  }
}

export const store = new Store();
