/** The load of the machine, in the pane at the bottom: one line when folded, charts of the past when open. */

import { gpuCard, hostCards } from "./cards.js";
import { feed } from "./feed.js";
import { beginRowFigures } from "./rowfigures.js";
import { makeSummary } from "./summary.js";
import { RANGES, Track } from "./track.js";
import { el, setText } from "../../kit/dom.js";
import { recall, remember } from "../../kit/memory.js";
import { attempt } from "../../kit/toasts.js";
import { loadCharts } from "../../kit/vendor.js";

/** @import {Card} from "./cards.js" */
/** @import {UPlot} from "./chart.js" */
/** @import {Stats} from "./figures.js" */

const rangeOf = (/** @type {string} */ name) => RANGES.find((range) => range.name === name) ?? /** @type {typeof RANGES[number]} */ (RANGES[0]);

class Charts {
  node = el("div", { class: "charts", "data-testid": "charts" });
  note = el("p", { class: "hint", "data-testid": "gpu-note" });
  cards = el("div", { class: "cards" });
  track = new Track(rangeOf(recall("range", "5m")));
  /** @type {Map<string, Card>} */
  #made = new Map();
  /** @type {UPlot | null} */
  #uPlot = null;

  constructor() {
    const choose = el("select", { "aria-label": "Range", "data-testid": "range", onchange: () => void attempt(this.#choose(choose.value)) },
      ...RANGES.map(({ name, words }) => el("option", { value: name, text: words })));
    choose.value = this.track.range.name;
    this.node.append(el("div", { class: "charts-bar" }, choose, this.note), this.cards);
  }

  async begin() {
    const { uPlot } = await loadCharts();
    this.#uPlot = uPlot;
    await this.track.load();
    this.show();
  }

  /** @param {string} name */
  async #choose(name) {
    remember("range", name);
    if (await this.track.load(rangeOf(name))) this.show();
  }

  /** Tell what is now. @param {Stats} stats */
  tell(stats) {
    setText(this.note, stats.gpu_problem || (stats.gpus.length ? "" : "No GPU here: programs run on the processor."));
    this.note.classList.toggle("problem", Boolean(stats.gpu_problem));
    for (const card of this.#made.values()) card.tell?.(stats);
  }

  /** Draw what was. */
  show() {
    const stats = feed.latest;
    if (!stats || !this.#uPlot) return;
    this.#arrange(this.#uPlot, stats);
    this.tell(stats);
    for (const card of this.#made.values()) card.show(this.track, stats);
  }

  /** Make the cards that are missing, and let go of those of GPUs that are gone. @param {UPlot} uPlot @param {Stats} stats */
  #arrange(uPlot, stats) {
    if (!this.#made.size) hostCards(uPlot).forEach((card, number) => this.#add(`host ${number}`, card));
    for (const { id } of stats.gpus) if (!this.#made.has(id)) this.#add(id, gpuCard(uPlot, id));
    for (const [key, card] of this.#made) {
      if (key.startsWith("host ") || stats.gpus.some(({ id }) => id === key)) continue;
      card.close();
      card.node.remove();
      this.#made.delete(key);
    }
  }

  /** @param {string} key @param {Card} card */
  #add(key, card) {
    this.#made.set(key, card);
    this.cards.append(card.node);
  }

  close() {
    for (const card of this.#made.values()) card.close();
    this.node.remove();
  }
}

/** @param {HTMLElement} section its `data-open` says whether it is unfolded, a `fold` event that this changed */
export function mountMonitoring(section) {
  const summary = makeSummary();
  /** @type {Charts | null} */
  let charts = null;
  const settle = () => {
    const open = section.dataset.open === "true";
    if (open && !charts) {
      charts = new Charts();
      section.append(charts.node);
      void attempt(charts.begin());
    } else if (!open && charts) {
      charts.close();
      charts = null;
    }
  };
  section.append(summary.node);
  section.addEventListener("fold", settle);
  feed.addEventListener("begin", () => void attempt(charts?.track.load().then(() => charts?.show()) ?? Promise.resolve()));
  feed.addEventListener("sample", (event) => {
    const stats = /** @type {CustomEvent} */ (event).detail;
    summary.show(stats);
    charts?.tell(stats);
    void charts?.track.add(stats).then((fresh) => fresh && charts?.show(), () => {});
  });
  new MutationObserver(() => charts?.show()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  beginRowFigures();
  feed.begin();
  settle();
}
