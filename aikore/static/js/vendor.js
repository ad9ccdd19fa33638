/** Loads the third-party bundles (tools/vendor) when a tool first needs them. */

const VENDOR = new URL("../vendor/", import.meta.url).href;

/** @returns {Promise<typeof import("../../../tools/vendor/terminal.js")>} */
export const loadTerminal = () => load("terminal", true);

/** @returns {Promise<typeof import("../../../tools/vendor/editor.js")>} */
export const loadEditor = () => load("editor", false);

/** @returns {Promise<typeof import("../../../tools/vendor/charts.js")>} */
export const loadCharts = () => load("charts", true);

/** @type {Map<string, Promise<any>>} */
const loading = new Map();

/** @param {string} name @param {boolean} styled @returns {Promise<any>} */
function load(name, styled) {
  const found = loading.get(name);
  if (found) return found;
  const wanted = Promise.all([import(`${VENDOR}${name}.js`), styled ? loadStyle(`${VENDOR}${name}.css`) : null]).then(([module]) => module);
  loading.set(name, wanted);
  wanted.catch(() => loading.delete(name));
  return wanted;
}

/** @param {string} href @returns {Promise<void>} settled when the style applies, so that nothing is measured before it */
export function loadStyle(href) {
  return new Promise((resolve, reject) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = href;
    link.addEventListener("load", () => resolve());
    link.addEventListener("error", () => { link.remove(); reject(new Error(`${href} does not load.`)); });
    document.head.append(link);
  });
}
