"""Where the rooms meet. Importing this package does no work; :func:`serve` opens the house and closes it."""

from __future__ import annotations

from aikore.main.app import create_app
from aikore.main.house import House
from aikore.main.serve import serve

__all__ = ["House", "create_app", "serve"]
