// @ts-check
/**
 * The gateway page: what a visitor of a route sees while its instance is not up. Shows status and log, starts the
 * instance, and gives way to the app once that runs. Talks to `<route>/.aikore/` only; no part of the dashboard.
 */

const LOG_TAIL = 16384;
const LOG_KEPT = 200_000;
const PAUSES = [500, 1000, 2000, 5000];
/** @type {Record<string, string>} */
const WORDS = {
  stopped: "Stopped",
  starting: "Starting",
  started: "Running",
  stalled: "Does not answer yet",
  stopping: "Stopping",
  error: "Error",
};

const GONE = "This instance no longer exists.";

const base = document.body.dataset.base ?? "/";
const slug = document.body.dataset.slug ?? "";

/** @typedef {{slug: string, name: string, status: string, status_detail: string, failure: {cause: string, advice: string} | null, actions: string[]}} Instance */

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id}`);
  return found;
}

const button = /** @type {HTMLButtonElement} */ (element("start"));
const log = element("log");

/** @param {string} path */
function address(path) {
  return new URL(`${base}.aikore/${path}`, location.href);
}

/** @param {string} status @param {string} text */
function say(status, text) {
  element("status").dataset.status = status;
  element("word").textContent = text;
}

/** @param {Instance} instance */
function show(instance) {
  element("name").textContent = instance.name;
  document.title = instance.name;
  const word = WORDS[instance.status] ?? instance.status;
  say(instance.status, instance.status_detail ? `${word}: ${instance.status_detail}` : word);
  element("failure").hidden = !instance.failure;
  element("cause").textContent = instance.failure?.cause ?? "";
  element("advice").textContent = instance.failure?.advice ?? "";
  button.hidden = !instance.actions.includes("start");
  button.disabled = false;
  if (instance.status === "started") enter();
}

let entering = false;

/** Goes to the app as soon as it answers itself; a page that only lies on the way is not loaded again and again. */
async function enter() {
  if (entering) return;
  entering = true;
  for (let attempt = 0; ; attempt += 1) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "*/*" }, cache: "no-store", redirect: "manual" });
      const problem = (answer.headers.get("Content-Type") ?? "").startsWith("application/problem+json");
      if (answer.status !== 503 || !problem) break;
    } catch {
      // the door is away for a moment
    }
    await new Promise((done) => setTimeout(done, PAUSES[Math.min(attempt, PAUSES.length - 1)]));
  }
  location.reload();
}

const RELOAD_PAUSE = 10_000;
const RELOADED = "aikore-reloaded";

/** Who is not logged in any more gets there by loading the page; not again and again, should that not help.
 * @returns {boolean} whether the page is being loaded */
function reloadForLogin() {
  if (Date.now() - Number(sessionStorage.getItem(RELOADED)) < RELOAD_PAUSE) return false;
  sessionStorage.setItem(RELOADED, String(Date.now()));
  location.reload();
  return true;
}

/** Says why the sockets do not open: AiKore is away, or asks for a login. */
async function lost() {
  const answer = await fetch(address("instance"), { cache: "no-store" }).catch(() => null);
  if (answer?.status === 401) {
    if (!reloadForLogin()) say("away", "Your login has ended. Load this page again to log in.");
  } else if (answer?.status === 404) say("error", GONE);
  else if (!answer?.ok) say("away", "AiKore does not answer. Trying again.");
}

async function start() {
  button.disabled = true;
  try {
    const answer = await fetch(address("start"), { method: "POST" });
    if (answer.status === 401 && reloadForLogin()) return;
    const body = await answer.json();
    if (answer.ok) show(body);
    else say("error", body.detail ?? `The start was refused (${answer.status}).`);
  } catch {
    say("away", "AiKore does not answer. Trying again.");
  }
  button.disabled = false;
}

/**
 * Keeps a socket open, with growing pauses between attempts.
 * @param {() => URL} where
 * @param {(message: any) => void} receive
 * @param {() => void} lost
 */
function follow(where, receive, lost) {
  let attempt = 0;
  const open = () => {
    const url = where();
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    socket.onmessage = (event) => {
      attempt = 0;
      receive(JSON.parse(event.data));
    };
    socket.onclose = () => {
      lost();
      setTimeout(open, PAUSES[Math.min(attempt, PAUSES.length - 1)]);
      attempt += 1;
    };
  };
  open();
}

/** @param {Instance[]} instances */
function pick(instances) {
  const own = instances.find((instance) => instance.slug === slug);
  if (own) show(own);
  else say("error", GONE);
}

/** @param {{type: string, topic?: string, data: any}} event */
function onEvent(event) {
  if (event.type === "snapshot" || event.type === "resync") pick(event.data.instances);
  else if (event.topic === "instance" && event.data.slug === slug) show(event.data);
  else if (event.topic === "instance_removed") say("error", GONE);
}

let next = -1;

// Terminal colours are no text; the dashboard shows them, this page leaves them out.
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])/g;

/** @param {{type: string, text?: string, next?: number, offset?: number}} frame */
function onLog(frame) {
  if (frame.type === "live") {
    element("live").textContent = (frame.text ?? "").replace(ESCAPES, "");
  } else if (frame.type === "gap") {
    next = frame.next ?? next;
  } else if (frame.type === "data") {
    append(frame.text ?? "");
    next = frame.next ?? next;
  }
}

/** @param {string} text */
function append(text) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(text.replace(ESCAPES, ""));
  while (log.childNodes.length > 1 && (log.textContent ?? "").length > LOG_KEPT) log.firstChild?.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

button.addEventListener("click", start);
follow(() => address("events"), onEvent, () => void lost());
follow(() => address(next < 0 ? `logs?tail=${LOG_TAIL}` : `logs?offset=${next}`), onLog, () => undefined);
