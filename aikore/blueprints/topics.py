"""What is told about blueprints: every change tells the whole list."""

from __future__ import annotations

from typing import Any

from aikore.auth.permissions import Permission
from aikore.base.events import Bus, Part, Topic, whole
from aikore.blueprints.schemas import BlueprintView

Listing = list[dict[str, Any]]
"""The JSON of all blueprints, as the API lists them."""

BLUEPRINTS = Topic[Listing]("blueprints", list[BlueprintView], needs=Permission.BLUEPRINTS_VIEW, newest=whole)


def part(bus: Bus) -> Part[Listing]:
    """Return what a page begins with: the list as it was told last."""
    return Part.one("blueprints", BLUEPRINTS, lambda: bus.latest(BLUEPRINTS, []))
