/** Turns text with ANSI colours (ECMA-48 SGR) into spans. Every other control sequence is dropped; control characters
 * show as their pictures. */

/** @typedef {Readonly<{fg?: number | string, bg?: number | string, flags?: string}>} Style a number is one of the 16 colours */

/** @type {Style} */
export const PLAIN = Object.freeze({});

const SEQUENCE = /\x1b\[([0-9;:?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|\x1b/g;
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f]/g;
const STEPS = [0, 95, 135, 175, 215, 255];
const ON = new Map([[1, "b"], [2, "d"], [3, "i"], [4, "u"], [7, "r"], [9, "s"]]);
const OFF = new Map([[22, "bd"], [23, "i"], [24, "u"], [27, "r"], [29, "s"]]);

/** @param {string} text @returns {string} what a terminal would keep of a line redrawn with CR */
export function lastDrawn(text) {
  const whole = text.replace(/\r+$/, "");
  return whole.slice(whole.lastIndexOf("\r") + 1);
}

/** @param {string} text @returns {string} the text without any control sequence */
export const bare = (text) => lastDrawn(text).replace(SEQUENCE, "");

/** @param {string} text one line @param {Style} style that it begins with @returns {(Node | string)[]} */
export function nodes(text, style) {
  /** @type {(Node | string)[]} */
  const made = [];
  walk(lastDrawn(text), style, (piece, now) => made.push(now === PLAIN ? piece : span(piece, now)));
  return made;
}

/** @param {string} text @param {Style} style that it begins with @returns {Style} that what follows begins with */
export const carried = (text, style) => (text.includes("\x1b[") ? walk(text, style, () => {}) : style);

/** @param {string} text @param {Style} style @param {(piece: string, style: Style) => void} take @returns {Style} */
function walk(text, style, take) {
  let from = 0;
  const pass = (/** @type {number} */ to) => {
    if (to > from) take(text.slice(from, to).replace(CONTROL, picture), style);
  };
  for (const match of text.matchAll(SEQUENCE)) {
    pass(match.index);
    from = match.index + match[0].length;
    if (match[2] === "m") style = changed(style, match[1] ?? "");
  }
  pass(text.length);
  return style;
}

/** @param {string} char */
const picture = (char) => String.fromCharCode(char === "\x7f" ? 0x2421 : 0x2400 + char.charCodeAt(0));

/** @param {Style} style @param {string} codes @returns {Style} */
function changed(style, codes) {
  let { fg, bg, flags = "" } = style;
  const numbers = codes.split(/[;:]/).map(Number);
  for (let at = 0; at < numbers.length; at++) {
    const code = numbers[at] ?? 0;
    const tens = code % 10;
    if (code === 0) fg = bg = undefined, flags = "";
    else if (ON.has(code)) flags = without(flags, ON.get(code) ?? "") + ON.get(code);
    else if (OFF.has(code)) flags = without(flags, OFF.get(code) ?? "");
    else if (code >= 30 && code <= 37) fg = tens;
    else if (code >= 90 && code <= 97) fg = tens + 8;
    else if (code >= 40 && code <= 47) bg = tens;
    else if (code >= 100 && code <= 107) bg = tens + 8;
    else if (code === 39) fg = undefined;
    else if (code === 49) bg = undefined;
    else if (code === 38 || code === 48) {
      const [colour, used] = extended(numbers.slice(at + 1));
      if (code === 38) fg = colour; else bg = colour;
      at += used;
    }
  }
  return fg === undefined && bg === undefined && !flags ? PLAIN : { fg, bg, flags };
}

/** @param {string} flags @param {string} gone */
const without = (flags, gone) => [...flags].filter((flag) => !gone.includes(flag)).join("");

/** @param {number[]} rest behind 38 or 48 @returns {[number | string | undefined, number]} the colour, and how many numbers it took */
function extended([form, a = 0, b = 0, c = 0]) {
  if (form === 2) return [`rgb(${a} ${b} ${c})`, 4];
  if (form !== 5) return [undefined, 1];
  if (a < 16) return [a, 2];
  if (a >= 232) return [`rgb(${8 + (a - 232) * 10} ${8 + (a - 232) * 10} ${8 + (a - 232) * 10})`, 2];
  const cube = a - 16;
  const [red, green, blue] = [Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map((step) => STEPS[step]);
  return [`rgb(${red} ${green} ${blue})`, 2];
}

/** @param {string} text @param {Style} style */
function span(text, { fg, bg, flags = "" }) {
  const node = document.createElement("span");
  node.textContent = text;
  const [front, back] = flags.includes("r") ? [bg ?? "page", fg ?? "text"] : [fg, bg];
  if (front !== undefined) node.style.color = colour(front);
  if (back !== undefined) node.style.backgroundColor = colour(back);
  node.className = [...flags].map((flag) => `sgr-${flag}`).join(" ");
  return node;
}

/** @param {number | string} value */
function colour(value) {
  if (typeof value === "number") return `var(--ansi-${value})`;
  return value.startsWith("rgb") ? value : `var(--${value})`;
}
