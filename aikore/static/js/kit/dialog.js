/** Dialogs that show and change a list: their frame, their problems, and parts they share. */

import { el } from "./dom.js";
import { messageOf } from "./problems.js";

/** @typedef {{node: HTMLDialogElement, tried: <T>(work: Promise<T>) => Promise<T | null>}} Dialog */

/**
 * @param {string} title
 * @param {string} hook its `data-testid`
 * @param {HTMLElement[]} content
 * @returns {Dialog} `tried` waits for some work and shows what stands in its way, inside the dialog
 */
export function openDialog(title, hook, ...content) {
  const problem = el("p", { class: "problem", role: "alert", "data-testid": "problem" });
  const node = el("dialog", { "aria-label": title, "data-testid": hook }, el("h2", { text: title }), ...content, problem,
    el("div", { class: "end" }, el("button", { type: "button", text: "Close", "data-testid": "close", onclick: () => node.close() })));
  node.addEventListener("close", () => node.remove());
  document.body.append(node);
  node.showModal();
  return {
    node,
    tried: async (work) => {
      problem.textContent = "";
      try {
        return await work;
      } catch (error) {
        problem.textContent = messageOf(error);
        return null;
      }
    },
  };
}

/** A button for what cannot be undone: the first press says what will happen, the second does it.
 * @param {string} words @param {string} consequence @param {() => void} run @param {string} [hook] */
export function sureButton(words, consequence, run, hook) {
  const button = el("button", { type: "button", class: "danger", text: words, "data-testid": hook });
  button.addEventListener("click", () => {
    if (button.dataset.sure) run();
    else {
      button.dataset.sure = "yes";
      button.textContent = consequence;
    }
  });
  button.addEventListener("blur", () => {
    delete button.dataset.sure;
    button.textContent = words;
  });
  return button;
}

/** Something secret that is shown this once.
 * @param {string} label @param {string} text @param {string} hint */
export function shownOnce(label, text, hint) {
  const field = el("input", { value: text, readonly: true, "aria-label": label, "data-testid": "shown-once", onfocus: () => field.select() });
  const copy = el("button", { type: "button", text: "Copy", "data-testid": "copy" });
  copy.addEventListener("click", () => void copied(field).then((done) => { copy.textContent = done ? "Copied" : "Press Ctrl C"; }));
  return el("div", { class: "once" }, el("div", { class: "line-form" }, field, copy), el("p", { class: "hint", text: hint }));
}

/** @param {HTMLInputElement} field @returns {Promise<boolean>} */
async function copied(field) {
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    return document.execCommand("copy"); // over plain http there is no clipboard interface
  }
}

/** @param {string} title @param {string} sub @param {...HTMLElement} buttons */
export function listLine(title, sub, ...buttons) {
  return el("li", {}, el("span", { class: "grow" }, el("span", { class: "title", text: title }), el("span", { class: "sub", text: sub })), ...buttons);
}

/** @param {string} time @returns {string} */
export function when(time) {
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** @param {string} time @returns {string} */
export function day(time) {
  return new Date(time).toLocaleDateString(undefined, { dateStyle: "medium" });
}

/** @param {string} label @param {string} hook @param {[string, string][]} choices value and words */
export function select(label, hook, choices) {
  return el("select", { "aria-label": label, "data-testid": hook }, ...choices.map(([value, text]) => el("option", { value, text })));
}
