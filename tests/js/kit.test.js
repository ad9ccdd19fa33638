/** Sizes, times, addresses and colours, as people read them. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { bare, carried, lastDrawn, nodes, PLAIN } from "../../aikore/static/js/kit/ansi.js";
import { placesOf } from "../../aikore/static/js/kit/base.js";
import { recall, remember } from "../../aikore/static/js/kit/memory.js";
import { ranked } from "../../aikore/static/js/kit/search.js";
import { ago } from "../../aikore/static/js/kit/times.js";
import { shownSize } from "../../aikore/static/js/kit/units.js";

test("a size has two or three digits and the unit that fits", () => {
  const sizes = [[0, "0 B"], [999, "999 B"], [1000, "1.0 kB"], [99_949, "99.9 kB"], [99_950, "100 kB"], [999_499, "999 kB"],
    [999_500, "1.0 MB"], [1.5e9, "1.5 GB"], [2e12, "2.0 TB"], [5e15, "5000 TB"]];
  assert.deepEqual(sizes.map(([bytes]) => shownSize(bytes)), sizes.map(([, words]) => words));
});

test("how long ago something was is told in the largest unit that fits, and never as a time to come", (context) => {
  const now = Date.parse("2026-01-10T00:00:00Z");
  const real = Date.now;
  context.after(() => { Date.now = real; });
  Date.now = () => now;
  const times = [["2026-01-10T00:00:30Z", "0 s"], ["2026-01-09T23:59:01Z", "59 s"], ["2026-01-09T23:59:00Z", "1 min"], ["2026-01-09T23:00:00Z", "1 h"],
    ["2026-01-08T00:00:01Z", "47 h"], ["2026-01-08T00:00:00Z", "2 d"]];
  assert.deepEqual(times.map(([time]) => ago(time)), times.map(([, words]) => words));
});

test("the page knows where it lives by any of its addresses, below a sub-path too", () => {
  const places = [
    ["http://h/static/js/kit/base.js", "http://h/static/", "/"],
    ["http://h/static/v-00aa/js/kit/base.js", "http://h/static/v-00aa/", "/"],
    ["http://h/static/v-00aa/dist/app.js", "http://h/static/v-00aa/", "/"],
    ["https://h:8443/js/kit/static/v-00aa/dist/app.js", "https://h:8443/js/kit/static/v-00aa/", "/js/kit/"],
    ["https://h/a/dist/static/js/kit/base.js", "https://h/a/dist/static/", "/a/dist/"],
  ];
  for (const [module, files, base] of places) assert.deepEqual(placesOf(module), { files, base });
});

test("of a line that was redrawn the last drawing stays", () => {
  assert.equal(lastDrawn("10 %\r50 %\r100 %"), "100 %");
  assert.equal(lastDrawn("done\r\r"), "done");
});

test("text is bare without any control sequence", () => {
  assert.equal(bare("\x1b[1;31mred\x1b[0m \x1b]0;title\x07and \x1b[2Kplain"), "red and plain");
});

test("text without colours stays one string, control characters show as pictures", () => {
  assert.deepEqual(nodes("a\tb<i>\x00\x7f", PLAIN), ["a\tb<i>␀␡"]);
});

test("a style goes on over lines until it is reset", () => {
  const red = carried("\x1b[31;1mfailed", PLAIN);
  assert.deepEqual(red, { fg: 1, bg: undefined, flags: "b" });
  assert.equal(carried("still", red), red);
  assert.deepEqual(carried("\x1b[22;48;5;196m", red), { fg: 1, bg: "rgb(255 0 0)", flags: "" });
  assert.equal(carried("\x1b[m", red), PLAIN);
});

test("a browser without storage remembers nothing, and the page works", () => {
  remember("width", 50);
  assert.equal(recall("width", 40), 40);
});

test("what is remembered in another shape counts as nothing", (context) => {
  const kept = new Map();
  globalThis.localStorage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) };
  context.after(() => { delete globalThis.localStorage; });
  remember("tools", [1]);
  assert.deepEqual(recall("tools", []), [1]);
  assert.deepEqual(recall("tools", {}), {});
  for (const key of kept.keys()) kept.set(key, "{broken");
  assert.equal(recall("tools", 7), 7);
});

test("what is sought is found by parts of words in any order, the nearest first", () => {
  const all = ["Restart Comfy", "Comfy: start", "stop", "start Comfy"];
  const sought = (words) => ranked(all, (one) => one, words);
  assert.deepEqual(sought("comfy START"), ["Comfy: start", "start Comfy", "Restart Comfy"]);
  assert.deepEqual(sought("comfy nothing"), []);
  assert.deepEqual(sought("  "), all);
});
