/** The kinds of tools there are, in the order of menus. A new one is a line here. */

import { desktop } from "./desktop.js";
import { details } from "./details.js";
import { files } from "./files.js";
import { log } from "./log.js";
import { script } from "./script.js";
import { terminal } from "./terminal.js";
import { view } from "./view.js";

/** @import {ToolKind} from "./types.js" */

/** @type {ToolKind[]} */
export const TOOL_KINDS = [view, desktop, log, terminal, script, files, details];
