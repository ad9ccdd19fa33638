/** Ctrl/⌘-K: finds instances and actions by parts of their words, and does what is chosen. */

import { actionsOf } from "./actions.js";
import { COMMANDS, mayRun, shownKey } from "./commands.js";
import { store } from "./store.js";
import { drawingOf } from "./table/arrange.js";
import { el } from "../kit/dom.js";
import { icon } from "../kit/icons.js";
import { ranked } from "../kit/search.js";

const SHOWN_MAX = 40;

/** @typedef {import("../kit/icons.js").IconName} IconName */
/** @typedef {{words: string, note: string, key: string, drawing: IconName, first: boolean, run: () => void}} Candidate `first`: shown before anything is typed */

/** @returns {Candidate[]} */
function entries() {
  const first = SHOWN_MAX - COMMANDS.length; // before anything is typed, both are to be seen
  const ofInstances = [...store.instances.values()].flatMap((instance, place) => {
    const drawing = drawingOf(instance);
    return actionsOf(instance).map((action, index) => (
      { words: instance.name, note: action.words(instance), key: "", drawing, first: index === 0 && place < first, run: () => action.run(instance) }));
  });
  const ofHouse = COMMANDS.filter(mayRun).map(({ words, key, run }) => (
    { words, note: "", key: key ?? "", drawing: /** @type {IconName} */ ("more"), first: true, run }));
  return [...ofInstances, ...ofHouse];
}

/** @param {Candidate[]} all @param {string} sought @returns {Candidate[]} */
function matching(all, sought) {
  const found = sought.trim() ? ranked(all, ({ words, note }) => `${words} ${note}`, sought) : all.filter((entry) => entry.first);
  return found.slice(0, SHOWN_MAX);
}

/** @type {HTMLDialogElement | null} */
let shown = null;

export function togglePalette() {
  if (shown) shown.close();
  else open();
}

function open() {
  const all = entries();
  /** @type {Candidate[]} */
  let found = [];
  let at = 0;
  const list = el("ul", { role: "listbox", id: "palette-list", "aria-label": "Found" });
  const field = el("input", { type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": list.id, "aria-label": "Find an instance or an action", placeholder: "Find an instance or an action", autocomplete: "off", spellcheck: "false", "data-testid": "palette-field" });
  const nothing = el("p", { class: "empty", text: "Nothing has these words." });
  const dialog = el("dialog", { class: "palette", "aria-label": "Find and do", "data-testid": "palette" }, field, list, nothing);
  const mark = () => {
    for (const [index, line] of [...list.children].entries()) {
      line.setAttribute("aria-selected", String(index === at));
      if (index === at) line.scrollIntoView({ block: "nearest" });
    }
    if (found.length) field.setAttribute("aria-activedescendant", `palette-${at}`);
    else field.removeAttribute("aria-activedescendant");
  };
  const draw = () => {
    found = matching(all, field.value);
    at = 0;
    list.replaceChildren(...found.map((entry, index) => line(entry, index, () => run(entry))));
    nothing.hidden = found.length > 0;
    list.hidden = found.length === 0;
    mark();
  };
  /** @param {Candidate | undefined} entry */
  const run = (entry) => {
    if (!entry) return;
    dialog.close(); // gives the focus back first, so that what is opened may take it
    entry.run();
  };
  field.addEventListener("input", draw);
  field.addEventListener("keydown", (event) => {
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") run(found[at]);
    else if (way && found.length) at = (at + way + found.length) % found.length;
    else return;
    event.preventDefault();
    mark();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { dialog.remove(); shown = null; });
  document.body.append(dialog);
  shown = dialog;
  dialog.showModal();
  draw();
}

/** @param {Candidate} entry @param {number} index @param {() => void} run */
function line({ words, note, key, drawing }, index, run) {
  return el("li", { role: "option", id: `palette-${index}`, onclick: run }, icon(drawing), el("span", { class: "title", text: words }),
    el("span", { class: "sub", text: note }), ...(key ? [el("kbd", { text: shownKey(key) })] : []));
}
