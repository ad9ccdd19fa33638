/** Dark or light: as the system says, until a person chooses the other one. The login page reads the same choice. */

import { icon } from "./icons.js";

const KEY = "theme";
const system = () => matchMedia("(prefers-color-scheme: light)");
const ofSystem = () => (system().matches ? "light" : "dark");

function show() {
  const theme = localStorage.getItem(KEY) ?? ofSystem();
  document.documentElement.dataset.theme = theme;
  document.getElementById("theme")?.replaceChildren(icon(theme === "light" ? "moon" : "sun"));
}

export function switchTheme() {
  const wanted = document.documentElement.dataset.theme === "light" ? "dark" : "light";
  if (wanted === ofSystem()) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, wanted);
  show();
}

export function beginTheme() {
  document.getElementById("theme")?.addEventListener("click", switchTheme); // a page of one tool has no such button
  system().addEventListener("change", show);
  show();
}
