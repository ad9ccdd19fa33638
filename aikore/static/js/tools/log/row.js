/** One line of a log as it is seen. */

import { bare, nodes } from "../../kit/ansi.js";
import { el } from "../../kit/dom.js";

/** @import {Line} from "./lines.js" */

const LOOKED_AT = 300;
/** @type {[RegExp, string][]} the first that fits; words in capitals, or what Python and shells put before their message */
const LEVELS = [
  [/^\[aikore\] == /, "stage"],
  [/\b(?:ERROR|CRITICAL|FATAL)\b|^(?:\w+\.)*\w*(?:Error|Exception)\b|^Traceback |\b(?:error|fatal):/, "error"],
  [/\bWARN(?:ING)?\b|\b\w*Warning:|\bwarning:/, "warning"],
  [/\b(?:DEBUG|TRACE)\b/, "debug"],
];

/** @param {string} text @returns {string} its level, empty when it names none */
export function levelOf(text) {
  const start = bare(text.slice(0, LOOKED_AT));
  return LEVELS.find(([pattern]) => pattern.test(start))?.[1] ?? "";
}

/** @param {Line} line @param {number | undefined} time */
export function makeRow(line, time) {
  const level = line.note ? "note" : levelOf(line.text);
  const row = el("div", { class: level ? `row ${level}` : "row" });
  if (time !== undefined) row.dataset.time = clock(time);
  row.append(...nodes(line.text, line.style));
  if (!row.firstChild) row.append("\u200b");
  return row;
}

/** @param {number} time */
function clock(time) {
  const date = new Date(time * 1000);
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return date.toDateString() === new Date().toDateString() ? clock : `${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock}`;
}
