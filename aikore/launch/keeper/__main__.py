"""Starts the keeper, isolated from the environment and without installed packages."""

import os
import sys

sys.path.append(os.path.abspath(__file__).removesuffix("/aikore/launch/keeper/__main__.py"))  # behind the library's own

from aikore.launch.keeper.main import main

if __name__ == "__main__":
    sys.exit(main())
