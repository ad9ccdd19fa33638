/** How the GPUs that were chosen for an instance are written: present index and name; one that is gone is marked. */

/** @import {Instance, Pin} from "./types.js" */

/** @param {string} name @returns {string} a card's name without its maker's */
export const shortName = (name) => name.replace(/^(NVIDIA|AMD)( GeForce| Radeon(?= ))? /, "");

/** @param {Pin} pin @returns {boolean} whether no program can use it now */
export const isGone = ({ state }) => state === "gone" || state === "lost";

/** @param {Pin} pin @returns {string} */
export const pinWords = ({ id, uuid, name }) => [id, shortName(name) || (id ? "" : uuid)].filter(Boolean).join(" · ");

/** @param {Instance} instance @returns {string} in one line */
export function gpuWords({ gpus }) {
  if (gpus === null) return "all";
  return gpus.map((pin) => pinWords(pin) + (isGone(pin) ? ` (${pin.state})` : "")).join(", ") || "CPU only";
}
