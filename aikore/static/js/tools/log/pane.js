/** Shows a log of any size: only what is seen is asked for and drawn. The scrollbar stands for all bytes that are kept.
 *
 * A block of drawn rows lies at `#y` in a tall empty space. Rows are added and taken away at its ends while somebody
 * scrolls; a jump with the scrollbar asks for the lines around the byte that stands there. In both cases what is seen
 * never moves, so lines may have any height.
 */

import { PLAIN } from "../../kit/ansi.js";
import { el } from "../../kit/dom.js";
import { messageOf } from "../../kit/problems.js";
import { Stretch } from "./lines.js";
import { makeRow } from "./row.js";

/** @import {Source, Mark, Piece} from "./source.js" */

const ROW = 18;
/** Browsers know no taller elements than about twice this, in pixels. */
const TALLEST = 8e6;
const NEAR_END = 24;
const KEPT_MOST = 12000;
const KEPT = 8000;
/** Lines that are there before they are needed. */
const AHEAD = 400;
const MARKS_MOST = 20000;

export class Pane extends EventTarget {
  follow = true;
  stretch = new Stretch(0);
  /** Which lines of the stretch are drawn: from, and up to (not with). */
  #from = 0;
  #to = 0;
  #y = 0;
  #start = 0;
  #end = 0;
  #bytesPerLine = 80;
  #live = "";
  #frame = 0;
  #busy = false;
  /** Whether what is printed goes on where the stretch ends. */
  #attached = false;
  #moved = 0;
  #target = -1;
  #closed = false;
  #begun = false;
  /** @type {Mark[]} */
  #marks = [];

  /** @param {Source} source @param {string} label */
  constructor(source, label) {
    super();
    this.source = source;
    this.block = el("div", { class: "rows" });
    this.tail = el("div", { class: "tail" });
    this.space = el("div", { class: "space" }, this.block);
    this.node = el("div", { class: "log", "data-own-keys": "", tabindex: "0", role: "log", "aria-live": "off", "aria-label": label, "data-testid": "log-text" }, this.space);
    this.node.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.node.addEventListener("keydown", (event) => this.#key(event));
    this.sized = new ResizeObserver(() => this.later());
    this.sized.observe(this.node);
  }

  close() {
    this.#closed = true;
    cancelAnimationFrame(this.#frame);
    this.sized.disconnect();
    this.source.stop();
  }

  // What is there ---------------------------------------------------------------------------------------------

  /** Show the newest lines and go along. */
  async toEnd() {
    this.#setFollow(true);
    if (this.#attached) return this.later();
    const piece = await this.source.tail();
    if (this.#closed) return;
    this.#begin(piece, piece.offset);
    this.#attach();
    this.#clear(this.stretch.lines.length);
    this.later();
  }

  /** Begin anew with a piece. @param {Piece} piece @param {number} offset where its first whole line begins */
  #begin(piece, offset) {
    this.#begun = true;
    this.#attached = false;
    this.#live = "";
    this.stretch = new Stretch(piece.offset);
    this.stretch.append(piece.text, piece.next);
    if (piece.offset < offset) this.stretch.dropFirst(Math.max(0, this.stretch.at(offset)));
    this.#marks = piece.times;
    this.#told(piece);
    if (this.stretch.lines.length > 20) this.#bytesPerLine = Math.max(1, (this.stretch.end - this.stretch.first) / this.stretch.lines.length);
  }

  /** @param {Piece} piece */
  #told(piece) {
    this.#start = piece.start;
    this.#end = Math.max(this.#end, piece.end);
  }

  #attach() {
    this.#attached = true;
    this.source.follow(this.stretch.end, {
      data: (text, offset, next) => this.#printed(text, offset, next),
      live: (text) => { this.#live = text; this.later(); },
      gap: (next) => {
        if (this.#attached) this.stretch.note("Older output is no longer kept.", next);
        this.later();
      },
      gone: (reason) => this.dispatchEvent(new CustomEvent("gone", { detail: reason })),
    });
  }

  /** @param {string} text @param {number} offset @param {number} next */
  #printed(text, offset, next) {
    this.#end = Math.max(this.#end, next);
    if (this.#attached && offset === this.stretch.end) {
      this.#marks.push({ offset, time: Date.now() / 1000 });
      this.stretch.append(text, next);
      this.#forget();
    }
    this.later();
  }

  /** Keep memory flat: forget what lies far from what is seen. */
  #forget() {
    if (this.#marks.length > MARKS_MOST) this.#marks.splice(0, MARKS_MOST / 2);
    const { lines } = this.stretch;
    if (lines.length < KEPT_MOST) return;
    if (this.follow) {
      const count = lines.length - KEPT;
      if (count >= this.#to) this.#clear(count); // what is drawn is gone: a flood
      this.#undrawAbove(count - this.#from);
      this.stretch.dropFirst(count);
      this.#from -= count;
      this.#to -= count;
      return;
    }
    if (this.#from > KEPT / 2) {
      const count = this.#from - KEPT / 4;
      this.stretch.dropFirst(count);
      this.#from -= count;
      this.#to -= count;
    }
    if (lines.length - this.#to > KEPT / 2) {
      this.stretch.keepFirst(this.#to + KEPT / 4);
      this.#attached = false;
    }
  }

  /** Ask for what lies before and behind, when it will soon be seen. */
  async #fetch() {
    if (this.#busy || this.#closed) return;
    this.#busy = true;
    try {
      if (this.#target >= 0) await this.#jump();
      else if (this.#from < AHEAD && this.stretch.first > this.#start) await this.#before();
      else if (!this.#attached && this.stretch.lines.length - this.#to < AHEAD) await this.#behind();
      else return;
    } catch (error) {
      this.dispatchEvent(new CustomEvent("gone", { detail: messageOf(error) }));
      return;
    } finally {
      this.#busy = false;
    }
    if (this.#closed) return;
    this.#forget();
    this.later();
  }

  async #before() {
    const stretch = this.stretch;
    const piece = await this.source.before(stretch.first, this.#start);
    if (stretch !== this.stretch || piece.next !== stretch.first) {
      if (piece.offset >= stretch.first) this.#start = stretch.first; // rotated away meanwhile
      return;
    }
    this.#told(piece);
    const came = stretch.prepend(piece.text, piece.offset, piece.offset <= piece.start);
    if (!came) this.#start = stretch.first;
    this.#from += came;
    this.#to += came;
    this.#marks = piece.times.concat(this.#marks);
  }

  async #behind() {
    const stretch = this.stretch;
    const piece = await this.source.from(stretch.end);
    if (stretch !== this.stretch || this.#attached) return;
    this.#told(piece);
    if (piece.offset > stretch.end) stretch.note("Older output is no longer kept.", piece.offset);
    stretch.append(piece.text, piece.next);
    this.#marks = this.#marks.concat(piece.times);
    if (piece.next >= piece.end) this.#attach();
  }

  async #jump() {
    const target = this.#target;
    const piece = await this.source.from(Math.max(this.#start, target - 32768));
    if (this.#target === target) this.#target = -1;
    if (this.#closed) return;
    this.#begin(piece, piece.offset <= piece.start ? piece.offset : piece.offset + 1);
    this.#clear(this.stretch.at(target));
    this.#y = this.node.scrollTop;
    if (this.stretch.end >= this.#end) this.#attach();
  }

  // What is seen ----------------------------------------------------------------------------------------------

  later() {
    this.#frame ||= requestAnimationFrame(() => { this.#frame = 0; this.#draw(); });
  }

  /** Pixels that a byte stands for where nothing is drawn. */
  get #scale() {
    return Math.min(ROW / this.#bytesPerLine, TALLEST / Math.max(1, this.#end - this.#start));
  }

  #draw() {
    if (this.#closed || !this.#begun || !this.node.clientHeight) return;
    if (this.follow) this.#drawEnd();
    else this.#drawHere();
    this.dispatchEvent(new Event("draw"));
    void this.#fetch();
  }

  #drawEnd() {
    const { lines } = this.stretch;
    const wanted = Math.ceil(this.node.clientHeight / ROW) * 2 + 20;
    if (lines.length - this.#to > wanted) this.#clear(lines.length - wanted);
    this.#add(this.#to, lines.length, false);
    this.#drawTail();
    this.#undrawAbove(this.#to - wanted * 2 - this.#from);
    if (this.#from === 0 && this.stretch.first <= this.#start) this.#y = 0;
    else if (this.#y > TALLEST || this.#y < this.#from * ROW) this.#y = Math.max(this.#from * ROW, (this.stretch.first - this.#start) * this.#scale);
    this.#fill(0, Infinity, wanted);
    this.#place();
    this.#scrollTo(this.space.offsetHeight);
  }

  #drawHere() {
    const { scrollTop: top, clientHeight: seen } = this.node;
    const drawn = this.block.offsetHeight;
    if (this.#target < 0 && (top > this.#y + drawn + seen || top + seen * 2 < this.#y)) this.#goThere(top);
    if (this.#target >= 0) return this.#place();
    this.#fill(top - seen, top + seen * 2, 0);
    this.#settle();
    this.#place();
  }

  /** The scrollbar was moved far: show what stands there. @param {number} top */
  #goThere(top) {
    const offset = this.#start + top / this.#scale;
    if (offset >= this.stretch.first && offset < this.stretch.end) {
      this.#clear(this.stretch.at(offset));
      this.#y = top;
    } else this.#target = Math.min(offset, this.#end);
  }

  /** Draw rows until they reach from `top` to `bottom`, or there are no more. @param {number} top @param {number} bottom @param {number} most */
  #fill(top, bottom, most) {
    const { lines } = this.stretch;
    for (let round = 0; round < 8 && this.#to < lines.length && bottom < Infinity; round++) {
      const missing = bottom - this.#y - this.block.offsetHeight;
      if (missing <= 0) break;
      this.#add(this.#to, Math.min(lines.length, this.#to + Math.ceil(missing / ROW) + 5), false);
    }
    this.#drawTail();
    for (let round = 0; round < 8 && this.#from > 0; round++) {
      const missing = most ? (most - (this.#to - this.#from)) * ROW : this.#y - top;
      if (missing <= 0) break;
      const before = this.block.offsetHeight;
      this.#add(Math.max(0, this.#from - Math.ceil(missing / ROW) - 5), this.#from, true);
      this.#y -= this.block.offsetHeight - before;
    }
    if (most) return;
    const seen = this.node.clientHeight;
    this.#undrawAbove(Math.floor((top - seen - this.#y) / ROW));
    this.#undrawBelow(Math.floor((this.#y + this.block.offsetHeight - bottom - seen) / ROW));
  }

  /** Draw lines of the stretch at an end of the block. @param {number} from @param {number} to @param {boolean} above */
  #add(from, to, above) {
    if (from >= to) return;
    const batch = document.createDocumentFragment();
    for (let at = from; at < to; at++) {
      const line = this.stretch.lines[at];
      if (line) batch.append(makeRow(line, this.#timeOf(line.offset)));
    }
    if (above) this.block.prepend(batch);
    else this.block.insertBefore(batch, this.tail.parentNode === this.block ? this.tail : null);
    if (above) this.#from = from;
    else this.#to = to;
  }

  /** @param {number} count */
  #undrawAbove(count) {
    const gone = Math.min(count, this.#to - this.#from);
    if (gone <= 0) return;
    const before = this.block.offsetHeight;
    for (let at = 0; at < gone; at++) this.block.firstChild?.remove();
    this.#from += gone;
    this.#y += before - this.block.offsetHeight;
  }

  /** @param {number} count */
  #undrawBelow(count) {
    const gone = Math.min(count, this.#to - this.#from - 1);
    if (gone <= 0) return;
    this.tail.remove();
    for (let at = 0; at < gone; at++) this.block.lastChild?.remove();
    this.#to -= gone;
  }

  /** The line that is not ended yet, or the lines that are being redrawn, stand last. */
  #drawTail() {
    const text = this.#live || this.stretch.open;
    const shown = text && this.#to === this.stretch.lines.length && (this.#attached || this.stretch.end >= this.#end);
    if (!shown) return this.tail.remove();
    this.tail.replaceChildren(...text.split("\n").map((line) => {
      const row = makeRow({ offset: this.stretch.openOffset, text: line, style: PLAIN }, undefined);
      row.classList.add("live");
      return row;
    }));
    if (this.tail.parentNode !== this.block) this.block.append(this.tail);
  }

  /** Draw nothing, to go on from a line. @param {number} at */
  #clear(at) {
    this.block.replaceChildren();
    this.#from = this.#to = Math.min(Math.max(0, at), this.stretch.lines.length);
  }

  /** At the log's very first line nothing may lie above it; before that, something must. */
  #settle() {
    const atStart = this.#from === 0 && this.stretch.first <= this.#start;
    if (atStart ? this.#y === 0 : this.#y > 0) return;
    const wanted = atStart ? 0 : Math.max(ROW * AHEAD, (this.stretch.first - this.#start) * this.#scale);
    const top = this.node.scrollTop + wanted - this.#y;
    this.#y = wanted;
    this.#place();
    this.#scrollTo(top);
  }

  /** Put the block and the space where they now belong. */
  #place() {
    const bottom = this.#y + this.block.offsetHeight;
    const last = this.stretch.lines[this.#to];
    const rest = Math.max(0, this.#end - (last ? last.offset : this.stretch.end)) * this.#scale;
    const open = this.#to < this.stretch.lines.length || this.stretch.end < this.#end;
    this.block.style.transform = `translateY(${this.#y}px)`;
    this.space.style.height = `${bottom + (open ? Math.max(rest, ROW) : 0)}px`;
  }

  /** @param {number} top */
  #scrollTo(top) {
    this.node.scrollTop = top;
    this.#moved = this.node.scrollTop;
  }

  #scrolled() {
    const { scrollTop: top, scrollHeight, clientHeight } = this.node;
    if (Math.abs(top - this.#moved) < 1) return; // our own doing
    const up = top < this.#moved;
    this.#moved = top;
    const atEnd = scrollHeight - top - clientHeight < NEAR_END;
    if (this.follow && up && !atEnd) this.#setFollow(false);
    else if (!this.follow && !up && atEnd) void this.toEnd();
    this.later();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === "End") void this.toEnd();
    else if (event.key === "Home") void this.show(this.#start);
    else return;
    event.preventDefault();
  }

  /** @param {boolean} follow */
  #setFollow(follow) {
    if (this.follow === follow) return;
    this.follow = follow;
    this.dispatchEvent(new Event("follow"));
  }

  hold() {
    this.#setFollow(false);
  }

  /** Show the line that holds a byte, somewhat below the upper edge. @param {number} offset */
  async show(offset) {
    this.#setFollow(false);
    const { stretch } = this;
    const inside = offset >= stretch.first && offset < stretch.end;
    if (!inside) {
      while (this.#busy) await new Promise((resolve) => requestAnimationFrame(resolve));
      this.#target = offset;
      await this.#fetch();
    }
    const at = this.stretch.at(offset);
    if (at < this.#from || at >= this.#to) {
      this.#clear(at);
      this.#y = Math.max(this.node.clientHeight, (offset - this.#start) * this.#scale);
      this.#place();
      this.#scrollTo(this.#y - this.node.clientHeight / 3);
    } else this.#scrollTo(this.#y + this.#rowAt(at).offsetTop - this.node.clientHeight / 3);
    this.#drawHere();
    this.#draw();
  }

  /** @param {number} at @returns {HTMLElement} */
  #rowAt(at) {
    return /** @type {HTMLElement} */ (this.block.children[at - this.#from]);
  }

  /** The row that holds a byte, if it is drawn. @param {number} offset */
  rowOf(offset) {
    const at = this.stretch.at(offset);
    return at >= this.#from && at < this.#to ? this.#rowAt(at) : null;
  }

  /** The first byte that is seen. */
  get place() {
    const top = this.node.scrollTop - this.#y;
    for (let at = this.#from; at < this.#to; at++) {
      const row = this.#rowAt(at);
      if (row.offsetTop + row.offsetHeight > top) return this.stretch.lines[at]?.offset ?? 0;
    }
    return this.stretch.openOffset;
  }

  /** Heights change: draw again from what is seen. @param {() => void} change */
  redraw(change) {
    const offset = this.place;
    change();
    if (this.follow) return this.later();
    this.#clear(this.stretch.at(offset));
    this.#y = this.node.scrollTop;
    this.#draw();
  }

  /** @param {number} offset @returns {number | undefined} the time at which the line was written */
  #timeOf(offset) {
    let low = 0;
    let high = this.#marks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (/** @type {Mark} */ (this.#marks[middle]).offset > offset) high = middle;
      else low = middle + 1;
    }
    return this.#marks[low - 1]?.time;
  }
}
