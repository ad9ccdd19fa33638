"""The keeper: a small process that holds one running instance and outlives the manager.

It owns the process tree, the log files and ``run.json``. It is started as a script of its own with the standard
library only. Keep imports few: its memory is paid per instance. SIGTERM asks it to stop the tree (stop signal, grace,
SIGKILL); SIGQUIT to kill it now.

Its descriptors are what it is known by: 0 has its orders (one JSON object), 3 the lock, 4 the instance's folder. On 1
it tells, in one line, what it holds or why it cannot. Whatever lies in the folder may be anything, for apps write to it
too: files are opened by :func:`open_plain` alone.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import resource
import select
import signal
import stat
import struct
import sys
import time

if __package__:
    from aikore.launch.redraw import Fold, last_drawn  # noqa: F401 — the keeper's log by its whole interface
else:  # started as a script by its path, isolated from the environment
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    from redraw import Fold  # type: ignore[import-not-found, no-redef]

PROTOCOL = 1
RECORD_SIZE = 4096
LIVE_SIZE = 16384
LIVE_LINE = 1000
CHUNK = 65536
LIVE_INTERVAL = 0.2
LADDER_INTERVAL = 0.05
LOCK_FD = 3
FOLDER_FD = 4
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
HANDLED = (signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD)
"""What the keeper acts on; held back from before the fork until it can."""

ROTATED = re.compile(r"output\.(\d{20})\.log\Z")


def process_start(pid: int) -> int | None:
    """Return the kernel start time of ``pid`` in clock ticks (proc(5), field 22), None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rsplit(b")", 1)[1].split()[19])
    except (OSError, IndexError, ValueError):
        return None


def open_plain(path: str, flags: int, mode: int, dir_fd: int | None = None) -> int:
    """Open a plain file, made when it is missing, without following a link or waiting for a pipe."""
    flags |= os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    fd = os.open(path, flags, mode, dir_fd=dir_fd)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "it is no plain file", path)


def machine_session() -> str:
    """Name this start of the machine or container: the kernel's boot id and the start of PID 1."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as boot:
            boot_id = boot.read().strip()
    except OSError:
        boot_id = "unknown"
    return f"{boot_id}-{process_start(1)}"


def descendants(root: int) -> set[int]:
    """Return the PIDs below ``root`` as /proc shows them now, zombies left out."""
    parents: dict[int, int] = {}
    zombies: set[int] = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rsplit(b")", 1)[1].split()
            except (OSError, IndexError):
                continue
            parents[int(name)] = int(fields[1])
            if fields[0] == b"Z":
                zombies.add(int(name))
    found: set[int] = set()
    fresh = {root}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh and pid not in found}
        found |= fresh
    return found - zombies


class Log:
    """The rotated log of one instance. Bytes come in order; a full disk loses bytes but never blocks."""

    def __init__(self, folder: str, rotate_bytes: int, keep: int) -> None:
        self.folder = folder
        self.rotate_bytes = rotate_bytes
        self.keep = keep
        self.fd = -1
        self.index_fd = -1
        self.lost = 0
        self.words_end = 0
        """The offset behind the last that was said, and not only drawn and redrawn."""
        self.fold = Fold(self)
        self.line_open = False
        self.live_due = 0.0
        self.live_shown = b""
        self.last_index = 0.0
        self.start = self._next_start()
        self._open()
        self.live_fd = open_plain(self._path("output.live"), os.O_WRONLY, 0o644)
        self._show_live(b"")
        if self.size and os.pread(self.fd, 1, self.size - 1) != b"\n":
            self.append(b"\n")

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _rotated(self) -> list[int]:
        return sorted(int(m.group(1)) for m in map(ROTATED.match, os.listdir(self.folder)) if m)

    def _next_start(self) -> int:
        rotated = self._rotated()
        if not rotated:
            return 0
        return rotated[-1] + os.stat(self._path(f"output.{rotated[-1]:020d}.log")).st_size

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_APPEND
        self.fd = open_plain(self._path("output.log"), flags, 0o644)
        self.index_fd = open_plain(self._path("output.idx"), flags, 0o644)
        self.size = os.fstat(self.fd).st_size

    @property
    def offset(self) -> int:
        return self.start + self.size

    @property
    def held(self) -> bytearray | None:
        """A line that is being redrawn, as it came."""
        return self.fold.held

    def write(self, data: bytes) -> None:
        """Take the program's output. What is redrawn is held back and stored once, as last drawn."""
        end = self.offset
        self.fold.feed(data)
        if self.live_shown and (self.offset != end or not self.fold.busy):
            self._show_live(self.fold.picture() if self.fold.busy else b"")

    def redrawn(self, size: int) -> None:
        """Learn that the last bytes stored were no words of the program's either."""
        self.words_end = min(self.words_end, self.offset - size)

    def tail(self, size: int) -> bytes:
        """Return the last whole lines of the current file within ``size`` bytes, and the line that is not ended."""
        at = max(0, self.size - size)
        try:
            data = os.pread(self.fd, size, at)
        except OSError:
            return b""
        return data.partition(b"\n")[2] if at else data

    def tick(self, now: float) -> float | None:
        """Show what is held if it is due; return seconds until the next look, None when nothing waits for it."""
        wait = self.fold.tick(now)
        if not self.fold.busy:
            if self.live_shown:
                self._show_live(b"")
            return wait
        if now < self.live_due:
            live: float | None = self.live_due - now
        elif (drawn := self.fold.picture()) != self.live_shown:
            self._show_live(drawn)
            self.live_due = now + LIVE_INTERVAL
            live = LIVE_INTERVAL
        else:
            live = None
        return min((one for one in (wait, live) if one is not None), default=None)

    def _show_live(self, drawn: bytes) -> None:
        try:
            os.pwrite(self.live_fd, _live_record(self.offset, drawn), 0)
        except OSError:
            pass
        self.live_shown = drawn

    def append(self, data: bytes, drawn: bool = False) -> None:
        """Store bytes that are final; ``drawn`` ones are no words of the program's."""
        self._store(data)
        if data and not drawn and not data.isspace():
            self.words_end = self.offset

    def _store(self, data: bytes) -> None:
        if not data:
            return
        if self.lost:
            gap = f"\n[aikore] {self.lost} bytes of output were lost: the disk was full\n".encode()
            if not self._append(gap, whole=True):
                self.lost += len(data)
                return
            self.lost = 0
        view = memoryview(data)
        while view:
            if self.size >= self.rotate_bytes and not self._rotate():
                room = len(view)
            else:
                room = max(self.rotate_bytes - self.size, 1)
            part = view if len(view) <= room else view[: _cut_at_line(view, room)]
            self._mark_time()
            written = self._append(part)
            if written < len(part):
                self.lost += len(view) - written
                return
            view = view[written:]

    def _append(self, data: bytes | memoryview, whole: bool = False) -> int:
        done = 0
        try:
            while done < len(data):
                done += os.write(self.fd, data[done:])
        except OSError:
            if whole and done:
                try:
                    os.ftruncate(self.fd, self.size)
                except OSError:
                    pass
                done = 0
        self.size += done
        if done:
            self.line_open = data[done - 1] != 0x0A
        return done

    def _mark_time(self) -> None:
        now = time.time()
        if abs(now - self.last_index) >= 1:
            self.last_index = now
            try:
                os.write(self.index_fd, struct.pack("<Qd", self.offset, now))
            except OSError:
                pass

    def _rotate(self) -> bool:
        name = f"output.{self.start:020d}"
        try:
            os.rename(self._path("output.idx"), self._path(f"{name}.idx"))
            os.rename(self._path("output.log"), self._path(f"{name}.log"))
        except OSError:
            return False
        old_fd, old_index, self.start = self.fd, self.index_fd, self.offset
        self.last_index = 0.0
        try:
            self._open()
        except OSError:
            self.fd, self.index_fd, self.size = old_fd, old_index, 0
            return True
        os.close(old_fd)
        os.close(old_index)
        for start in self._rotated()[: -self.keep]:
            for suffix in ("log", "idx"):
                try:
                    os.unlink(self._path(f"output.{start:020d}.{suffix}"))
                except OSError:
                    pass
        return True

    def finish(self) -> None:
        """Store what is held; the last line stays as it was drawn."""
        self.fold.finish()
        self._show_live(b"")


def _live_record(offset: int, drawn: bytes) -> bytes:
    """Return the record of ``output.live``: the lines that are drawn now, the last ones when they are too many."""
    lines = [line[:LIVE_LINE].decode("utf-8", "replace") for line in drawn.split(b"\n")]
    while True:
        record = json.dumps({"offset": offset, "text": "\n".join(lines)}, ensure_ascii=False).encode()
        if len(record) < LIVE_SIZE:
            return record.ljust(LIVE_SIZE - 1) + b"\n"
        del lines[: max(1, len(lines) // 8)]


def _cut_at_line(view: memoryview, room: int) -> int:
    cut = bytes(view[:room]).rfind(b"\n") + 1
    return cut or room


class Record:
    """``run.json``: preallocated and overwritten in place, so that it can be written on a full disk.

    When its name no longer leads to it, a copy is laid there. The file it was opened as is written all the same: who
    holds that one open learns the end in any case.
    """

    def __init__(self, folder: int, name: str, fields: dict[str, object]) -> None:
        self.folder = folder
        self.name = name
        self.fields = fields
        self.fd = open_plain(name, os.O_RDWR, 0o600, dir_fd=folder)
        self._write(self.fd)

    def update(self, **changes: object) -> None:
        """Take down changes. What the disk refuses is left out: the run goes on."""
        self.fields.update(changes)
        try:
            self._write(self.fd)
        except OSError:
            pass
        try:
            if not self._leads_here():
                self._lay_anew()
        except OSError:
            pass

    def _write(self, fd: int) -> None:
        os.pwrite(fd, json.dumps(self.fields).encode().ljust(RECORD_SIZE - 1) + b"\n", 0)
        if os.fstat(fd).st_size > RECORD_SIZE:
            os.ftruncate(fd, RECORD_SIZE)

    def _leads_here(self) -> bool:
        try:
            return os.path.samestat(os.stat(self.name, dir_fd=self.folder, follow_symlinks=False), os.fstat(self.fd))
        except FileNotFoundError:
            return False

    def _lay_anew(self) -> None:
        """Put a copy under the name, in the place of whatever lies there, a folder excepted."""
        temporary = f".{self.name}.new"
        try:
            os.unlink(temporary, dir_fd=self.folder)
        except FileNotFoundError:
            pass
        fd = open_plain(temporary, os.O_WRONLY | os.O_EXCL, 0o600, dir_fd=self.folder)
        try:
            self._write(fd)
            os.rename(temporary, self.name, src_dir_fd=self.folder, dst_dir_fd=self.folder)
        except OSError:
            os.unlink(temporary, dir_fd=self.folder)
        finally:
            os.close(fd)


class Keeper:
    """One run: start the script, copy its output, end it when asked, tell how it ended."""

    def __init__(self, orders: dict[str, object], log: Log, record: Record, pipe: int) -> None:
        self.orders = orders
        self.log = log
        self.record = record
        self.pipe = pipe
        self.pipe_open = True
        self.script_pid = 0
        self.script_status: int | None = None
        self.stopping = False
        self.requested = False
        self.kill_at = 0.0
        self.ladder_at = 0.0
        self.signalled: set[int] = set()

    def run(self) -> None:
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in HANDLED:
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        poll = select.poll()
        poll.register(wake_read, select.POLLIN)
        poll.register(self.pipe, select.POLLIN)
        while True:
            for fd, _ in poll.poll(self._patience()):
                if fd == wake_read:
                    self._signals(os.read(wake_read, 4096))
                elif not self._copy():
                    poll.unregister(self.pipe)
                    self.pipe_open = False
            if self.stopping:
                self._ladder()
            if not self._reap():
                return

    def _patience(self) -> int | None:
        wait = self.log.tick(time.monotonic())
        if self.stopping:
            wait = min(wait or LADDER_INTERVAL, LADDER_INTERVAL)
        return None if wait is None else max(1, int(wait * 1000) + 1)

    def _signals(self, numbers: bytes) -> None:
        if signal.SIGQUIT in numbers:
            self._begin_stop(0.0)
        elif signal.SIGTERM in numbers and not self.stopping:
            self._begin_stop(float(str(self.orders["stop_grace"])))

    def _begin_stop(self, grace: float, requested: bool = True) -> None:
        self.stopping = True
        self.requested = self.requested or requested
        self.kill_at = time.monotonic() + grace
        self.ladder_at = 0.0
        self.record.update(state="stopping", requested=self.requested)

    def _ladder(self) -> None:
        now = time.monotonic()
        if now < self.ladder_at:
            return
        self.ladder_at = now + LADDER_INTERVAL
        tree = descendants(os.getpid())
        if now >= self.kill_at:
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for pid in tree:
                    _send(pid, number)
            return
        number = getattr(signal, str(self.orders["stop_signal"]))
        for pid in tree - self.signalled:
            _send(pid, number)
            _send(pid, signal.SIGCONT)
        self.signalled |= tree

    def _copy(self) -> bool:
        """Move one chunk from the pipe to the log; False at the pipe's end."""
        try:
            data = os.read(self.pipe, CHUNK)
        except BlockingIOError:
            return True
        self.log.write(data)
        return bool(data)

    def _reap(self) -> bool:
        """Collect ended children; False when nothing of the tree is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.script_pid:
                self.script_status = status
                if status != 0 and not self.stopping:
                    self._begin_stop(float(str(self.orders["stop_grace"])), requested=False)

    def finish(self) -> None:
        if self.pipe_open:
            for _ in range(4096):
                try:
                    data = os.read(self.pipe, CHUNK)
                except BlockingIOError:
                    break
                if not data:
                    break
                self.log.write(data)
        self.log.finish()
        for path in self.orders.get("leftovers", ()):  # type: ignore[attr-defined]
            try:
                os.unlink(path)
            except OSError:
                pass
        status = self.script_status or 0
        self.record.update(
            state="exited",
            requested=self.requested,
            words_end=self.log.words_end,
            exit_code=None if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status),
            exit_signal=_signal_name(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else None,
            ended_at=time.time(),
        )


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most of the real-time signals have no name
        return f"SIG{number}"


def _spawn(orders: dict[str, object], pipe: int, libc: ctypes.CDLL) -> int:
    """Start the script in a session of its own; return its PID. It ends with the keeper, however that one ends."""
    command = [str(part) for part in orders["command"]]  # type: ignore[attr-defined]
    environment: dict[str, str] = orders["environment"]  # type: ignore[assignment]
    keeper = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != keeper:  # it died before it could be asked for
            os._exit(127)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)  # before the session: a leader of one with orders is a keeper
        os.dup2(pipe, 1)
        os.dup2(pipe, 2)
        os.fchdir(FOLDER_FD)
        os.closerange(3, 256)
        os.setsid()
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        os.execvpe(command[0], command, environment)
    except OSError as error:
        os.write(2, f"[aikore] cannot start {command[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def _hold_folder(orders: dict[str, object]) -> os.stat_result:
    """Have the instance's folder on its descriptor, also where the manager did not pass it on; return its status."""
    os.set_inheritable(LOCK_FD, False)
    try:
        given = os.fstat(FOLDER_FD)
    except OSError:
        given = None
    if given is None or not stat.S_ISDIR(given.st_mode):
        fd = os.open(str(orders["folder"]), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if fd != FOLDER_FD:
            os.dup2(fd, FOLDER_FD, inheritable=False)
            os.close(fd)
    os.set_inheritable(FOLDER_FD, False)
    return os.fstat(FOLDER_FD)


def _fresh_record(orders: dict[str, object], folder: os.stat_result, pipe: int, log_offset: int) -> dict[str, object]:
    environment: dict[str, str] = orders["environment"]  # type: ignore[assignment]
    port = environment.get("WEBUI_PORT", "")
    return {
        "protocol": PROTOCOL,
        "run": orders["run"],
        "uuid": orders["uuid"],
        "folder": [folder.st_dev, folder.st_ino],
        "session": machine_session(),
        "keeper_pid": os.getpid(),
        "keeper_start": process_start(os.getpid()),
        "pid": None,
        "script_start": None,
        "pipe": os.fstat(pipe).st_ino,
        "port": int(port) if port.isascii() and port.isdigit() else None,
        "state": "running",
        "started_at": time.time(),
        "log_offset": log_offset,
        "requested": False,
        "exit_code": None,
        "exit_signal": None,
        "ended_at": None,
    }


def _tell(line: dict[str, object]) -> None:
    """Say the one line on descriptor 1, then let go of it."""
    try:
        os.write(1, json.dumps(line).encode() + b"\n")
    except OSError:
        pass
    os.dup2(2, 1)


def _limit_open_files(soft: object) -> None:
    """Give the program the limit that AiKore was started with: AiKore's own is raised beyond what select(2) bears."""
    if soft is None:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(str(soft)), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    except (OSError, ValueError):
        pass


def main() -> int:
    """Hold one run from its start to its end."""
    with open(0, "rb", closefd=False) as stdin:
        orders: dict[str, object] = json.loads(stdin.read())
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    libc.prctl(PR_SET_NAME, b"aikore-keeper", 0, 0, 0)
    _limit_open_files(orders.get("open_files"))
    try:
        folder = _hold_folder(orders)
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read_end, False)
        log = Log(str(orders["logs"]), int(str(orders["rotate_bytes"])), int(str(orders["keep"])))
        fields = _fresh_record(orders, folder, write_end, log.offset)
        record = Record(FOLDER_FD, os.path.basename(str(orders["record"])), fields)
    except OSError as error:
        _tell({"error": error.strerror or str(error), "path": error.filename or orders["folder"]})
        return 74  # EX_IOERR, sysexits.h
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    try:
        script_pid = _spawn(orders, write_end, libc)
    except OSError as error:
        record.update(state="exited", exit_code=71, ended_at=time.time())
        _tell({"error": error.strerror or str(error), "path": None})
        return 71  # EX_OSERR
    keeper = Keeper(orders, log, record, read_end)
    keeper.script_pid = script_pid
    os.close(write_end)
    record.update(pid=script_pid, script_start=process_start(script_pid))
    _tell(record.fields)
    keeper.run()
    keeper.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
