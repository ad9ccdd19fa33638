/** One CodeMirror, in our colours and face: for scripts and for files. */

import { languageOf } from "./languages.js";

/** @typedef {typeof import("../../../../../tools/vendor/editor.js")} Parts */
/** @typedef {{from: {line: number, column: number}, to: {line: number, column: number}, level: string, message: string}} Finding */

/**
 * @param {Parts} parts
 * @param {HTMLElement} place
 * @param {{label: string, hook: string, file: string, changed: () => void, save: () => void}} options `file` names the language
 */
export function makeCode(parts, place, { label, hook, file, changed, save }) {
  const { Compartment, EditorState, EditorView } = parts;
  const locking = new Compartment();
  const comparing = new Compartment();
  let quiet = false;
  const language = languageOf(parts, file);
  const begin = (/** @type {string} */ text) => EditorState.create({
    doc: text,
    extensions: [
      parts.lineNumbers(), parts.foldGutter(), parts.highlightSpecialChars(), parts.history(), parts.drawSelection(),
      parts.indentOnInput(), parts.bracketMatching(), parts.highlightActiveLine(), parts.highlightActiveLineGutter(),
      parts.highlightSelectionMatches(), parts.search({ top: true }), parts.lintGutter(), parts.indentUnit.of("    "),
      EditorState.lineSeparator.of("\n"), // a file with other line ends keeps them
      parts.keymap.of([
        { key: "Mod-s", preventDefault: true, run: () => { save(); return true; } },
        ...parts.searchKeymap, ...parts.historyKeymap, ...parts.foldKeymap, ...parts.lintKeymap, ...parts.defaultKeymap, parts.indentWithTab,
      ]),
      parts.syntaxHighlighting(colours(parts)), language ? parts.StreamLanguage.define(language) : [],
      EditorView.contentAttributes.of({ "aria-label": label, "data-testid": hook, tabindex: "0", spellcheck: "false", autocapitalize: "off" }),
      EditorView.updateListener.of((update) => { if (update.docChanged && !quiet) changed(); }),
      locking.of(EditorState.readOnly.of(false)), comparing.of([]),
    ],
  });
  const view = new EditorView({ state: begin(""), parent: place });

  return {
    view,
    get text() { return view.state.doc.toString(); },
    /** Begin anew with a text: there is nothing to undo. @param {string} text */
    begin: (text) => { quiet = true; view.setState(begin(text)); quiet = false; },
    /** Change the whole text, in one step that can be undone. @param {string} text */
    replace: (text) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } }),
    /** @param {boolean} locked */
    lock: (locked) => view.dispatch({ effects: locking.reconfigure(EditorState.readOnly.of(locked)) }),
    /** Show within the text what another one has instead. @param {string | null} other @param {string} [take] words on the button that takes a place of it */
    compare: (other, take = "") => view.dispatch({
      effects: comparing.reconfigure(other === null ? [] : parts.unifiedMergeView({
        original: other, gutter: true, highlightChanges: true, collapseUnchanged: { margin: 3, minSize: 6 },
        mergeControls: (type, act) => control(type === "reject" && !view.state.readOnly ? take : "", act),
      })),
    }),
    /** Underline what was found. @param {Finding[]} findings */
    findings: (findings) => view.dispatch(parts.setDiagnostics(view.state, findings.map((one) => ({
      from: position(view, one.from), to: Math.max(position(view, one.to), position(view, one.from)), severity: severity(one.level), message: one.message,
    })))),
    listFindings: () => parts.openLintPanel(view),
    focus: () => view.focus(),
    close: () => view.destroy(),
  };
}

/** @param {string} words none: there is nothing to press @param {(event: MouseEvent) => void} act */
function control(words, act) {
  const button = document.createElement("button");
  button.hidden = !words;
  button.textContent = words;
  button.addEventListener("mousedown", act);
  button.addEventListener("click", (event) => { if (event.detail === 0) act(event); }); // by the keyboard
  return button;
}

/** @param {string} level @returns {"error" | "warning" | "info" | "hint"} */
function severity(level) {
  return level === "error" || level === "warning" || level === "info" ? level : "hint";
}

/** The text may have changed since; what is outside of it moves to its edge.
 * @param {import("@codemirror/view").EditorView} view @param {{line: number, column: number}} place counted from 1 */
function position(view, { line, column }) {
  const { doc } = view.state;
  const found = doc.line(Math.min(Math.max(1, line), doc.lines));
  return found.from + [...found.text].slice(0, Math.max(0, column - 1)).join("").length; // columns are characters, positions code units
}

/** @param {Parts} parts */
function colours({ HighlightStyle, tags }) {
  const colour = (/** @type {number} */ number) => ({ color: `var(--ansi-${number})` });
  return HighlightStyle.define([
    { tag: [tags.comment, tags.meta], color: "var(--quiet)", fontStyle: "italic" },
    { tag: [tags.keyword, tags.operatorKeyword, tags.modifier, tags.tagName], ...colour(5) },
    { tag: [tags.string, tags.special(tags.string), tags.regexp], ...colour(2) },
    { tag: [tags.number, tags.bool, tags.null, tags.atom], ...colour(3) },
    { tag: [tags.definition(tags.variableName), tags.propertyName, tags.attributeName, tags.labelName], ...colour(6) },
    { tag: [tags.standard(tags.variableName), tags.function(tags.variableName), tags.typeName, tags.className], ...colour(4) },
    { tag: tags.invalid, color: "var(--error)" },
    { tag: tags.heading, fontWeight: "bold" },
    { tag: tags.inserted, ...colour(2) },
    { tag: tags.deleted, ...colour(1) },
  ]);
}
