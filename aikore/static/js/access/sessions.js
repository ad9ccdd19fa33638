/** Where one is logged in. */

import { toLogin } from "../house/access.js";
import { call } from "../house/api.js";
import { day, listLine, openDialog, sureButton, when } from "../kit/dialog.js";
import { el } from "../kit/dom.js";

/** @import {Payloads} from "../house/types.js" */
/** @typedef {Payloads["Session"]} Session */

export function openSessions() {
  const list = el("ul", { class: "list", "data-testid": "sessions" });
  const all = sureButton("Log out everywhere", "End all sessions, this one too", () => void everywhere(), "logout-everywhere");
  const { tried } = openDialog("Sessions", "sessions-dialog", list, el("p", {}, all));

  const load = async () => {
    const answer = await tried(call("GET", "/api/auth/sessions"));
    if (answer) list.replaceChildren(...answer.data.map(line));
  };
  /** @param {Session} session */
  const line = (session) => listLine(browser(session.agent), `${session.address} · since ${when(session.created_at)} · until ${day(session.expires_at)}`,
    session.current ? el("span", { class: "chip", text: "this one" })
      : el("button", { type: "button", text: "End", "data-testid": "end-session", onclick: () => void end(session) }));
  /** @param {Session} session */
  const end = async (session) => {
    if (await tried(call("DELETE", `/api/auth/sessions/${session.id}`))) void load();
  };
  const everywhere = async () => {
    if (await tried(call("POST", "/api/auth/logout?everywhere=true"))) toLogin();
  };
  void load();
}

/** @type {[RegExp, string][]} the first that fits counts: browsers also name those they resemble */
const BROWSERS = [[/Edg(?:e|A|iOS)?\//, "Edge"], [/OPR\//, "Opera"], [/Firefox\/|FxiOS\//, "Firefox"], [/Chrom(?:e|ium)\/|CriOS\//, "Chrome"], [/Safari\//, "Safari"]];
/** @type {[RegExp, string][]} */
const SYSTEMS = [[/Android/, "Android"], [/iPhone/, "iPhone"], [/iPad/, "iPad"], [/Windows/, "Windows"], [/Mac OS X/, "Mac"], [/CrOS/, "ChromeOS"], [/Linux/, "Linux"]];

/** @param {string} agent @returns {string} */
function browser(agent) {
  const [program, system] = [BROWSERS, SYSTEMS].map((table) => table.find(([pattern]) => pattern.test(agent))?.[1]);
  if (program) return system ? `${program} on ${system}` : program;
  return agent.slice(0, 80) || "Unknown program";
}
