/** Who belongs to the house, and invitations to it. Only the owner deals with admins. */

import { access } from "../house/access.js";
import { call } from "../house/api.js";
import { day, listLine, openDialog, select, shownOnce, sureButton } from "../kit/dialog.js";
import { el } from "../kit/dom.js";

/** @import {Payloads, Role} from "../house/types.js" */
/** @typedef {Payloads["Invite"]} Invite */
/** @typedef {Payloads["Person"]} Person */

/** @type {Record<Role, string>} */
const MAY = {
  viewer: "Viewer: looks",
  creator: "Creator: also generates",
  operator: "Operator: also starts and opens apps",
  admin: "Admin: changes everything",
  owner: "Owner",
};

/** @returns {[string, string][]} the roles that who is logged in may give */
function given() {
  const roles = /** @type {Role[]} */ (["viewer", "creator", "operator", ...(access.may("admins.manage") ? ["admin"] : [])]);
  return roles.map((role) => [role, MAY[role]]);
}

export function openPeople() {
  const people = el("ul", { class: "list", "data-testid": "people" });
  const invites = el("ul", { class: "list", "data-testid": "invites" });
  const made = el("div", { "aria-live": "polite" });
  const role = select("Role of whom you invite", "invite-role", given());
  const invite = el("button", { type: "button", class: "primary", text: "Invite", "data-testid": "invite", onclick: () => void makeInvite() });
  const { tried } = openDialog("People", "people-dialog", people, el("h3", { text: "Invite somebody" }), el("div", { class: "line-form" }, role, invite), made, invites);

  const load = async () => {
    const answers = await tried(Promise.all([call("GET", "/api/auth/users"), call("GET", "/api/auth/invites")]));
    if (!answers) return;
    people.replaceChildren(...answers[0].data.map(line));
    invites.replaceChildren(...answers[1].data.map(inviteLine));
  };
  /** @param {string} method @param {string} path @param {unknown} [body] */
  const change = async (method, path, body) => {
    await tried(call(method, path, body)).then((done) => done && load());
  };
  /** @param {Person} person */
  const line = (person) => {
    const path = `/api/auth/users/${person.id}`;
    const sessions = `${person.sessions} ${person.sessions === 1 ? "session" : "sessions"}`;
    const fixed = !given().some(([value]) => value === person.role);
    if (fixed) return listLine(person.name, `${MAY[person.role]} · since ${day(person.created_at)} · ${sessions}`);
    const roles = select(`Role of ${person.name}`, "person-role", given());
    roles.value = person.role;
    roles.addEventListener("change", () => void change("PATCH", path, { role: roles.value }));
    return listLine(person.name, `since ${day(person.created_at)} · ${sessions}`, roles,
      sureButton("Remove", "Remove, with sessions and tokens", () => void change("DELETE", path), "person-remove"));
  };
  /** @param {Invite} one */
  const inviteLine = (one) => listLine(`Invitation as ${one.role}`, `by ${one.created_by} · until ${day(one.expires_at)}`,
    ...(given().some(([value]) => value === one.role) ? [el("button", { type: "button", text: "Withdraw", "data-testid": "withdraw", onclick: () => void withdraw(one) })] : []));
  /** @param {Invite} one */
  const withdraw = (one) => {
    made.replaceChildren();
    return change("DELETE", `/api/auth/invites/${one.id}`);
  };
  const makeInvite = async () => {
    const answer = await tried(call("POST", "/api/auth/invites", { role: role.value }));
    if (!answer) return;
    made.replaceChildren(shownOnce("Link of the invitation", answer.data.url, `Send this link to one person, who joins as ${answer.data.role}. It is good for a week and not shown again.`));
    void load();
  };
  void load();
}
