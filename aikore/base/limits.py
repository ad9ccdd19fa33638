"""How many files this process may open at once: raised at the start, and told once a minute when they run out."""

from __future__ import annotations

import logging
import resource
import time

from aikore.base.procfs import EXHAUSTED

MOST = 2**20
"""More is never asked for: some programs go through all numbers that may be open."""
ENOUGH = 4096
TOLD_EVERY = 60.0

_before: int | None = None


def raise_open_files() -> int:
    """Let this process open as many files as it may; return how many that is."""
    global _before
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    _before = soft if _before is None else _before
    most = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return open_files()


def open_files() -> int:
    """Return how many files this process may open now."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST if soft == resource.RLIM_INFINITY else soft


def own_of_others() -> int:
    """Return the soft limit that programs get which AiKore starts: the one AiKore itself was started with.

    Programs that use select(2) break with descriptors above 1023, so theirs is not raised.
    """
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] if _before is None else _before


def lower_again() -> None:
    """Take the limit back before this process becomes another program."""
    if _before is not None:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (_before, hard))


def too_few(count: int) -> str:
    """Return what to tell people when so many files are too few, "" when they are enough."""
    if count >= ENOUGH:
        return ""
    return (
        f"AiKore may open only {count} files and connections at a time, too few for many viewers. Allow it 65536: "
        "`ulimit -Hn 65536` before it starts, LimitNOFILE=65536 in its systemd unit, "
        "or --ulimit nofile=65536:65536 for its container."
    )


class ExhaustionFilter(logging.Filter):
    """Lets one line a minute through of all the tracebacks that say that no more files can be opened.

    asyncio tells each connection it could not accept, and uvicorn each request that failed by it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._due = float("-inf")
        self._held = 0

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not _is_exhaustion(error):
            return True
        now = time.monotonic()
        if now < self._due:
            self._held += 1
            return False
        record.msg, record.args = self._text(error), ()
        record.exc_info = record.exc_text = None
        self._due, self._held = now + TOLD_EVERY, 0
        return True

    def _text(self, error: BaseException | None) -> str:
        more = f"; {self._held} such errors since the last line" if self._held else ""
        limit = f"of {open_files()} files that may be open at a time"
        return f"AiKore can open nothing more {limit} ({error}); it goes on when some are closed{more}"


def _is_exhaustion(error: BaseException | None) -> bool:
    """Say whether an error, or one that led to it, says that there are no more descriptors or memory for them."""
    for _ in range(10):
        if error is None:
            return False
        if isinstance(error, OSError) and error.errno in EXHAUSTED:
            return True
        error = error.__cause__ or error.__context__
    return False
