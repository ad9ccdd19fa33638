"""What a keeper is told: command, environment and the rest of a run's orders, and when the program counts as ready.

Everything comes from the instance as it is at that moment: its row, its script's header, the house's settings.
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from aikore import naming
from aikore.base.errors import AiKoreError, ConflictError
from aikore.base.shipped import shipped_dir
from aikore.blueprints.header import Header, parse_header
from aikore.config.instances import InstanceSettings
from aikore.instances.actor import Readiness
from aikore.instances.displays import Displays
from aikore.instances.files import InstanceFiles
from aikore.instances.pins import Pins
from aikore.instances.probe import Target
from aikore.instances.registry import Registry
from aikore.instances.rows import InstanceRow
from aikore.launch import desktop
from aikore.launch.environment import LaunchContext, launch_environment
from aikore.launch.layout import SCRIPT_NAME
from aikore.launch.protocol import RunSpec
from aikore.proxy.flags import Flags

log = logging.getLogger(__name__)


class Orders:
    """Builds the orders of runs."""

    def __init__(
        self,
        settings: InstanceSettings,
        files: InstanceFiles,
        registry: Registry,
        displays: Displays,
        pins: Pins,
        flags: Flags,
    ) -> None:
        self._settings = settings
        self._files = files
        self._registry = registry
        self._displays = displays
        self._pins = pins
        self._flags = flags

    def read_header(self, row: InstanceRow) -> Header:
        """Return what an instance's launch script says of itself, defaults where it cannot be read. Blocking."""
        try:
            return parse_header(self._files.read_script(row.slug).decode("utf-8", "replace"))
        except AiKoreError as error:
            log.warning("%s: %s", row.slug, error.message)
            return parse_header("")

    async def learn_header(self, row: InstanceRow) -> Header:
        """Read an instance's header anew; return the one before."""
        return self._registry.learn(row, await asyncio.to_thread(self.read_header, row))

    def readiness(self, row: InstanceRow) -> Readiness:
        """Return when an instance's program counts as ready."""
        header, settings = self._registry.header(row), self._settings
        target = None
        if header.ready.kind == "http":
            target = Target(row.port, self._prefix(row, header) + header.ready.path)
        folder = self._files.folder(row.slug)
        window = desktop.window_mark(folder) if header.ready.kind == "window" else None
        timeout = header.ready.timeout or settings.ready_timeout
        return Readiness(target, window, timeout, settings.health_interval, settings.health_timeout)

    def _prefix(self, row: InstanceRow, header: Header) -> str:
        """Return what stands before an app's own paths, without a slash at the end."""
        return naming.path_url(row.slug, self._settings.root_path).rstrip("/") if header.base_path == "keep" else ""

    async def prepare(self, row: InstanceRow, run: int) -> RunSpec:
        """Build the orders of a run. Raises what stands in the way of a start."""
        await self._pins.require(row.gpu_ids)
        if row.persistent_mode:
            await self._displays.settle(row)
        return await asyncio.to_thread(self._spec, row, run)

    def _spec(self, row: InstanceRow, run: int) -> RunSpec:
        header = self.read_header(row)
        self._registry.learn(row, header)
        command, leftovers = self._command(row, header)
        return RunSpec(
            slug=row.slug,
            run=run,
            folder=self._files.folder(row.slug),
            command=command,
            leftovers=(*leftovers, self._flags.path(row.slug)),
            environment=self.environment(row),
            stop_signal=header.stop_signal,
            stop_grace=self._settings.stop_grace,
            rotate_bytes=self._settings.log_rotate_bytes,
            keep=self._settings.log_keep,
        )

    def _command(self, row: InstanceRow, header: Header) -> tuple[tuple[str, ...], tuple[Path, ...]]:
        """Return what a run executes, on its desktop where it has one, and the files that end with it."""
        script = ("bash", SCRIPT_NAME)
        kind = header.ready.kind
        if kind == "window" and not row.persistent_mode:
            raise ConflictError("This program opens a window, so it needs a desktop. Edit the instance and tick it.")
        if not row.persistent_mode:
            return script, ()
        browser = self._displays.browser(header)
        desktop.require(browser)
        place = self._displays.of(row)
        desktop.lay_keyboard(place)
        page = None if browser is None else desktop.DesktopPage(row.port, self._prefix(row, header) + "/", browser)
        return desktop.command(script, place, page, window=kind == "window"), desktop.leftovers(place)

    def environment(self, row: InstanceRow) -> dict[str, str]:
        """Return the whole environment of an instance's programs."""
        context = LaunchContext(
            name=row.name,
            slug=row.slug,
            blueprint=row.base_blueprint,
            folder=self._files.folder(row.slug),
            outputs=self._files.outputs(row.slug),
            models=self._settings.models_dir,
            cache=self._settings.cache_dir,
            functions=shipped_dir() / "functions.sh",
            port=row.port,
            subfolder=naming.path_url(row.slug, self._settings.root_path),
        )
        gpus = self._pins.devices(row.gpu_ids)
        return launch_environment(context, row.environment, row.launch_args, gpus, row.rebuild_pending, os.environ)
