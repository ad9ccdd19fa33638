"""What is told about instances and their trash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typing_extensions import TypedDict

from aikore.auth.permissions import Permission
from aikore.base.events import Part, Projection, Topic, whole
from aikore.instances import views
from aikore.instances.schemas import Instance, Trashed

View = dict[str, Any]
"""The JSON of an instance or of a trash entry, as :mod:`aikore.instances.views` makes it."""


class Removed(TypedDict):
    """Data of ``instance_removed``."""

    id: int


def _state(view: View) -> tuple[int, int, str]:
    """Be what only the newest of counts: a reader may miss details of a status, never a status."""
    return view["id"], view["run"], view["status"]


INSTANCE = Topic[View](
    "instance",
    Instance,
    needs=Permission.INSTANCES_VIEW,
    projection=Projection(views.MATTERS, views.shown),
    newest=_state,
    instance=lambda view: int(view["id"]),
)
INSTANCE_REMOVED = Topic[Removed](
    "instance_removed", Removed, needs=Permission.INSTANCES_VIEW, instance=lambda removed: removed["id"]
)
TRASH = Topic[list[View]]("trash", list[Trashed], needs=Permission.INSTANCES_VIEW, newest=whole)


def parts(instances: Callable[[], list[View]], trash: Callable[[], list[View]]) -> tuple[Part[Any], ...]:
    """Return what a page begins with."""
    return Part.each("instances", INSTANCE, instances), Part.one("trash", TRASH, trash)
