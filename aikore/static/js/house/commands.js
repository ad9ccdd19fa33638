/** What a person can do that concerns no single instance, for the palette and the keys. */

import { access } from "./access.js";
import { AIKORE } from "./aikore.js";
import { newInstance } from "./form/form.js";
import { nextPane, showPane, toggleMonitoring } from "./layout.js";
import { closeTool, currentPanel, currentTool, moveTool, openTool, stepTool } from "./tools.js";
import { openTrash } from "./trash.js";
import { enterWhole } from "./whole.js";
import { byId } from "../kit/dom.js";
import { switchTheme } from "../kit/theme.js";

/** @import {Permission} from "./types.js" */
/** @typedef {{words: string, key?: string, permission?: Permission, run: () => void}} Command */

/** @param {Command} command */
export const mayRun = ({ permission }) => !permission || access.may(permission);

/** @type {Command[]} */
export const COMMANDS = [
  { words: "New instance", key: "n", permission: "instances.edit", run: newInstance },
  { words: "Filter the table", key: "/", run: () => { showPane("instances"); byId("filter").focus(); } },
  { words: "Fold or unfold the load", key: "f", run: toggleMonitoring },
  { words: "Next tab", key: ".", run: () => stepTool(1) },
  { words: "Previous tab", key: ",", run: () => stepTool(-1) },
  { words: "Move the tab to the other side", key: "b", run: () => moveTool(currentTool()) },
  { words: "Close the tab", key: "x", run: () => closeTool(currentTool() ?? "") },
  { words: "Give the tab the whole window", key: "w", run: () => enterWhole(currentPanel()) },
  { words: "Next pane", key: "F6", run: nextPane },
  { words: "Terminal of AiKore", permission: "system.terminal", run: () => openTool("terminal", AIKORE) },
  { words: "Trash", run: openTrash },
  { words: "Switch between dark and light", run: switchTheme },
];

/** @param {string} key @returns {string} as it stands on a keyboard */
export const shownKey = (key) => (key.length === 1 ? key.toUpperCase() : key);
