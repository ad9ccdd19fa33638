/** What the server said, kept and arranged; what can be done with it. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { access } from "../../aikore/static/js/house/access.js";
import { actionsOf, allActions, toggling } from "../../aikore/static/js/house/actions.js";
import { gpuWords, isGone, pinWords, shortName } from "../../aikore/static/js/house/pins.js";
import { store } from "../../aikore/static/js/house/store.js";
import { arrangement, grouped, matches, sorted } from "../../aikore/static/js/house/table/arrange.js";
import { placed } from "../../aikore/static/js/house/table/order.js";
import { offerTools } from "../../aikore/static/js/house/toolkinds.js";

const BLUEPRINTS = [{ id: "ComfyUI", name: "ComfyUI", category: "Image generation" }, { id: "Jupyter", name: "JupyterLab", category: "" }];
const named = (id, name, more = {}) => ({
  id, name, slug: name.toLowerCase(), base_blueprint: "ComfyUI", group: "", status: "stopped", status_detail: "", status_since: "2026-01-01T00:00:00Z",
  position: 0, autostart: false, gpus: null, actions: [], ...more,
});
const names = (instances) => instances.map(({ name }) => name);

beforeEach(() => {
  Object.assign(arrangement, { sort: "", falling: false, grouping: "none", folded: [] });
  store.apply({ type: "snapshot", data: { instances: [named(1, "A")], blueprints: BLUEPRINTS } });
});

test("a snapshot replaces everything, a change only what it names, and each is told once", () => {
  const told = [];
  const listen = ({ detail }) => told.push(detail.topic);
  store.addEventListener("change", listen);
  store.apply({ type: "resync", data: { instances: [named(2, "B")] } });
  store.apply({ type: "change", topic: "instance", data: named(3, "C") });
  store.apply({ type: "change", topic: "instance_removed", data: { id: 2 } });
  store.removeEventListener("change", listen);
  assert.deepEqual([...store.instances.keys()], [3]);
  assert.deepEqual(store.blueprints, []);
  assert.deepEqual(told, ["all", "instance", "instance_removed"]);
});

test("a hundred notices are kept, the newest last", () => {
  for (let at = 1; at <= 150; at++) store.apply({ type: "change", topic: "notice", data: { level: "info", message: "", at } });
  assert.deepEqual([store.notices.length, store.notices[0]?.at, store.notices.at(-1)?.at], [100, 51, 150]);
});

test("by hand instances stand by position, of one position by age", () => {
  const all = [named(3, "C", { position: 1 }), named(2, "B"), named(1, "A")];
  assert.deepEqual(names(sorted(all)), ["A", "B", "C"]);
});

test("names sort as people read numbers, falling the other way round", () => {
  const all = [named(1, "run 10"), named(2, "Run 9"), named(3, "run 100")];
  arrangement.sort = "name";
  assert.deepEqual(names(sorted(all)), ["Run 9", "run 10", "run 100"]);
  arrangement.falling = true;
  assert.deepEqual(names(sorted(all)), ["run 100", "run 10", "Run 9"]);
});

test("what needs attention comes first by status", () => {
  arrangement.sort = "status";
  const all = ["stopped", "started", "error", "starting", "stalled"].map((status, id) => named(id, status, { status }));
  assert.deepEqual(names(sorted(all)), ["error", "stalled", "starting", "started", "stopped"]);
});

test("an instance is found by all words, wherever each stands", () => {
  const one = named(1, "Comfy two", { group: "Video", status: "error", status_detail: "Port 8188 is used" });
  for (const sought of ["", "comfy video", "8188 ERROR"]) assert.ok(matches(one, sought), sought);
  assert.ok(!matches(one, "comfy audio"));
});

test("groups stand in order of their names, whoever has none last", () => {
  arrangement.grouping = "group";
  const all = [named(1, "A"), named(2, "B", { group: "Video" }), named(3, "C", { group: "Audio" }), named(4, "D", { group: "Video" })];
  assert.deepEqual(grouped(all).map(({ words, members, joined }) => [words, names(members), joined]), [
    ["Audio", ["C"], "Audio"], ["Video", ["B", "D"], "Video"], ["Without a group", ["A"], ""]]);
});

test("an instance is put before or after another one, and the rest keep their order", () => {
  assert.deepEqual(placed([1, 2, 3, 4], 4, 1, false), [4, 1, 2, 3]);
  assert.deepEqual(placed([1, 2, 3, 4], 1, 3, true), [2, 3, 1, 4]);
  assert.deepEqual(placed([1, 2, 3, 4], 2, 3, false), [1, 2, 3, 4]);
});

test("GPUs are named without their maker, and one that is gone says so", () => {
  assert.equal(shortName("NVIDIA GeForce RTX 5090"), "RTX 5090");
  assert.equal(pinWords({ id: null, uuid: "GPU-1", name: "" }), "GPU-1");
  assert.deepEqual(["ok", "lost", "gone", "unknown"].map((state) => isGone({ state })), [false, true, true, false]);
  assert.equal(gpuWords({ gpus: null }), "all");
  assert.equal(gpuWords({ gpus: [] }), "CPU only");
  assert.equal(gpuWords({ gpus: [{ id: "0", uuid: "u", name: "AMD Radeon PRO", state: "ok" }, { id: null, uuid: "v", name: "RTX", state: "gone" }] }), "0 · PRO, RTX (gone)");
});

test("an action is offered when the server offers it, a tool when the person may and the instance has it", async (context) => {
  offerTools([
    { kind: "log", label: "Log", key: "l", permission: "logs.read", open: () => ({ close: () => {} }) },
    { kind: "desktop", label: "Desktop", permission: "logs.read", offered: () => false, open: () => ({ close: () => {} }) },
    { kind: "terminal", label: "Terminal", permission: "terminals", open: () => ({ close: () => {} }) },
  ]);
  const real = globalThis.fetch;
  context.after(() => { globalThis.fetch = real; });
  globalThis.fetch = async () => new Response(JSON.stringify({ auth: "on", identity: { name: "u", role: "viewer", via: "session" }, permissions: ["logs.read"] }));
  await access.refresh();
  const one = named(1, "A", { actions: ["stop", "restart"] });
  assert.equal(toggling(one), "stop");
  assert.deepEqual(actionsOf(one).map(({ name }) => name), ["log", "toggle", "restart"]);
  assert.equal(new Set(allActions().map(({ name }) => name)).size, allActions().length);
});
