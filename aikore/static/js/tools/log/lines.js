/** A stretch of a log as lines that know their byte offsets. Pure: no page, no network. */

import { carried, PLAIN } from "../../kit/ansi.js";

/** @import {Style} from "../../kit/ansi.js" */
/** @typedef {{offset: number, text: string, style: Style, note?: boolean}} Line */

/** Characters of one line at most; the rest of a longer one stands on lines of its own. */
export const LINE_MOST = 20000;

/** @param {string} text @param {number} [strange] bytes of a character that was not valid UTF-8 @returns {number} */
export function byteLength(text, strange = 3) {
  let bytes = text.length;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x80) continue;
    if (code === 0xfffd) bytes += strange - 1;
    else if (code < 0x800 || (code >= 0xd800 && code < 0xe000)) bytes += 1; // of a pair, each half is two bytes
    else bytes += 2;
  }
  return bytes;
}

/** Bytes that are no UTF-8 arrive as U+FFFD: how many each stood for follows from the size of the whole.
 * @param {string} text @param {number} bytes its true size @returns {(piece: string) => number} the size of a piece of it */
function measure(text, bytes) {
  if (text.length === bytes) return (piece) => piece.length;
  const strange = text.split("\ufffd").length - 1;
  const each = strange ? 3 - (byteLength(text) - bytes) / strange : 3;
  return (piece) => byteLength(piece, each);
}

/** Lines without a hole between `first` and `end`; `open` is the beginning of a line whose end is not there yet. */
export class Stretch {
  /** @type {Line[]} */
  lines = [];
  open = "";
  /** @type {Style} */
  #style = PLAIN;

  /** @param {number} offset where it begins */
  constructor(offset) {
    this.first = this.end = this.openOffset = offset;
  }

  /** @param {string} text @param {number} next the offset behind it */
  append(text, next) {
    const size = measure(text, next - this.end);
    let at = this.end;
    let from = 0;
    for (let to = text.indexOf("\n"); to >= 0; to = text.indexOf("\n", from)) {
      const piece = text.slice(from, to);
      this.#close(this.open + piece);
      at += size(piece) + 1;
      from = to + 1;
      this.open = "";
      this.openOffset = Math.round(at);
    }
    this.open += text.slice(from);
    while (this.open.length > LINE_MOST) this.#cut();
    this.end = next;
    if (!this.open) this.openOffset = next;
  }

  /** @param {string} text */
  #close(text) {
    for (let rest = text; ; rest = rest.slice(LINE_MOST)) {
      this.#push(rest.slice(0, LINE_MOST));
      if (rest.length <= LINE_MOST) return;
      this.openOffset += byteLength(rest.slice(0, LINE_MOST));
    }
  }

  #finish() {
    if (this.open) this.#close(this.open);
    this.open = "";
  }

  #cut() {
    const piece = this.open.slice(0, LINE_MOST);
    this.#push(piece);
    this.open = this.open.slice(LINE_MOST);
    this.openOffset += byteLength(piece);
  }

  /** @param {string} text */
  #push(text) {
    this.lines.push({ offset: this.openOffset, text, style: this.#style });
    this.#style = carried(text, this.#style);
  }

  /** Say something between the lines, and go on at another offset. @param {string} text @param {number} next */
  note(text, next) {
    this.#finish();
    this.lines.push({ offset: this.end, text, style: PLAIN, note: true });
    this.end = this.openOffset = next;
  }

  /** @param {string} text that ends where this begins @param {number} offset @param {boolean} whole whether it begins at a line's start
   * @returns {number} how many lines came */
  prepend(text, offset, whole) {
    const before = new Stretch(offset);
    before.append(text, this.first);
    before.#finish();
    const kept = whole || before.lines.length === 1 ? before.lines : before.lines.slice(1);
    const [head] = kept;
    if (!head) return 0;
    this.lines = kept.concat(this.lines);
    this.first = head.offset;
    return kept.length;
  }

  /** Forget lines at the beginning. @param {number} count */
  dropFirst(count) {
    this.lines.splice(0, count);
    this.first = this.lines[0]?.offset ?? this.openOffset;
  }

  /** Forget everything behind this many lines. @param {number} count */
  keepFirst(count) {
    const next = this.lines[count];
    if (!next) return;
    this.lines.length = count;
    this.open = "";
    this.end = this.openOffset = next.offset;
    this.#style = next.style;
  }

  /** @param {number} offset @returns {number} the index of the line that holds this byte */
  at(offset) {
    let low = 0;
    let high = this.lines.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (/** @type {Line} */ (this.lines[middle]).offset > offset) high = middle;
      else low = middle + 1;
    }
    return Math.max(0, low - 1);
  }
}
