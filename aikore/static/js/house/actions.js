/** What a person can do with an instance: the one list behind menu, keys and palette. What is possible, the server says. */

import { access } from "./access.js";
import { call, wish } from "./api.js";
import { editInstance } from "./form/form.js";
import { store } from "./store.js";
import { toolKinds } from "./toolkinds.js";
import { openTool } from "./tools.js";
import { popMenu } from "../kit/menu.js";
import { attempt, toast } from "../kit/toasts.js";

/** @import {Instance, Permission, ToolKind} from "./types.js" */

/**
 * @typedef {object} Action
 * @property {string} name
 * @property {(instance: Instance) => string} words
 * @property {string} [key]
 * @property {Permission} permission what it takes at all
 * @property {(instance: Instance) => boolean} possible
 * @property {(instance: Instance) => void} run
 */

/** @param {Instance} instance @param {string} action */
export function send(instance, action) {
  return attempt(wish(instance.id, action));
}

/** @param {Instance} instance @returns {"start" | "stop"} */
export const toggling = (instance) => (instance.actions.includes("stop") ? "stop" : "start");

/** @param {Instance} instance */
async function remove(instance) {
  if (!(await attempt(call("DELETE", `/api/instances/${instance.id}`)))) return;
  toast(`${instance.name} is in the trash.`, { action: "Undo", run: () => restoreNewest(instance) });
}

/** @param {Instance} instance */
function restoreNewest(instance) {
  const entry = store.trash.find((candidate) => candidate.slug === instance.slug);
  if (entry) void attempt(call("POST", `/api/trash/${encodeURIComponent(entry.id)}/restore`));
}

/** @param {Instance} instance */
async function copy(instance) {
  const taken = new Set([...store.instances.values()].map((other) => other.name));
  let name = `${instance.name.slice(0, 70)} copy`;
  for (let number = 2; taken.has(name); number++) name = `${instance.name.slice(0, 70)} copy ${number}`;
  if (await attempt(call("POST", `/api/instances/${instance.id}/copy`, { name }))) toast(`${name} was made.`);
}

/** @param {Instance} instance */
async function rebuild(instance) {
  if (await send(instance, "rebuild")) toast(`The environment of ${instance.name} is rebuilt at its next start.`);
}

/** @param {string} name @param {string} words @param {Permission} permission @param {(instance: Instance) => void} run @param {string} [key] @returns {Action} */
const offered = (name, words, permission, run, key) => ({ name, words: () => words, key, permission, run, possible: (instance) => instance.actions.includes(name) });

/** @param {ToolKind} kind @returns {Action} */
const opening = ({ kind, label, key, permission, offered = () => true }) => (
  { name: kind, words: () => label, key, permission, possible: (instance) => access.may(permission) && offered(instance), run: (instance) => openTool(kind, instance) });

/** @type {Action[]} */
const OWN = [
  {
    name: "toggle", words: (instance) => (toggling(instance) === "stop" ? "Stop" : "Start"), key: "s", permission: "instances.run",
    possible: (instance) => instance.actions.includes(toggling(instance)), run: (instance) => void send(instance, toggling(instance)),
  },
  offered("restart", "Restart", "instances.run", (instance) => void send(instance, "restart"), "r"),
  offered("activate", "Answer at /comfyui/", "instances.run", (instance) => void send(instance, "activate")),
  offered("edit", "Edit", "instances.edit", (instance) => editInstance(instance), "d"),
  offered("copy", "Copy", "instances.edit", (instance) => void copy(instance)),
  offered("rebuild", "Rebuild environment", "instances.run", (instance) => void rebuild(instance)),
  offered("delete", "Move to trash", "instances.edit", (instance) => void remove(instance)),
];

/** @returns {Action[]} all there are: to open each tool, and what the server does */
export const allActions = () => [...toolKinds().map(opening), ...OWN];

/** @param {Instance} instance @returns {Action[]} what is possible now */
export const actionsOf = (instance) => allActions().filter((action) => action.possible(instance));

/** @param {Instance} instance @param {HTMLElement} anchor */
export function openMenu(instance, anchor) {
  popMenu(anchor, actionsOf(instance).map(({ name, words, run }) => [name, words(instance), () => run(instance)]));
}
