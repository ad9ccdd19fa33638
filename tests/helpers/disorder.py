"""Rounds of random harm to a running AiKore, and what must be true after each of them."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from aikore.base import procfs
from tests.helpers.server import AiKoreServer, kill_everything_of, processes_of, wait_until

APP = """exec python3 -c '
import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["INSTANCE_NAME"].encode())
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["WEBUI_PORT"])), Answer).serve_forever()
'
"""
"""Says whose it is, whatever becomes of its files."""

ALIVE = ("started", "stalled")
AT_REST = ("stopped", "error")
PATIENCE = 30
"""Seconds until everything must be told as it is."""
RECORDS = ("run.json", "run.lock", "stage", "logs/output.log", "logs/output.idx", "launch.sh")


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[Path]:
    """Mount a disk of this size for as long as the block lasts."""
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


class Disorder:
    """One house on a small disk, one of its instances on a disk of its own, and somebody else beside it.

    Every action is harm that a machine or a person may do; each is followed by :meth:`check`.
    """

    NAMES = ("a", "b", "c")
    ON_DISK = "c"

    def __init__(self, server: AiKoreServer, factory: Callable[..., AiKoreServer], outside: Path, seed: int) -> None:
        self.server = server
        self.factory = factory
        self.outside = outside
        self.random = random.Random(seed)
        self.done: list[str] = []
        self.mounted = False
        self._copies = 0
        self._scripts: dict[str, bytes] = {}
        self._actions = (
            self.start, self.start, self.start, self.stop, self.restart, self.kill_manager, self.kill_keeper,
            self.kill_both, self.kill_door, self.kill_app, self.remove_file, self.empty_file, self.replace_file,
            self.move_folder, self.pull_disk, self.fill_disk, self.copy_house, self.stop_keeper, self.trash_and_restore,
        )  # fmt: skip

    # Before and after -----------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the instances, what lies outside, and the stranger."""
        (self.outside / "precious").mkdir(parents=True)
        (self.outside / "precious" / "model").write_text("weights")
        (self.outside / "disk").mkdir()
        (self.outside / "mnt").mkdir()
        self._mount()
        self.stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1e6)"], cwd=self.outside)
        self.server.blueprint("web", APP)
        for name in self.NAMES:
            self.server.create(name, "web")
            folder = self.server.home / "instances" / name
            (folder / "models").symlink_to(self.outside / "precious")
            self._scripts[name] = (folder / "launch.sh").read_bytes()
        folder = self.server.home / "instances" / self.ON_DISK
        shutil.move(folder, self.outside / "mnt" / self.ON_DISK)
        folder.symlink_to(self.outside / "mnt" / self.ON_DISK)

    def end(self) -> None:
        self.stranger.kill()
        self.stranger.wait()
        if self.mounted:
            self._unmount()

    def _mount(self) -> None:
        subprocess.run(["mount", "--bind", str(self.outside / "disk"), str(self.outside / "mnt")], check=True)
        self.mounted = True

    def _unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.outside / "mnt")], check=True)
        self.mounted = False

    # Rounds ---------------------------------------------------------------------------------------------------

    def rounds(self, count: int) -> None:
        for _ in range(count):
            action = self.random.choice(self._actions)
            name = self.random.choice(self.NAMES)
            self.done.append(f"{action.__name__} {name}")
            action(name)
            self.check()

    def check(self) -> None:
        """Assert what must be true, soon after whatever happened; what is not ours must be so at once."""
        assert self.stranger.poll() is None, "a stranger was ended"
        assert (self.outside / "precious" / "model").read_text() == "weights"
        self._answers()
        untruths: list[str] = []

        def true() -> bool:
            try:
                untruths[:] = filter(None, [self._untruth()])
            except httpx.TransportError as error:
                untruths[:] = [f"the door does not answer: {error!r}"]
            return not untruths

        try:
            wait_until(true, PATIENCE)
        except AssertionError:
            raise AssertionError(untruths) from None

    def _untruth(self) -> str | None:
        """Return what is said of the instances and is not so; None when all is true and at rest."""
        rows: list[dict[str, Any]] = self.server.http.get("/api/instances").raise_for_status().json()
        if [row["slug"] for row in rows] != list(self.NAMES):
            return f"there should be {self.NAMES}, not {rows}"
        known: set[int] = set()
        for row in rows:
            tree = self._tree(row["slug"])
            known |= tree
            if untruth := self._row_untruth(row, tree) or self._route_untruth(row):
                state = f"{row['slug']} is {row['status']} ({row['status_detail']}), pid {row['pid']}, tree {tree}"
                return f"{untruth}: {state}"
        unknown = {pid for pid in processes_of(self.server.home) if self._is_app(pid)} - known
        return f"unknown processes {unknown}" if unknown else None

    @staticmethod
    def _row_untruth(row: dict[str, Any], tree: set[int]) -> str | None:
        if row["status"] in ALIVE:
            return None if row["pid"] in tree else "it does not run"
        if row["status"] not in AT_REST:
            return "it does not come to rest"
        told = row["pid"] is None and all(str(pid) in row["status_detail"] for pid in tree)
        return None if told else "something of it runs"

    def _route_untruth(self, row: dict[str, Any]) -> str | None:
        """A route shows the instance's own app while that runs, else no app at all."""
        answer = self.server.http.get(f"/app/{row['slug']}/who")
        if row["status"] == "stalled":
            return None
        right = answer.status_code == 503 if row["status"] in AT_REST else answer.text == row["name"]
        return None if right else f"its route shows {answer.status_code} {answer.text[:80]!r}"

    def _answers(self) -> None:
        process = self.server.process
        if process is None or process.poll() is not None:
            self.server.launch()
        wait_until(self.server.answers, 30, "the house opens")

    def _pids(self) -> dict[str, int | None]:
        return {row["slug"]: row["pid"] for row in self.server.http.get("/api/instances").json()}

    def _tree(self, slug: str) -> set[int]:
        mark = f"INSTANCE_CONF_DIR={self.server.home}/instances/{slug}"
        return {pid for pid in procfs.pids() if procfs.stat(pid) and mark in procfs.environment(pid)}

    def _is_app(self, pid: int) -> bool:
        return any(line.startswith("INSTANCE_CONF_DIR=") for line in procfs.environment(pid))

    def _keepers(self, name: str) -> list[int]:
        """Return the parents of an instance's first processes."""
        tree = self._tree(name)
        parents = {int(procfs.stat(pid)[1]) for pid in tree if procfs.stat(pid)}
        return [pid for pid in parents - tree if "keeper" in procfs.title(pid)]

    # Harm -----------------------------------------------------------------------------------------------------

    def _wish(self, name: str, wish: str) -> None:
        with suppress(httpx.HTTPError):
            self.server.http.post(f"/api/instances/{name}/{wish}")

    def start(self, name: str) -> None:
        self._wish(name, "start")

    def stop(self, name: str) -> None:
        self._wish(name, "stop")

    def restart(self, name: str) -> None:
        self._wish(name, "restart")

    def kill_manager(self, name: str) -> None:
        self.server.kill()

    def kill_keeper(self, name: str) -> None:
        for pid in self._keepers(name):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_both(self, name: str) -> None:
        self.server.kill()
        self.kill_keeper(name)

    def stop_keeper(self, name: str) -> None:
        for pid in self._keepers(name):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        self._wish(name, "stop")

    def kill_door(self, name: str) -> None:
        pid = self.server.http.get("/api/system/info").json()["nginx"]["pid"]
        if pid:
            os.kill(pid, signal.SIGKILL)
        wait_until(self._door_is_back, 30, "NGINX is back")

    def _door_is_back(self) -> bool:
        with suppress(httpx.TransportError):
            return self.server.http.get("/api/health").status_code == 200
        return False

    def kill_app(self, name: str) -> None:
        for pid in self._tree(name):
            with suppress(ProcessLookupError):
                os.kill(pid, self.random.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV)))

    def _file(self, name: str) -> Path:
        return self.server.home / "instances" / name / self.random.choice(RECORDS)

    @contextmanager
    def _script_comes_back(self, name: str) -> Iterator[None]:
        """A person repairs the launch script; nobody else could."""
        yield
        self._maybe_new_manager()
        self.check()
        script = self.server.home / "instances" / name / "launch.sh"
        if script.parent.exists():
            if script.is_dir() and not script.is_symlink():
                script.rmdir()
            else:
                script.unlink(missing_ok=True)
            script.write_bytes(self._scripts[name])

    def _maybe_new_manager(self) -> None:
        if self.random.random() < 0.5:
            self.server.kill()

    def remove_file(self, name: str) -> None:
        with self._script_comes_back(name):
            self._file(name).unlink(missing_ok=True)

    def empty_file(self, name: str) -> None:
        with self._script_comes_back(name), suppress(FileNotFoundError):
            os.truncate(self._file(name), 0)

    def replace_file(self, name: str) -> None:
        """Something odd lies where a file was: it goes again, as a person would mend it."""
        path = self._file(name)
        kinds: tuple[Callable[[Path], object], ...] = (os.mkfifo, Path.mkdir, self._sparse, self._junk, self._dangle)
        with self._script_comes_back(name):
            path.unlink(missing_ok=True)
            self.random.choice(kinds)(path)
            self._maybe_new_manager()
            self.check()
            self._wish(name, self.random.choice(("start", "stop")))
            self.check()
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)

    @staticmethod
    def _sparse(path: Path) -> None:
        with open(path, "wb") as file:
            file.truncate(2**31)

    def _junk(self, path: Path) -> None:
        path.write_bytes(self.random.randbytes(self.random.choice((0, 1, 5000))))

    def _dangle(self, path: Path) -> None:
        path.symlink_to(self.outside / "nowhere")

    def move_folder(self, name: str) -> None:
        folder = self.server.home / "instances" / name
        aside = folder.with_name(f"{name}.aside")
        folder.rename(aside)
        self._maybe_new_manager()
        self.check()
        aside.rename(folder)

    def pull_disk(self, name: str) -> None:
        self._unmount()
        self._maybe_new_manager()
        self.check()
        self._wish(self.ON_DISK, self.random.choice(("start", "stop")))
        self.check()
        self._mount()
        wait_until(self._disk_is_seen, 20, "the instance heals when its disk is back")

    def _disk_is_seen(self) -> bool:
        answer = self.server.http.get(f"/api/instances/{self.ON_DISK}/script")
        return answer.status_code == 200

    def fill_disk(self, name: str) -> None:
        filler = self.server.home / "filler"
        with suppress(OSError), open(filler, "wb", buffering=0) as file:
            while file.write(bytes(2**20)):
                pass
        self._maybe_new_manager()
        self.check()
        self._wish(name, self.random.choice(("start", "stop", "restart")))
        self.check()
        filler.unlink()

    def copy_house(self, name: str) -> None:
        """Open a backup beside the house, and close it again."""
        before = self._pids()
        self._copies += 1
        home = self.server.home.parent / f"copy{self._copies}"
        self.server.copy_home(home)
        copy = self.factory(home.name, **self.server.settings).start()
        rows = copy.http.get("/api/instances").json()
        assert all(row["status"] in AT_REST for row in rows), rows
        copy.post("a", "start")
        assert copy.wait_status("a", *ALIVE, *AT_REST)["status"] in ALIVE
        assert copy.stop() == 0
        assert self._pids() == before
        kill_everything_of(home)
        shutil.rmtree(home)

    def trash_and_restore(self, name: str) -> None:
        gone = self.server.http.delete(f"/api/instances/{name}", params={"force": True})
        if gone.status_code == 204:
            (entry,) = self.server.http.get("/api/trash").json()
            self._maybe_new_manager()
            self._answers()
            back = self.server.http.post(f"/api/trash/{entry['id']}/restore")
            assert back.status_code == 200, back.text
