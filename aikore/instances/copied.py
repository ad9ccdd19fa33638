"""What a copied house leaves to its original: runs, and the ports and displays that would be claimed twice.

The rows of a copy claim what the original's claim, as they are the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from aikore.base import sockets
from aikore.base.errors import ConflictError
from aikore.base.home_identity import Original
from aikore.config.instances import InstanceSettings
from aikore.instances import ports
from aikore.instances.rows import InstanceRow
from aikore.launch.layout import CARD_NAME, RUN_FILES

SPOKEN = (*RUN_FILES, CARD_NAME)
"""What tells of a run and whose it is; in a copy it tells of the original's."""

OWN = ("instances", "outputs", "trashcan")
"""Folders of a house in which it deletes."""

NGINX_FILES = ("nginx.json", "nginx.pid")


def forget_runs(settings: InstanceSettings) -> None:
    """Remove from a copy what speaks of the original's processes. What it reaches by a link is the original's."""
    home = settings.home.resolve()
    folders = [path for path in settings.instances_dir.iterdir() if path.resolve() == home / "instances" / path.name]
    inside = settings.nginx_dir.is_relative_to(settings.home)
    records = [folder / name for folder in folders for name in SPOKEN]
    records += [settings.nginx_dir / name for name in NGINX_FILES if inside]
    for record in records:
        with suppress(OSError):
            record.unlink()


def readdress(rows: Sequence[InstanceRow], settings: InstanceSettings, original: Original) -> dict[int, dict[str, Any]]:
    """Return the changes that rows of a copy need, so that both houses can run side by side: id → fields.

    While the original lives all ports are its own; else only those on which somebody listens now.
    """
    taken = {row.port for row in rows}
    changes: dict[int, dict[str, Any]] = {row.id: {} for row in rows}
    public = {row.app_port for row in rows if row.app_port}
    for row in rows:
        if original.lives or sockets.listening(row.port):
            with suppress(ConflictError):  # the pool is used up: a start will say who has the port
                changes[row.id]["port"] = ports.choose_instance_port(settings.instance_port_pool, taken)
                taken.add(changes[row.id]["port"])
        if row.app_port and (original.lives or not ports.is_free(row.app_port, settings.host)):
            other = ports.choose_app_port(settings.app_port_pool, public, settings.host)
            changes[row.id]["app_port"] = other
            public |= {other} if other else set()
        if original.lives:
            changes[row.id]["vnc_display"] = None
    return {number: fields for number, fields in changes.items() if fields}


def shared_folders(settings: InstanceSettings) -> list[str]:
    """Return the data folders of a copy that are links out of it, so the original's too."""
    folders = (settings.instances_dir, settings.outputs_dir, settings.models_dir, settings.trash_dir)
    home = settings.home.resolve()
    return [folder.name for folder in folders if not folder.resolve().is_relative_to(home)]


def tell(original: Original, moved: Sequence[tuple[str, int, int]], shared: Sequence[str]) -> str:
    """Return what people should know of a copy. ``moved``: name, port before, port now."""
    text = f"This data folder is a copy of {original.home}."
    if original.lives:
        text += " That one is in use: nothing of it is touched, and nothing here starts by itself this time."
    if moved:
        ports_ = ", ".join(f"{name} {before} → {now}" for name, before, now in moved)
        text += f" Other ports: {ports_}."
    if shared:
        text += f" By a link both share: {', '.join(shared)}."
    return f"{text} Environments made for the old folder are moved here when their instance starts."
