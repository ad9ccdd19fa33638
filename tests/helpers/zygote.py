"""Starts AiKore from a process that has imported it already: a second of each test's time less.

A process of its own that forks on demand. Asked by lines of JSON on standard input; answers on standard output.
What it starts is as real as any other, but was not executed anew: no use for tests of the loader, or of `ps`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

COMMAND = ["-m", "aikore", "serve"]
PRELOADED = (
    "aikore.main", "aikore.cli", "uvicorn.loops.auto", "uvicorn.protocols.http.auto", "uvicorn.lifespan.off",
    "uvicorn.protocols.websockets.auto", "sqlalchemy.dialects.sqlite", "alembic.command", "alembic.runtime.migration",
    "anyio._backends._asyncio", "pydantic.v1", "pynvml",
)  # fmt: skip


class Zygote:
    """The process that forks. ``variables`` decide which code it finds."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def ask(self, **question: Any) -> Any:
        """Return the answer to one question."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        """End the process; what it started goes on."""
        self._process.kill()
        self._process.wait()


class Forked:
    """A started AiKore, with what tests need of :class:`subprocess.Popen`."""

    def __init__(self, zygote: Zygote, environment: dict[str, str], output: Path) -> None:
        self._zygote = zygote
        self.pid: int = zygote.ask(do="start", environment=environment, output=str(output))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._zygote.ask(do="poll", pid=self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + (timeout or float("inf"))
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("aikore serve", timeout or 0)
            time.sleep(0.005)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(9)

    def terminate(self) -> None:
        self.send_signal(15)


# Inside the process that forks ----------------------------------------------------------------------------------


def serve(questions: TextIO) -> None:
    """Answer questions until nobody asks any more."""
    _prepare()
    for line in questions:
        question = json.loads(line)
        answer = _start(question) if question["do"] == "start" else _poll(question["pid"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _prepare() -> None:
    """Do what every AiKore does at its start and what depends on none of its settings."""
    for name in PRELOADED:
        importlib.import_module(name)
    from argon2 import PasswordHasher

    from aikore.auth import passwords
    from aikore.config import Settings
    from aikore.main import create_app
    from aikore.proxy.render import ENVIRONMENT

    for template in ENVIRONMENT.list_templates():
        ENVIRONMENT.get_template(template)
    create_app(Settings(home=Path("/nonexistent")))  # fills the libraries' caches
    passwords._hasher = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)  # the real one takes 0.2 s
    gc.freeze()


def _poll(pid: int) -> int | None:
    with suppress(ChildProcessError):
        found, status = os.waitpid(pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if found else None
    return 0


def _start(question: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _become(question["environment"], question["output"])
        code = _run()
    finally:
        os._exit(code)


def _become(environment: dict[str, str], output: str) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    nothing, log = os.open(os.devnull, os.O_RDONLY), os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.closerange(3, 64)
    sys.argv = ["aikore", "serve"]
    sys.orig_argv = [sys.executable, *COMMAND]


def _run() -> int:
    from aikore.cli import main

    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
    return 0


if __name__ == "__main__":
    del sys.path[0]  # this file's own folder; AiKore is found as `python -m aikore` finds it
    serve(sys.stdin)
