"""The dashboard in Chromium: how fast it opens, how soon a change is seen, and what an open page costs.

`python bench/dashboard.py [MINUTES]`: how long the open page is watched; 1 unless told, 60 for the promise of an hour.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from tests.helpers.browser import CHROMIUM_ARGS, chromium_path
from tests.helpers.server import AiKoreServer, free_range, wait_until

INSTANCES, RUNNING, LOADS, CHANGES = 200, 20, 7, 12
LOOKS = 6
SETTLE = 60
"""Seconds until no instance is so young that its age is told in seconds: 200 such are not an ordinary day."""
WATCH = """
performance.setResourceTimingBufferSize(1000);
window.long = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) long.push(entry.duration);
}).observe({ type: "longtask" });
window.seen = [];
new MutationObserver((changes) => {
  for (const { target } of changes) {
    if (target.dataset?.status) seen.push([target.dataset.instance, target.dataset.status, Date.now()]);
  }
  if (window.usable || !document.querySelector("#rows tr[data-instance]")) return;
  requestAnimationFrame(() => { window.usable ||= performance.now(); });
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-status"] });
"""

SEEN = "([id, status, since]) => seen.find(([one, word, at]) => one === id && word === status && at >= since)?.[2] ?? 0"
"""When the page showed a status, 0 while it has not."""


def prepare(server: AiKoreServer) -> None:
    server.blueprint("sleeps", "exec sleep 100000", ready="process")

    def one(number: int) -> None:
        slug = server.create(f"Instance {number}", "sleeps")["slug"]
        if number < RUNNING:
            server.start_and_wait(slug)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(INSTANCES)))


def fresh_page(browser: Browser, server: AiKoreServer) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.add_init_script(WATCH)
    page.goto(server.url + "/")
    wait_until(lambda: page.evaluate("window.usable"), what="the table is there")
    return page


def load(browser: Browser, server: AiKoreServer) -> dict[str, float]:
    """Open the page with an empty cache; return what it took, in ms and KB."""
    page = fresh_page(browser, server)
    page.wait_for_timeout(500)
    found: dict[str, float] = page.evaluate(
        """() => ({
          paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN,
          usable: window.usable,
          kilobytes: [...performance.getEntriesByType("resource"), ...performance.getEntriesByType("navigation")]
            .reduce((sum, { transferSize }) => sum + transferSize, 0) / 1000,
          files: performance.getEntriesByType("resource").length,
        })"""
    )
    page.context.close()
    return found


def change_delays(page: Page, server: AiKoreServer) -> list[float]:
    """Return the ms from each change on the server, by its own time stamp, until the page shows it."""
    delays = []
    for number in range(CHANGES):
        slug = f"instance-{INSTANCES - 1 - number % 3}"
        for wish, status in (("start", "started"), ("stop", "stopped")):
            server.post(slug, wish)
            instance = server.wait_status(slug, status)
            since = datetime.fromisoformat(instance["status_since"]).timestamp() * 1000
            wanted = [str(instance["id"]), status, since - 2]
            at = wait_until(lambda wanted=wanted: page.evaluate(SEEN, wanted), what=f"the page shows {status}")
            delays.append(at - since)
    return delays


def figures(session: CDPSession) -> dict[str, float]:
    session.send("HeapProfiler.collectGarbage")
    return {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}


def watch(page: Page, seconds: float) -> None:
    """Let the page be open for a while and say what it cost."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    page.wait_for_timeout(SETTLE * 1000)
    looks = [figures(session)]
    page.evaluate("long.length = 0")
    for _ in range(LOOKS):
        page.wait_for_timeout(seconds / LOOKS * 1000)
        looks.append(figures(session))
    long = page.evaluate("long")
    took = {name: looks[-1][name] - looks[0][name] for name in ("TaskDuration", "Timestamp")}
    busy = took["TaskDuration"] / took["Timestamp"] * 100
    print(f"open for {seconds:.0f} s, {INSTANCES} instances: {busy:.1f}% of a core (promised <= 10)")
    print(f"  tasks over 50 ms: {len(long)} (promised 0){f', longest {max(long):.0f} ms' if long else ''}")
    for name, figure, unit in (
        ("heap", "JSHeapUsedSize", 1e6),
        ("nodes", "Nodes", 1),
        ("listeners", "JSEventListeners", 1),
    ):
        print(f"  {name} (promised flat): {', '.join(f'{look[figure] / unit:.4g}' for look in looks)}")


def main() -> None:
    seconds = float(sys.argv[1]) * 60 if len(sys.argv) > 1 else 60.0
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = AiKoreServer(Path(folder) / "home", instance_ports=free_range(250))
        try:
            server.start()
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_ARGS)
            warm_up(browser, server)
            prepare(server)
            loads = [load(browser, server) for _ in range(LOADS)]
            middle = {name: statistics.median(one[name] for one in loads) for name in loads[0]}
            print(f"first paint {middle['paint']:.0f} ms (promised <= 300), usable {middle['usable']:.0f} ms (<= 600)")
            print(f"  {middle['files']:.0f} files, {middle['kilobytes']:.0f} KB compressed (<= 350)")
            page = fresh_page(browser, server)
            delays = change_delays(page, server)
            print(f"a change is seen after {statistics.median(delays):.0f} ms, at most {max(delays):.0f} ms (<= 150)")
            watch(page, seconds)
            browser.close()
        finally:
            server.clean_up()


def warm_up(browser: Browser, server: AiKoreServer) -> None:
    """Open and close the empty dashboard, so that the first measured load does not pay for the browser's own start."""
    page = browser.new_page()
    page.goto(server.url + "/")
    wait_until(lambda: page.locator("#empty").is_visible(), what="the empty page")
    page.close()


if __name__ == "__main__":
    main()
