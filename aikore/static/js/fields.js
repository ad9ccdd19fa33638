/** The fields of the instance form that are more than one input. Each can be read; none loses what is typed. */

import { el } from "./dom.js";
import { store } from "./store.js";

/** @import {Pin} from "./types.js" */

/** @param {string} label @param {HTMLElement} control @param {string} [hint] @returns {{node: HTMLElement, complain: (problem: string) => void}} */
export function field(label, control, hint = "") {
  control.id ||= `field-${label.toLowerCase().replace(/\W+/g, "-")}`;
  const problem = el("p", { class: "problem hint", id: `${control.id}-problem`, hidden: true });
  const node = el("div", { class: "field" }, el("label", { for: control.id, text: label }), control,
    ...(hint ? [el("p", { class: "hint", text: hint })] : []), problem);
  control.setAttribute("aria-describedby", problem.id);
  const complain = (/** @type {string} */ words) => {
    problem.textContent = words;
    problem.hidden = !words;
    control.setAttribute("aria-invalid", String(Boolean(words)));
  };
  return { node, complain };
}

/** @param {Record<string, string>} environment */
export function variables(environment) {
  const lines = el("div", { class: "variables" });
  const add = (key = "", value = "") => {
    const name = el("input", { "aria-label": "Variable", placeholder: "NAME", value: key, spellcheck: "false", autocapitalize: "off", "data-testid": "env-name" });
    const line = el("div", {}, name,
      el("input", { "aria-label": "Value", placeholder: "value", value, spellcheck: "false", "data-testid": "env-value" }),
      el("button", { type: "button", "aria-label": "Remove variable", text: "×", onclick: () => { line.remove(); button.focus(); changed(); } }));
    lines.append(line);
    return name;
  };
  const changed = () => lines.dispatchEvent(new Event("input", { bubbles: true }));
  for (const [key, value] of Object.entries(environment)) add(key, value);
  const button = el("button", { type: "button", text: "Add variable", "data-testid": "env-add", onclick: () => add().focus() });
  const problem = el("p", { class: "problem hint", hidden: true });
  const node = el("div", { class: "field", role: "group", "aria-label": "Environment variables" }, el("span", { class: "label", text: "Environment variables" }), lines, el("div", {}, button), problem);
  const read = () => [...lines.children].map((line) => {
    const [key = "", value = ""] = [...line.querySelectorAll("input")].map((input) => input.value);
    return /** @type {[string, string]} */ ([key.trim(), value]);
  }).filter(([key, value]) => key || value);
  const complain = (/** @type {string} */ words) => {
    problem.textContent = words;
    problem.hidden = !words;
  };
  return { node, read, complain };
}

/** Cards are kept by what the server remembers them by, so that a choice follows a card whose index moves meanwhile.
 * @param {Pin[] | null} chosen null: all */
export function gpuChoice(chosen) {
  const picked = new Set((chosen ?? []).map((pin) => pin.uuid));
  const mode = el("select", { id: "field-gpus", "data-testid": "gpu-mode" });
  const list = el("div", { class: "checks", role: "group", "aria-label": "These GPUs" });
  const { node, complain } = field("GPUs", mode);
  node.append(list);
  let wanted = chosen === null ? "all" : chosen.length === 0 ? "cpu" : "some";
  let drawn = "";
  const show = () => { list.hidden = wanted !== "some"; };
  const present = () => store.system.gpus ?? [];
  /** Offer what the machine has, and what was chosen before. */
  const update = () => {
    if (drawn === JSON.stringify(present())) return;
    drawn = JSON.stringify(present());
    const missing = (chosen ?? []).filter((pin) => !present().some((gpu) => gpu.key === pin.uuid));
    const offered = [
      ...present().filter((gpu) => !gpu.divided || picked.has(gpu.key)).map((gpu) => ({ key: gpu.key, words: `${gpu.id} · ${gpu.name}`, gone: false })),
      ...missing.map((pin) => ({ key: pin.uuid, words: `${pin.name || pin.uuid} · not there now`, gone: true })),
    ];
    mode.replaceChildren(el("option", { value: "all", text: offered.length ? "All GPUs" : "Whatever is there" }), el("option", { value: "cpu", text: "CPU only" }),
      ...(offered.length ? [el("option", { value: "some", text: "These GPUs" })] : []));
    mode.value = wanted;
    list.replaceChildren(...offered.map(({ key, words, gone }) => el("label", { class: gone ? "gone" : false }, el("input", { type: "checkbox", value: key, checked: picked.has(key) }), words)));
    show();
  };
  mode.addEventListener("change", () => { wanted = mode.value; show(); });
  list.addEventListener("change", (event) => {
    const box = /** @type {HTMLInputElement} */ (event.target);
    if (box.checked) picked.add(box.value);
    else picked.delete(box.value);
  });
  update();
  /** As `gpu_ids` tells them, in the order they were chosen. */
  const ids = () => [...picked].map((key) => present().find((gpu) => gpu.key === key)?.id ?? key);
  const read = () => (wanted === "all" ? null : wanted === "cpu" ? [] : ids());
  const problem = () => (wanted === "some" && !read()?.length ? "Choose at least one GPU, or CPU only." : "");
  return { node, read, complain, problem, update };
}
