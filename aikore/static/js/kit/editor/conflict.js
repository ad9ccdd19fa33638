/** Somebody saved the same text meanwhile: both versions are shown, place by place, and the person decides. */

import { el } from "../dom.js";

/** @typedef {{content: string, version: string}} Saved */

/**
 * @param {() => ReturnType<typeof import("./code.js").makeCode>} code
 * @param {{load: () => Promise<Saved>, save: (version: string) => void, taken: (theirs: Saved) => void, failed: (error: unknown) => void}} options
 */
export function makeConflict(code, { load, save, taken, failed }) {
  /** @type {Saved | null} */
  let theirs = null;
  const end = () => { theirs = null; bar.hidden = true; code().compare(null); };
  const bar = el("div", { class: "conflict", role: "alert", hidden: true, "data-testid": "conflict" },
    el("span", { text: "Somebody saved another version meanwhile. What differs is marked: red is theirs, green is yours." }),
    el("button", { text: "Load theirs", "data-testid": "take-theirs", onclick: () => { const found = theirs; end(); if (found) taken(found); } }),
    el("button", { text: "Save what is here", "data-testid": "keep-mine", onclick: () => { if (theirs) save(theirs.version); } }));
  const show = async () => {
    try {
      theirs = await load();
      bar.hidden = false;
      code().compare(theirs.content, "Take theirs");
    } catch (error) {
      failed(error);
    }
  };
  return { bar, show, end, get open() { return theirs !== null; } };
}
