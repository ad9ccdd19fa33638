/** The kinds of tools there are, in the order of menus. A new one is a line here. */

import { desktop } from "./desktop/desktop.js";
import { details } from "./details/details.js";
import { files } from "./files/files.js";
import { log } from "./log/log.js";
import { script } from "./script/script.js";
import { terminal } from "./terminal/terminal.js";
import { view } from "./view/view.js";

/** @import {ToolKind} from "../house/types.js" */

/** @type {ToolKind[]} */
export const KINDS = [view, desktop, log, terminal, script, files, details];
