/** Shells in an instance's folder and environment, or in AiKore's own. They live on the server: closing the page or this tab ends none. */

import { access } from "../../house/access.js";
import { AIKORE } from "../../house/aikore.js";
import { call } from "../../house/api.js";
import { el, setText } from "../../kit/dom.js";
import { recall, remember } from "../../kit/memory.js";
import { popMenu } from "../../kit/menu.js";
import { attempt } from "../../kit/toasts.js";
import { loadStyleOf, loadTerminal } from "../../kit/vendor.js";
import { makeKeyRow } from "./keyrow.js";
import { makeTerminal } from "./view.js";

/** @import {Instance, Tool, ToolKind} from "../../house/types.js" */
/** @import {Shell} from "./link.js" */
/** @typedef {import("./screen.js").Parts} Parts */
/** @typedef {{tab: HTMLButtonElement, view: ReturnType<typeof makeTerminal> | null, id: string | null, known: Partial<Shell>, ended: boolean}} OpenTerminal */

const SHELLS = /^-?(ba|z|fi|da|k)?sh$/;

/** @param {string | undefined} command @returns {string} the program's own name */
const program = (command) => command?.split(" ")[0]?.split("/").pop() ?? "";

/** AiKore's own terminals take more than those of instances. @param {Instance} instance */
function mayIn(instance) {
  return access.may(instance.id === AIKORE.id ? "system.terminal" : "terminals");
}

/** @type {ToolKind} */
export const terminal = { kind: "terminal", label: "Terminal", key: "t", permission: "terminals", offered: mayIn, open };

/** @param {HTMLElement} panel @param {Instance} instance @returns {Tool} */
function open(panel, instance) {
  const strip = new Strip(panel, instance);
  void attempt(strip.begin());
  return { close: () => strip.close(), show: () => strip.front?.view?.show(), hide: () => strip.front?.view?.hide(), update: () => strip.update() };
}

/** The terminals of one instance, one in front. */
class Strip {
  /** @type {OpenTerminal[]} */
  #all = [];
  /** @type {OpenTerminal | null} */
  front = null;
  #closed = false;
  /** @type {Parts | null} */
  #parts = null;

  /** @param {HTMLElement} panel @param {Instance} instance */
  constructor(panel, instance) {
    this.instance = instance;
    this.memory = `terminal-${instance.slug}`;
    this.tabs = el("div", { class: "term-tabs", role: "group", "aria-label": `Terminals of ${instance.name}` });
    this.more = el("button", { text: "⋯", "aria-label": "More for this terminal", "aria-haspopup": "menu", "data-testid": "terminal-more", onclick: () => this.#menu() });
    this.bar = el("div", { class: "tools-bar" }, this.tabs,
      el("button", { text: "+", "aria-label": "New terminal", "data-testid": "terminal-new", onclick: () => this.add() }),
      el("span", { class: "space" }),
      el("button", { text: "Find", title: "Ctrl-Shift-F", onclick: () => this.front?.view?.find() }), this.more);
    this.body = el("div", { class: "terminals", "data-own-keys": "" });
    this.keys = makeKeyRow(() => this.front?.view?.terminal);
    this.panel = panel;
    panel.classList.add("terminal-tool");
    panel.append(this.bar, this.body, this.keys.row);
  }

  /** Show what is open on the server; open the first one when there is none. */
  async begin() {
    const [parts, , { data }] = await Promise.all([loadTerminal(), loadStyleOf("terminal"), call("GET", "/api/terminals")]);
    if (this.#closed) return;
    this.#parts = parts;
    const sessions = /** @type {Shell[]} */ (data).filter((one) => (one.instance ?? AIKORE.id) === this.instance.id);
    for (const session of sessions) this.#tab(session.id, session);
    const last = recall(this.memory, "");
    const chosen = this.#all.find((one) => one.id === last) ?? this.#all[0];
    if (chosen) this.choose(chosen);
    else this.add();
  }

  add() {
    if (this.#parts) this.choose(this.#tab(null, {}));
  }

  /** @param {string | null} id @param {Partial<Shell>} known @returns {OpenTerminal} */
  #tab(id, known) {
    const tab = el("button", { "aria-pressed": "false", "data-testid": "terminal-tab" });
    /** @type {OpenTerminal} */
    const one = { tab, view: null, id, known, ended: false };
    tab.addEventListener("click", () => this.choose(one));
    tab.addEventListener("dblclick", () => this.rename(one));
    this.#all.push(one);
    this.tabs.append(tab);
    this.#name(one);
    return one;
  }

  /** @param {OpenTerminal} one */
  #name({ tab, known, ended }) {
    const words = known.name || known.title || program(known.command) || "shell";
    setText(tab, words);
    tab.title = words;
    tab.toggleAttribute("data-ended", ended);
  }

  /** @param {OpenTerminal} one */
  choose(one) {
    if (this.front !== one) this.front?.view?.hide();
    this.front = one;
    one.view ??= this.#connect(one);
    one.view.show();
    for (const other of this.#all) other.tab.setAttribute("aria-pressed", String(other === one));
    one.tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    if (one.id) remember(this.memory, one.id);
  }

  /** @param {OpenTerminal} one */
  #connect(one) {
    return makeTerminal(/** @type {Parts} */ (this.#parts), this.body, {
      path: this.instance === AIKORE ? "/api/terminal" : `/api/instances/${this.instance.id}/terminal`,
      id: one.id,
      label: `Terminal of ${this.instance.name}`,
      typed: this.keys.withCtrl,
      named: (known) => {
        Object.assign(one.known, known);
        if (known.id) remember(this.memory, one.id = known.id);
        this.#name(one);
      },
      ended: () => { one.ended = true; this.#name(one); },
    });
  }

  #menu() {
    const one = this.front;
    /** @type {import("../../kit/menu.js").Item[]} */
    const items = one && !one.ended ? [["rename", "Rename", () => this.rename(one)], ["end", "End", () => void attempt(this.end(one))]] : [];
    if (one?.ended) items.push(["remove", "Close", () => this.drop(one)]);
    popMenu(this.more, items);
  }

  /** Give it a name, where its name stands. @param {OpenTerminal} one */
  rename(one) {
    if (one.ended || !one.id) return;
    const field = el("input", { value: one.tab.title, maxlength: "80", "aria-label": "Name of the terminal", "data-testid": "terminal-name" });
    const leave = () => { field.replaceWith(one.tab); this.front?.view?.terminal.focus(); };
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") field.blur();
      if (event.key !== "Enter") return;
      void attempt(call("PATCH", `/api/terminals/${one.id}`, { name: field.value }).then(({ data }) => { one.known = data; this.#name(one); }));
      field.blur();
    });
    field.addEventListener("blur", leave);
    one.tab.replaceWith(field);
    field.select();
  }

  /** End it with what runs in it. @param {OpenTerminal} one */
  async end(one) {
    const { data } = await call("GET", "/api/terminals");
    const command = /** @type {Shell[]} */ (data).find(({ id }) => id === one.id)?.command ?? "";
    if (command && !SHELLS.test(program(command)) && !confirm(`“${command.slice(0, 200)}” runs in this terminal. End both?`)) return;
    if (one.id) await call("DELETE", `/api/terminals/${one.id}`);
    this.drop(one);
  }

  /** @param {OpenTerminal} one */
  drop(one) {
    one.view?.close();
    one.tab.remove();
    this.#all = this.#all.filter((other) => other !== one);
    if (this.front !== one) return;
    this.front = null;
    const next = this.#all.at(-1);
    if (next) this.choose(next);
  }

  /** Whoever may no longer use terminals sees none. */
  update() {
    const may = mayIn(this.instance);
    this.bar.inert = this.body.inert = !may;
    if (may) return;
    for (const one of this.#all) { one.view?.close(); one.view = null; }
    this.body.replaceChildren(el("p", { class: "empty", text: "Terminals are for operators and admins." }));
  }

  close() {
    this.#closed = true;
    for (const one of this.#all) one.view?.close();
  }
}
