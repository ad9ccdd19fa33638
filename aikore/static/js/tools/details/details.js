/** Everything about one instance: why it failed, its settings, what it uses, how its runs went. */

import { call } from "../../house/api.js";
import { editInstance } from "../../house/form/form.js";
import { instanceCards } from "../../house/monitor/cards.js";
import { feed } from "../../house/monitor/feed.js";
import { bytes, percent } from "../../house/monitor/figures.js";
import { instanceSeries, RANGES, Track } from "../../house/monitor/track.js";
import { gpuWords } from "../../house/pins.js";
import { store } from "../../house/store.js";
import { listLine, when } from "../../kit/dialog.js";
import { el } from "../../kit/dom.js";
import { attempt } from "../../kit/toasts.js";
import { loadCharts } from "../../kit/vendor.js";

/** @import {Instance, Run, Tool, ToolKind} from "../../house/types.js" */
/** @import {Card} from "../../house/monitor/cards.js" */
/** @import {Stats} from "../../house/monitor/figures.js" */

/** @type {ToolKind} */
export const details = { kind: "details", label: "Details", key: "i", permission: "instances.view", open };

const HOUR = /** @type {typeof RANGES[number]} */ (RANGES.find(({ name }) => name === "1h"));

/** @param {HTMLElement} panel @param {Instance} instance @returns {Tool} */
function open(panel, instance) {
  const failure = el("section", { class: "failure", "aria-label": "Failure", "data-testid": "failure" });
  const settings = el("dl", { class: "facts-list", "data-testid": "settings" });
  const usage = el("dl", { class: "facts-list", "data-testid": "usage" });
  const charts = el("div", { class: "cards" });
  const runs = el("ul", { class: "list", "data-testid": "runs" });
  const edit = el("button", { text: "Edit", "data-testid": "details-edit", onclick: () => editInstance(/** @type {Instance} */ (store.instances.get(instance.id))) });
  panel.append(el("div", { class: "details" }, failure, el("header", {}, el("h2", { text: "Settings" }), edit), settings,
    el("h2", { text: "Now" }), usage, charts, el("h2", { text: "Runs" }), runs));
  const usageNow = new Usage(instance.id, usage, charts);
  void attempt(usageNow.begin());
  let run = "";
  const update = (/** @type {Instance} */ now) => {
    edit.hidden = !now.actions.includes("edit");
    showFailure(failure, now);
    facts(settings, settingsOf(now));
    const key = `${now.run} ${now.status}`;
    if (key !== run) void attempt(showRuns(runs, now));
    run = key;
  };
  update(instance);
  return { close: () => usageNow.close(), update };
}

/** @param {HTMLElement} section @param {Instance} instance */
function showFailure(section, { failure, status_detail: detail }) {
  section.hidden = !failure;
  if (!failure) return;
  section.replaceChildren(el("h2", { text: failure.cause || detail }), el("p", { text: failure.advice }), el("pre", { text: failure.lines.join("\n"), tabindex: "0", "aria-label": "The last lines of the log" }));
}

/** @param {HTMLElement} list @param {[string, string][]} pairs what is empty is left out */
function facts(list, pairs) {
  const wanted = pairs.filter(([, text]) => text);
  if (JSON.stringify(wanted) === list.dataset.shown) return;
  list.dataset.shown = JSON.stringify(wanted);
  list.replaceChildren(...wanted.flatMap(([label, text]) => [el("dt", { text: label }), el("dd", { text })]));
}

/** @param {Instance} instance @returns {[string, string][]} */
function settingsOf(instance) {
  const blueprint = store.blueprints.find(({ id }) => id === instance.base_blueprint)?.name ?? instance.base_blueprint;
  return [
    ["Blueprint", blueprint], ["Folder", `instances/${instance.slug}`], ["GPUs", gpuWords(instance)], ["Launch arguments", instance.launch_args],
    ["Address", new URL(instance.urls.path, location.href).href], ["By host name", instance.urls.host ?? ""], ["By port", instance.urls.port ?? ""],
    ["Internal port", String(instance.port ?? "")], ["Process", String(instance.pid ?? "")],
    ["Starts with AiKore", instance.autostart ? "yes" : "no"], ["After a failure", instance.restart_policy === "on-failure" ? "starts again" : "stays down"],
    ["Networks without login", instance.open_networks.join(", ")], ["Group", instance.group ?? ""], ["Made", when(instance.created_at)],
    ...Object.entries(instance.environment).map(([name, value]) => /** @type {[string, string]} */ ([name, value])),
  ];
}

/** @type {Record<string, string>} */
const ENDINGS = { finished: "finished", stopped: "stopped", failed: "failed", refused: "was refused", not_started: "did not start", lost: "was lost" };

/** @param {HTMLElement} list @param {Instance} instance */
async function showRuns(list, instance) {
  const { data } = await call("GET", `/api/instances/${instance.id}/runs`);
  list.replaceChildren(.../** @type {Run[]} */ (data).map((run) => listLine(titleOf(run), lengthOf(run))));
  if (!data.length) list.append(el("li", { class: "hint", text: "It has not run yet." }));
}

/** @param {Run} run */
function titleOf({ number, ending, exit_code: code, exit_signal: signal, detail }) {
  const how = ending ? ENDINGS[ending] ?? ending : "runs";
  const exit = ending === "failed" ? signal ?? `exit code ${code}` : "";
  return `Run ${number} ${how}${exit ? `: ${exit}` : ""}${detail && ending ? ` · ${detail}` : ""}`;
}

/** @param {Run} run */
function lengthOf({ started_at: started, ready_at: ready, ended_at: ended }) {
  if (!started) return ended ? when(ended) : "";
  const parts = [when(started)];
  if (ready) parts.push(`ready after ${length(started, ready)}`);
  if (ended) parts.push(`lasted ${length(started, ended)}`);
  return parts.join(" · ");
}

/** @param {string} from @param {string} to */
function length(from, to) {
  const seconds = Math.round((Date.parse(to) - Date.parse(from)) / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** What an instance uses: now in words, the last hour in charts. */
class Usage {
  #track;
  /** @type {Card[]} */
  #cards = [];
  #sample = (/** @type {Event} */ event) => void this.#take(/** @type {CustomEvent} */ (event).detail).catch(() => {});
  #again = () => void attempt(this.#load());

  /** @param {number} id @param {HTMLElement} facts @param {HTMLElement} charts */
  constructor(id, facts, charts) {
    this.id = id;
    this.facts = facts;
    this.charts = charts;
    this.#track = new Track(HOUR, instanceSeries(id));
  }

  async begin() {
    feed.addEventListener("sample", this.#sample);
    feed.addEventListener("begin", this.#again);
    const { uPlot } = await loadCharts();
    this.#cards = instanceCards(uPlot, this.id, Boolean(feed.latest?.gpus.length));
    this.charts.append(...this.#cards.map((card) => card.node));
    await this.#load();
  }

  async #load() {
    if (await this.#track.load()) this.#show();
  }

  /** @param {Stats} stats */
  async #take(stats) {
    const one = stats.instances.find(({ id }) => id === this.id);
    const folder = stats.folders[String(this.id)];
    facts(this.facts, [
      ...(one ? /** @type {[string, string][]} */ ([
        ["CPU", `${percent(one.cpu)} of one core`], ["Memory", bytes(one.memory)],
        ...Object.entries(one.gpu_memory).map(([gpu, used]) => [`Memory of GPU ${gpu}`, bytes(used) + (one.gpu_inferred ? " (concluded)" : "")]),
        ["Processes", `${one.processes}, ${one.threads} threads`], ["Open files", String(one.open_files ?? "")],
      ]) : /** @type {[string, string][]} */ ([["State", "It does not run."]])),
      ["Disk", folder ? bytes(folder.size) : "is being measured"],
    ]);
    if (await this.#track.add(stats)) this.#show();
  }

  #show() {
    if (feed.latest) for (const card of this.#cards) card.show(this.#track, feed.latest);
  }

  close() {
    feed.removeEventListener("sample", this.#sample);
    feed.removeEventListener("begin", this.#again);
    for (const card of this.#cards) card.close();
  }
}
