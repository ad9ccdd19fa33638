/** The form that makes and changes an instance. Live updates offer more in it and say what others did; they never touch input. */

import { call, Problem } from "../api.js";
import { changeWords, othersWords, touched, waits } from "./changes.js";
import { gpuChoice } from "./gpus.js";
import { blueprintPicker } from "./picker.js";
import { groupProblem, hostnameProblem, nameKey, nameProblem, networksProblem, textProblem, variablesProblem } from "./validate.js";
import { store } from "../store.js";
import { el, setText } from "../../kit/dom.js";
import { field, variables } from "../../kit/fields.js";
import { messageOf } from "../../kit/problems.js";
import { toast } from "../../kit/toasts.js";

/** @import {Instance} from "../types.js" */

/** @type {(() => void) | null} of the form that is open */
let update = null;

/** Let an open form show what the server said only now. */
export const updateForm = () => update?.();

export function newInstance() {
  openForm(null);
  void call("GET", "/api/blueprints").catch(() => {}); // files put there by hand are told once somebody asks
}

/** @param {Instance} instance */
export function editInstance(instance) {
  openForm(instance);
}

/** @param {Instance | null} instance as it is when the form opens */
function makeFields(instance) {
  const name = el("input", { value: instance?.name ?? "", autocomplete: "off", "data-testid": "name" });
  const picker = blueprintPicker(instance?.base_blueprint);
  const gpus = gpuChoice(instance ? instance.gpus : null);
  const env = variables(instance?.environment ?? {});
  const args = el("input", { value: instance?.launch_args ?? "", spellcheck: "false", autocapitalize: "off", placeholder: "--lowvram", "data-testid": "launch-args" });
  const hostname = el("input", { value: instance?.hostname ?? "", spellcheck: "false", autocapitalize: "off", placeholder: "comfy.example.lan", "data-testid": "hostname" });
  const networks = el("textarea", { rows: "2", spellcheck: "false", placeholder: "192.168.1.0/24", "data-testid": "open-networks" });
  networks.value = (instance?.open_networks ?? []).join("\n");
  const group = el("input", { value: instance?.group ?? "", autocomplete: "off", list: "groups", "data-testid": "group-name" });
  const groups = el("datalist", { id: "groups" }, ...[...new Set([...store.instances.values()].map((one) => one.group))].filter(Boolean).map((value) => el("option", { value })));
  const auto = el("input", { type: "checkbox", checked: instance?.autostart ?? false });
  const again = el("input", { type: "checkbox", checked: instance?.restart_policy === "on-failure" });
  const persistent = el("input", { type: "checkbox", checked: instance?.persistent_mode ?? false, "data-testid": "persistent" });
  const named = field("Name", name);
  const arguments_ = field("Launch arguments", args);
  const host = field("Host name", hostname, "Besides its path, the instance then answers under this name.");
  const open = field("Networks without login", networks, "Programs that can send no token, e.g. 192.168.1.0/24. Empty: everybody logs in.");
  const under = field("Group", group, "A word to show it under in the table.");
  const listed = () => networks.value.split(/[\s,;]+/).filter(Boolean);
  const more = el("details", { open: Boolean(instance) }, el("summary", { text: "More settings" }), gpus.node, env.node, arguments_.node, host.node, open.node,
    under.node, groups,
    el("div", { class: "checks" }, el("label", {}, auto, "Start with AiKore"), el("label", {}, again, "Start again after a failure"),
      el("label", { title: "It runs on a screen of its own, with a browser on it, that you can come back to" }, persistent, "Desktop (goes on without viewers)")));
  const read = () => ({
    name: name.value, base_blueprint: picker.value(), gpu_ids: gpus.read(), environment: Object.fromEntries(env.read()), launch_args: args.value,
    hostname: hostname.value, open_networks: listed(), autostart: auto.checked, restart_policy: again.checked ? "on-failure" : "never", group: group.value,
    persistent_mode: persistent.checked,
  });
  const others = () => [...store.instances.values()].filter((one) => one.id !== instance?.id).map((one) => one.name);
  /** @returns {[HTMLElement, (words: string) => void, string][]} what is wrong where */
  const problems = () => [
    [picker.search, () => {}, picker.value() ? "" : "Choose a blueprint first."],
    [name, named.complain, nameProblem(name.value, others())],
    [gpus.node, gpus.complain, gpus.problem()],
    [env.node, env.complain, variablesProblem(env.read())],
    [args, arguments_.complain, textProblem(args.value)],
    [hostname, host.complain, hostnameProblem(hostname.value)],
    [networks, open.complain, networksProblem(listed())],
    [group, under.complain, groupProblem(group.value)],
  ];
  return { nodes: [picker.node, named.node, more], name, picker, gpus, more, read, problems };
}

/** @param {Instance | null} instance */
function openForm(instance) {
  const { nodes, name, picker, gpus, more, read, problems } = makeFields(instance);
  const problem = el("p", { class: "problem", role: "alert", "data-testid": "problem" });
  const start = el("input", { type: "checkbox", checked: true, "data-testid": "start-now" });
  const changes = el("p", { class: "hint", role: "status", "data-testid": "changes" });
  const theirs = el("p", { class: "hint", role: "status", "data-testid": "theirs" });
  const restart = el("button", { type: "submit", value: "restart", text: "Save and restart", hidden: true, "data-testid": "save-restart" });
  const save = el("button", { class: "primary", type: "submit", text: instance ? "Save" : "Create", "data-testid": "save" });
  const form = el("form", { method: "dialog", novalidate: true }, el("h2", { text: instance ? `Edit ${instance.name}` : "New instance" }), ...nodes,
    ...(instance ? [changes, theirs] : [el("div", { class: "checks" }, el("label", {}, start, "Start it right away"))]), problem,
    el("div", { class: "end" }, el("button", { type: "button", text: "Cancel", onclick: () => dialog.close() }), restart, save));
  const dialog = el("dialog", { "aria-label": instance ? "Edit instance" : "New instance", "data-testid": "form" }, form);
  let typed = Boolean(instance);
  const running = () => Boolean(instance && store.instances.get(instance.id)?.actions.includes("restart"));

  const show = () => {
    if (!instance) return;
    const mine = touched(instance, read());
    setText(changes, changeWords(mine, running()) || "Nothing is changed yet.");
    setText(theirs, othersWords(instance, store.instances.get(instance.id) ?? instance, mine));
    restart.hidden = !running() || !waits(mine);
  };
  /** @param {boolean} all also of fields that nobody has touched yet @returns {[HTMLElement, string] | undefined} the first */
  const check = (all) => {
    let first;
    for (const [control, complain, words] of problems()) {
      if (all || !words || control.dataset.touched) complain(words);
      if (words) first ??= /** @type {[HTMLElement, string]} */ ([control, words]);
    }
    return first;
  };
  /** @param {boolean} andRestart @param {Record<string, unknown>} [extra] */
  const submit = async (andRestart, extra = {}) => {
    problem.replaceChildren();
    const wrong = check(true);
    if (wrong) return refuse(...wrong);
    save.disabled = restart.disabled = true;
    try {
      const mine = instance ? touched(instance, read()) : {};
      const { data } = instance ? await call("PATCH", `/api/instances/${instance.id}`, { ...mine, ...extra }) : await call("POST", "/api/instances", read());
      dialog.close();
      if (!instance && start.checked) await call("POST", `/api/instances/${data.id}/start`);
      if (instance && waits(mine) && data.actions.includes("restart")) await restartOrOffer(data, andRestart);
    } catch (error) {
      if (dialog.open) explain(error);
      else toast(messageOf(error), { error: true });
    }
    save.disabled = restart.disabled = false;
  };
  /** @param {HTMLElement} control @param {string} words */
  const refuse = (control, words) => {
    if (more.contains(control)) more.open = true;
    problem.textContent = words;
    /** @type {HTMLElement | null} */ (control.matches("input, textarea") ? control : control.querySelector("select, input"))?.focus();
  };
  /** @param {unknown} error */
  const explain = (error) => {
    problem.append(messageOf(error));
    if (instance && error instanceof Problem && error.code === "conflict" && picker.value() !== instance.base_blueprint) {
      problem.append(" ", el("button", { type: "button", text: "Replace the script", onclick: () => void submit(false, { replace_script: true }) }),
        " ", el("button", { type: "button", text: "Keep my script", onclick: () => void submit(false, { replace_script: false }) }));
    }
  };
  form.addEventListener("input", (event) => {
    const control = /** @type {HTMLElement} */ (event.target);
    control.dataset.touched = "yes";
    /** @type {HTMLElement | null} */ (control.closest("[role=group]"))?.setAttribute("data-touched", "yes");
    if (control === name) typed = true;
    check(false);
    show();
  });
  form.addEventListener("change", show);
  picker.node.addEventListener("picked", () => {
    if (!typed) name.value = freeName(store.blueprints.find((one) => one.id === picker.value())?.name || picker.value());
    check(false);
    show();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void submit(/** @type {SubmitEvent} */ (event).submitter === restart);
  });
  update = () => { picker.update(); gpus.update(); show(); };
  dialog.addEventListener("close", () => { dialog.remove(); update = null; });
  document.body.append(dialog);
  dialog.showModal();
  show();
  (instance ? name : matchMedia("(pointer: fine)").matches ? picker.search : dialog).focus();
}

/** @param {Instance} instance @param {boolean} now */
async function restartOrOffer(instance, now) {
  const restart = () => call("POST", `/api/instances/${instance.id}/restart`);
  if (now) await restart();
  else toast(`${instance.name} uses its new settings after a restart.`, { action: "Restart", run: () => void restart() });
}

/** @param {string} name */
function freeName(name) {
  const taken = new Set([...store.instances.values()].map((instance) => nameKey(instance.name)));
  let free = name;
  for (let number = 2; taken.has(nameKey(free)); number++) free = `${name} ${number}`;
  return free;
}
