/** One xterm.js with its addons, in our colours, face and keys. */

import { toast } from "../../kit/toasts.js";

/** @typedef {typeof import("../../../../../tools/vendor/terminal.js")} Parts */
/** @typedef {import("@xterm/xterm").Terminal} Terminal */

const ANSI = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const SCROLLBACK = 10000;

/** @returns {import("@xterm/xterm").ITheme} the theme that the page has now */
function theme() {
  const style = getComputedStyle(document.documentElement);
  const token = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
  const colours = ANSI.flatMap((name, at) => [
    [name, token(`ansi-${at}`)],
    [`bright${name[0]?.toUpperCase()}${name.slice(1)}`, token(`ansi-${at + 8}`)],
  ]);
  return {
    ...Object.fromEntries(colours),
    background: token("page"), foreground: token("text"), cursor: token("accent"), cursorAccent: token("page"),
    selectionBackground: `${token("accent")}66`,
  };
}

/** @param {Parts} parts @param {HTMLElement} box @param {string} label */
export function makeScreen(parts, box, label) {
  const style = getComputedStyle(document.documentElement);
  const terminal = new parts.Terminal({
    allowProposedApi: true, // graphemes, and marks of the search
    cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    fontFamily: style.getPropertyValue("--mono"), fontSize: 13, lineHeight: 1.15,
    linkHandler: { activate: (_event, uri) => openLink(uri) },
    macOptionIsMeta: true, minimumContrastRatio: 4.5, scrollback: SCROLLBACK, theme: theme(),
  });
  const fit = new parts.FitAddon();
  const search = new parts.SearchAddon();
  terminal.loadAddon(fit);
  terminal.loadAddon(search);
  terminal.loadAddon(new parts.WebLinksAddon((_event, uri) => openLink(uri)));
  terminal.loadAddon(new parts.UnicodeGraphemesAddon());
  terminal.open(box);
  terminal.textarea?.setAttribute("aria-label", label);
  const drawing = fastDrawing(parts, terminal);
  const themes = new MutationObserver(() => { terminal.options.theme = theme(); });
  themes.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  const size = () => {
    const wanted = fit.proposeDimensions();
    return { columns: Math.max(2, wanted?.cols || terminal.cols), rows: Math.max(2, wanted?.rows || terminal.rows) };
  };
  const close = () => { themes.disconnect(); terminal.dispose(); };
  return { terminal, search, size, drawing, close };
}

/** Browsers allow few WebGL pages at a time: only a terminal that is seen has one. Without WebGL the DOM draws.
 * @param {Parts} parts @param {Terminal} terminal */
function fastDrawing(parts, terminal) {
  /** @type {import("@xterm/addon-webgl").WebglAddon | null} */
  let addon = null;
  const stop = () => { addon?.dispose(); addon = null; };
  const start = () => {
    if (addon) return;
    try {
      addon = new parts.WebglAddon();
      addon.onContextLoss(stop);
      terminal.loadAddon(addon);
    } catch {
      stop();
    }
  };
  return { start, stop };
}

/** @param {string} uri */
function openLink(uri) {
  if (/^https?:/i.test(uri)) window.open(uri, "_blank", "noopener");
}

/** Ctrl-Shift-C copies and Ctrl-Shift-V pastes, as in terminals everywhere; Ctrl-C alone is the program's.
 * @param {Terminal} terminal @param {() => void} find */
export function bindKeys(terminal, find) {
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.key === "F6") return false; // goes on to the next pane
    if (!event.ctrlKey || !event.shiftKey || event.altKey) return true;
    const key = event.key.toLowerCase();
    if (key === "v") return false; // the browser pastes, which needs no permission
    if (key !== "c" && key !== "f") return true;
    event.preventDefault();
    if (event.type === "keydown") (key === "c" ? () => void copy(terminal) : find)();
    return false;
  });
}

/** @param {Terminal} terminal */
export async function copy(terminal) {
  const text = terminal.getSelection();
  if (!text) return;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    terminal.focus(); // over plain http there is no clipboard interface; xterm.js answers the browser's own copying
    if (!document.execCommand("copy")) toast("The browser does not let this page copy.", { error: true });
  }
}
