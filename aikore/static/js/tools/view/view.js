/** An instance's own page, embedded. The gateway page in the frame tells what goes on while it is not up. */

import { access } from "../../house/access.js";
import { enterWhole } from "../../house/whole.js";
import { BASE } from "../../kit/base.js";
import { el } from "../../kit/dom.js";

/** @import {Instance} from "../../house/types.js" */
/** @import {Tool, ToolKind} from "../../house/types.js" */

/** @type {ToolKind} */
export const view = { kind: "view", label: "View", key: "v", permission: "apps.open", open };

/** @param {HTMLElement} panel @param {Instance} instance @returns {Tool} */
function open(panel, instance) {
  const address = () => embedded(instance);
  const frame = el("iframe", { title: instance.name, src: address(), allow: "clipboard-read; clipboard-write; fullscreen", "data-testid": "frame" });
  const link = el("a", { href: instance.urls.path, target: "_blank", rel: "noopener", text: "New tab" });
  panel.append(el("div", { class: "tools-bar" },
    el("button", { text: "Reload", onclick: () => { frame.src = address(); } }),
    el("button", { text: "Whole window", title: "Whole window (W)", "data-testid": "whole", onclick: () => enterWhole(panel) }),
    el("span", { class: "space" }), ...others(instance), link), frame);
  const update = () => { // a session that was open goes on until the frame is gone
    if (!access.may("apps.open")) panel.replaceChildren(el("p", { class: "empty", text: "Apps are for operators and admins." }));
  };
  return { close: () => {}, update };
}

/** By its port an app has an origin of its own. One that keeps its path is embedded by it: JupyterLab refuses to be
 * framed by a page of another origin.
 * @param {Instance} instance */
function embedded({ urls, base_path }) {
  return base_path === "keep" ? urls.path : urls.port ?? urls.path;
}

/** @param {Instance} instance */
function others(instance) {
  /** @type {[string, string | null][]} */
  const ways = [["By port", instance.urls.port], ["By host", byHost(instance.urls.host)]];
  return ways.filter(([, url]) => url).map(([text, url]) => el("a", { href: url, target: "_blank", rel: "noopener", text }));
}

/** Another host gets no cookie of this one: the hand-over brings the browser there with one.
 * @param {string | null} url */
function byHost(url) {
  return url && access.on ? `${BASE}.aikore/handover?to=${url}` : url;
}
