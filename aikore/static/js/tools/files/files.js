/** The folder of an instance and its outputs: look, edit, upload, download, rename, delete. */

import { access } from "../../house/access.js";
import { el, setText } from "../../kit/dom.js";
import { popMenu } from "../../kit/menu.js";
import { attempt, toast } from "../../kit/toasts.js";
import { loadStyleOf } from "../../kit/vendor.js";
import { makeListing } from "./listing.js";
import { RemoteFiles, join, nameOf, parent } from "./remote.js";
import { openFileTrash } from "./trash.js";
import { makeUploads, wantedOf } from "./uploads.js";
import { openFile } from "./viewer.js";

/** @import {Instance, Tool, ToolKind} from "../../house/types.js" */
/** @import {Entry, PlaceName} from "./remote.js" */
/** @import {Shown} from "./viewer.js" */

/** @type {ToolKind} */
export const files = { kind: "files", label: "Files", key: "o", permission: "files.read", open };

/** @param {HTMLElement} panel @param {Instance} instance @returns {Tool} */
function open(panel, instance) {
  const tool = new Files(panel, instance);
  void attempt(loadStyleOf("files").then(() => tool.go("")));
  return { close: () => tool.close(), show: () => tool.refresh(), update: () => tool.update(), dirty: () => tool.file?.dirty() ?? false };
}

class Files {
  /** @type {Shown | null} */
  file = null;
  #folder = "";
  #run = 0;
  #begun = false;

  /** @param {HTMLElement} panel @param {Instance} instance */
  constructor(panel, instance) {
    this.remote = new RemoteFiles(instance.id);
    this.uploads = makeUploads(this.remote, () => this.refresh());
    this.places = el("select", { "aria-label": "Place", "data-testid": "file-place" }, el("option", { value: "instance", text: instance.name }), el("option", { value: "outputs", text: "Outputs" }));
    this.crumbs = el("nav", { class: "crumbs", "aria-label": "Folder" });
    this.picker = el("input", { type: "file", multiple: true, hidden: true, "data-testid": "file-input" });
    this.changing = el("span", { class: "group" },
      el("button", { text: "Upload", "data-testid": "file-upload", onclick: () => this.picker.click() }), this.picker,
      el("button", { text: "New …", "aria-haspopup": "menu", "data-testid": "file-new", onclick: (/** @type {Event} */ event) => this.#newMenu(/** @type {HTMLElement} */ (event.currentTarget)) }));
    this.tools = el("span", { class: "group" });
    this.download = el("a", { download: "", text: "Download", "data-testid": "file-download" });
    this.trash = el("button", { class: "quiet", text: "Deleted", "data-testid": "file-deleted", onclick: () => openFileTrash(this.remote, () => this.refresh()) });
    this.body = el("div", { class: "file-body", "data-testid": "files" });
    panel.classList.add("file-tool");
    panel.append(el("div", { class: "tools-bar" }, this.places, this.crumbs, el("span", { class: "space" }), this.tools, this.changing, this.download, this.trash), this.body, this.uploads.list);
    this.places.addEventListener("change", () => { if (this.#leave()) { this.remote.place = /** @type {PlaceName} */ (this.places.value); void attempt(this.go("")); } else this.places.value = this.remote.place; });
    this.picker.addEventListener("change", () => {
      for (const file of this.picker.files ?? []) this.uploads.add({ folder: this.#folder, file });
      this.picker.value = "";
    });
    this.#takeDrops(panel);
    this.update();
  }

  /** @param {HTMLElement} panel */
  #takeDrops(panel) {
    const wanted = (/** @type {DragEvent} */ event) => access.may("files.write") && (event.dataTransfer?.types.includes("Files") ?? false);
    panel.addEventListener("dragover", (event) => {
      if (!wanted(event)) return;
      event.preventDefault();
      panel.dataset.drop = "";
    });
    panel.addEventListener("dragleave", (event) => { if (!panel.contains(/** @type {Node | null} */ (event.relatedTarget))) delete panel.dataset.drop; });
    panel.addEventListener("drop", (event) => {
      delete panel.dataset.drop;
      if (!wanted(event) || !event.dataTransfer) return;
      event.preventDefault();
      void attempt(wantedOf(event.dataTransfer, this.#folder).then(async (all) => {
        await this.#makeFolders(all.map(({ folder }) => folder));
        for (const one of all) this.uploads.add(one);
      }));
    });
  }

  /** Make what is missing of these folders. @param {string[]} folders */
  async #makeFolders(folders) {
    const missing = new Set();
    for (let folder of folders) for (; folder.length > this.#folder.length; folder = parent(folder)) missing.add(folder);
    for (const folder of [...missing].sort()) await this.remote.makeFolder(folder).catch(() => {}); // it may be there
  }

  /** @returns {boolean} whether what is open may be left */
  #leave() {
    if (this.file?.dirty() && !confirm("The file has changes that are not saved. Leave it all the same?")) return false;
    this.file?.close();
    this.file = null;
    return true;
  }

  /** Show a folder. @param {string} folder */
  async go(folder) {
    if (!this.#leave()) return;
    const mine = ++this.#run;
    const page = await this.remote.list(folder, 0);
    if (mine !== this.#run) return;
    this.#begun = true;
    this.#folder = folder;
    this.#frame(folder);
    this.#list(page.entries, page.total);
  }

  /** Look again, when a folder is shown. */
  refresh() {
    if (this.#begun && !this.file) void attempt(this.go(this.#folder));
  }

  /** @param {Entry[]} entries @param {number} total */
  #list(entries, total) {
    const seen = this.body.contains(document.activeElement) ? document.activeElement?.closest("tr")?.dataset.file : undefined;
    const top = this.body.scrollTop;
    this.body.replaceChildren(makeListing(entries, {
      open: (entry) => void attempt(entry.kind === "folder" ? this.go(join(this.#folder, entry.name)) : this.#show(entry)),
      menu: (entry, anchor) => this.#menu(entry, anchor),
      rename: (entry, cell) => this.#rename(entry, cell),
      remove: (entry) => void attempt(this.#remove(entry)),
      up: () => void attempt(this.go(parent(this.#folder))),
    }));
    if (!entries.length) this.body.append(el("p", { class: "empty", text: "This folder is empty. Drop files here to upload them." }));
    if (entries.length < total) {
      this.body.append(el("button", { class: "more", text: `${(total - entries.length).toLocaleString()} more`, onclick: () => void attempt(this.#more(entries)) }));
    }
    this.body.scrollTop = top;
    if (seen) /** @type {HTMLElement | null} */ (this.body.querySelector(`[data-file="${CSS.escape(seen)}"] button`))?.focus();
  }

  /** @param {Entry[]} entries */
  async #more(entries) {
    const mine = this.#run;
    const page = await this.remote.list(this.#folder, entries.length);
    if (mine === this.#run) this.#list([...entries, ...page.entries], page.total);
  }

  /** @param {Entry} entry */
  async #show(entry) {
    const mine = ++this.#run;
    const path = join(this.#folder, entry.name);
    const shown = await openFile(this.remote, path, entry);
    if (mine !== this.#run) return shown.close();
    this.file = shown;
    this.#frame(path);
    this.tools.append(...shown.bar);
    this.body.replaceChildren(shown.node);
    this.update();
  }

  /** The bar of a path. @param {string} path */
  #frame(path) {
    const parts = path ? path.split("/") : [];
    const steps = parts.map((name, at) => [name, parts.slice(0, at + 1).join("/")]);
    this.crumbs.replaceChildren(...[["⌂", ""], ...steps].map(([name = "", to = ""], at) => el("button", {
      class: "quiet", text: name, "aria-label": at ? false : "The whole folder", "aria-current": at === steps.length ? "page" : false,
      onclick: () => void attempt(this.go(this.file && to === path ? this.#folder : to)),
    })));
    this.tools.replaceChildren();
    this.download.href = this.remote.download(path);
    setText(this.download, this.file ? "Download" : "Download all");
    this.changing.hidden = this.file !== null || !access.may("files.write");
  }

  /** @param {Entry} entry @param {HTMLElement} anchor */
  #menu(entry, anchor) {
    const path = join(this.#folder, entry.name);
    const cell = /** @type {HTMLElement} */ (anchor.closest("tr")?.firstElementChild);
    /** @type {import("../../kit/menu.js").Item[]} */
    const items = entry.kind === "file" || entry.kind === "folder" ? [["download", "Download", () => el("a", { href: this.remote.download(path), download: "" }).click()]] : [];
    if (access.may("files.write")) items.push(["rename", "Rename or move", () => this.#rename(entry, cell)], ["delete", "Delete", () => void attempt(this.#remove(entry))]);
    popMenu(anchor, items);
  }

  /** @param {HTMLElement} anchor */
  #newMenu(anchor) {
    popMenu(anchor, [
      ["folder", "Folder", () => this.#new("folder", (path) => this.remote.makeFolder(path))],
      ["file", "Text file", () => this.#new("file.txt", (path) => this.remote.write(path, "", null))],
    ]);
  }

  /** @param {string} name @param {(path: string) => Promise<unknown>} make */
  #new(name, make) {
    const field = nameField(name, (wanted) => void attempt(make(join(this.#folder, wanted)).then(() => this.refresh())), () => field.remove());
    this.body.prepend(field);
    field.focus();
    field.select();
  }

  /** @param {Entry} entry @param {HTMLElement} cell */
  #rename(entry, cell) {
    const path = join(this.#folder, entry.name);
    const before = [...cell.childNodes];
    const field = nameField(path, (to) => void attempt(this.remote.move(path, to).then(() => this.refresh())), () => {
      cell.replaceChildren(...before);
      cell.querySelector("button")?.focus();
    });
    cell.replaceChildren(field);
    field.focus();
    const dot = entry.kind === "file" ? path.lastIndexOf(".") : -1;
    field.setSelectionRange(path.length - nameOf(path).length, dot > path.length - nameOf(path).length ? dot : path.length);
  }

  /** @param {Entry} entry */
  async #remove(entry) {
    const undo = await this.remote.remove(join(this.#folder, entry.name));
    this.refresh();
    toast(`${entry.name} is deleted.`, { action: "Undo", run: () => void attempt(undo().then(() => this.refresh())) });
  }

  update() {
    this.changing.hidden = this.file !== null || !access.may("files.write");
    this.trash.hidden = !access.may("files.write");
    this.file?.update();
  }

  close() {
    this.#run++;
    this.file?.close();
  }
}

/** A field for a path: Enter takes it, Esc or leaving it does not.
 * @param {string} value @param {(value: string) => void} take @param {() => void} leave */
function nameField(value, take, leave) {
  const field = el("input", { class: "name-field", value, "aria-label": "Name", "data-testid": "file-name" });
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    if (event.key === "Enter" && field.value.trim() && field.value !== value) take(field.value.trim());
    else if (event.key === "Enter" && !field.closest("td")) take(field.value.trim());
    field.blur();
  });
  field.addEventListener("blur", leave);
  return field;
}
