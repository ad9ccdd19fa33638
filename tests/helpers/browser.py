"""The real Chromium of this machine."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NOT_OF_THE_PAGE = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup")
"""Pages of the browser's own address bar: they take more work in every window than the dashboard."""
DISABLED_BY_PLAYWRIGHT = (
    "AimEnabled", "AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose", "HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades", "LensOverlay", "MediaRouter",
    "NetworkTimeServiceQuerying", "OptimizationHints", "PaintHolding", "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
)  # fmt: skip
"""What it disables itself; of two such lists, Chromium takes the second."""

CHROMIUM_ARGS = [
    f"--disable-features={','.join(NOT_OF_THE_PAGE + DISABLED_BY_PLAYWRIGHT)}",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path() -> str:
    """Return the installed Chromium; a missing one fails the tests, in CI too."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found, "Chromium is missing: apt install chromium"
    return found


class Chromium:
    """One Chromium for many tests; each gets a profile of its own, and nothing of another's."""

    def __init__(self) -> None:
        self._playwright = sync_playwright().start()
        self._browser = self._launch()
        self._loop = asyncio.get_running_loop()
        self._step_aside()

    def _launch(self) -> Browser:
        return self._playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_ARGS)

    def _step_aside(self) -> None:
        """Let others run event loops in this thread: Playwright's counts as running from its start to its end."""
        asyncio._set_running_loop(None)

    @contextmanager
    def lent(self) -> Iterator[Browser]:
        """Give the browser to one test; what it opened is closed at the end."""
        asyncio._set_running_loop(self._loop)
        try:
            if not self._browser.is_connected():
                self._browser = self._launch()
            yield self._browser
            for context in self._browser.contexts:
                context.close()
        finally:
            self._step_aside()

    def close(self) -> None:
        asyncio._set_running_loop(self._loop)
        self._browser.close()
        self._playwright.stop()
