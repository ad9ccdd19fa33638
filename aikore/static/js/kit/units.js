/** Figures as people read them. */

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** @param {number} bytes @returns {string} with two or three digits */
export function shownSize(bytes) {
  let value = bytes;
  let at = 0;
  for (; value >= 999.5 && at < UNITS.length - 1; at++) value /= 1000;
  return `${at === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(1)} ${UNITS[at]}`;
}
