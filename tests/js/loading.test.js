/** Modules do nothing when they are loaded: here there is no document. */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";

const PLACE = new URL("../../aikore/static/js/", import.meta.url);
/** What a page names in its HTML begins at once. */
const ENTRIES = ["begin.js", "tools/desktop/page.js"];

const modules = readdirSync(PLACE, { recursive: true }).map(String).filter((name) => name.endsWith(".js") && !ENTRIES.includes(name));

test("there are modules", () => assert.ok(modules.length > 50));

for (const name of modules) {
  test(`${name} touches no document before it is told to begin`, async () => {
    assert.equal(typeof document, "undefined");
    await import(new URL(name, PLACE).href);
  });
}
