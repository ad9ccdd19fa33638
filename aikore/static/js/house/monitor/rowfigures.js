/** The figures in the table of instances: a number and the last minutes as a line. */

import { call } from "../api.js";
import { feed } from "./feed.js";
import { bytes, gpuMemory, inferredMark, percent } from "./figures.js";
import { el, setText } from "../../kit/dom.js";
import { attempt } from "../../kit/toasts.js";

/** @import {InstanceFigures, Stats} from "./figures.js" */

const POINTS = 60;
const STEP = 5;
const SVG = "http://www.w3.org/2000/svg";

/** @type {{figure: string, series: string, of: (one: InstanceFigures) => number | null, write: (one: InstanceFigures, value: number | null) => string}[]} */
const FIGURES = [
  { figure: "cpu", series: "cpu", of: (one) => one.cpu, write: (_one, value) => percent(value) },
  { figure: "memory", series: "memory", of: (one) => one.memory, write: (_one, value) => bytes(value) },
  { figure: "gpu", series: "gpu_memory", of: gpuMemory, write: (one, value) => (value ? inferredMark(value, one.gpu_inferred) + bytes(value) : "") },
];

/** @type {Map<string, (number | null)[]>} by figure and instance */
const past = new Map();
let added = 0;

/** @param {string} figure @param {number} id */
function pastOf(figure, id) {
  const key = `${figure}-${id}`;
  const found = past.get(key) ?? [];
  past.set(key, found);
  return found;
}

async function load() {
  const from = Math.floor(Date.now() / 1000) - POINTS * STEP;
  const { data } = await call("GET", `/api/system/history?series=${FIGURES.map(({ series }) => `instance.*.${series}`)}&from=${from}&step=${STEP}`);
  past.clear();
  for (const [name, values] of Object.entries(data.series)) {
    const [, id, series] = /^instance\.(\d+)\.(.+)$/.exec(name) ?? [];
    const figure = FIGURES.find((one) => one.series === series)?.figure;
    if (figure) pastOf(figure, Number(id)).push(.../** @type {(number | null)[]} */ (values).slice(-POINTS));
  }
}

/** @param {Stats} stats */
function show(stats) {
  const step = stats.time - added >= STEP;
  if (step) added = stats.time;
  for (const row of document.querySelectorAll("#rows tr[data-instance]")) {
    const id = Number(/** @type {HTMLElement} */ (row).dataset.instance);
    const one = feed.running.get(id);
    if (!one && !row.querySelector("td[data-figure] span:not(:empty)")) continue;
    for (const { figure, of, write } of FIGURES) {
      const value = one ? of(one) : null;
      if (step) push(pastOf(figure, id), value);
      const cell = row.querySelector(`td[data-figure="${figure}"]`);
      if (!(cell instanceof HTMLElement)) continue;
      draw(cell, one ? write(one, value) : "", one && figure === "gpu" && !value ? [] : pastOf(figure, id), step);
      cell.title = one?.gpu_inferred && figure === "gpu" ? "Concluded from pinning and changes: the driver does not name our processes." : "";
    }
  }
}

/** @param {(number | null)[]} values @param {number | null} value */
function push(values, value) {
  values.push(value);
  if (values.length > POINTS) values.shift();
}

/** @param {HTMLElement} cell @param {string} text @param {(number | null)[]} values @param {boolean} redraw */
function draw(cell, text, values, redraw) {
  let label = cell.querySelector("span");
  if (!label) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 60 20");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("class", "spark");
    svg.setAttribute("aria-hidden", "true");
    svg.append(document.createElementNS(SVG, "path"));
    cell.append(el("div", {}, svg, label = el("span", {})));
    redraw = true;
  }
  setText(label, text);
  if (redraw) cell.querySelector("path")?.setAttribute("d", text ? shape(values) : "");
}

/** @param {(number | null)[]} values @returns {string} an area below the values, the newest at the right */
function shape(values) {
  const most = Math.max(...values.map((value) => value ?? 0));
  if (!(most > 0)) return "";
  const first = POINTS - values.length;
  const points = values.map((value, at) => `${first + at + 1},${(20 - ((value ?? 0) / most) * 16).toFixed(1)}`);
  return `M${first + 1},20L${points.join("L")}L60,20Z`;
}

export function beginRowFigures() {
  feed.addEventListener("begin", () => void attempt(load()));
  feed.addEventListener("sample", (event) => show(/** @type {CustomEvent} */ (event).detail));
}
