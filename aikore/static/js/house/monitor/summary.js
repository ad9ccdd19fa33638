/** The load in one line: processor, memory, and every GPU as a small bar with its number. */

import { bytes, isReplaced, percent } from "./figures.js";
import { shortName } from "../pins.js";
import { el, setText } from "../../kit/dom.js";

/** @import {Stats} from "./figures.js" */
/** @typedef {{label: string, share: number | null, text: string, title: string}} Gauge */

/** @returns {{node: HTMLElement, show: (stats: Stats) => void}} */
export function makeSummary() {
  const node = el("div", { class: "summary", "data-testid": "load-summary" });
  /** @type {Map<string, {node: HTMLElement, fill: HTMLElement, text: HTMLElement}>} */
  const gauges = new Map();
  const show = (/** @type {Stats} */ stats) => {
    const wanted = gaugesOf(stats);
    for (const [label, gauge] of gauges) {
      if (!wanted.some((one) => one.label === label)) {
        gauge.node.remove();
        gauges.delete(label);
      }
    }
    for (const [at, { label, share, text, title }] of wanted.entries()) {
      const gauge = gauges.get(label) ?? make(label);
      if (node.children[at] !== gauge.node) node.insertBefore(gauge.node, node.children[at] ?? null);
      gauge.fill.style.width = `${share ?? 0}%`;
      gauge.node.title = title;
      setText(gauge.text, text);
    }
  };
  const make = (/** @type {string} */ label) => {
    const fill = el("i", {});
    const text = el("span", { class: "number" });
    const gauge = { node: el("span", { class: "gauge" }, el("span", { class: "label", text: label }), el("span", { class: "meter", "aria-hidden": "true" }, fill), text), fill, text };
    gauges.set(label, gauge);
    return gauge;
  };
  return { node, show };
}

/** @param {Memory} memory @import {Memory} from "./figures.js" */
const shareOf = ({ used, total }) => (total ? (used / total) * 100 : null);

/** @param {Stats} stats @returns {Gauge[]} */
function gaugesOf({ host, gpus }) {
  return [
    { label: "CPU", share: host.cpu, text: percent(host.cpu), title: `Load ${host.load.join(", ")} over 1, 5 and 15 minutes` },
    { label: "RAM", share: shareOf(host.memory), text: `${bytes(host.memory.used)} of ${bytes(host.memory.total)}`, title: "Memory in use" },
    ...gpus.flatMap((gpu) => [
      { label: isReplaced(gpu) ? shortName(gpu.name) : `GPU ${gpu.id}`, share: gpu.utilization, text: gpu.state === "lost" ? "lost" : percent(gpu.utilization), title: gpu.reason ? `${gpu.name}: ${gpu.reason}` : gpu.name },
      ...(gpu.memory_shared || isReplaced(gpu) ? [] : [{ label: `VRAM ${gpu.id}`, share: shareOf({ used: gpu.memory_used ?? 0, total: gpu.memory_total ?? 0 }), text: bytes(gpu.memory_used), title: `${gpu.name}: ${bytes(gpu.memory_used)} of ${bytes(gpu.memory_total)}` }]),
    ]),
    { label: "Disk", share: shareOf(host.disk), text: `${bytes(host.disk.free)} free`, title: "The disk of the data folder" },
  ];
}
