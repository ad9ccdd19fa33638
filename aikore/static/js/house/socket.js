/** Keeps the event socket open; after a loss it comes back by itself and begins with a new snapshot. */

import { access } from "./access.js";
import { socketUrl } from "./api.js";
import { store } from "./store.js";

const FIRST_PAUSE = 250;
const LAST_PAUSE = 5000;
const REVOKED = 4401;
let pause = FIRST_PAUSE;

export function connect() {
  const socket = new WebSocket(socketUrl("/api/events"));
  let opened = false;
  socket.addEventListener("open", () => {
    opened = true;
    if (!access.me) void access.refresh();
  });
  socket.addEventListener("message", (event) => {
    pause = FIRST_PAUSE;
    store.apply(JSON.parse(event.data));
    if (store.lostSince) store.setLost(null);
  });
  socket.addEventListener("close", (event) => {
    if (!opened || event.code === REVOKED) void access.refresh();
    if (!store.lostSince) store.setLost(new Date());
    setTimeout(connect, pause);
    pause = Math.min(pause * 2, LAST_PAUSE);
  });
}
