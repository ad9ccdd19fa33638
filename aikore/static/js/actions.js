/** What a person can do with an instance. Which of it is possible now, the server says in `actions`. */

import { access } from "./access.js";
import { call, wish } from "./api.js";
import { editInstance } from "./form.js";
import { popMenu } from "./menu.js";
import { store } from "./store.js";
import { attempt, toast } from "./toasts.js";
import { openTool } from "./tools.js";

/** @import {Instance} from "./types.js" */
/** @import {Item} from "./menu.js" */

/** @param {Instance} instance @param {string} action */
export function send(instance, action) {
  return attempt(wish(instance.id, action));
}

/** @param {Instance} instance */
export function toggle(instance) {
  return send(instance, instance.actions.includes("stop") ? "stop" : "start");
}

/** @param {Instance} instance */
export async function remove(instance) {
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

/** @type {[string, string, (instance: Instance) => void][]} action, words, what it does */
const MENU = [
  ["restart", "Restart", (instance) => void send(instance, "restart")],
  ["activate", "Answer at /comfyui/", (instance) => void send(instance, "activate")],
  ["edit", "Edit", (instance) => editInstance(instance)],
  ["copy", "Copy", (instance) => void copy(instance)],
  ["rebuild", "Rebuild environment", (instance) => void rebuild(instance)],
  ["delete", "Move to trash", (instance) => void remove(instance)],
];

/** @param {Instance} instance @param {HTMLElement} anchor */
export function openMenu(instance, anchor) {
  const script = access.may("operator") ? /** @type {Item[]} */ ([["terminal", "Terminal", () => openTool("terminal", instance)], ["script", "Launch script", () => openTool("script", instance)]]) : [];
  popMenu(anchor, [
    ["view", "Open", () => openTool("view", instance)],
    ["log", "Log", () => openTool("log", instance)],
    ...script,
    ...MENU.filter(([action]) => instance.actions.includes(action)).map(([action, words, run]) => /** @type {Item} */ ([action, words, () => run(instance)])),
  ]);
}
