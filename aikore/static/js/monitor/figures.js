/** The figures the server tells, the names of their series, and how they are written. */

import { shownSize } from "../units.js";

/** @typedef {{total: number, used: number}} Memory */
/**
 * @typedef {object} GpuFigures
 * @property {string} id its index; of one that is gone and whose index another has, what it is remembered by
 * @property {string} uuid
 * @property {string} name
 * @property {"ok" | "stale" | "lost"} state
 * @property {string} reason why it is lost, and what to do
 * @property {number | null} utilization
 * @property {number | null} memory_total
 * @property {boolean} memory_shared it is the machine's own
 * @property {number | null} memory_used
 * @property {number | null} temperature
 * @property {number | null} power
 * @property {number | null} power_limit
 * @property {{graphics: number | null, memory: number | null}} clocks
 * @property {number | null} fan
 * @property {string[]} throttle
 * @property {{corrected: number | null, uncorrected: number | null}} ecc
 */
/**
 * @typedef {object} InstanceFigures
 * @property {number} id
 * @property {number | null} cpu
 * @property {number} memory
 * @property {string} memory_kind
 * @property {number} processes
 * @property {number} threads
 * @property {number | null} open_files
 * @property {Record<string, number>} gpu_memory
 * @property {Record<string, number>} gpu_utilization
 * @property {boolean} gpu_inferred
 * @property {number} uptime
 */
/**
 * @typedef {object} Host
 * @property {number | null} cpu
 * @property {number[]} cores
 * @property {number[]} load
 * @property {Memory} memory
 * @property {Memory} swap
 * @property {{total: number, used: number, free: number, read: number | null, write: number | null}} disk
 * @property {{received: number | null, sent: number | null}} network
 */
/** @typedef {{time: number, host: Host, gpus: GpuFigures[], gpu_problem: string, instances: InstanceFigures[], folders: Record<string, {size: number, measured_at: number}>}} Stats */

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
