/** The launch script. Saving says which version was read; a conflict is shown and resolved by the person. */

import { access } from "../../house/access.js";
import { call, Problem } from "../../house/api.js";
import { store } from "../../house/store.js";
import { openDialog } from "../../kit/dialog.js";
import { el } from "../../kit/dom.js";
import { makeCode } from "../../kit/editor/code.js";
import { makeConflict } from "../../kit/editor/conflict.js";
import { messageOf } from "../../kit/problems.js";
import { attempt, toast } from "../../kit/toasts.js";
import { loadEditor, loadStyleOf } from "../../kit/vendor.js";
import { makeFindings } from "./findings.js";

/** @import {Instance, Tool, ToolKind} from "../../house/types.js" */
/** @import {Saved} from "../../kit/editor/conflict.js" */

/** @type {ToolKind} */
export const script = { kind: "script", label: "Script", key: "e", permission: "scripts.read", open };

/** @param {HTMLElement} panel @param {Instance} instance @returns {Tool} */
function open(panel, instance) {
  const tool = new Script(panel, instance);
  void attempt(tool.begin());
  return { close: () => tool.close(), show: () => tool.code?.view.requestMeasure(), update: (now) => tool.update(now), dirty: () => tool.dirty };
}

class Script {
  /** @type {ReturnType<typeof makeCode> | null} */
  code = null;
  #version = "";
  #saved = "";
  #closed = false;

  /** @param {HTMLElement} panel @param {Instance} instance */
  constructor(panel, instance) {
    this.instance = instance;
    this.path = `/api/instances/${instance.id}/script`;
    this.save = el("button", { class: "primary", text: "Save", disabled: true, "data-testid": "script-save", title: "Ctrl-S", onclick: () => void this.write(this.#version) });
    this.compare = el("button", { text: "Compare with blueprint", "aria-pressed": "false", "data-testid": "script-compare", onclick: () => void attempt(this.#compare()) });
    this.as = el("button", { text: "Save as blueprint", "data-testid": "script-as", onclick: () => this.#saveAs() });
    this.note = el("span", { class: "hint", text: "Read only: admins change scripts." });
    this.problem = el("p", { class: "problem", role: "alert" });
    this.place = el("div", { class: "code" });
    const code = () => /** @type {NonNullable<typeof this.code>} */ (this.code);
    this.findings = makeFindings(code);
    this.conflict = makeConflict(code, {
      load: () => this.#load(), save: (version) => void this.write(version), failed: (error) => this.#failed(error), taken: (theirs) => this.#begin(theirs),
    });
    panel.append(el("div", { class: "tools-bar" }, this.save, this.compare, this.as, this.note, this.findings.button, this.problem), this.conflict.bar, this.place);
  }

  async begin() {
    const [parts, saved] = await Promise.all([loadEditor(), this.#load(), loadStyleOf("editor")]);
    if (this.#closed) return;
    this.code = makeCode(parts, this.place, {
      label: `Launch script of ${this.instance.name}`, hook: "script", file: "launch.sh",
      changed: () => this.#changed(), save: () => { if (!this.save.disabled && !this.save.hidden) void this.write(this.#version); },
    });
    this.#begin(saved);
  }

  /** @returns {Promise<Saved>} */
  async #load() {
    return (await call("GET", this.path)).data;
  }

  /** @param {Saved} saved */
  #begin({ content, version }) {
    this.#version = version;
    this.#saved = content;
    this.code?.begin(content);
    this.problem.textContent = "";
    this.compare.setAttribute("aria-pressed", "false");
    this.update(this.instance);
    this.#changed();
  }

  get dirty() {
    return this.code !== null && this.code.text !== this.#saved;
  }

  #changed() {
    this.save.disabled = !this.dirty;
    this.findings.soon();
  }

  /** @param {string} expected the version that this one follows */
  async write(expected) {
    if (!this.code) return;
    const content = this.code.text;
    this.problem.textContent = "";
    try {
      const { data } = await call("PUT", this.path, { content }, { "If-Match": expected });
      this.#version = data.version;
      this.#saved = content;
      if (this.conflict.open) this.conflict.end();
      this.save.disabled = !this.dirty;
      toast("The script is saved. It is used at the next start.");
    } catch (error) {
      if (error instanceof Problem && error.status === 412) {
        this.compare.setAttribute("aria-pressed", "false");
        await this.conflict.show();
      } else this.#failed(error);
    }
  }

  /** @param {unknown} error */
  #failed(error) {
    this.problem.textContent = messageOf(error);
  }

  async #compare() {
    const wanted = this.compare.getAttribute("aria-pressed") !== "true";
    if (this.conflict.open) return;
    const content = wanted ? (await call("GET", `${this.path}/blueprint`)).data.content : null;
    this.code?.compare(content, "Take the blueprint's");
    this.compare.setAttribute("aria-pressed", String(wanted));
  }

  #saveAs() {
    const content = this.code?.text ?? "";
    const name = el("input", { required: true, maxlength: "80", "aria-label": "Name of the blueprint", "data-testid": "blueprint-name" });
    const hint = el("p", { class: "hint", text: "A blueprint of your own: new instances can be made from this script." });
    const save = el("button", { class: "primary", text: "Save", "data-testid": "blueprint-save" });
    const form = el("form", {}, el("div", { class: "line-form" }, name, save), hint);
    const dialog = openDialog("Save as blueprint", "blueprint-dialog", form);
    name.addEventListener("input", () => {
      const found = store.blueprints.find(({ id }) => id === name.value.trim());
      if (found) hint.textContent = found.source === "custom" ? "There is one of this name: it is replaced." : "A blueprint of AiKore has this name; take another one.";
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void dialog.tried(call("PUT", `/api/blueprints/${encodeURIComponent(name.value.trim())}`, { content })).then((done) => {
        if (!done) return;
        dialog.node.close();
        toast(`The blueprint ${name.value.trim()} is saved.`);
      });
    });
    name.focus();
  }

  /** @param {Instance} instance */
  update(instance) {
    this.instance = instance;
    const may = access.may("scripts.edit");
    this.save.hidden = !may;
    this.as.hidden = !access.may("blueprints.edit");
    this.note.hidden = may;
    if (this.code && this.code.view.state.readOnly === may) this.code.lock(!may);
  }

  close() {
    this.#closed = true;
    this.findings.close();
    this.code?.close();
  }
}
