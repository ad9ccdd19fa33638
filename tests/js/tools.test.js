/** What tools know without a page: the bytes of a log's lines, paths of files, figures. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { bytes, gpuMemory, percent, rate, valuesOf } from "../../aikore/static/js/house/monitor/figures.js";
import { join, nameOf, parent } from "../../aikore/static/js/tools/files/remote.js";
import { byteLength, LINE_MOST, Stretch } from "../../aikore/static/js/tools/log/lines.js";

const encoded = (text) => new TextEncoder().encode(text).length;
const shown = (stretch) => stretch.lines.map(({ offset, text }) => [offset, text]);

test("characters count as their bytes in UTF-8", () => {
  for (const text of ["plain", "Größe", "テスト", "🎬 film", "e\u0301"]) assert.equal(byteLength(text), encoded(text), text);
});

test("every line knows its byte, whatever the pieces that a log comes in", () => {
  const text = "one\nzwölf\n🎬\nlast";
  for (let cut = 0; cut <= text.length; cut++) {
    if (/[\udc00-\udfff]/.test(text[cut] ?? "")) continue; // the server cuts no character
    const log = new Stretch(100);
    const first = text.slice(0, cut);
    log.append(first, 100 + encoded(first));
    log.append(text.slice(cut), 100 + encoded(text));
    assert.deepEqual(shown(log), [[100, "one"], [104, "zwölf"], [111, "🎬"]]);
    assert.deepEqual([log.open, log.openOffset], ["last", 116]);
  }
});

test("bytes that are no UTF-8 count as many as they were", () => {
  const log = new Stretch(0);
  log.append("a\ufffdb\nc\n", 6); // one strange byte
  assert.deepEqual(shown(log), [[0, "a\ufffdb"], [4, "c"]]);
});

test("a line that is too long stands on lines of its own, and none is lost", () => {
  const log = new Stretch(0);
  const text = "x".repeat(LINE_MOST + 5);
  log.append(`${text}\nend`, LINE_MOST + 9);
  assert.deepEqual(log.lines.map(({ offset, text: line }) => [offset, line.length]), [[0, LINE_MOST], [LINE_MOST, 5]]);
  assert.equal(log.openOffset, LINE_MOST + 6);
});

test("what comes before is put before, without the half line it begins with", () => {
  const log = new Stretch(10);
  log.append("third\n", 16);
  assert.equal(log.prepend("st\nsecond\n", 0, false), 1);
  assert.deepEqual(shown(log), [[3, "second"], [10, "third"]]);
  assert.deepEqual([2, 3, 9, 10, 99].map((offset) => log.at(offset)), [0, 0, 0, 1, 1]);
});

test("forgotten lines move the beginning or the end", () => {
  const log = new Stretch(0);
  log.append("a\nb\nc\nd", 7);
  log.dropFirst(1);
  assert.equal(log.first, 2);
  log.keepFirst(1);
  assert.deepEqual([shown(log), log.end, log.open], [[[2, "b"]], 4, ""]);
});

test("colours of a line go on in the next", () => {
  const log = new Stretch(0);
  log.append("\x1b[31mred\nstill\x1b[0m\nplain\n", 27);
  assert.deepEqual(log.lines.map(({ style }) => style.fg), [undefined, 1, undefined]);
});

test("paths are joined and taken apart", () => {
  assert.deepEqual([join("", "a"), join("a/b", "c")], ["a", "a/b/c"]);
  assert.deepEqual([parent("a/b/c"), parent("a"), nameOf("a/b.txt"), nameOf("a")], ["a/b", "", "b.txt", "a"]);
});

test("figures that are not known are a dash, and never a nought", () => {
  assert.deepEqual([bytes(null), rate(undefined), percent(null), percent(0), rate(1500)], ["–", "–", "–", "0 %", "1.5 kB/s"]);
  assert.equal(gpuMemory({ gpu_memory: { 0: 1, 1: 2 } }), 3);
});

test("a sample has the names of the history", () => {
  const none = { read: null, write: null, received: null, sent: null };
  const values = valuesOf({
    host: { cpu: 5, memory: { used: 1 }, swap: { used: 0 }, disk: none, network: none },
    gpus: [{ id: "0", utilization: 50, memory_used: 7, temperature: 60, power: null }],
    instances: [{ id: 3, cpu: 1, memory: 2, gpu_memory: { 0: 9 } }],
  });
  assert.deepEqual([values.cpu, values["gpu.0.memory"], values["instance.3.gpu.0.memory"], values["gpu.0.power"]], [5, 7, 9, null]);
});
