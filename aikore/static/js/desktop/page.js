/** A desktop as a page of its own, at /desktop/<slug>/. */

import { access } from "../access.js";
import { BASE, call } from "../api.js";
import { byId, el } from "../dom.js";
import { beginTheme } from "../theme.js";
import { Screen } from "./screen.js";

const slug = location.pathname.slice(BASE.length).split("/")[1] ?? "";

async function begin() {
  beginTheme();
  await access.look();
  const title = el("h1", { text: slug });
  const screen = new Screen(byId("desktop"), slug, { first: [title] });
  screen.link.open();
  const { data } = await call("GET", `/api/instances/${slug}`);
  title.textContent = data.name;
  document.title = `${data.name} · Desktop`;
}

void begin();
