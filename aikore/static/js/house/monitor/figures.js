/** The figures the server tells, the names of their series, and how they are written. */

import { shownSize } from "../../kit/units.js";

/** @import {Payloads} from "../types.js" */
/** @typedef {Payloads["Stats"]} Stats */
/** @typedef {Payloads["Memory"]} Memory */
/** @typedef {Payloads["GpuFigures"]} GpuFigures */
/** @typedef {Payloads["InstanceFigures"]} InstanceFigures */
/** @typedef {Payloads["Host"]} Host */

/** @param {GpuFigures} gpu @returns {boolean} whether another card has its index by now */
export const isReplaced = ({ id, uuid }) => id === uuid;

/** @param {InstanceFigures} one @returns {number} bytes on all GPUs */
export const gpuMemory = (one) => Object.values(one.gpu_memory).reduce((sum, used) => sum + used, 0);

/** What the charts ask the history for. */
export const SERIES = "cpu,memory,swap,disk.read,disk.write,network.received,network.sent,gpu.*.utilization,gpu.*.memory,gpu.*.temperature,gpu.*.power,instance.*.gpu.*.memory";

/** @param {Stats} stats @returns {Record<string, number | null>} the values of the same series in a sample */
export function valuesOf({ host, gpus, instances }) {
  /** @type {Record<string, number | null>} */
  const values = {
    cpu: host.cpu, memory: host.memory.used, swap: host.swap.used,
    "disk.read": host.disk.read, "disk.write": host.disk.write, "network.received": host.network.received, "network.sent": host.network.sent,
  };
  for (const gpu of gpus) {
    values[`gpu.${gpu.id}.utilization`] = gpu.utilization;
    values[`gpu.${gpu.id}.memory`] = gpu.memory_used;
    values[`gpu.${gpu.id}.temperature`] = gpu.temperature;
    values[`gpu.${gpu.id}.power`] = gpu.power;
  }
  for (const instance of instances) {
    values[`instance.${instance.id}.cpu`] = instance.cpu;
    values[`instance.${instance.id}.memory`] = instance.memory;
    for (const [gpu, used] of Object.entries(instance.gpu_memory)) values[`instance.${instance.id}.gpu.${gpu}.memory`] = used;
  }
  return values;
}

/** @param {number | null | undefined} value @param {(value: number) => string} write */
const known = (value, write) => (value === null || value === undefined ? "–" : write(value));

/** @param {number | null | undefined} value */
export const bytes = (value) => known(value, shownSize);
/** @param {number | null | undefined} value */
export const rate = (value) => known(value, (known) => `${shownSize(known)}/s`);
/** @param {number | null | undefined} value */
export const percent = (value) => known(value, (known) => `${known.toFixed(0)} %`);
/** @param {number | null | undefined} value */
export const degrees = (value) => known(value, (known) => `${known.toFixed(0)} °C`);
/** @param {number | null | undefined} value */
export const watts = (value) => known(value, (known) => `${known.toFixed(0)} W`);

const COLOURS = 8;

/** @param {number} id of an instance, or the place of a line @returns {string} its colour in every chart */
export const colourOf = (id) => `--chart-${id % COLOURS}`;

/** @param {number} gpu_memory @param {boolean} inferred */
export const inferredMark = (gpu_memory, inferred) => (inferred && gpu_memory ? "≈ " : "");
