/** AiKore itself, for a tool that belongs to no instance. */

import { store } from "./store.js";

/** @import {Instance} from "./types.js" */

/** Where a tool takes an instance; no instance has this id or slug. */
export const AIKORE = /** @type {Instance} */ ({ id: 0, slug: ".", name: "AiKore" });

/** @param {number} id @returns {Instance | undefined} */
export const instanceById = (id) => (id === AIKORE.id ? AIKORE : store.instances.get(id));
