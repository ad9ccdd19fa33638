/** The audit log: every change, newest first. */

import { call } from "../house/api.js";
import { store } from "../house/store.js";
import { openDialog } from "../kit/dialog.js";
import { el } from "../kit/dom.js";

/** @import {Payloads} from "../house/types.js" */
/** @typedef {Payloads["AuditEntry"]} AuditEntry */

const PAGE = 100;

/** @type {Record<string, string>} */
const WORDS = {
  create_instance: "made an instance", change_instance: "changed", delete_instance: "moved to the trash", copy_instance: "copied",
  start_instance: "started", stop_instance: "stopped", restart_instance: "restarted", rebuild_instance: "ordered a rebuild of",
  activate_instance: "gave /comfyui/ to", save_script: "saved the script of", restore_instance: "restored from the trash",
  remove_from_trash: "removed for good", save_blueprint: "saved the blueprint", delete_blueprint: "removed the blueprint",
  restart_manager: "restarted AiKore", log_in: "logged in", follow_link: "logged in by link", set_up: "became the owner", join: "joined",
  log_out: "logged out", end_session: "ended a session", change_password: "changed a password", create_token: "made the token",
  revoke_token: "revoked the token", change_person: "changed the role of", remove_person: "removed", create_invite: "invited a person as",
  withdraw_invite: "withdrew an invitation", create_link: "made a login link",
};
/** What these name in `target` is a number that says nothing to people. */
const NUMBERED = new Set(["end_session", "revoke_token", "change_person", "remove_person", "withdraw_invite"]);

export function openAudit() {
  const filter = el("input", { type: "search", placeholder: "Filter", "aria-label": "Filter the audit log", autocomplete: "off", "data-testid": "audit-filter" });
  const rows = el("tbody", { "data-testid": "audit" });
  const none = el("p", { class: "hint", text: "Nothing fits.", hidden: true });
  const older = el("button", { type: "button", text: "Older", hidden: true, "data-testid": "audit-older", onclick: () => void load() });
  const head = ["When", "Who", "What", "On", "From", "Outcome"].map((text) => el("th", { scope: "col", text }));
  const { node, tried } = openDialog("Audit log", "audit-dialog", filter,
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Entries" }, el("table", { class: "audit" }, el("thead", {}, el("tr", {}, ...head)), rows), none, older));
  node.classList.add("broad");
  let oldest = 0;

  const load = async () => {
    older.disabled = true;
    const answer = await tried(call("GET", `/api/auth/audit?limit=${PAGE}${oldest ? `&before=${oldest}` : ""}`));
    older.disabled = false;
    if (!answer) return;
    const entries = /** @type {AuditEntry[]} */ (answer.data);
    rows.append(...entries.map(line));
    oldest = entries.at(-1)?.id ?? oldest;
    older.hidden = entries.length < PAGE;
    sift();
  };
  const sift = () => {
    const sought = filter.value.trim().toLowerCase();
    const all = [...rows.children].map((row) => /** @type {HTMLElement} */ (row));
    for (const row of all) row.hidden = !(row.textContent ?? "").toLowerCase().includes(sought);
    none.hidden = all.some((row) => !row.hidden);
  };
  filter.addEventListener("input", sift);
  void load();
}

/** @param {AuditEntry} entry */
function line(entry) {
  const time = new Date(entry.time);
  const shown = time.toLocaleString(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return el("tr", {}, el("td", { class: "time" }, el("time", { datetime: entry.time, title: time.toLocaleString(), text: `${shown} ` })),
    el("td", { class: "who", text: `${entry.who || "somebody"} `, title: `by ${entry.via}` }),
    el("td", { text: `${WORDS[entry.action] ?? entry.action.replaceAll("_", " ")} ` }), el("td", { class: "target", text: `${target(entry)} ` }),
    el("td", { class: "from", text: `${entry.address || "this machine"} ` }), outcome(entry.status));
}

/** @param {AuditEntry} entry @returns {string} */
function target(entry) {
  if (NUMBERED.has(entry.action)) return entry.detail;
  const instance = [...store.instances.values()].find((one) => entry.action !== "save_blueprint" && (String(one.id) === entry.target || one.slug === entry.target));
  return [instance?.name ?? entry.target, entry.detail].filter(Boolean).join(" · ");
}

/** @param {number} status of the HTTP answer */
function outcome(status) {
  if (status < 400) return el("td", { text: "done" });
  const words = status >= 500 ? "failed" : status === 401 ? "wrong credential" : status === 403 ? "not allowed" : `refused (${status})`;
  return el("td", { class: "problem", text: words });
}
