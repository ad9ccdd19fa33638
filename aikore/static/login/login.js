// @ts-check
/**
 * The login page: log in, set AiKore up, take up an invitation, follow a login link. It stands by itself, open to
 * everybody, and knows nothing of the dashboard. A secret comes behind `#`, which no server and no log gets to see.
 */

/** @typedef {{auth: string, setup: boolean, names: boolean, identity: object | null}} Status */
/** @typedef {"login" | "lost" | "setup" | "invite" | "link"} Mode */

const AWAY_PAUSE = 2000;
const BASE = location.pathname.slice(0, location.pathname.indexOf(".aikore/login"));

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {string} id */
const input = (id) => /** @type {HTMLInputElement} */ (document.getElementById(id));
/** @param {string} id @param {string} text */
const say = (id, text) => { element(id).textContent = text; };
const send = /** @type {HTMLButtonElement} */ (element("send"));

/** @type {Mode} */
let mode = "login";
let secret = "";
/** The part behind `#` when it is no secret of ours: it belongs to the page somebody wants. */
let anchor = "";
/** @type {Status} */
let status = { auth: "on", setup: false, names: true, identity: null };

// Where somebody wants to go -----------------------------------------------------------------------------------

/** @returns {string} everything behind `?next=`, only ever an address of this house */
function destination() {
  const next = location.search.startsWith("?next=") ? location.search.slice("?next=".length) : "";
  if (!/^\/(?![/\\])/.test(next)) return BASE;
  const url = new URL(next, location.origin);
  const ours = url.origin === location.origin && !url.pathname.startsWith(`${BASE}.aikore/login`);
  return ours ? next + anchor : BASE;
}

const goOn = () => location.replace(destination());

// What is asked ------------------------------------------------------------------------------------------------

/** @param {string} text of a link, or its part behind `#` @returns {[Mode, string] | null} */
function secretIn(text) {
  const found = /(?:^|#)(setup|invite|link)=([^#\s]+)/.exec(text.trim());
  return found ? [/** @type {Mode} */ (found[1]), found[2] ?? ""] : null;
}

/** @type {Record<Mode, {lead: string, fields: string[], button: string, note: string}>} */
const FORMS = {
  login: { lead: "", fields: ["name", "password"], button: "Log in", note: "Forgotten? `aikore login` on AiKore's machine prints a link for the owner; others ask the owner." },
  lost: { lead: "AiKore is new here and has no owner yet. At its start it printed a link: open that, or paste it.", fields: ["link"], button: "Go on", note: "Not at hand? `aikore login` on AiKore's machine prints it again." },
  setup: { lead: "Welcome. Choose a name and a password; you become AiKore's owner.", fields: ["name", "password"], button: "Begin", note: "" },
  invite: { lead: "You are invited. Choose a name and a password for this AiKore.", fields: ["name", "password"], button: "Join", note: "" },
  link: { lead: "This link logs you in once.", fields: [], button: "Log in", note: "" },
};

/** @param {Mode} wanted */
function show(wanted) {
  mode = wanted;
  const form = FORMS[mode];
  const fresh = mode === "setup" || mode === "invite";
  const asked = form.fields.filter((field) => field !== "name" || fresh || status.names);
  for (const field of ["link", "name", "password"]) element(`${field}-field`).hidden = !asked.includes(field);
  element("password-hint").hidden = !fresh;
  input("password").autocomplete = fresh ? "new-password" : "current-password";
  input("name").value ||= mode === "setup" ? "owner" : mode === "login" ? (localStorage.getItem("name") ?? "") : "";
  say("lead", form.lead);
  send.textContent = form.button;
  element("note").replaceChildren(...form.note.split("`").map((part, at) => (at % 2 ? code(part) : part)));
  element("form").hidden = false;
  const empty = asked.map(input).find((field) => !field.value) ?? asked.map(input)[0];
  (empty ?? send).focus();
}

/** @param {string} text */
function code(text) {
  const node = document.createElement("code");
  node.textContent = text;
  return node;
}

/** @returns {Mode} what is asked of somebody without a link */
const usual = () => (status.setup ? "lost" : "login");

/** Begins, and begins anew when somebody opens a link in the same tab. */
async function begin() {
  const found = secretIn(location.hash);
  if (found) {
    secret = found[1];
    history.replaceState(null, "", location.pathname + location.search);
  } else anchor = location.hash;
  status = await askStatus();
  if (status.auth === "off" || (status.identity && !found)) goOn();
  else if (found?.[0] === "setup" && !status.setup) {
    show("login");
    say("problem", "AiKore has an owner already. Log in.");
  } else show(found?.[0] ?? usual());
}

/** @returns {Promise<Status>} */
async function askStatus() {
  for (;;) {
    try {
      const answer = await fetch(`${BASE}api/auth/status`, { cache: "no-store" });
      if (answer.ok) {
        say("away", "");
        return await answer.json();
      }
    } catch {
      // no connection: tried again below
    }
    say("away", "AiKore does not answer. Trying again …");
    await new Promise((done) => setTimeout(done, AWAY_PAUSE));
  }
}

// Sending ------------------------------------------------------------------------------------------------------

/** @returns {[string, object]} which call, and what it takes */
function request() {
  const [name, password] = [input("name").value.trim(), input("password").value];
  if (mode === "setup") return ["setup", { setup: secret, name, password }];
  if (mode === "invite") return ["join", { invite: secret, name, password }];
  if (mode === "link") return ["login", { link: secret }];
  return ["login", status.names ? { name, password } : { password }];
}

async function submit() {
  if (send.disabled || !complete()) return;
  if (mode === "lost") return paste();
  say("problem", "");
  send.disabled = true;
  const [path, body] = request();
  try {
    const answer = await fetch(`${BASE}api/auth/${path}`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    const data = await answer.json().catch(() => ({}));
    if (answer.ok) {
      if (mode !== "link") localStorage.setItem("name", data.name);
      goOn();
      return;
    }
    refuse(answer.status, data);
  } catch {
    say("problem", "AiKore does not answer. Try again in a moment.");
    send.disabled = false;
  }
}

/** @returns {boolean} whether every field that is asked is filled; says which is not */
function complete() {
  const empty = ["link", "name", "password"].filter((field) => !element(`${field}-field`).hidden && !input(field).value.trim());
  for (const field of ["link", "name", "password"]) input(field).setAttribute("aria-invalid", String(empty.includes(field)));
  if (empty[0]) {
    say("problem", { link: "Paste the link first.", name: "Your name is missing.", password: "The password is missing." }[empty[0]] ?? "");
    input(empty[0]).focus();
  }
  return empty.length === 0;
}

function paste() {
  const text = input("link").value.trim();
  const found = secretIn(text) ?? /** @type {[Mode, string]} */ (["setup", text]);
  secret = found[1];
  say("problem", "");
  show(found[0]);
}

/** @param {number} code @param {{detail?: string, retry_after?: number, code?: string}} problem */
function refuse(code, problem) {
  const asked = mode;
  const spent = code === 401 || code === 404 || code === 409;
  if (asked === "setup" && code === 401) show("lost");
  else if (problem.code !== "name_taken" && (asked === "link" || (asked !== "login" && spent))) show(usual());
  say("problem", problem.detail ?? `AiKore answered ${code}.`);
  if (code === 429) countDown(problem.retry_after ?? 1);
  else send.disabled = false;
  if (asked === "login" && code === 401) input("password").select();
}

/** @param {number} seconds */
function countDown(seconds) {
  if (seconds <= 0) {
    send.disabled = false;
    send.textContent = FORMS[mode].button;
    say("problem", "");
    return;
  }
  send.textContent = `Wait ${seconds} s`;
  setTimeout(countDown, 1000, seconds - 1);
}

// ----------------------------------------------------------------------------------------------------------------

const light = matchMedia("(prefers-color-scheme: light)");

function showTheme() {
  document.documentElement.dataset.theme = localStorage.getItem("theme") ?? (light.matches ? "light" : "dark");
}

element("form").addEventListener("submit", (event) => {
  event.preventDefault();
  void submit();
});
element("reveal").addEventListener("click", () => {
  const shown = input("password").type === "password";
  input("password").type = shown ? "text" : "password";
  say("reveal", shown ? "Hide" : "Show");
  element("reveal").setAttribute("aria-label", shown ? "Hide password" : "Show password");
});
addEventListener("hashchange", () => void begin());
light.addEventListener("change", showTheme);
showTheme();
void begin();

export {};
