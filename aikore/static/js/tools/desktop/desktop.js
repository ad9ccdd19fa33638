/** The desktop of an instance in persistent mode. It lives on the server: closing the page or this tab changes nothing on it. */

import { access } from "../../house/access.js";
import { el } from "../../kit/dom.js";
import { attempt } from "../../kit/toasts.js";
import { loadStyleOf } from "../../kit/vendor.js";
import { Screen } from "./screen.js";

/** @import {Instance, Tool, ToolKind} from "../../house/types.js" */

/** @type {ToolKind} */
export const desktop = { kind: "desktop", label: "Desktop", key: "p", permission: "desktops", offered: (instance) => instance.persistent_mode, open };

/** @param {HTMLElement} panel @param {Instance} instance @returns {Tool} */
function open(panel, instance) {
  void attempt(loadStyleOf("desktop"));
  const link = el("a", { href: instance.urls.desktop ?? "", target: "_blank", rel: "noopener", text: "New tab" });
  const screen = new Screen(panel, instance.id, { last: [link] });
  return {
    close: () => screen.close(),
    show: () => { if (access.may("desktops")) screen.link.open(); },
    hide: () => screen.link.close(), // nobody looks: the desktop goes on without us
    update: () => { if (access.may("desktops")) screen.link.hurry(); else screen.link.close(); },
  };
}
