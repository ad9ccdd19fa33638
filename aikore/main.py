"""Where the parts meet. Importing this module does no work; :func:`serve` opens the house and closes it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from aikore import __version__, apidocs, live, system
from aikore.auth import api as auth_api
from aikore.auth import door
from aikore.auth.gate import Gate
from aikore.auth.guard import Guard
from aikore.auth.weblinks import LOGIN_PAGE, Weblinks
from aikore.base import limits, privileges, problems
from aikore.base.abilities import on_network, require_abilities
from aikore.base.disk import Reserve, private_folder
from aikore.base.errors import AiKoreError, StartupError
from aikore.base.events import Bus, Part
from aikore.base.home_identity import Original, recognise
from aikore.base.shipped import shipped_dir
from aikore.blueprints import api as blueprints_api
from aikore.blueprints import topics as blueprint_topics
from aikore.blueprints.library import Library
from aikore.config import Settings
from aikore.config.mistakes import unknown
from aikore.config.proxy import NginxMode
from aikore.database import former
from aikore.database.engine import Database
from aikore.database.migrate import migrate
from aikore.database.wings import AIKORE, STUDIO
from aikore.desktop import api as desktop_api
from aikore.files import api as files_api
from aikore.instances import api as instances_api
from aikore.instances import copied
from aikore.instances import topics as instance_topics
from aikore.instances.manager import Manager
from aikore.launch.local import LocalLauncher
from aikore.logs import api as logs_api
from aikore.monitor.gpus import Inventory
from aikore.monitor.notices import Notices
from aikore.monitor.sampler import Sampler
from aikore.notices import Noticeboard
from aikore.proxy.nginx import NginxProxy, NoProxy
from aikore.proxy.routes import Login, Proxy
from aikore.stats import api as stats_api
from aikore.stats import metrics
from aikore.stats.watch import Watch
from aikore.terminal import api as terminal_api
from aikore.terminal.shell import Shell
from aikore.terminal.terminals import Terminals

log = logging.getLogger(__name__)

ROOT_WARNING = "AiKore runs as root, and so does every app. Start it as an ordinary user, or name one by AIKORE_USER."

GRACEFUL_SOCKETS = 2
"""Seconds open requests get when the manager ends."""
ACCEPTED_AT_ONCE, WAITING_CONNECTIONS = 16, 1024
"""Connections taken before other tasks have their turn, and those that may wait for it. asyncio takes the first number
for both, and where no descriptor is left it fails, and tries again a second later, once for each of them."""
PING_EVERY, PONG_WITHIN = 4.0, 9.0
"""Seconds; so a socket whose other side is gone without a word is closed after 13. Browsers answer by themselves."""


def _warnings() -> Iterator[str]:
    """Yield what whoever starts AiKore should mend, although it works as it is."""
    if privileges.is_root():
        yield ROOT_WARNING
    if few := limits.too_few(limits.open_files()):
        yield few
    yield from unknown(os.environ)


class House:
    """All parts of one AiKore, wired. :meth:`start` opens it; one of :meth:`close` and :meth:`detach` ends it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.bus = Bus()
        self.notices = Noticeboard(self.bus)
        self.database = Database(settings.home, AIKORE)
        self.studio_database = Database(settings.home, STUDIO)
        self.library = Library(shipped_dir() / "blueprints", settings.custom_blueprints_dir)
        self.gate = Gate(settings, self.database)
        self.proxy: Proxy = NoProxy() if settings.nginx is NginxMode.OFF else NginxProxy(settings, self._login())
        self.sampler = Sampler(settings, lambda: self.manager.registry.subjects())
        self.manager = Manager(
            settings,
            self.database,
            self.library,
            LocalLauncher(),
            self.proxy,
            self.bus,
            self.notices,
            self.sampler.look_at_gpus,
        )
        self.watch = Watch(self.bus, self.notices, self.sampler, Notices(settings), self.manager.publisher.list_views)
        self.terminals = Terminals(settings)
        self.restart_wish = asyncio.Event()
        self.removals = live.Removals()
        self.manager.directory.on_removed += [self.terminals.end_of, self._revoke_tokens, self.removals.tell]

    def _login(self) -> Callable[[], Login] | None:
        if not self.gate.on:
            return None
        return lambda: Login(self.gate.cookie_name, self.gate.secrets.get("probe"))

    async def start(self, original: Original | None = None) -> None:
        """Migrate, learn how every instance is, open the door.

        ``original``: what the data folder was copied from, where it is a copy that was never opened before.
        """
        self.sampler.begin()
        await asyncio.to_thread(migrate, self.database, self.studio_database)
        self.gate.prepare()
        await self.gate.load()
        await self.manager.load(original)
        await self.gate.tokens.keep_of_instances(self.manager.known_ids())
        await self.proxy.start(self.manager.routes.wanted())
        await blueprints_api.tell(self.library, self.bus)
        await self.sampler.gpus()
        self.sampler.on_gpus = self._gpus_changed
        self._gpus_changed(self.sampler.inventory)
        self.watch.begin()
        for warning in _warnings():
            self.warn(warning)
        if shared := await asyncio.to_thread(on_network, self.database.path, self.studio_database.path):
            self.warn(shared)
        await asyncio.to_thread(Reserve(self.settings.reserve_file).refill)

    def warn(self, message: str) -> None:
        """Tell people, and the log."""
        log.warning("%s", message)
        self.notices.tell("warning", message)

    def _gpus_changed(self, inventory: Inventory) -> None:
        self.manager.pinned.gpus_changed(inventory)
        self.bus.publish(system.SYSTEM, system.system_info(self.settings, self.proxy, inventory.present))

    async def _revoke_tokens(self, instance: int) -> None:
        """End the tokens that open a removed instance alone."""
        await self.gate.tokens.revoke_of(instance_id=instance)

    async def removed(self, key: str) -> None:
        """Return when an instance is removed. Raises NotFoundError."""
        await self.removals.of(self.manager.registry.instance_id(key))

    def prometheus(self) -> tuple[bytes, str]:
        """Return the figures in Prometheus' text format and their media type."""
        return metrics.exposition(
            metrics.Source(
                lambda: self.sampler.latest.stats if self.sampler.latest else None,
                self.manager.registry.subjects,
                self.watch.restarts,
                self.proxy.info,
            )
        )

    def shell_of(self, key: str) -> Shell:
        """Return the shell of an instance. Raises NotFoundError."""
        self.manager.registry.usable(key)
        row = self.manager.registry.get(key).row
        return Shell(self.manager.files.folder(row.slug), row.id, self.manager.orders.environment(row))

    def parts(self) -> tuple[Part[Any], ...]:
        """Return what a page begins with: what each room contributes."""
        return (
            *instance_topics.parts(self.manager.publisher.list_views, self.manager.trashcan.entries),
            blueprint_topics.part(self.bus),
            self.notices.part(),
            system.part(self.bus),
        )

    async def _end_own(self) -> None:
        self.watch.end()
        await self.terminals.close()
        await self.sampler.end()

    def _close_databases(self) -> None:
        self.database.close()
        self.studio_database.close()

    async def detach(self) -> None:
        """Let go of instances and NGINX; the next manager adopts them. Terminals end."""
        await self._end_own()
        await self.manager.detach()
        self.proxy.detach()
        await self.gate.close()
        self._close_databases()

    async def close(self) -> None:
        """End what is left when all instances have ended."""
        await self._end_own()
        await self.manager.detach()
        await self.proxy.stop()
        await self.gate.close()
        self._close_databases()


def create_app(settings: Settings, house: House | None = None) -> FastAPI:
    """Build the web application. Does no work besides; the house must be started for it to answer truly."""
    house = house or House(settings)
    manager = house.manager
    routers = (
        instances_api.router(manager),
        blueprints_api.router(house.library, house.bus),
        blueprints_api.scripts_router(),
        logs_api.router(manager.logs_folder, house.removed),
        files_api.router(settings, manager.registry.usable),
        terminal_api.router(house.terminals, house.shell_of, Shell(settings.home)),
        desktop_api.router(manager.displays.vnc_socket, house.removed),
        system.router(settings, house.proxy, house.sampler.gpus, house.restart_wish.set),
        stats_api.router(house.sampler, house.prometheus),
        live.router(house.bus, house.parts(), manager.registry.instance_id),
        auth_api.router(house.gate, Weblinks(settings), manager.registry.instance_id),
        door.router(house.gate, settings, manager.registry.access_of, manager.registry.is_routed_host),
        apidocs.router(),
    )
    app = FastAPI(
        title="AiKore",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        root_path=settings.root_path,
        # Not by `include_router`, which builds every route a second time and looks for it twice at each request.
        routes=[route for router in routers for route in router.routes],
    )
    app.state.house = house
    problems.install(app)
    app.add_middleware(Guard, settings=settings, gate=house.gate, identify=manager.registry.identify)
    return app


class _Server(uvicorn.Server):
    """uvicorn, but signals are ours: the instances end before the server does."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(settings: Settings) -> int:
    """Run AiKore until it is told to end; return the exit code. A wished restart does not return."""
    _set_up_logging(settings.log_level)
    limits.raise_open_files()
    try:
        privileges.become(settings.user, settings.home)
        restart = asyncio.run(_serve(settings))
    except AiKoreError as error:
        print(f"aikore: {error.message}", file=sys.stderr)  # noqa: T201 — the person who started it reads this
        return 1
    if restart:
        log.info("the manager is being replaced")
        limits.lower_again()
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 — the same command once more
    return 0


async def _serve(settings: Settings) -> bool:
    """Run the house; True when it is to be started anew."""
    named = former.named_file(os.environ)
    with _home_lock(settings):
        taken_over = former.take_over(named, settings.home, AIKORE)
        original = recognise(settings.home, copied.OWN)
        if original is not None:
            copied.forget_runs(settings)
        house = House(settings)
        await house.start(original)
        if taken_over:
            house.warn(taken_over)
        listener = _bind_socket(settings)
        config = uvicorn.Config(
            create_app(settings, house),
            log_config=None,
            access_log=False,
            forwarded_allow_ips="*",  # nothing but NGINX reaches the socket
            ws_per_message_deflate=False,
            ws_ping_interval=PING_EVERY,
            ws_ping_timeout=PONG_WITHIN,
            timeout_graceful_shutdown=GRACEFUL_SOCKETS,
            lifespan="off",
            backlog=ACCEPTED_AT_ONCE,
        )
        server = _Server(config)
        restart = await _until_told(house, server, listener)
        if restart:
            await house.detach()
        else:
            await house.close()
            settings.manager_socket.unlink(missing_ok=True)
        return restart


async def _until_told(house: House, server: _Server, listener: socket.socket) -> bool:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_on_loop_error)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    serving = asyncio.create_task(server.serve([listener]))
    end = asyncio.create_task(told.wait())
    restart = asyncio.create_task(house.restart_wish.wait())
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    listener.listen(WAITING_CONNECTIONS)  # uvicorn lowered it
    gc.freeze()  # the modules and models: never garbage, so never looked through again
    gc.enable()
    await house.manager.autostart()
    _greet(house)
    await asyncio.wait((serving, end, restart), return_when=asyncio.FIRST_COMPLETED)
    restarting = restart.done() and not end.done()
    if not restarting:
        log.info("ending: all instances are being stopped")
        await house.manager.close_house()
    server.should_exit = True
    await serving
    for task in (end, restart):
        task.cancel()
    return restarting


def _on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Tell what failed in the loop, but not that asyncio wants to accept again what was closed meanwhile."""
    again = "_start_serving" in repr(context.get("handle"))
    if not (again and isinstance(context.get("exception"), ValueError)):
        loop.default_exception_handler(context)


def _greet(house: House) -> None:
    """Say where AiKore is; before there is an owner, with the link by which somebody becomes it."""
    settings, gate = house.settings, house.gate
    where = f"{settings.local_url}/" if settings.nginx is not NginxMode.OFF else str(settings.manager_socket)
    lines = [f"AiKore {__version__} is ready: {where}"]
    if gate.needs_setup:
        lines.append(f"Choose a password here: {settings.local_url}{LOGIN_PAGE}#setup={gate.setup_token()}")
    if not gate.on:
        log.warning("AIKORE_AUTH=off: whoever reaches %s:%d may do everything", settings.host, settings.port)
    print("\n".join(lines), flush=True)  # noqa: T201 — the promised address


def _set_up_logging(level: str) -> None:
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(limits.ExhaustionFilter())
    for noisy in ("alembic", "httpx", "httpcore", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


@contextlib.contextmanager
def _home_lock(settings: Settings) -> Iterator[None]:
    """Make the data folder and hold it for this manager alone. Raises StartupError."""
    home = settings.home
    require_abilities(home, settings.run_dir, None if settings.nginx is NginxMode.OFF else settings.nginx_dir)
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = os.open(home / "manager.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartupError(
            f"The data folder {home} cannot be written: {error.strerror}. "
            "Make it writable for this user or choose another one with AIKORE_HOME."
        ) from error
    try:
        _take_home(home, lock)
        Reserve(settings.reserve_file).lend()
        _make_folders(settings)
        with _runtime_locks(settings):
            yield
    finally:
        os.close(lock)


def _take_home(home: Path, lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
        raise StartupError(
            f"Another AiKore (process {holder or 'unknown'}) already runs on {home}. "
            "Use that one, end it, or choose another data folder with AIKORE_HOME."
        ) from error
    with contextlib.suppress(OSError):  # a full disk; only people read it
        os.pwrite(lock, f"{os.getpid():<19}\n".encode(), 0)


@contextlib.contextmanager
def _runtime_locks(settings: Settings) -> Iterator[None]:
    """Hold the folders of sockets and of NGINX: two data folders may be set to the same. Raises StartupError."""
    with contextlib.ExitStack() as held:
        for folder in {settings.run_dir, settings.runtime_dir or settings.run_dir}:
            held.callback(os.close, _lock_runtime(folder, settings.home))
        yield


def _lock_runtime(folder: Path, home: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "house.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartupError(f"{folder} cannot be written: {error.strerror}. Make it writable for this user.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder, _, other = os.pread(lock, 4096, 0).decode("utf-8", "replace").strip().partition(" ")
        os.close(lock)
        raise StartupError(
            f"Another AiKore (process {holder or 'unknown'}, data folder {other or 'unknown'}) has its sockets in "
            f"{folder}. Give this one a folder of its own with AIKORE_RUNTIME_DIR."
        ) from error
    with contextlib.suppress(OSError):  # on a full disk the lock holds all the same; only its message knows less
        text = f"{os.getpid()} {home}\n".encode(errors="surrogateescape")
        os.pwrite(lock, text, 0)
        os.ftruncate(lock, len(text))
    return lock


def _make_folders(settings: Settings) -> None:
    folders = (
        settings.instances_dir,
        settings.outputs_dir,
        settings.models_dir,
        settings.custom_blueprints_dir,
        settings.cache_dir,
        settings.trash_dir,
    )
    try:
        for folder in folders:
            folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StartupError(
            f"{error.filename} cannot be made: {error.strerror}. Make {settings.home} writable for this user."
        ) from error
    private_folder(settings.run_dir)


def _bind_socket(settings: Settings) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    settings.manager_socket.unlink(missing_ok=True)
    listener.bind(str(settings.manager_socket))
    settings.manager_socket.chmod(0o600)
    listener.listen(WAITING_CONNECTIONS)
    return listener
