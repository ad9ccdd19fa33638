/** The keys that a phone's keyboard lacks. */

import { el } from "../../kit/dom.js";

/** @type {[string, string, string][]} what stands on it, what it is called, what it sends */
const KEYS = [
  ["Esc", "Escape", "\x1b"], ["Tab", "Tab", "\t"], ["←", "Left", "D"], ["↑", "Up", "A"], ["↓", "Down", "B"], ["→", "Right", "C"],
  ["|", "Pipe", "|"], ["/", "Slash", "/"], ["-", "Dash", "-"], ["~", "Tilde", "~"],
];
const ARROWS = "ABCD";

/** @param {() => import("@xterm/xterm").Terminal | undefined} terminal the one that is seen */
export function makeKeyRow(terminal) {
  const ctrl = el("button", { text: "Ctrl", "aria-pressed": "false", "data-testid": "key-ctrl" });
  const press = (/** @type {boolean} */ down) => ctrl.setAttribute("aria-pressed", String(down));
  const held = () => ctrl.getAttribute("aria-pressed") === "true";
  ctrl.addEventListener("click", () => { press(!held()); terminal()?.focus(); });
  const send = (/** @type {string} */ data) => {
    const seen = terminal();
    const arrow = data.length === 1 && ARROWS.includes(data);
    seen?.input(arrow ? `\x1b${seen.modes.applicationCursorKeysMode ? "O" : "["}${data}` : data);
    seen?.focus();
  };
  const keys = KEYS.map(([text, name, data]) => el("button", { text, "aria-label": name, onclick: () => send(data) }));
  const row = el("div", { class: "key-row", role: "group", "aria-label": "Keys" }, ...keys.slice(0, 2), ctrl, ...keys.slice(2));
  row.addEventListener("pointerdown", (event) => event.preventDefault()); // the terminal keeps the focus, and its keyboard stays
  /** With Ctrl held, the next letter is its control character. @param {string} data */
  const withCtrl = (data) => {
    if (!held() || data.length !== 1 || !/[@-_a-z]/.test(data)) return data;
    press(false);
    return String.fromCharCode(data.toUpperCase().charCodeAt(0) & 0x1f);
  };
  return { row, withCtrl };
}
