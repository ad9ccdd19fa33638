/** One file: an image is shown, a text is edited, anything else can be downloaded. */

import { access } from "../../house/access.js";
import { Problem } from "../../house/api.js";
import { el } from "../../kit/dom.js";
import { makeCode } from "../../kit/editor/code.js";
import { makeConflict } from "../../kit/editor/conflict.js";
import { messageOf } from "../../kit/problems.js";
import { toast } from "../../kit/toasts.js";
import { shownSize } from "../../kit/units.js";
import { loadEditor, loadStyleOf } from "../../kit/vendor.js";
import { nameOf } from "./remote.js";

/** @import {RemoteFiles, Entry} from "./remote.js" */

const IMAGES = /\.(png|jpe?g|webp|gif|avif|bmp|ico|svg)$/i;
const TEXT_MOST = 2 * 2 ** 20;

/** @typedef {{node: HTMLElement, bar: HTMLElement[], dirty: () => boolean, close: () => void, update: () => void}} Shown */

/** @param {RemoteFiles} remote @param {string} path @param {Entry} entry @returns {Promise<Shown>} */
export async function openFile(remote, path, entry) {
  if (IMAGES.test(path)) return image(remote, path, entry);
  if (entry.size > TEXT_MOST) return other(`${shownSize(entry.size)}: too large to edit here.`);
  try {
    return await text(remote, path);
  } catch (error) {
    if (error instanceof Problem && error.status < 500 && error.status >= 400) return other(error.message);
    throw error;
  }
}

/** @param {string} words @returns {Shown} */
function other(words) {
  const node = el("p", { class: "empty", text: words, "data-testid": "file-other" });
  return { node, bar: [], dirty: () => false, close: () => {}, update: () => {} };
}

/** @param {RemoteFiles} remote @param {string} path @param {Entry} entry @returns {Promise<Shown>} */
async function image(remote, path, entry) {
  const picture = el("img", { alt: nameOf(path), "data-testid": "file-image" });
  const words = el("span", { class: "hint", text: shownSize(entry.size) });
  const answer = await fetch(remote.download(path));
  if (!answer.ok) throw new Error(`${nameOf(path)} cannot be read: AiKore answered ${answer.status}.`);
  const type = /\.svg$/i.test(path) ? "image/svg+xml" : "";
  const source = URL.createObjectURL(new Blob([await answer.blob()], { type }));
  picture.addEventListener("load", () => { words.textContent = `${picture.naturalWidth} × ${picture.naturalHeight} · ${shownSize(entry.size)}`; });
  picture.addEventListener("error", () => { words.textContent = "This is no picture that the browser knows."; });
  picture.addEventListener("click", () => picture.classList.toggle("whole-size"));
  picture.src = source;
  return { node: el("div", { class: "picture-box", tabindex: "0", role: "region", "aria-label": nameOf(path) }, picture), bar: [words], dirty: () => false, close: () => URL.revokeObjectURL(source), update: () => {} };
}

/** @param {RemoteFiles} remote @param {string} path @returns {Promise<Shown>} */
async function text(remote, path) {
  const [parts, read] = await Promise.all([loadEditor(), remote.read(path), loadStyleOf("editor")]);
  let { version, content: saved } = read;
  const problem = el("p", { class: "problem", role: "alert" });
  const save = el("button", { class: "primary", text: "Save", title: "Ctrl-S", disabled: true, "data-testid": "file-save", onclick: () => void write(version) });
  const place = el("div", { class: "code" });
  const dirty = () => code.text !== saved;
  const code = makeCode(parts, place, {
    label: nameOf(path), hook: "file-text", file: nameOf(path),
    changed: () => { save.disabled = !dirty(); }, save: () => { if (!save.disabled && !save.hidden) void write(version); },
  });
  const failed = (/** @type {unknown} */ error) => { problem.textContent = messageOf(error); };
  const begin = (/** @type {{content: string, version: string}} */ found) => {
    ({ version, content: saved } = found);
    code.begin(saved);
    save.disabled = true;
    update();
  };
  const conflict = makeConflict(() => code, { load: () => remote.read(path), save: (theirs) => void write(theirs), taken: begin, failed });
  /** @param {string} expected */
  const write = async (expected) => {
    const content = code.text;
    problem.textContent = "";
    try {
      version = await remote.write(path, content, expected);
      saved = content;
      if (conflict.open) conflict.end();
      save.disabled = !dirty();
      toast(`${nameOf(path)} is saved.`);
    } catch (error) {
      if (error instanceof Problem && error.status === 412) await conflict.show();
      else failed(error);
    }
  };
  const update = () => {
    const may = access.may("files.write");
    save.hidden = !may;
    if (code.view.state.readOnly === may) code.lock(!may);
  };
  begin(read);
  const node = el("div", { class: "file-text" }, conflict.bar, place);
  return { node, bar: [save, problem], dirty, close: code.close, update };
}
