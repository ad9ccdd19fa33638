"""Starts the desktop of a run, isolated from the environment and without installed packages."""

import os
import sys

sys.path.append(os.path.abspath(__file__).removesuffix("/aikore/launch/desktop_run/__main__.py"))

from aikore.launch.desktop_run.main import main

if __name__ == "__main__":
    main()
