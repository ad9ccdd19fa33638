"""Keeps NGINX serving the routes: check, swap, reload, confirm, roll back; and start, adopt, revive it.

``NginxProxy`` is the only one that touches ``<home>/nginx``. All of its steps run under one lock; what blocks runs
in threads. Rules that bugs taught:

- never HUP without ``nginx -t``: NGINX then serves the old routes for ever and says so only in its log;
- a reload is done when the new generation answers *and* no older worker accepts any more;
- a master that was killed leaves workers that hold the port: its process group is ended before a new one starts.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import shutil
import signal
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from aikore.base import procfs, sockets
from aikore.base.disk import private_folder, write_whole
from aikore.base.errors import ProxyError
from aikore.base.shipped import static_dir
from aikore.config.proxy import NginxMode, ProxySettings
from aikore.proxy import assets, processes, program
from aikore.proxy.generations import CURRENT, Generations
from aikore.proxy.master import Master
from aikore.proxy.render import Options, render
from aikore.proxy.routes import Login, ProxyInfo, Route

log = logging.getLogger(__name__)

CONFIRM_SECONDS = 10.0
GATHER_SECONDS = 0.015
"""How long a change waits for others that come together with it."""
POLL_SECONDS = 0.005
REVIVE_PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)


def _unverified() -> ssl.SSLContext:
    """Return a context for asking our own NGINX on this machine, whose certificate names other hosts."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class NoProxy:
    """No door at all (``AIKORE_NGINX=off``): only the manager's socket answers."""

    async def start(self, routes: Sequence[Route]) -> None:
        """Do nothing."""

    async def apply(self, routes: Sequence[Route]) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""

    def detach(self) -> None:
        """Do nothing."""

    def info(self) -> ProxyInfo:
        """Say that it is off."""
        return ProxyInfo("off", "", 0, None, 0)


class NginxProxy:
    """Serves the routes by NGINX, which it supervises itself or which a supervisor runs (``AIKORE_NGINX``)."""

    def __init__(self, settings: ProxySettings, login: Callable[[], Login] | None = None) -> None:
        """``login`` tells, once it is needed, how the door asks for a login; None: it asks nobody."""
        self._settings = settings
        self._login = login
        self._folder = settings.nginx_dir
        self._generations = Generations(self._folder)
        self._master = Master(self._folder, own=settings.nginx is NginxMode.OWN)
        self._lock = asyncio.Lock()
        self._wanted: tuple[Route, ...] = ()
        self._pending: asyncio.Task[None] | None = None
        self._reviving: asyncio.Task[None] | None = None
        self._program = ""
        self._options = Options(settings, static_dir(), (0,), 1, 1024)
        self._tls = _unverified() if settings.tls_cert else None
        self._reloads = 0

    async def start(self, routes: Sequence[Route]) -> None:
        """Serve ``routes``: start NGINX or adopt the running one. Raises ProxyError."""
        self._wanted = tuple(routes)
        async with self._lock:
            await asyncio.to_thread(self._prepare)
            await self._serve(self._wanted)

    async def apply(self, routes: Sequence[Route]) -> None:
        """Return when ``routes`` are served; calls that come together share one reload. Raises ProxyError."""
        self._wanted = tuple(routes)
        if self._pending is None:
            self._pending = asyncio.create_task(self._apply_wanted())
            self._pending.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._pending)

    async def stop(self) -> None:
        """End NGINX with its connections; a supervised one goes on."""
        self.detach()
        async with self._lock:
            await asyncio.to_thread(self._master.end)
            if self._settings.nginx is NginxMode.OWN:  # kept answers of the login check are nobody's any more
                await asyncio.to_thread(shutil.rmtree, self._settings.door_cache_dir, ignore_errors=True)

    def detach(self) -> None:
        """Let go of NGINX, which goes on."""
        self._master.unwatch()
        for task in (self._reviving, self._pending):
            if task is not None:
                task.cancel()
        self._reviving = self._pending = None

    def info(self) -> ProxyInfo:
        """Tell what is served, by which process, and how many workers of earlier generations linger."""
        pid = self._master.find()
        old = sum(processes.workers(pid).values()) if pid else 0
        return ProxyInfo(str(self._settings.nginx), self._generations.current(), self._reloads, pid, old)

    # One change -----------------------------------------------------------------------------------------------

    async def _apply_wanted(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        async with self._lock:
            self._pending = None
            await self._serve(self._wanted)

    def _prepare(self) -> None:
        settings = self._settings
        self._program = program.find(settings.nginx_path)
        self._generations.prepare()
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self._options = replace(
            self._options,
            version=program.version(self._program),
            workers=settings.nginx_workers or min(4, os.cpu_count() or 1),
            open_files=16384 if hard == resource.RLIM_INFINITY else min(16384, hard),
            user="root root" if os.geteuid() == 0 else "",
            cache_dir=str(self._settings.door_cache_dir),
            page_dir=str(self._folder / "page"),
            assets=assets.digest(self._options.static_dir),
        )
        self._write_pages()
        if self._login is not None:
            login = self._login()
            self._options = replace(self._options, cookie=login.cookie, probe=login.probe)
            private_folder(self._settings.door_cache_dir)

    def _write_pages(self) -> None:
        for name in assets.PAGES:
            path = Path(self._options.page_dir) / name
            text = assets.page(self._options.static_dir, name, self._options.assets).encode()
            if not path.is_file() or path.read_bytes() != text:  # a full disk keeps no manager from starting again
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, text)

    async def _serve(self, routes: Sequence[Route]) -> None:
        """Make NGINX serve ``routes``; on failure the earlier ones are served and ProxyError is raised."""
        before = self._generations.current()
        plain = render(routes, self._options)
        generation = self._generations.next_id(plain)
        if self._generations.same(before, generation):
            await self._ensure_served(before)
            return
        text = render(routes, replace(self._options, generation=generation))
        await asyncio.to_thread(self._switch, generation, text)
        try:
            await self._ensure_served(generation)
        except ProxyError:
            await self._roll_back(before, generation)
            raise
        await asyncio.to_thread(self._generations.prune)

    def _switch(self, generation: str, text: str) -> None:
        """Make a text the current generation if NGINX likes it; else nothing is changed and ProxyError is raised."""
        try:
            program.check(self._program, self._folder, self._generations.write(generation, text))
            self._generations.switch(generation)
        except OSError as error:
            self._generations.remove(generation)
            raise ProxyError(f"NGINX's configuration cannot be written: {error.strerror}.") from error
        except ProxyError:
            self._generations.remove(generation)
            raise

    async def _roll_back(self, before: str, refused: str) -> None:
        if before:
            try:
                await asyncio.to_thread(self._generations.switch, before)
            except OSError as error:
                log.error("NGINX's earlier configuration cannot be brought back: %s", error)
            if pid := self._master.find():
                self._hup(pid)
                with suppress(ProxyError):
                    await self._confirm(pid, before, set(), self._log_size())
        else:
            self._generations.forget_current()
        self._generations.remove(refused)

    async def _ensure_served(self, generation: str) -> None:
        """Bring the running NGINX to the current generation, or start one."""
        pid = await asyncio.to_thread(self._master.find)
        if pid is None:
            await self._launch(generation)
            return
        self._watch(pid)
        if await self._answered() == generation:
            return
        older = set(processes.workers(pid))
        size = self._log_size()
        self._hup(pid)
        self._reloads += 1
        await self._confirm(pid, generation, older, size)

    async def _launch(self, generation: str) -> None:
        if self._settings.nginx is NginxMode.EXTERNAL:
            log.info("NGINX is not running yet; its supervisor will start it on %s", self._folder / CURRENT)
            return
        await asyncio.to_thread(self._master.end_leftovers)
        await asyncio.to_thread(self._refuse_taken_port)
        size = self._log_size()
        command = program.command(self._program, self._folder, CURRENT)
        pid = await asyncio.to_thread(self._master.launch, command)
        try:
            await self._confirm(pid, generation, set(), size)
        except ProxyError:
            await asyncio.to_thread(self._master.end)
            raise
        self._watch(pid)

    def _refuse_taken_port(self) -> None:
        port = self._settings.port
        if inodes := sockets.blocking(port, self._settings.host):
            holder = procfs.holder(inodes)
            house = processes.house_of(holder.pid) if holder.pid else None
            user = f"the AiKore in {house.parent} ({holder.program}, process {holder.pid})" if house else str(holder)
            raise ProxyError(
                f"Port {port} is used by {user}. End that program, or choose another port with AIKORE_PORT."
            )

    @staticmethod
    def _hup(pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGHUP)

    # Confirmation ---------------------------------------------------------------------------------------------

    async def _confirm(self, pid: int, generation: str, older: set[int], log_size: int) -> None:
        """Return when the generation answers and no older worker accepts; raise ProxyError with NGINX's reason."""
        deadline = time.monotonic() + CONFIRM_SECONDS
        while time.monotonic() < deadline:
            if await self._answered() == generation and not self._still_accepting(pid, older):
                return
            if procfs.start_time(pid) is None:
                raise ProxyError(f"NGINX ended: {program.first_line(self._log_since(log_size))}")
            if "still could not bind" in (complaints := self._log_since(log_size)):
                raise ProxyError(f"NGINX could not take the change: {program.first_line(complaints)}")
            await asyncio.sleep(POLL_SECONDS)
        raise ProxyError(f"NGINX did not take the change: {program.first_line(self._log_since(log_size))}")

    @staticmethod
    def _still_accepting(pid: int, older: set[int]) -> bool:
        return any(worker in older and not ending for worker, ending in processes.workers(pid).items())

    async def _answered(self) -> str:
        """Return the generation that answers on the public port, "" when none does."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._settings.host, self._settings.host)  # noqa: S104
        try:
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_connection(host, self._settings.port, ssl=self._tls)
                try:
                    writer.write(
                        f"GET {self._settings.root_path}/.aikore/generation HTTP/1.0\r\nHost: localhost\r\n"
                        f"X-AiKore-Probe: {self._options.probe}\r\n\r\n".encode()
                    )
                    answer = await reader.read(4096)
                    while more := await reader.read(4096):
                        answer += more
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return ""
        head, _, body = answer.partition(b"\r\n\r\n")
        return body.decode("latin-1") if b" 200 " in head[:15] else ""

    def _log_size(self) -> int:
        with suppress(OSError):
            return (self._folder / "error.log").stat().st_size
        return 0

    def _log_since(self, size: int) -> str:
        with suppress(OSError), open(self._folder / "error.log", "rb") as file:
            file.seek(size)
            return file.read(65536).decode("utf-8", "replace")
        return ""

    # Watching -------------------------------------------------------------------------------------------------

    def _watch(self, pid: int) -> None:
        self._master.watch(pid, self._master_died)

    def _master_died(self) -> None:
        log.warning("NGINX ended unexpectedly; starting it again")
        self._reviving = asyncio.create_task(self._revive())

    async def _revive(self) -> None:
        attempt = 0
        while True:
            await asyncio.sleep(REVIVE_PAUSES[min(attempt, len(REVIVE_PAUSES) - 1)])
            try:
                async with self._lock:
                    await self._ensure_served(self._generations.current())
            except ProxyError as error:
                log.error("NGINX does not start: %s", error.message)
                attempt += 1
            else:
                return
