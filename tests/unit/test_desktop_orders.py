"""A desktop's orders arrive as they were given, and its program stands on the standard library alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aikore.launch import desktop, desktop_run
from aikore.launch.desktop_run.orders import DesktopOrders

ORDERS = DesktopOrders(
    display=107,
    folder="/home/x/desktop",
    command=("bash", "launch.sh"),
    server=("Xvnc", ":107"),
    keymap="/home/x/desktop/keymap.xkb",
    browser=(),
    port=0,
    path="/",
    window=True,
    leftovers=("/tmp/.X11-unix/X107",),
)


def test_orders_arrive_as_they_were_given() -> None:
    assert DesktopOrders.decode(ORDERS.encode()) == ORDERS


def test_a_desktop_is_started_with_its_orders_as_its_only_argument(tmp_path: Path) -> None:
    place = desktop.DesktopAddress(107, tmp_path / "vnc.sock", tmp_path)
    page = desktop.DesktopPage(8000, "/app/x/", "none")
    *program, argument = desktop.command(("bash", "launch.sh"), place, page, False)
    assert program == [sys.executable, "-I", "-S", "-E", desktop_run.__path__[0]]
    orders = DesktopOrders.decode(argument)
    assert (orders.display, orders.command, orders.port, orders.path) == (107, ("bash", "launch.sh"), 8000, "/app/x/")
    assert (orders.folder, orders.window, orders.browser) == (str(tmp_path / "desktop"), False, ())
    assert orders.leftovers == (str(tmp_path / "vnc.sock"), "/tmp/.X11-unix/X107")


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", json.dumps({**ORDERS._asdict(), "version": 2})])
def test_what_are_no_orders_is_a_plain_error(text: str) -> None:
    with pytest.raises(ValueError):
        DesktopOrders.decode(text)


def test_the_desktop_loads_its_own_folder_alone(tmp_path: Path) -> None:
    """It is started by its path, isolated from the environment."""
    code = f"import runpy, sys; runpy.run_path({desktop_run.__path__[0]!r}, run_name='desktop'); print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-E", "-c", code]
    loaded = set(subprocess.run(command, check=True, cwd=tmp_path, stdout=subprocess.PIPE, text=True).stdout.split())
    own = {name for name in loaded if name.startswith("aikore") and not name.startswith("aikore.launch.desktop_run")}
    assert own == {"aikore", "aikore.launch"}
    assert not loaded & {"asyncio", "dataclasses", "inspect", "logging", "subprocess"}
    assert not os.listdir(tmp_path)
