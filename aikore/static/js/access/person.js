/** The menu of who is logged in. */

import { openAudit } from "./audit.js";
import { openPassword } from "./password.js";
import { openPeople } from "./people.js";
import { openSessions } from "./sessions.js";
import { openTokens } from "./tokens.js";
import { access, toLogin } from "../house/access.js";
import { call } from "../house/api.js";
import { byId, setText } from "../kit/dom.js";
import { popMenu } from "../kit/menu.js";
import { attempt } from "../kit/toasts.js";

/** @import {Item} from "../kit/menu.js" */

export function showPerson() {
  const button = byId("person");
  button.hidden = !access.on;
  setText(button, access.me?.name ?? "");
}

export function beginPerson() {
  const button = byId("person");
  button.addEventListener("click", () => {
    if (access.me) popMenu(button, items(), `${access.me.name} · ${access.me.role}`);
  });
}

/** @returns {Item[]} */
function items() {
  const loggedIn = access.me?.via === "session"; // else something before AiKore did that
  return [
    .../** @type {Item[]} */ (loggedIn ? [["password", "Change password…", openPassword], ["sessions", "Sessions…", openSessions]] : []),
    ["tokens", "API tokens…", openTokens],
    .../** @type {Item[]} */ (access.may("people.manage") ? [["people", "People…", openPeople]] : []),
    .../** @type {Item[]} */ (access.may("audit.read") ? [["audit", "Audit log…", openAudit]] : []),
    .../** @type {Item[]} */ (loggedIn ? [["logout", "Log out", () => void logOut()]] : []),
  ];
}

async function logOut() {
  if (await attempt(call("POST", "/api/auth/logout"))) toLogin();
}
