/** Turns text with ANSI colours (ECMA-48 SGR) into spans; every other control sequence is dropped. */

const SEQUENCE = /\x1b\[([0-9;?]*)([A-Za-z])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]/g;

/** @param {string} text @returns {string} what a terminal would keep of a line redrawn with CR */
function lastDrawn(text) {
  const parts = text.replace(/\r+$/, "").split("\r");
  return parts[parts.length - 1] ?? "";
}

export class Ansi {
  /** @type {Set<string>} */
  #classes = new Set();

  /** @param {string} line @returns {(Node | string)[]} */
  line(line) {
    const text = line.includes("\r") ? lastDrawn(line) : line;
    /** @type {(Node | string)[]} */
    const nodes = [];
    let from = 0;
    for (const match of text.matchAll(SEQUENCE)) {
      this.#push(nodes, text.slice(from, match.index));
      from = match.index + match[0].length;
      if (match[2] === "m") this.#style(match[1] ?? "");
    }
    this.#push(nodes, text.slice(from));
    return nodes;
  }

  /** Draw a line that may still change: its colours do not last.
   * @param {string} line @returns {(Node | string)[]} */
  peek(line) {
    const before = new Set(this.#classes);
    const nodes = this.line(line);
    this.#classes = before;
    return nodes;
  }

  /** @param {(Node | string)[]} nodes @param {string} text */
  #push(nodes, text) {
    if (!text) return;
    if (this.#classes.size === 0) {
      nodes.push(text);
      return;
    }
    const span = document.createElement("span");
    span.className = [...this.#classes].join(" ");
    span.textContent = text;
    nodes.push(span);
  }

  /** @param {string} codes */
  #style(codes) {
    const numbers = codes.split(";").map(Number);
    for (let i = 0; i < numbers.length; i++) {
      const code = numbers[i] ?? 0;
      if (code === 0) this.#classes.clear();
      else if (code <= 4) this.#classes.add(`a${code}`);
      else if (code === 22) this.#drop(/^a[12]$/);
      else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) this.#colour(code % 10);
      else if (code === 38) i += numbers[i + 1] === 2 ? 4 : 2;
      else if (code === 39) this.#drop(/^f/);
    }
  }

  /** @param {number} colour */
  #colour(colour) {
    this.#drop(/^f/);
    this.#classes.add(`f${colour}`);
  }

  /** @param {RegExp} pattern */
  #drop(pattern) {
    for (const name of this.#classes) if (pattern.test(name)) this.#classes.delete(name);
  }
}
