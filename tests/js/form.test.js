/** What the form of an instance says before the server is asked; that both agree, tests/e2e/test_workbench.py shows. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { changeWords, othersWords, touched, waits } from "../../aikore/static/js/house/form/changes.js";
import { groupProblem, hostnameProblem, nameKey, nameProblem, networksProblem, textProblem, variablesProblem } from "../../aikore/static/js/house/form/validate.js";

const BEFORE = { name: "Comfy", gpu_ids: ["0", "1"], environment: { A: "1", B: "2" }, group: "", autostart: false };

test("only what differs is sent, whatever the order of keys", () => {
  assert.deepEqual(touched(BEFORE, { name: "Comfy", gpu_ids: ["0", "1"], environment: { B: "2", A: "1" }, group: "Video" }), { group: "Video" });
  assert.deepEqual(touched(BEFORE, { gpu_ids: ["1", "0"] }), { gpu_ids: ["1", "0"] });
});

test("what waits for the next start is told apart from what counts at once", () => {
  assert.equal(changeWords({ name: "N", gpu_ids: [] }, true), "Changes at once: name. After a restart: GPUs.");
  assert.equal(changeWords({ launch_args: "--lowvram" }, false), "At the next start: launch arguments.");
  assert.equal(changeWords({}, true), "");
  assert.deepEqual([waits({ name: "N" }), waits({ environment: {} })], [false, true]);
});

test("what others changed meanwhile is told, but not what one changes oneself", () => {
  const now = { ...BEFORE, name: "Other", group: "Video" };
  assert.equal(othersWords(BEFORE, now, { name: "Mine" }), "Meanwhile changed elsewhere, and left alone by this form: group.");
  assert.equal(othersWords(BEFORE, BEFORE, {}), "");
});

test("a name is refused when it is empty, too long, taken by another spelling or cannot be seen", () => {
  assert.match(nameProblem("  ", []), /visible/);
  assert.match(nameProblem("x".repeat(81), []), /81 characters/);
  assert.match(nameProblem("ＣＯＭＦＹ", ["comfy"]), /already an instance called 'comfy'/);
  assert.match(nameProblem("a\u202eb", []), /U\+202E/);
  assert.equal(nameProblem("Wan 2.2 · テスト", ["Wan 2.1"]), "");
  assert.equal(nameKey("Straße"), nameKey("STRASSE"));
});

test("a group may be empty, and follows the rules of names", () => {
  assert.deepEqual(["", "Video"].map(groupProblem), ["", ""]);
  assert.match(groupProblem("g".repeat(61)), /60 are possible/);
});

test("host names are names, not addresses", () => {
  assert.deepEqual(["", "comfy.example.lan", "COMFY.lan.", "a-b"].map(hostnameProblem), ["", "", "", ""]);
  for (const wrong of ["10.0.0.1", "-a.lan", "a..b", "a_b", "http://a"]) assert.notEqual(hostnameProblem(wrong), "", wrong);
});

test("variables need a name that a shell takes, once, and none of AiKore's own", () => {
  assert.equal(variablesProblem([["A_1", "x"], ["b", ""]]), "");
  assert.match(variablesProblem([["1A", ""]]), /cannot be the name/);
  assert.match(variablesProblem([["A", ""], ["A", ""]]), /there twice/);
  assert.match(variablesProblem([["WEBUI_PORT", "1"]]), /set by AiKore itself/);
  assert.match(variablesProblem([["A", "\0"]]), /NUL/);
});

test("text is bounded in characters as people count them", () => {
  assert.equal(textProblem("🎬".repeat(8192)), "");
  assert.match(textProblem("x".repeat(8193)), /8193 characters/);
});

test("networks have a whole address and a mask that fits", () => {
  assert.equal(networksProblem(["10.0.0.0/8", "192.168.1.7", "::1", "fe80::/64", "10.0.0.0/255.0.0.0"]), "");
  for (const wrong of ["lan", "10.0.0.1/33", "10.0.0.01", "fe80::/129", "10.0.0.0/8/8"]) assert.match(networksProblem([wrong]), /no network/, wrong);
});
