/** Which instances the table shows, in which order and in which groups. Plain functions over plain data. */

import { feed } from "../monitor/feed.js";
import { gpuMemory } from "../monitor/figures.js";
import { gpuWords } from "../pins.js";
import { store } from "../store.js";
import { blueprintIcon } from "../../kit/icons.js";
import { recall, remember } from "../../kit/memory.js";

/** @import {Instance} from "../types.js" */
/** @import {IconName} from "../../kit/icons.js" */
/** @import {InstanceFigures} from "../monitor/figures.js" */
/** @typedef {"none" | "status" | "blueprint" | "group"} Grouping */
/** @typedef {{sort: string, falling: boolean, grouping: Grouping, folded: string[]}} Arrangement */
/** @typedef {{key: string, words: string, members: Instance[], joined: string | null}} Group `joined`: the group that whoever is put here joins */

/** What needs a look comes first. */
const STATUSES = ["error", "stalled", "starting", "stopping", "started", "stopped"];
const UNGROUPED = "Without a group";
const compare = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" }).compare;

/** @param {Instance} instance */
const blueprintOf = (instance) => store.blueprints.find((blueprint) => blueprint.id === instance.base_blueprint);

/** @param {Instance} instance @returns {string} what people call its blueprint */
export const blueprintName = (instance) => blueprintOf(instance)?.name || instance.base_blueprint;

/** @param {Instance} instance @returns {IconName} its drawing */
export const drawingOf = (instance) => blueprintIcon(`${blueprintName(instance)} ${instance.base_blueprint} ${blueprintOf(instance)?.category ?? ""}`);

/** @param {(one: InstanceFigures) => number | null} of @returns {(a: Instance, b: Instance) => number} */
function byFigure(of) {
  const figure = (/** @type {Instance} */ { id }) => {
    const one = feed.running.get(id);
    return one ? of(one) ?? 0 : -1;
  };
  return (a, b) => figure(a) - figure(b);
}

/** @type {Record<string, (a: Instance, b: Instance) => number>} those who use the most are sought first */
export const BY_FIGURE = { cpu: byFigure((one) => one.cpu), memory: byFigure((one) => one.memory), vram: byFigure(gpuMemory) };

/** @type {Record<string, (a: Instance, b: Instance) => number>} by column; others cannot be sorted */
export const BY_COLUMN = {
  name: (a, b) => compare(a.name, b.name),
  blueprint: (a, b) => compare(blueprintName(a), blueprintName(b)),
  gpu: (a, b) => compare(gpuWords(a), gpuWords(b)),
  status: (a, b) => STATUSES.indexOf(a.status) - STATUSES.indexOf(b.status) || Date.parse(b.status_since) - Date.parse(a.status_since),
  auto: (a, b) => Number(b.autostart) - Number(a.autostart),
  address: (a, b) => compare(a.slug, b.slug),
  ...BY_FIGURE,
};

/** @type {Arrangement} how this browser last had it */
export const arrangement = { sort: "", falling: false, grouping: "none", folded: [], ...recall("table", {}) };

/** @param {Partial<Arrangement>} change */
export function rearrange(change) {
  Object.assign(arrangement, change);
  remember("table", arrangement);
}

/** @param {Iterable<Instance>} instances @returns {Instance[]} */
export function sorted(instances) {
  const all = [...instances].sort((a, b) => a.position - b.position || a.id - b.id);
  const order = BY_COLUMN[arrangement.sort];
  if (!order) return all;
  return all.sort((a, b) => (arrangement.falling ? order(b, a) : order(a, b)));
}

/** @param {Instance} instance @param {string} sought @returns {boolean} */
export function matches(instance, sought) {
  const text = `${instance.name} ${instance.slug} ${instance.base_blueprint} ${blueprintName(instance)} ${instance.group} ${instance.status} ${instance.status_detail}`.toLowerCase();
  return sought.toLowerCase().split(/\s+/).every((part) => text.includes(part));
}

/** @type {Record<Exclude<Grouping, "none">, (instance: Instance) => string>} */
const NAMES = {
  status: (instance) => instance.status,
  blueprint: blueprintName,
  group: (instance) => instance.group || UNGROUPED,
};

/** @param {Instance[]} instances in their order @returns {Group[]} */
export function grouped(instances) {
  if (arrangement.grouping === "none") return [{ key: "", words: "", members: instances, joined: null }];
  /** @type {Map<string, Group>} */
  const groups = new Map();
  for (const instance of instances) {
    const words = NAMES[arrangement.grouping](instance);
    const group = groups.get(words) ?? { key: `${arrangement.grouping}:${words}`, words, members: [], joined: arrangement.grouping === "group" ? instance.group : null };
    group.members.push(instance);
    groups.set(words, group);
  }
  const order = (/** @type {Group} */ { words }) => (arrangement.grouping === "status" ? STATUSES.indexOf(words) : Number(words === UNGROUPED));
  return [...groups.values()].sort((a, b) => order(a) - order(b) || compare(a.words, b.words));
}
