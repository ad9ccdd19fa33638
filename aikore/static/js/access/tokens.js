/** API tokens: made, shown once, revoked. */

import { access } from "../house/access.js";
import { call } from "../house/api.js";
import { store } from "../house/store.js";
import { day, listLine, openDialog, select, shownOnce, sureButton, when } from "../kit/dialog.js";
import { el } from "../kit/dom.js";

/** @import {Payloads, Permission} from "../house/types.js" */
/** @typedef {Payloads["Token"]} Token */

/** @type {[string, string, Permission][]} scope, words, the permission it holds that smaller ones lack */
const SCOPES = [
  ["read", "May look", "account"], ["create", "May generate", "generate"],
  ["operate", "May start, stop and use", "apps.open"], ["admin", "May change everything", "instances.edit"],
];
/** @type {[string, string][]} */
const DAYS = [["7", "for 7 days"], ["30", "for 30 days"], ["90", "for 90 days"], ["365", "for a year"], ["", "until revoked"]];

export function openTokens() {
  const name = el("input", { id: "token-name", maxlength: "80", autocomplete: "off", placeholder: "Backup script", "data-testid": "token-name" });
  const scope = select("What it may do", "token-scope", SCOPES.filter(([, , permission]) => access.may(permission)).map(([value, words]) => [value, words]));
  const instance = select("Where", "token-instance", [["", "everywhere"], ...[...store.instances.values()].map((one) => /** @type {[string, string]} */ ([one.slug, `only ${one.name}`]))]);
  const days = select("How long", "token-days", DAYS);
  days.value = "90";
  const form = el("form", { class: "making", novalidate: true }, el("label", { for: name.id, text: "New token for" }), name,
    el("div", { class: "line-form" }, scope, instance, days, el("button", { class: "primary", type: "submit", text: "Make token", "data-testid": "token-make" })));
  const made = el("div", { "aria-live": "polite" });
  const list = el("ul", { class: "list", "data-testid": "tokens" });
  const { tried } = openDialog("API tokens", "tokens-dialog",
    el("p", { class: "hint", text: "Programs send a token as Authorization: Bearer … instead of logging in." }), form, made, list);

  const load = async () => {
    const answer = await tried(call("GET", "/api/auth/tokens"));
    if (!answer) return;
    list.replaceChildren(...answer.data.map(line).reverse());
    if (!answer.data.length) list.append(el("li", { class: "hint", text: "There is no token yet." }));
  };
  /** @param {Token} token */
  const line = (token) => listLine(token.name, described(token),
    sureButton("Revoke", "End what uses it", () => void revoke(token), "token-revoke"));
  /** @param {Token} token */
  const revoke = async (token) => {
    if (!(await tried(call("DELETE", `/api/auth/tokens/${token.id}`)))) return;
    made.replaceChildren();
    void load();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = { name: name.value, scope: scope.value, instance: instance.value || null, days: Number(days.value) || null };
    void tried(call("POST", "/api/auth/tokens", wanted)).then((answer) => {
      if (!answer) return name.focus();
      name.value = "";
      made.replaceChildren(shownOnce("The new token", answer.data.token, `The token ${answer.data.name}. Copy it now: it is not shown again.`));
      void load();
    });
  });
  name.focus();
  void load();
}

/** @param {Token} token @returns {string} */
function described(token) {
  const words = SCOPES.find(([scope]) => scope === token.scope)?.[1] ?? token.scope;
  const where = token.instance === null ? [] : [`only ${store.instances.get(token.instance)?.name ?? "an instance that is gone"}`];
  const whose = token.owner && token.owner !== access.me?.name ? [`of ${token.owner}`] : [];
  const end = token.expires_at ? `until ${day(token.expires_at)}` : "until revoked";
  const used = token.last_used_at ? `last used ${when(token.last_used_at)}` : "never used";
  return [`${token.hint}…`, words, ...where, ...whose, end, used].join(" · ");
}
