/** Dark or light: as the system says, until a person chooses the other one. The login page reads the same choice. */

import { byId } from "./dom.js";
import { icon } from "./icons.js";

const KEY = "theme";
const system = matchMedia("(prefers-color-scheme: light)");
const ofSystem = () => (system.matches ? "light" : "dark");

function show() {
  const theme = localStorage.getItem(KEY) ?? ofSystem();
  document.documentElement.dataset.theme = theme;
  byId("theme").replaceChildren(icon(theme === "light" ? "moon" : "sun"));
}

export function switchTheme() {
  const wanted = document.documentElement.dataset.theme === "light" ? "dark" : "light";
  if (wanted === ofSystem()) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, wanted);
  show();
}

export function beginTheme() {
  byId("theme").addEventListener("click", switchTheme);
  system.addEventListener("change", show);
  show();
}
