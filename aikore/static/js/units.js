/** Figures as people read them. */

const UNITS = ["B", "KB", "MB", "GB", "TB"];

/** @param {number} bytes @returns {string} */
export function shownSize(bytes) {
  let at = 0;
  for (; bytes >= 1000 && at < UNITS.length - 1; at++) bytes /= 1000;
  return `${bytes < 10 && at > 0 ? bytes.toFixed(1) : Math.round(bytes)} ${UNITS[at]}`;
}
