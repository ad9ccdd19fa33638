/** The cards of the load: the machine's charts, and one card for each GPU. */

import { Chart } from "./chart.js";
import { bytes, colourOf, degrees, isReplaced, percent, rate, watts } from "./figures.js";
import { store } from "../store.js";
import { el, setText } from "../../kit/dom.js";

/** @import {GpuFigures, Stats} from "./figures.js" */
/** @import {Track} from "./track.js" */
/** @import {Line, UPlot} from "./chart.js" */

/** Memory that belongs to no instance counts from this part of what is used. */
const OTHER = 0.02;

/** @param {Track} track @param {string} name @param {string} label @param {string} colour @returns {Line} */
const line = (track, name, label, colour) => ({ label, colour, values: track.values.get(name) ?? track.times.map(() => null) });

/** @typedef {{node: HTMLElement, tell?: (stats: Stats) => void, show: (track: Track, stats: Stats) => void, close: () => void}} Card `tell` what is now, `show` what was */

/** @param {UPlot} uPlot @returns {Card[]} */
export function hostCards(uPlot) {
  return [
    card(uPlot, { title: "CPU", write: percent, most: 100 }, (track) => [line(track, "cpu", "", "--chart-0")]),
    card(uPlot, { title: "Memory", write: bytes }, (track, stats) => [
      line(track, "memory", "", "--chart-1"),
      ...(stats.host.swap.total ? [line(track, "swap", "swap", "--chart-3")] : []),
    ], (stats) => stats.host.memory.total),
    card(uPlot, { title: "Disk", write: rate }, (track) => [line(track, "disk.read", "read", "--chart-2"), line(track, "disk.write", "write", "--chart-4")]),
    card(uPlot, { title: "Network", write: rate }, (track) => [line(track, "network.received", "in", "--chart-5"), line(track, "network.sent", "out", "--chart-7")]),
  ];
}

/**
 * @param {UPlot} uPlot
 * @param {import("./chart.js").ChartOptions} options
 * @param {(track: Track, stats: Stats) => Line[]} lines
 * @param {(stats: Stats) => number} [most]
 * @returns {Card}
 */
function card(uPlot, options, lines, most) {
  const chart = new Chart(uPlot, options);
  return {
    node: el("div", { class: "card" }, chart.node),
    show: (track, stats) => chart.show(track.times, lines(track, stats), most?.(stats) ?? options.most),
    close: () => chart.close(),
  };
}

/** @param {UPlot} uPlot @param {string} id @returns {Card} */
export function gpuCard(uPlot, id) {
  const name = el("b", {});
  const facts = el("span", { class: "facts" });
  const state = el("span", { class: "problem" });
  const work = new Chart(uPlot, { title: "Utilisation", write: percent, most: 100 });
  const memory = new Chart(uPlot, { title: "Memory", write: bytes, stacked: true });
  const heat = new Chart(uPlot, { title: "Temperature, power", write: degrees });
  const charts = [work, memory, heat];
  return {
    node: el("div", { class: "card gpu", "data-gpu": id }, el("header", {}, name, state, facts), ...charts.map((chart) => chart.node)),
    close: () => charts.forEach((chart) => chart.close()),
    tell: (stats) => {
      const gpu = stats.gpus.find((one) => one.id === id);
      if (!gpu) return;
      setText(name, isReplaced(gpu) ? gpu.name : `GPU ${id} · ${gpu.name}`);
      setText(state, stateOf(gpu));
      setText(facts, factsOf(gpu));
    },
    show: (track, stats) => {
      const gpu = stats.gpus.find((one) => one.id === id);
      if (!gpu) return;
      work.show(track.times, [line(track, `gpu.${id}.utilization`, "", "--chart-0")]);
      memory.show(track.times, memoryLines(track, id), gpu.memory_total ?? undefined);
      heat.show(track.times, [
        line(track, `gpu.${id}.temperature`, "", "--chart-3"),
        { ...line(track, `gpu.${id}.power`, "", "--chart-5"), write: watts, side: "right" },
      ]);
    },
  };
}

/** @param {GpuFigures} gpu */
function stateOf(gpu) {
  if (gpu.state === "lost") return `does not answer. ${gpu.reason}`;
  if (gpu.throttle.length) return `slowed down: ${gpu.throttle.join(", ")}`;
  return gpu.ecc.uncorrected ? `${gpu.ecc.uncorrected} memory errors` : "";
}

/** @param {GpuFigures} gpu */
function factsOf(gpu) {
  const limit = gpu.power_limit === null ? "" : ` of ${watts(gpu.power_limit)}`;
  const facts = [degrees(gpu.temperature), watts(gpu.power) + limit, gpu.fan === null ? "" : `fan ${percent(gpu.fan)}`, gpu.clocks.graphics === null ? "" : `${gpu.clocks.graphics} MHz`,
    gpu.memory_shared ? "memory shared with the system's" : ""];
  return facts.filter((fact) => fact && !fact.startsWith("–")).join(" · ");
}

/** @param {UPlot} uPlot @param {number} id @param {boolean} gpus whether there are any @returns {Card[]} what an instance uses */
export function instanceCards(uPlot, id, gpus) {
  const prefix = `instance.${id}.gpu.`;
  return [
    card(uPlot, { title: "CPU", write: percent }, (track) => [line(track, `instance.${id}.cpu`, "", "--chart-0")]),
    card(uPlot, { title: "Memory", write: bytes }, (track) => [line(track, `instance.${id}.memory`, "", "--chart-1")]),
    ...(gpus ? [card(uPlot, { title: "GPU memory", write: bytes, stacked: true }, (track) => [...track.values.keys()].filter((name) => name.startsWith(prefix))
      .map((name, at) => line(track, name, `GPU ${name.slice(prefix.length, -".memory".length)}`, colourOf(at))))] : []),
  ];
}

/** Who uses the memory of a GPU: instances from below, the rest above them. @param {Track} track @param {string} id @returns {Line[]} */
function memoryLines(track, id) {
  const whole = track.values.get(`gpu.${id}.memory`) ?? track.times.map(() => null);
  /** @type {Line[]} */
  const lines = [];
  for (const [name, values] of track.values) {
    const [, number, gpu] = /^instance\.(\d+)\.gpu\.(.+)\.memory$/.exec(name) ?? [];
    if (gpu !== id || values.every((value) => !value)) continue;
    lines.push({ label: store.instances.get(Number(number))?.name ?? `instance ${number}`, colour: colourOf(Number(number)), values });
  }
  const rest = whole.map((value, at) => (value === null ? null : Math.max(0, value - lines.reduce((sum, { values }) => sum + (values[at] ?? 0), 0))));
  const counts = !lines.length || rest.some((value, at) => (value ?? 0) > (whole[at] ?? 0) * OTHER);
  return counts ? [...lines, { label: lines.length ? "other" : "", colour: "--quiet", values: rest }] : lines;
}
