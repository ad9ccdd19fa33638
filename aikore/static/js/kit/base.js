/** Where this AiKore lives and where its files lie, as the address of this module says, or of the bundle it is in. */

/** @param {string} module an address of this module @returns {{files: string, base: string}} the folder of all files; `/`, or the sub-path that a proxy before us has */
export function placesOf(module) {
  const files = module.replace(/(js\/kit|dist)\/[^/]+\.js$/, "");
  return { files, base: new URL(files).pathname.replace(/static\/(v-[0-9a-f]+\/)?$/, "") };
}

const { files, base } = placesOf(import.meta.url);

export const BASE = base;

/** @param {string} path as the documentation has it, such as `/api/…` @returns {string} the same below our base */
export const address = (path) => BASE + path.slice(1);

/** @param {string} path below the folder of all files @returns {string} its address, with the version that the page was loaded with */
export const fileAddress = (path) => new URL(path, files).href;
