/** One terminal as it is seen: its line to the server, its screen, its find bar. It goes on while another is in front. */

import { el, setText } from "../../kit/dom.js";
import { makeFind } from "./find.js";
import { Link } from "./link.js";
import { makeReplies } from "./replies.js";
import { bindKeys, makeScreen } from "./screen.js";

/** @import {Shell} from "./link.js" */

/**
 * @param {import("./screen.js").Parts} parts
 * @param {HTMLElement} place where it is shown
 * @param {{path: string, id: string | null, label: string, typed: (data: string) => string, named: (session: Partial<Shell>) => void, ended: () => void}} options
 */
export function makeTerminal(parts, place, options) {
  const box = el("div", { class: "screen" });
  const notice = el("p", { class: "notice", role: "status", hidden: true, "data-testid": "terminal-notice" });
  const panel = el("div", { class: "term", "data-testid": "terminal" });
  panel.append(notice, box);
  place.append(panel); // xterm.js measures its font where it is opened
  const screen = makeScreen(parts, box, options.label);
  const { terminal } = screen;
  const find = makeFind(screen.search, () => terminal.focus());
  panel.prepend(find.bar);
  bindKeys(terminal, find.show);

  const tell = (/** @type {string} */ words) => { setText(notice, words); notice.hidden = !words; };
  const replies = makeReplies(terminal);
  const link = new Link(options.path, options.id, {
    write: replies.write,
    reset: (restore) => { terminal.reset(); replies.write(restore, false); },
    begun: () => { if (panel.contains(document.activeElement)) turned(); },
    begin: (session) => { terminal.resize(session.columns, session.rows); options.named(session); },
    resize: (columns, rows) => terminal.resize(columns, rows),
    title: (title) => options.named({ title }),
    lost: (lost) => tell(lost ? "The connection is lost. It goes on where it was as soon as AiKore answers." : ""),
    end: (words) => { tell(words); panel.dataset.ended = "yes"; options.ended(); },
  }, screen.size);
  const turned = () => link.control({ type: "answer" });
  terminal.textarea?.addEventListener("focus", turned);
  terminal.onData((data) => link.send(options.typed(data)));
  terminal.onBinary((data) => link.send(Uint8Array.from(data, (byte) => byte.charCodeAt(0))));
  terminal.onTitleChange((title) => link.control({ type: "title", title: title.slice(0, 200) }));
  const sized = new ResizeObserver(() => { if (box.checkVisibility()) link.control({ type: "resize", ...screen.size() }); });
  sized.observe(box);

  return {
    terminal,
    find: find.show,
    get id() { return link.id; },
    show: () => {
      panel.hidden = false;
      screen.drawing.start();
      if (navigator.userActivation.isActive) terminal.focus(); // who opened the page only has the focus elsewhere
    },
    hide: () => { panel.hidden = true; screen.drawing.stop(); },
    close: () => { sized.disconnect(); link.close(); screen.close(); panel.remove(); },
  };
}
