"""How much disk the folder of each instance takes. Measured in the background, so gently that nothing notices."""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from aikore.monitor.figures import Folder

log = logging.getLogger(__name__)

AGAIN_AFTER = 300.0
"""Seconds at least between two measurements of a folder."""
WORK, REST = 0.002, 0.04
"""Seconds of looking and of resting, in turn: a twentieth of one core while a folder is measured."""
REST_AFTER = 4.0
"""Times as long as a measurement took that the next one waits: a hundredth of a core over the day."""
FIRST_REST = 5.0
"""Seconds after the start that belong to others."""

BLOCK = 512
"""Bytes of a block in ``st_blocks`` (stat(2)), whatever the file system says."""
IDLE_CLASS = 3 << 13
IOPRIO_SET = {"x86_64": 251, "aarch64": 30}.get(platform.machine())


def measure(root: Path, rest: Callable[[], None] = lambda: None) -> int:
    """Return the bytes on disk below ``root``: links are not followed, a file with two names counts once.

    Other file systems mounted inside are left out; what vanishes meanwhile does not matter. ``rest`` is called often.
    """
    try:
        device = root.stat().st_dev
    except OSError:
        return 0
    total, twice, waiting = 0, set[int](), [str(root)]
    while waiting:
        for entry in _entries(waiting.pop()):
            rest()
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if status.st_dev != device or status.st_ino in twice:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif status.st_nlink > 1:
                    twice.add(status.st_ino)
                total += status.st_blocks * BLOCK
    return total


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as entries:
        yield from entries


class Folders:
    """Measures one folder after the other in a thread of its own."""

    def __init__(self, wanted: Callable[[], Mapping[int, tuple[Path, bool]]]) -> None:
        """``wanted``: instance → its folder and whether it runs (else it is measured once). Called in the thread."""
        self._wanted = wanted
        self._sizes: dict[int, Folder] = {}
        self._due: dict[int, float] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="folder sizes", daemon=True)
        self._worked_since = 0.0

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Stop measuring; the thread ends by itself."""
        self._ending.set()

    def sizes(self) -> dict[str, Folder]:
        """Return what was measured, by instance."""
        return {str(key): folder for key, folder in list(self._sizes.items())}

    def _run(self) -> None:
        be_gentle()
        pause = FIRST_REST
        while not self._ending.wait(pause):
            try:
                pause = self._next()
            except Exception:
                log.exception("the size of a folder was not measured")
                pause = AGAIN_AFTER
            except _Ended:
                return

    def _next(self) -> float:
        """Measure the folder that waits longest; return the seconds until the next may be."""
        wanted = self._wanted()
        for gone in self._sizes.keys() - wanted.keys():
            self._sizes.pop(gone, None)
            self._due.pop(gone, None)
        now = time.monotonic()
        due = [(self._due.get(key, 0.0), key) for key, (_, runs) in wanted.items() if runs or key not in self._sizes]
        if not due or min(due)[0] > now:
            return 5.0
        key = min(due)[1]
        self._worked_since = now
        size = measure(wanted[key][0], self._rest)
        self._sizes[key] = {"size": size, "measured_at": round(time.time(), 1)}
        ended = time.monotonic()
        self._due[key] = ended + AGAIN_AFTER
        return max(REST, (ended - now) * REST_AFTER)

    def _rest(self) -> None:
        if time.monotonic() - self._worked_since > WORK:
            if self._ending.wait(REST):
                raise _Ended
            self._worked_since = time.monotonic()


class _Ended(BaseException):
    """Nobody needs the size any more."""


def be_gentle() -> None:
    """Let everybody else go first, at the processor and at the disk."""
    thread = threading.get_native_id()
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread, 19)
    if IOPRIO_SET is not None:
        ctypes.CDLL(None).syscall(IOPRIO_SET, 1, thread, IDLE_CLASS)  # which: a thread; where refused, so be it
