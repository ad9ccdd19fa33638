/** Fields of forms, with their labels and what is wrong with them. None loses what is typed. */

import { el } from "./dom.js";

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
