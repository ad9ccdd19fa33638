/** What the charts show: the series of a chosen range, begun from the history and carried on by the stream. */

import { call } from "../api.js";
import { SERIES, valuesOf } from "./figures.js";

/** @import {Stats} from "./figures.js" */

/** @type {{name: string, words: string, span: number, step: number}[]} seconds; about 300 points each */
export const RANGES = [
  { name: "5m", words: "5 min", span: 300, step: 1 },
  { name: "30m", words: "30 min", span: 1800, step: 6 },
  { name: "1h", words: "1 hour", span: 3600, step: 12 },
  { name: "6h", words: "6 hours", span: 21600, step: 60 },
  { name: "24h", words: "24 hours", span: 86400, step: 300 },
  { name: "7d", words: "7 days", span: 604800, step: 2400 },
];

/** @param {number} id @returns {string} the series of one instance */
export const instanceSeries = (id) => ["cpu", "memory", "gpu.*.memory"].map((name) => `instance.${id}.${name}`).join(",");

export class Track {
  /** @type {number[]} the beginning of every step */
  times = [];
  /** @type {Map<string, (number | null)[]>} */
  values = new Map();
  #asking = 0;

  /** @param {typeof RANGES[number]} range @param {string} [series] */
  constructor(range, series = SERIES) {
    this.range = range;
    this.series = series;
    this.pattern = new RegExp(`^(${series.replaceAll(".", "\\.").replaceAll("*", "[^.]+").replaceAll(",", "|")})$`);
  }

  /** Begin anew. @param {typeof RANGES[number]} [range] @returns {Promise<boolean>} whether this was still wanted when it came */
  async load(range = this.range) {
    this.range = range;
    return this.#ask(undefined);
  }

  /** Take a sample. @param {Stats} stats @returns {Promise<boolean>} whether there is something new to show */
  async add(stats) {
    const last = this.times.at(-1);
    if (last === undefined) return false;
    if (this.range.step > 1) return stats.time >= last + 2 * this.range.step ? this.#ask(last) : false;
    const now = Math.floor(stats.time);
    if (now - last > 60) return this.#ask(undefined);
    const all = valuesOf(stats);
    const values = Object.fromEntries(Object.entries(all).filter(([name]) => this.pattern.test(name)));
    for (let second = last + 1; second <= now; second++) this.#append(second, values);
    this.#trim();
    return now > last;
  }

  /** @param {number | undefined} from ask for what comes after only @returns {Promise<boolean>} */
  async #ask(from) {
    const asking = ++this.#asking;
    const { span, step } = this.range;
    const start = from ?? Math.floor(Date.now() / 1000) - span;
    const { data } = await call("GET", `/api/system/history?series=${this.series}&from=${start}&step=${step}`);
    if (asking !== this.#asking) return false;
    if (from === undefined) {
      this.times = [];
      this.values = new Map();
    }
    const last = this.times.at(-1) ?? -Infinity;
    const count = (data.to - data.from) / data.step;
    for (let number = 0; number < count; number++) {
      const time = data.from + number * data.step;
      if (time > last) this.#append(time, Object.fromEntries(Object.entries(data.series).map(([name, values]) => [name, /** @type {(number | null)[]} */ (values)[number] ?? null])));
    }
    while (this.times.length && [...this.values.values()].every((series) => series.at(-1) === null)) this.#drop();
    this.#trim();
    return true;
  }

  /** Take away the newest step, which has only begun. */
  #drop() {
    this.times.pop();
    for (const series of this.values.values()) series.pop();
  }

  /** @param {number} time @param {Record<string, number | null>} values */
  #append(time, values) {
    const before = this.times.length;
    this.times.push(time);
    for (const name of Object.keys(values)) if (!this.values.has(name)) this.values.set(name, new Array(before).fill(null));
    for (const [name, series] of this.values) series.push(values[name] ?? null);
  }

  #trim() {
    const most = Math.ceil(this.range.span / this.range.step);
    const gone = this.times.length - most;
    if (gone <= 0) return;
    this.times.splice(0, gone);
    for (const [name, series] of this.values) {
      series.splice(0, gone);
      if (series.every((value) => value === null)) this.values.delete(name);
    }
  }
}
