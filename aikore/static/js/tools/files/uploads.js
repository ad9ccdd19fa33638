/** Files on their way to the server: how far each is, what stands in its way, and a way to call it off. */

import { el, setText } from "../../kit/dom.js";
import { shownSize } from "../../kit/units.js";
import { join } from "./remote.js";

/** @import {RemoteFiles} from "./remote.js" */
/** @typedef {{folder: string, file: File}} Wanted */

const AT_ONCE = 2;
const TAKEN = 409;

/** @param {RemoteFiles} remote @param {() => void} came something has arrived */
export function makeUploads(remote, came) {
  const list = el("ul", { class: "uploads", "aria-label": "Uploads", "data-testid": "uploads" });
  /** @type {(() => Promise<void>)[]} */
  const waiting = [];
  let running = 0;

  const next = () => {
    const begin = running < AT_ONCE ? waiting.shift() : undefined;
    if (!begin) return;
    running++;
    void begin().finally(() => { running--; next(); });
    next();
  };

  /** @param {Wanted} wanted */
  const add = ({ folder, file }) => {
    const path = join(folder, file.name);
    const place = remote.place;
    const bar = el("progress", { max: "1", value: "0", "aria-label": `Upload of ${file.name}` });
    const words = el("span", { class: "hint", text: shownSize(file.size) });
    const replace = el("button", { text: "Replace", hidden: true, "data-testid": "upload-replace", onclick: () => { replace.hidden = true; line(true); } });
    const request = { current: new XMLHttpRequest() };
    let called = false;
    const leave = () => { called = true; request.current.abort(); item.remove(); };
    const item = el("li", {}, el("span", { class: "title", text: file.name }), bar, words, replace,
      el("button", { class: "quiet", text: "×", "aria-label": `Call off ${file.name}`, onclick: leave }));
    const line = (/** @type {boolean} */ overwrite) => {
      waiting.push(async () => {
        if (called) return;
        request.current = new XMLHttpRequest();
        const problem = await send(request.current, at(remote, place, path, overwrite), file, (share) => { bar.value = share; });
        if (called) return;
        if (!problem) { item.remove(); came(); return; }
        setText(words, problem.detail);
        words.className = "problem";
        replace.hidden = problem.status !== TAKEN || overwrite;
      });
      next();
    };
    list.append(item);
    line(false);
  };
  return { list, add };
}

/** Somebody may look elsewhere meanwhile. @param {RemoteFiles} remote @param {RemoteFiles["place"]} place @param {string} path @param {boolean} overwrite */
function at(remote, place, path, overwrite) {
  const now = remote.place;
  remote.place = place;
  const address = remote.upload(path, overwrite);
  remote.place = now;
  return address;
}

/** Only this older interface tells how much of a body is sent.
 * @param {XMLHttpRequest} request @param {string} address @param {File} file @param {(share: number) => void} progress
 * @returns {Promise<{status: number, detail: string} | null>} what went wrong */
function send(request, address, file, progress) {
  return new Promise((resolve) => {
    request.upload.addEventListener("progress", (event) => progress(event.loaded / Math.max(1, event.total)));
    request.addEventListener("loadend", () => {
      if (request.status === 201) return resolve(null);
      resolve({ status: request.status, detail: detailOf(request) });
    });
    request.open("PUT", address);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.send(file);
  });
}

/** @param {XMLHttpRequest} request */
function detailOf(request) {
  try {
    return String(JSON.parse(request.responseText).detail);
  } catch {
    return request.status ? `AiKore answered ${request.status}.` : "The connection broke off. Nothing was changed.";
  }
}

/** What was dropped, folders with all that is in them. @param {DataTransfer} dropped @param {string} folder @returns {Promise<Wanted[]>} */
export async function wantedOf(dropped, folder) {
  const roots = [...dropped.items].map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() })); // both are gone after this event
  const found = roots.map(async ({ entry, file }) => {
    if (entry) return below(entry, folder);
    return file ? [{ folder, file }] : [];
  });
  return (await Promise.all(found)).flat();
}

/** @param {FileSystemEntry} entry @param {string} folder @returns {Promise<Wanted[]>} */
async function below(entry, folder) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject));
    return [{ folder, file }];
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  /** @type {Wanted[]} */
  const found = [];
  for (;;) { // a reader gives its entries piece by piece
    const some = await /** @type {Promise<FileSystemEntry[]>} */ (new Promise((resolve, reject) => reader.readEntries(resolve, reject)));
    if (!some.length) return found;
    for (const one of some) found.push(...await below(one, join(folder, entry.name)));
  }
}
