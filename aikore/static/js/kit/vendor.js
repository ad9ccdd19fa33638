/** Loads the third-party bundles (tools/vendor) and the styles of tools when one first needs them. */

import { fileAddress } from "./base.js";

/** @returns {Promise<typeof import("../../../../tools/vendor/terminal.js")>} */
export const loadTerminal = () => load("terminal", true);

/** @returns {Promise<typeof import("../../../../tools/vendor/editor.js")>} */
export const loadEditor = () => load("editor", false);

/** @returns {Promise<typeof import("../../../../tools/vendor/charts.js")>} */
export const loadCharts = () => load("charts", true);

/** @returns {Promise<{RFB: new (target: HTMLElement, socket: WebSocket, options: object) => EventTarget}>} */
export const loadDesktop = () => load("desktop", false);

/** @param {string} name of a file in css/ @returns {Promise<void>} */
export const loadStyleOf = (name) => once(name, () => loadStyle(fileAddress(`css/${name}.css`)));

/** @type {Map<string, Promise<any>>} */
const loading = new Map();

/** @param {string} name @param {boolean} styled @returns {Promise<any>} */
function load(name, styled) {
  return once(`${name}.js`, () => Promise.all([import(fileAddress(`vendor/${name}.js`)), styled ? loadStyle(fileAddress(`vendor/${name}.css`)) : null]).then(([module]) => module));
}

/** @param {string} key @param {() => Promise<any>} begin @returns {Promise<any>} */
function once(key, begin) {
  const found = loading.get(key);
  if (found) return found;
  const wanted = begin();
  loading.set(key, wanted);
  wanted.catch(() => loading.delete(key)); // another try may have more luck
  return wanted;
}

/** @param {string} href @returns {Promise<void>} settled when the style applies, so that nothing is measured before it */
function loadStyle(href) {
  return new Promise((resolve, reject) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = href;
    link.addEventListener("load", () => resolve());
    link.addEventListener("error", () => { link.remove(); reject(new Error(`${href} does not load.`)); });
    document.head.append(link);
  });
}
