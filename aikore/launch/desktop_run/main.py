"""The program of a desktop: hold it from the app's start to its end."""

from __future__ import annotations

import signal
import sys

from aikore.launch.desktop_run.app import end_as
from aikore.launch.desktop_run.desktop import DISPLAY_FAILED, STOPS, Desktop
from aikore.launch.desktop_run.orders import DesktopOrders
from aikore.launch.desktop_run.parts import say


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS | {signal.SIGCHLD})
    desktop = Desktop(DesktopOrders.decode(sys.argv[1]))
    try:
        desktop.prepare()
    except OSError as error:
        say(f"The desktop cannot be prepared: {error}")
        sys.exit(74)  # EX_IOERR
    if not desktop.start_server():
        say(f"The desktop's display server did not start. {desktop.server.last_words()}")
        sys.exit(DISPLAY_FAILED)
    desktop.start_manager()
    desktop.start_app()
    status = desktop.run()
    desktop.end()
    end_as(status)
