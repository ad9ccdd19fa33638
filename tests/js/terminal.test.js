/** What a terminal's line to the server does with input, without a server. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Link } from "../../aikore/static/js/tools/terminal/link.js";

/** @type {FakeSocket[]} */
let sockets = [];

class FakeSocket extends EventTarget {
  static OPEN = 1;
  readyState = 0;
  /** @type {string[]} */
  sent = [];

  constructor() {
    super();
    sockets.push(this);
  }

  open() {
    this.readyState = FakeSocket.OPEN;
    this.dispatchEvent(new Event("open"));
  }

  /** @param {Uint8Array} data */
  send(data) {
    this.sent.push(new TextDecoder().decode(data));
  }

  lose() {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), { code: 1006, reason: "" }));
  }

  close() {}
}

const listener = { write() {}, reset() {}, begin() {}, begun() {}, resize() {}, title() {}, lost() {}, end() {} };
const begin = () => new Link("/api/terminal", null, listener, () => ({ columns: 80, rows: 24 }));

beforeEach(() => {
  sockets = [];
  Object.assign(globalThis, { WebSocket: FakeSocket, location: { href: "http://here/", pathname: "/" }, window: globalThis });
});

test("what is typed before the first connection stands reaches the shell, in order and once", () => {
  const link = begin();
  for (const key of "ec") link.send(key);
  sockets[0]?.open();
  link.send("ho");
  assert.deepEqual(sockets[0]?.sent, ["e", "c", "ho"]);
});

test("what is typed into a lost connection is not run when it is back", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const link = begin();
  sockets[0]?.open();
  sockets[0]?.lose();
  link.send("rm -rf\n");
  context.mock.timers.tick(500);
  sockets[1]?.open();
  assert.deepEqual(sockets[1]?.sent, []);
});
