"""The process: start, signals, the socket of the manager, the end. A wished restart replaces it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

import uvicorn

from aikore import __version__
from aikore.auth.weblinks import LOGIN_PAGE
from aikore.base import limits, privileges
from aikore.base.errors import AiKoreError
from aikore.base.home_identity import recognise
from aikore.base.websocket_server import TextsWebSocket
from aikore.config import Settings
from aikore.config.proxy import NginxMode
from aikore.database import former
from aikore.database.wings import AIKORE
from aikore.instances import copied
from aikore.main.app import create_app
from aikore.main.home import hold_home
from aikore.main.house import House

log = logging.getLogger(__name__)

GRACEFUL_SOCKETS = 2
"""Seconds open requests get when the manager ends."""
ACCEPTED_AT_ONCE, WAITING_CONNECTIONS = 16, 1024
"""Connections taken before other tasks have their turn, and those that may wait for it. asyncio takes the first number
for both, and where no descriptor is left it fails, and tries again a second later, once for each of them."""
PING_EVERY, PONG_WITHIN = 4.0, 9.0
"""Seconds; so a socket whose other side is gone without a word is closed after 13. Browsers answer by themselves."""


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
    with hold_home(settings):
        taken_over = former.take_over(named, settings.home, AIKORE)
        original = recognise(settings.home, copied.OWN)
        if original is not None:
            copied.forget_runs(settings)
        house = House(settings, original)
        await house.start()
        if taken_over:
            house.warn(taken_over)
        listener = _bind_socket(settings)
        config = uvicorn.Config(
            create_app(settings, house),
            log_config=None,
            access_log=False,
            forwarded_allow_ips="*",  # nothing but NGINX reaches the socket
            ws=TextsWebSocket,
            ws_per_message_deflate=False,
            ws_ping_interval=PING_EVERY,
            ws_ping_timeout=PONG_WITHIN,
            timeout_graceful_shutdown=GRACEFUL_SOCKETS,
            lifespan="off",
            backlog=ACCEPTED_AT_ONCE,
        )
        server = _Server(config)
        restart = await _until_told(house, server, listener)
        await house.stop(handing_over=restart)
        if not restart:
            _clear_run_dir(settings)
        return restart


def _clear_run_dir(settings: Settings) -> None:
    """Remove the socket of a house that is closed, and the whole folder where that lies apart from the data."""
    settings.manager_socket.unlink(missing_ok=True)
    if settings.run_dir_is_apart:
        shutil.rmtree(settings.run_dir, ignore_errors=True)


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


def _bind_socket(settings: Settings) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    settings.manager_socket.unlink(missing_ok=True)
    listener.bind(str(settings.manager_socket))
    settings.manager_socket.chmod(0o600)
    listener.listen(WAITING_CONNECTIONS)
    return listener
