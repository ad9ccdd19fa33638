/** One chart (uPlot): lines, or areas stacked on each other. All charts of the page share one cursor. */

import { el, setText } from "../../kit/dom.js";

/** @typedef {typeof import("../../../../../tools/vendor/charts.js").uPlot} UPlot */
/** @typedef {InstanceType<UPlot>} Plot */
/**
 * @typedef {object} Line
 * @property {string} label
 * @property {string} colour a custom property of tokens.css
 * @property {(number | null)[]} values
 * @property {(value: number | null | undefined) => string} [write] how its values read, when not like the chart's
 * @property {"right"} [side] counts on an axis of its own
 */
/**
 * @typedef {object} ChartOptions
 * @property {string} title
 * @property {(value: number | null | undefined) => string} write how values read
 * @property {number} [most] the fixed upper end of the axis
 * @property {boolean} [stacked] areas on top of each other
 */

const HEIGHT = 88;
const SYNC = "load";
const FONT = '11px ui-monospace, "DejaVu Sans Mono", Menlo, monospace';

/** @param {string} name @returns {string} the colour as it now is */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Chart {
  /** @type {Plot | null} */
  #plot = null;
  #key = "";
  /** @type {Line[]} */
  #lines = [];

  /** @param {UPlot} uPlot @param {ChartOptions} options */
  constructor(uPlot, options) {
    this.uPlot = uPlot;
    this.options = options;
    this.readout = el("span", { class: "readout" });
    this.box = el("div", { class: "plot" });
    this.node = el("figure", { class: "chart" }, el("figcaption", {}, el("span", { text: options.title }), this.readout), this.box);
    this.watcher = new ResizeObserver(() => this.#fit());
    this.watcher.observe(this.box);
  }

  /** @param {number[]} times @param {Line[]} lines the lowest of stacked ones first @param {number} [most] */
  show(times, lines, most = this.options.most) {
    this.#lines = lines;
    const key = JSON.stringify([lines.map(({ label, colour, side }) => [label, colour, side]), most, document.documentElement.dataset.theme]);
    const data = /** @type {import("uplot").AlignedData} */ ([times, ...(this.options.stacked ? stack(lines) : lines.map(({ values }) => values))]);
    if (key !== this.#key || !this.#plot) {
      this.#key = key;
      this.#plot?.destroy();
      this.#plot = new this.uPlot(this.#options(lines, most), data, this.box);
    } else this.#plot.setData(data);
    this.#read();
  }

  close() {
    this.watcher.disconnect();
    this.#plot?.destroy();
  }

  #fit() {
    const width = this.box.clientWidth;
    if (this.#plot && width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
  }

  /** Tell the values below the cursor, or the newest. */
  #read() {
    const at = this.#plot?.cursor.idx;
    const texts = this.#lines.map(({ label, values, write = this.options.write }) => {
      const text = write(at === null || at === undefined ? values.at(-1) : values[at]);
      return label ? `${label} ${text}` : text;
    });
    setText(this.readout, texts.slice(0, 6).join(" · "));
  }

  /** @param {Line[]} lines @param {number | undefined} most @returns {import("uplot").Options} */
  #options(lines, most) {
    const grid = { stroke: colour("--line"), width: 1 };
    const axis = { stroke: colour("--quiet"), font: FONT, grid, ticks: { show: false }, gap: 4 };
    const { write, stacked } = this.options;
    const right = lines.find(({ side }) => side);
    const order = stacked ? [...lines].reverse() : lines;
    return {
      width: Math.max(80, this.box.clientWidth), height: HEIGHT, padding: [6, right ? 0 : 8, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { size: 5 }, drag: { x: false, y: false }, sync: { key: SYNC, setSeries: false } },
      scales: { x: { time: true }, y: { range: (_plot, _low, high) => [0, most ?? (high || 1) * 1.1] }, right: { range: (_plot, _low, high) => [0, (high || 1) * 1.1] } },
      axes: [
        { ...axis, size: 18, grid: { show: false }, space: 64, values: (_plot, splits, _at, _space, step) => splits.map((time) => clock(time, step)) },
        { ...axis, size: 60, space: 26, values: (_plot, splits) => splits.map((value) => write(value).replace(".0 ", " ")) },
        ...(right?.write ? [{ ...axis, scale: "right", side: /** @type {1} */ (1), size: 48, space: 26, grid: { show: false }, values: (/** @type {unknown} */ _plot, /** @type {number[]} */ splits) => splits.map((value) => right.write?.(value) ?? "") }] : []),
      ],
      series: [{}, ...order.map((line) => ({
        label: line.label, scale: line.side ?? "y", stroke: colour(line.colour), width: 1.5, points: { show: false },
        fill: stacked ? mixed(colour(line.colour)) : lines.length === 1 ? `${colour(line.colour)}26` : undefined,
      }))],
      hooks: { setCursor: [() => this.#read()] },
    };
  }
}

/** Opaque, so that an area hides the higher one behind it. @param {string} hex */
function mixed(hex) {
  const channels = (/** @type {string} */ text) => [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16));
  const [own, pane] = [channels(hex), channels(colour("--pane"))];
  return `rgb(${own.map((value, at) => Math.round(value * 0.55 + (pane[at] ?? 0) * 0.45)).join(",")})`;
}

/** @param {Line[]} lines @returns {(number | null)[][]} sums, the highest first: it is drawn first */
function stack(lines) {
  /** @type {(number | null)[][]} */
  const sums = [];
  for (const { values } of lines) {
    const below = sums[0];
    sums.unshift(values.map((value, at) => (value === null && (below?.[at] ?? null) === null ? null : (value ?? 0) + (below?.[at] ?? 0))));
  }
  return sums;
}

/** @param {number} time @param {number} step seconds between two of them */
function clock(time, step) {
  const date = new Date(time * 1000);
  if (step >= 86400) return date.toLocaleDateString(undefined, { day: "numeric", month: "short" });
  return date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(step < 60 ? { second: "2-digit" } : {}) });
}
