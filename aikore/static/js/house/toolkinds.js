/** The kinds of tools that the page offers, in the order of menus: whoever puts the page together says them once. */

/** @import {ToolKind} from "./types.js" */

/** @type {ToolKind[]} */
const offered = [];

/** @param {ToolKind[]} kinds */
export function offerTools(kinds) {
  offered.push(...kinds);
}

/** @returns {readonly ToolKind[]} */
export const toolKinds = () => offered;

/** @param {string} kind @returns {ToolKind | undefined} */
export const toolKind = (kind) => offered.find((one) => one.kind === kind);
