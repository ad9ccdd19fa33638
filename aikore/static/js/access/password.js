/** One's own password. */

import { access } from "../house/access.js";
import { call } from "../house/api.js";
import { openDialog } from "../kit/dialog.js";
import { el } from "../kit/dom.js";
import { toast } from "../kit/toasts.js";

export function openPassword() {
  const name = el("input", { autocomplete: "username", value: access.me?.name ?? "", hidden: true });
  const old = el("input", { id: "old-password", type: "password", autocomplete: "current-password", "data-testid": "old-password" });
  const fresh = el("input", { id: "new-password", type: "password", autocomplete: "new-password", "data-testid": "new-password" });
  const form = el("form", { novalidate: true }, name,
    el("div", { class: "field" }, el("label", { for: old.id, text: "Old password" }), old),
    el("div", { class: "field" }, el("label", { for: fresh.id, text: "New password" }), fresh, el("label", { class: "reveal" }, reveal(fresh), "Show it")),
    el("p", { class: "hint", text: "Your other logins end; API tokens stay." }),
    el("button", { class: "primary", type: "submit", text: "Change password", "data-testid": "save" }));
  const { node, tried } = openDialog("Change password", "password-dialog", form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void tried(call("PUT", "/api/auth/password", { old: old.value || null, new: fresh.value })).then((done) => {
      if (!done) return old.focus();
      node.close();
      toast("Your password is changed.");
    });
  });
  old.focus();
}

/** @param {HTMLInputElement} field */
function reveal(field) {
  return el("input", { type: "checkbox", onchange: () => { field.type = field.type === "password" ? "text" : "password"; } });
}
