/** AiKore itself, for a tool that belongs to no instance. */

import { store } from "./store.js";

/** @import {Instance} from "./types.js" */

/** Where a tool takes an instance; no instance has this id or slug. */
export const HOUSE = /** @type {Instance} */ ({ id: 0, slug: ".", name: "AiKore" });

/** @param {number} id @returns {Instance | undefined} */
export const placeOf = (id) => (id === HOUSE.id ? HOUSE : store.instances.get(id));
