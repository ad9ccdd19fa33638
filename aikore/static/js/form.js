/** The form that makes and changes an instance. It is filled once when it opens; live updates never touch it. */

import { call, Problem } from "./api.js";
import { el } from "./dom.js";
import { store } from "./store.js";
import { toast } from "./toasts.js";

/** @import {Instance, Blueprint} from "./types.js" */

/** Fill in what the server said only now. */
export function updateForm() {}

export function newInstance() {
  openForm(null);
}

/** @param {Instance} instance */
export function editInstance(instance) {
  openForm(instance);
}

/** @param {string} label @param {HTMLElement} control @param {string} [hint] */
function field(label, control, hint) {
  control.id ||= `field-${label.toLowerCase().replace(/\W+/g, "-")}`;
  const box = el("div", { class: "field" }, el("label", { for: control.id, text: label }), control);
  if (hint) box.append(el("p", { class: "hint", text: hint }));
  return box;
}

/** @param {string | undefined} chosen */
function blueprintPicker(chosen) {
  const box = el("fieldset", { class: "picker", "aria-label": "Blueprint" });
  const last = (/** @type {Blueprint} */ blueprint) => Number(/^\d/.test(blueprint.id)); // 99-… are for testing
  const order = [...store.blueprints].sort((a, b) => last(a) - last(b) || a.id.localeCompare(b.id));
  for (const blueprint of order) box.append(choice(blueprint, blueprint.id === chosen));
  return box;
}

/** @param {Blueprint} blueprint @param {boolean} checked */
function choice(blueprint, checked) {
  const radio = el("input", { type: "radio", name: "blueprint", value: blueprint.id, checked, disabled: Boolean(blueprint.error), "data-testid": `blueprint-${blueprint.id}` });
  return el("label", { class: blueprint.error ? "choice broken" : "choice" }, radio,
    el("b", { text: blueprint.name || blueprint.id }),
    el("span", { text: blueprint.error ?? blueprint.description ?? "" }));
}

/** @param {Record<string, string>} environment */
function variables(environment) {
  const box = el("div", { class: "variables" });
  const add = (key = "", value = "") => {
    const line = el("div", {},
      el("input", { "aria-label": "Variable", placeholder: "NAME", value: key, spellcheck: "false", "data-testid": "env-name" }),
      el("input", { "aria-label": "Value", placeholder: "value", value, spellcheck: "false", "data-testid": "env-value" }),
      el("button", { type: "button", "aria-label": "Remove variable", text: "×", onclick: () => line.remove() }));
    box.append(line);
  };
  for (const [key, value] of Object.entries(environment)) add(key, value);
  const button = el("button", { type: "button", text: "Add variable", "data-testid": "env-add", onclick: () => add() });
  const read = () => Object.fromEntries([...box.children].map((line) => {
    const [key, value] = [...line.querySelectorAll("input")].map((input) => input.value);
    return /** @type {[string, string]} */ ([(key ?? "").trim(), value ?? ""]);
  }).filter(([key]) => key));
  return { node: el("div", { class: "field" }, el("span", { class: "label", text: "Environment variables" }), box, el("div", {}, button)), read };
}

/** @param {string[] | null} chosen */
function gpuChoice(chosen) {
  const present = store.system.gpus ?? [];
  const missing = (chosen ?? []).filter((id) => !present.some((gpu) => gpu.id === id));
  const gpus = [...present, ...missing.map((id) => ({ id, name: "not there now" }))];
  const mode = el("select", { "data-testid": "gpu-mode" },
    el("option", { value: "all", text: gpus.length ? "All GPUs" : "Whatever is there" }),
    el("option", { value: "cpu", text: "CPU only" }),
    ...(gpus.length ? [el("option", { value: "some", text: "These GPUs" })] : []));
  mode.value = chosen === null ? "all" : chosen.length === 0 ? "cpu" : "some";
  const boxes = gpus.map((gpu) => el("input", { type: "checkbox", value: gpu.id, checked: chosen?.includes(gpu.id) ?? false }));
  const list = el("div", { class: "checks" }, ...gpus.map((gpu, index) => el("label", {}, /** @type {HTMLElement} */ (boxes[index]), `${gpu.id} · ${gpu.name}`)));
  const show = () => { list.hidden = mode.value !== "some"; };
  mode.addEventListener("change", show);
  show();
  const read = () => {
    if (mode.value !== "some") return mode.value === "all" ? null : [];
    const ids = boxes.filter((box) => box.checked).map((box) => box.value);
    if (!ids.length) throw new Problem(422, "invalid", "Choose at least one GPU, or CPU only.");
    return ids;
  };
  return { node: el("div", {}, field("GPUs", mode), list), read };
}

/** @param {Instance | null} instance */
function openForm(instance) {
  const name = el("input", { value: instance?.name ?? "", maxlength: "200", required: true, autocomplete: "off", "data-testid": "name" });
  const picker = blueprintPicker(instance?.base_blueprint);
  const gpus = gpuChoice(instance ? instance.gpu_ids : null);
  const env = variables(instance?.environment ?? {});
  const args = el("input", { value: instance?.launch_args ?? "", spellcheck: "false", placeholder: "--lowvram", "data-testid": "launch-args" });
  const hostname = el("input", { value: instance?.hostname ?? "", spellcheck: "false", placeholder: "comfy.example.lan" });
  const networks = el("textarea", { rows: "2", spellcheck: "false", placeholder: "192.168.1.0/24", "data-testid": "open-networks" });
  networks.value = (instance?.open_networks ?? []).join("\n");
  const auto = el("input", { type: "checkbox", checked: instance?.autostart ?? false });
  const again = el("input", { type: "checkbox", checked: instance?.restart_policy === "on-failure" });
  const problem = el("p", { class: "problem", role: "alert", "data-testid": "problem" });
  const start = el("input", { type: "checkbox", checked: true, "data-testid": "start-now" });
  const more = el("details", { open: Boolean(instance) }, el("summary", { text: "More settings" }), gpus.node, env.node,
    field("Launch arguments", args), field("Host name", hostname, "Besides its path, the instance then answers under this name."),
    field("Networks without login", networks, "Programs that can send no token, e.g. 192.168.1.0/24. Empty: everybody logs in."),
    el("div", { class: "checks" }, el("label", {}, auto, "Start with AiKore"), el("label", {}, again, "Start again after a failure")));
  const save = el("button", { class: "primary", type: "submit", text: instance ? "Save" : "Create", "data-testid": "save" });
  const form = el("form", { method: "dialog", novalidate: true },
    el("h2", { text: instance ? `Edit ${instance.name}` : "New instance" }),
    el("div", { class: "field" }, el("span", { class: "label", text: "Blueprint" }), picker),
    field("Name", name), more,
    ...(instance ? [el("p", { class: "hint", text: "What the program uses takes effect at its next start; name and host name at once." })] : [el("div", { class: "checks" }, el("label", {}, start, "Start it right away"))]),
    problem, el("div", { class: "end" }, el("button", { type: "button", text: "Cancel", onclick: () => dialog.close() }), save));
  const dialog = el("dialog", { "aria-label": instance ? "Edit instance" : "New instance", "data-testid": "form" }, form);
  const blueprint = () => /** @type {HTMLInputElement | null} */ (picker.querySelector(":checked"))?.value;
  let typed = Boolean(instance);
  name.addEventListener("input", () => { typed = true; });
  picker.addEventListener("change", () => {
    if (!typed) name.value = freeName(store.blueprints.find((b) => b.id === blueprint())?.name ?? "");
  });
  /** @param {Record<string, unknown>} [extra] */
  const submit = async (extra = {}) => {
    save.disabled = true;
    problem.replaceChildren();
    try {
      const wanted = { name: name.value, base_blueprint: blueprint() ?? "", gpu_ids: gpus.read(), environment: env.read(), launch_args: args.value,
        hostname: hostname.value, open_networks: networks.value.split(/[\s,;]+/).filter(Boolean), autostart: auto.checked, restart_policy: again.checked ? "on-failure" : "never" };
      if (!wanted.base_blueprint) throw new Problem(422, "invalid", "Choose a blueprint first.");
      const { data } = instance ? await call("PATCH", `/api/instances/${instance.id}`, { ...touched(instance, wanted), ...extra }) : await call("POST", "/api/instances", wanted);
      dialog.close();
      if (!instance && start.checked) await call("POST", `/api/instances/${data.id}/start`);
      if (instance && needsRestart(instance, data)) toast(`${data.name} uses its new settings after a restart.`, { action: "Restart", run: () => void call("POST", `/api/instances/${data.id}/restart`) });
    } catch (error) {
      if (dialog.open) explain(error);
      else toast(error instanceof Error ? error.message : String(error), { error: true });
    }
    save.disabled = false;
  };
  /** @param {unknown} error */
  const explain = (error) => {
    problem.append(error instanceof Error ? error.message : String(error));
    if (instance && error instanceof Problem && error.code === "conflict" && blueprint() !== instance.base_blueprint) {
      problem.append(" ", el("button", { type: "button", text: "Replace the script", onclick: () => void submit({ replace_script: true }) }),
        " ", el("button", { type: "button", text: "Keep my script", onclick: () => void submit({ replace_script: false }) }));
    }
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); void submit(); });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  (instance ? name : picker.querySelector("input"))?.focus();
}

/** What differs from the instance as it was when the form opened; what others changed meanwhile stays theirs.
 * @param {Instance} instance @param {Record<string, unknown>} wanted */
function touched(instance, wanted) {
  const before = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (instance));
  return Object.fromEntries(Object.entries(wanted).filter(([key, value]) => !same(value, before[key])));
}

/** @param {unknown} a @param {unknown} b */
function same(a, b) {
  const plain = (/** @type {unknown} */ value) => JSON.stringify(value, (_, part) =>
    (part && typeof part === "object" && !Array.isArray(part) ? Object.entries(part).sort() : part));
  return plain(a) === plain(b);
}

/** @param {Instance} before @param {Instance} after */
function needsRestart(before, after) {
  const used = /** @type {const} */ (["base_blueprint", "gpu_ids", "environment", "launch_args"]);
  return after.actions.includes("restart") && used.some((key) => !same(before[key], after[key]));
}

/** @param {string} name */
function freeName(name) {
  const taken = new Set([...store.instances.values()].map((instance) => instance.name.toLowerCase()));
  let free = name;
  for (let number = 2; taken.has(free.toLowerCase()); number++) free = `${name} ${number}`;
  return free;
}
