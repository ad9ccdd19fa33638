"""What AiKore costs at rest: CPU and memory with 50 running instances, start-up and list with 500 defined ones."""

from __future__ import annotations

import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.helpers.server import AiKoreServer, free_range, wait_until

RUNNING, DEFINED, WATCHED_SECONDS = 50, 500, 30

APP = 'exec python3 -m http.server --bind 127.0.0.1 "$WEBUI_PORT"'


def pss(pid: int) -> float:
    """Return the proportional set size of a process in MB."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(rollup.split("Pss:")[1].split()[0]) / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = AiKoreServer(Path(folder) / "home", instance_ports=free_range(620))
        try:
            server.start()
            server.blueprint("app", APP)
            running(server)
            defined(server)
        finally:
            server.clean_up()


def running(server: AiKoreServer) -> None:
    slugs = [server.create(f"n{number}", "app")["slug"] for number in range(RUNNING)]
    for slug in slugs:
        server.post(slug, "start")
    wait_until(lambda: all(i["status"] == "started" for i in server.http.get("/api/instances").json()), 120)
    assert server.process is not None
    manager = psutil.Process(server.process.pid)
    before = sum(manager.cpu_times()[:2])
    time.sleep(WATCHED_SECONDS)
    cpu = (sum(manager.cpu_times()[:2]) - before) / WATCHED_SECONDS * 100
    keepers = [pss(server.record(slug)["keeper_pid"]) for slug in slugs]
    bare = statistics.median([pss(server.get(slug)["pid"]) for slug in slugs])
    print(f"manager with {RUNNING} running: {cpu:.2f}% of a core (limit 1), {pss(manager.pid):.0f} MB (limit 130)")
    keeper = statistics.median(keepers)
    print(f"a keeper: {keeper:.1f} MB (limit 12) = {keeper / bare:.2f} × the app it holds")
    for slug in slugs:
        server.post(slug, "stop")
    for slug in slugs:
        server.wait_status(slug, "stopped")


def defined(server: AiKoreServer) -> None:
    server.stop()
    _define(server)
    began = time.monotonic()
    server.start()
    startup = time.monotonic() - began
    spent = []
    for _ in range(15):
        began = time.monotonic()
        answer = server.http.get("/api/instances")
        spent.append(time.monotonic() - began)
    assert len(answer.json()) == DEFINED
    listed = statistics.median(spent) * 1000
    print(f"{DEFINED} defined instances: start-up {startup:.2f} s (limit 3), list {listed:.0f} ms (limit 50)")


def _define(server: AiKoreServer) -> None:
    """Clone the rows and folders of the first instance: creating 450 one by one would measure something else."""
    script = (server.home / "instances/n0/launch.sh").read_bytes()
    with sqlite3.connect(server.home / "aikore.db") as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(instances)") if row[1] != "id"]
        row = dict(
            zip(
                columns,
                database.execute(f"SELECT {','.join(columns)} FROM instances ORDER BY port DESC LIMIT 1").fetchone(),
                strict=True,
            )
        )
        for number in range(RUNNING, DEFINED):
            name = f"n{number}"
            values = row | {
                "name": name,
                "name_key": name,
                "slug": name,
                "port": row["port"] + 1 + number - RUNNING,
                "app_port": None,
            }
            marks = ",".join("?" * len(columns))
            database.execute(
                f"INSERT INTO instances ({','.join(columns)}) VALUES ({marks})", [values[c] for c in columns]
            )
            folder = server.home / "instances" / name
            (folder / "logs").mkdir(parents=True)
            (folder / "launch.sh").write_bytes(script)


if __name__ == "__main__":
    main()
