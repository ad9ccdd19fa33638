/** A desktop as a page of its own, at /desktop/<slug>/. */

import { access } from "../../house/access.js";
import { call } from "../../house/api.js";
import { BASE } from "../../kit/base.js";
import { byId, el } from "../../kit/dom.js";
import { beginTheme } from "../../kit/theme.js";
import { Screen } from "./screen.js";

const slug = location.pathname.slice(BASE.length).split("/")[1] ?? "";

async function begin() {
  beginTheme();
  await access.refresh();
  const title = el("h1", { text: slug });
  const screen = new Screen(byId("desktop"), slug, { first: [title] });
  screen.link.open();
  const { data } = await call("GET", `/api/instances/${slug}`);
  title.textContent = data.name;
  document.title = `${data.name} · Desktop`;
}

void begin();
