/** A desktop with its bar: quality, looking only, clipboard, full screen. The tool and the page of its own show this. */

import { call } from "../../house/api.js";
import { el } from "../../kit/dom.js";
import { recall, remember } from "../../kit/memory.js";
import { Link } from "./link.js";
import { Typing } from "./typing.js";

/** @import {Instance} from "../../house/types.js" */
/** @import {Rfb, Why} from "./link.js" */

/** @type {Record<string, [string, number, number]>} what people call it, JPEG quality, compression */
const QUALITIES = { sharp: ["Sharp", 9, 1], balanced: ["Balanced", 6, 2], fast: ["Slow network", 2, 8] };
/** Browsers make their windows no narrower: the rest would be off the screen. Below it the picture is scaled instead. */
const LEAST_WIDTH = 500;

export class Screen {
  /** @type {Rfb | null} */
  #rfb = null;
  /** what the remote clipboard holds as far as we know */
  #shared = "";
  /** what this browser's own clipboard held when we last saw it */
  #local = "";
  /** whether something may have been copied elsewhere since then */
  #away = true;

  /** @param {HTMLElement} panel @param {number | string} id of the instance, or its slug @param {{first?: Node[], last?: Node[]}} more for the bar */
  constructor(panel, id, { first = [], last = [] }) {
    this.quality = el("select", { "aria-label": "Quality", title: "Quality", "data-testid": "desktop-quality" },
      ...Object.entries(QUALITIES).map(([value, [text]]) => el("option", { value, text })));
    this.quality.value = recall("desktop-quality", "balanced");
    this.looking = el("input", { type: "checkbox", "data-testid": "desktop-look" });
    this.clip = el("textarea", { rows: "3", spellcheck: "false", "aria-label": "Clipboard of the desktop", placeholder: "What is copied on the desktop stands here. What you put here can be pasted there.", "data-testid": "desktop-clip" });
    this.drawer = el("div", { class: "drawer", hidden: true }, this.clip);
    const opener = el("button", { text: "Clipboard", "aria-expanded": "false", "data-testid": "desktop-clipboard", onclick: () => {
      this.drawer.hidden = !this.drawer.hidden;
      opener.setAttribute("aria-expanded", String(!this.drawer.hidden));
      if (!this.drawer.hidden) this.clip.focus();
    } });
    this.typing = el("textarea", { class: "typing", "aria-label": "Type on the desktop; Ctrl Alt Escape leaves it", autocomplete: "off", autocapitalize: "off", spellcheck: "false", "data-testid": "desktop-typing" });
    this.notice = el("div", { class: "notice", role: "status", "data-testid": "desktop-notice" }, "Connecting …");
    this.target = el("div", { class: "target", "data-testid": "desktop-screen" });
    this.body = el("div", { class: "desktop", "data-own-keys": true }, this.drawer, this.typing, this.target, this.notice);
    panel.classList.add("desktop-tool");
    panel.append(el("div", { class: "tools-bar" }, ...first, this.quality, el("label", {}, this.looking, "Look only"), opener,
      el("button", { class: "touch", text: "Keyboard", onclick: () => this.#focus("text") }),
      el("button", { text: "Full screen", "data-testid": "desktop-full", onclick: () => void this.body.requestFullscreen().catch(() => {}) }),
      el("span", { class: "space" }), ...last), this.body);
    this.quality.addEventListener("change", () => { remember("desktop-quality", this.quality.value); this.#apply(); });
    this.looking.addEventListener("change", () => this.#apply());
    this.clip.addEventListener("input", () => { this.#away = false; this.#give(this.clip.value); });
    this.target.addEventListener("pointerdown", (event) => this.#focus(event.pointerType === "mouse" ? "text" : "none"));
    this.resized = new ResizeObserver(() => this.#apply());
    this.resized.observe(this.target);
    this.typing.addEventListener("focus", () => void this.#read());
    this.typing.addEventListener("blur", () => { this.#away = true; });
    new Typing(this.typing, () => this.target.querySelector("canvas"), (text) => this.#offer(text), () => this.quality.focus());
    this.link = new Link(id, this.target, { up: (rfb) => this.#up(rfb), down: (why, instance) => this.#down(why, instance), clipboard: (text) => this.#take(text) });
  }

  /** @param {Rfb} rfb */
  #up(rfb) {
    this.#rfb = rfb;
    rfb.background = "var(--page)";
    rfb.scaleViewport = true;
    rfb.focusOnClick = false;
    this.#apply();
    this.notice.hidden = true;
    this.notice.dataset.words = "";
    this.target.querySelector("canvas")?.setAttribute("aria-label", "The desktop");
    if (document.activeElement === document.body) this.#focus("none");
  }

  #apply() {
    const rfb = this.#rfb;
    if (!rfb) return;
    const [, quality, compression] = QUALITIES[this.quality.value] ?? ["", 6, 2];
    if (rfb.qualityLevel !== quality) rfb.qualityLevel = quality;
    if (rfb.compressionLevel !== compression) rfb.compressionLevel = compression;
    rfb.viewOnly = this.looking.checked;
    const fits = !this.looking.checked && this.target.clientWidth >= LEAST_WIDTH; // who only looks changes nothing, the size neither
    if (rfb.resizeSession !== fits) rfb.resizeSession = fits;
  }

  /** @param {Why} why @param {Instance | null} instance */
  #down([lead, more], instance) {
    this.#rfb = null;
    this.notice.hidden = false;
    if (this.notice.dataset.words === lead + more) return;
    this.notice.dataset.words = lead + more;
    this.notice.replaceChildren(el("p", { class: "lead", text: lead }), el("p", { text: more }));
    if (!instance?.actions.includes("start")) return;
    const start = () => void call("POST", `/api/instances/${instance.id}/start`).catch((error) => this.#down([lead, error.message], instance));
    this.notice.append(el("button", { class: "primary", text: "Start", "data-testid": "desktop-start", onclick: start }));
  }

  /** Somebody copied on the desktop. @param {string} text */
  #take(text) {
    this.#shared = this.clip.value = text;
    this.#away = false;
    // Not allowed, or this page is not in front: then it stands in the drawer alone.
    void navigator.clipboard?.writeText(text).then(() => { this.#local = text; }, () => {});
  }

  /** @param {string} text */
  #give(text) {
    if (!this.#rfb || this.looking.checked || text === this.#shared) return;
    this.#shared = text;
    this.#rfb.clipboardPasteFrom(text);
  }

  /** Who comes to the desktop brings along what was copied elsewhere, where the browser lets us read it unasked. */
  async #read() {
    if (this.#away) this.#offer(await navigator.clipboard?.readText?.().catch(() => "") ?? "");
  }

  /** The desktop's clipboard stays when it is the newer one. @param {string} text of this browser's clipboard */
  #offer(text) {
    const newer = this.#away && text && text !== this.#local;
    if (!newer || !this.#rfb) return;
    this.#away = false;
    this.#local = text;
    this.#give(this.clip.value = text);
  }

  /** @param {"text" | "none"} keyboard whether one may come up on a phone's screen */
  #focus(keyboard) {
    this.typing.inputMode = keyboard;
    this.typing.focus({ preventScroll: true });
  }

  close() {
    this.resized.disconnect();
    this.link.close();
  }
}
