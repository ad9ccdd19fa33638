"""What a desktop costs that nobody watches: CPU of its parts beside the page, memory, and the time until it shows."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.helpers.server import HTTP_APP, AiKoreServer, wait_until

WATCHED_SECONDS, SETTLING_SECONDS = 60, 30
PARTS = ("desktop session", "Xvnc", "openbox", "browser")


def parts(server: AiKoreServer, slug: str) -> dict[str, list[psutil.Process]]:
    """Return the desktop's processes by part; the app itself and the keeper are none of it."""
    session = psutil.Process(server.record(slug)["pid"])
    found: dict[str, list[psutil.Process]] = {name: [] for name in PARTS} | {"desktop session": [session]}
    for child in session.children():
        name = child.name()
        if name in ("Xvnc", "openbox"):
            found[name].append(child)
        elif name.startswith(("chrom", "firefox")):
            found["browser"] += [child, *child.children(recursive=True)]
        else:
            found["desktop session"].append(child)  # holds the app
    return found


def seconds(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes if process.is_running())


def memory(processes: list[psutil.Process]) -> float:
    """Return the proportional set size in MB."""
    texts = (Path(f"/proc/{process.pid}/smaps_rollup").read_text() for process in processes)
    return sum(int(text.split("Pss:")[1].split()[0]) for text in texts) / 1024


def main() -> None:
    for browser in sys.argv[1:] or [""]:
        with tempfile.TemporaryDirectory() as folder:
            server = AiKoreServer(Path(folder) / "home", desktop_browser=browser)
            try:
                measure(server)
            finally:
                server.clean_up()


def measure(server: AiKoreServer) -> None:
    server.start()
    server.blueprint("page", HTTP_APP)
    server.create("Page", "page", persistent_mode=True)
    began = time.monotonic()
    server.start_and_wait("page")
    wait_until(lambda: parts(server, "page")["browser"], 30)
    print(f"start → the browser on the desktop starts: {time.monotonic() - began:.1f} s")
    time.sleep(SETTLING_SECONDS)
    before = {name: seconds(processes) for name, processes in parts(server, "page").items()}
    time.sleep(WATCHED_SECONDS)
    now = parts(server, "page")
    shares = {name: (seconds(now[name]) - before[name]) / WATCHED_SECONDS * 100 for name in PARTS}
    for name in PARTS:
        print(f"{name}: {shares[name]:.2f}% of a core, {memory(now[name]):.0f} MB")
    print(f"an idle desktop nobody watches: {sum(shares.values()):.2f}% of a core (limit 2)")


if __name__ == "__main__":
    main()
