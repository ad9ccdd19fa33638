/** The launch script. Saving says which version was read; a conflict is shown and resolved by the person. */

import { access } from "./access.js";
import { call, Problem } from "./api.js";
import { el } from "./dom.js";
import { attempt, toast } from "./toasts.js";

/** @import {Instance} from "./types.js" */
/** @import {Tool, ToolKind} from "./types.js" */

/** @type {ToolKind} */
export const script = { kind: "script", label: "Script", key: "e", role: "operator", open };

/** @param {HTMLElement} panel @param {Instance} instance @returns {Tool} */
function open(panel, instance) {
  const path = `/api/instances/${instance.id}/script`;
  const editor = el("textarea", { class: "editor", spellcheck: "false", wrap: "off", "aria-label": `Launch script of ${instance.name}`, "data-testid": "script" });
  const save = el("button", { class: "primary", text: "Save", disabled: true, "data-testid": "script-save" });
  const note = el("span", { class: "hint", text: "Read only: admins change scripts." });
  const problem = el("p", { class: "problem", role: "alert" });
  const conflict = el("div", { class: "conflict", role: "alert", hidden: true },
    el("span", { text: "Somebody changed this script meanwhile." }),
    el("button", { text: "Load theirs", onclick: () => void attempt(load()) }),
    el("button", { text: "Keep mine", onclick: () => void write("*") }));
  let version = "";
  let saved = "";

  const load = async () => {
    const { data } = await call("GET", path);
    version = data.version;
    saved = editor.value = data.content;
    save.disabled = conflict.hidden = true;
    problem.textContent = "";
  };
  /** @param {string} expected */
  const write = async (expected) => {
    problem.textContent = "";
    const content = editor.value;
    try {
      const { data } = await call("PUT", path, { content }, { "If-Match": expected });
      version = data.version;
      saved = content;
      conflict.hidden = true;
      save.disabled = editor.value === saved;
      toast("The script is saved. It is used at the next start.");
    } catch (error) {
      if (error instanceof Problem && error.status === 412) conflict.hidden = false;
      else problem.textContent = error instanceof Error ? error.message : String(error);
    }
  };
  save.addEventListener("click", () => void write(version));
  editor.addEventListener("input", () => { save.disabled = editor.value === saved; });
  editor.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "s" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (!save.disabled) void write(version);
    }
  });
  const update = () => {
    save.hidden = editor.readOnly = !access.may("admin");
    note.hidden = access.may("admin");
  };
  update();
  void attempt(load());
  panel.append(el("div", { class: "tools-bar" }, save, note, problem), conflict, editor);
  return { close: () => {}, update, dirty: () => editor.value !== saved };
}
