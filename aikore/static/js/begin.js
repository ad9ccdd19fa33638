/** Loads the page as a whole. A network that changes meanwhile (a VPN, a container's bridge) makes browsers drop requests;
 * half the modules would be a dead page, so it is tried again. */

const KEY = "aikore:tries";
const TRIES = 5;
const PAUSE = 500;

/** @param {unknown} error */
function again(error) {
  const tries = Number(sessionStorage.getItem(KEY)) + 1;
  const missing = error instanceof TypeError && /module/i.test(error.message);
  if (!missing) throw error;
  if (tries <= TRIES) {
    sessionStorage.setItem(KEY, String(tries));
    setTimeout(() => location.reload(), PAUSE * tries);
    return;
  }
  sessionStorage.removeItem(KEY);
  const place = document.getElementById("loading");
  if (place) place.textContent = "The page did not load completely. Is AiKore reachable? Reload to try again.";
}

import("./app.js").then(({ begin }) => {
  sessionStorage.removeItem(KEY);
  begin();
}, again);
