/** What this browser remembers of the page: sizes, open tabs, order. Nothing else touches its storage, but the theme. */

import { BASE } from "./base.js";

/** Two AiKores below one host keep apart. @param {string} key */
const full = (key) => `aikore:${BASE}:${key}`;

/** @param {unknown} value */
const shape = (value) => (Array.isArray(value) ? "list" : typeof value);

/** @template T @param {string} key @param {T} fallback @returns {T} what was remembered */
export function recall(key, fallback) {
  try {
    const text = localStorage.getItem(full(key));
    const value = text === null ? fallback : JSON.parse(text);
    return shape(value) === shape(fallback) ? value : fallback;
  } catch {
    return fallback; // storage is off, or somebody wrote something else there
  }
}

/** @param {string} key @param {unknown} value */
export function remember(key, value) {
  try {
    localStorage.setItem(full(key), JSON.stringify(value));
  } catch {
    // storage is off or full: the page works without memory
  }
}
