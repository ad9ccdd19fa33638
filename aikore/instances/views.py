"""How an instance looks from outside. Plain JSON data, built by hand because every change is shown to everybody."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

from aikore import naming
from aikore.auth.permissions import Permission
from aikore.base.times import stamp
from aikore.blueprints.header import Header
from aikore.config.door import DoorSettings
from aikore.instances.actor import Actor
from aikore.instances.lifecycle import actions
from aikore.instances.rows import InstanceRow
from aikore.instances.trash import TrashEntry


def instance_view(actor: Actor, header: Header, settings: DoorSettings) -> dict[str, Any]:
    """Return the JSON of an instance (schema: :class:`aikore.instances.schemas.Instance`)."""
    row, state = actor.row, actor.state
    return {
        **configuration(row),
        "id": row.id,
        "slug": row.slug,
        "position": row.position,
        "is_comfyui_active_slot": row.is_comfyui_active_slot,
        "status": str(state.status),
        "status_detail": state.detail,
        "exit_code": state.exit_code,
        "exit_signal": state.exit_signal,
        "failure": actor.failure.as_dict() if actor.failure else None,
        "pid": actor.pid,
        "port": row.port,
        "vnc_port": row.vnc_port,
        "vnc_display": row.vnc_display if row.persistent_mode else None,
        "url": naming.path_url(row.slug, settings.root_path),
        "urls": _urls(row, settings),
        "actions": _actions(actor, header.provides),
        "provides": list(header.provides),
        "base_path": header.base_path,
        "run": state.run,
        "restarts": state.restarts,
        "rebuild_pending": row.rebuild_pending,
        "status_since": stamp(actor.status_since),
        "started_at": stamp(actor.started_at),
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
    }


ACTION_PERMISSIONS = {
    "edit": Permission.INSTANCES_EDIT,
    "delete": Permission.INSTANCES_EDIT,
    "copy": Permission.INSTANCES_EDIT,
}
"""What the actions of a view take; the rest takes ``instances.run``."""

MATTERS: frozenset[str] = frozenset({Permission.INSTANCES_RUN, Permission.INSTANCES_EDIT})
"""The permissions on which it depends what of an instance is shown."""

HIDDEN = "••••••"


def shown(view: dict[str, Any], permissions: AbstractSet[str]) -> dict[str, Any]:
    """Return the JSON of an instance as somebody with these permissions may see it.

    Actions that are not theirs are left out, and values of variables, which may be keys, are hidden.
    """
    if Permission.INSTANCES_EDIT in permissions:
        return view
    actions = [one for one in view["actions"] if ACTION_PERMISSIONS.get(one, Permission.INSTANCES_RUN) in permissions]
    return view | {"actions": actions, "environment": dict.fromkeys(view["environment"], HIDDEN)}


def configuration(row: InstanceRow) -> dict[str, Any]:
    """Return what a person chose for an instance."""
    return {
        "name": row.name,
        "base_blueprint": row.base_blueprint,
        "gpu_ids": row.gpu_ids,
        "autostart": row.autostart,
        "persistent_mode": row.persistent_mode,
        "environment": row.environment,
        "launch_args": row.launch_args,
        "restart_policy": row.restart_policy,
        "hostname": row.hostname,
        "open_networks": row.open_networks,
        "group": row.group,
    }


def _urls(row: InstanceRow, settings: DoorSettings) -> dict[str, str | None]:
    scheme = "https" if settings.tls_cert else "http"
    return {
        "path": naming.path_url(row.slug, settings.root_path),
        "host": naming.host_url(row.slug, row.hostname, settings.app_domain, settings.port, scheme),
        "port": naming.port_url(row.app_port, scheme),
        "desktop": naming.desktop_url(row.slug, settings.root_path) if row.persistent_mode else None,
    }


def _actions(actor: Actor, provides: tuple[str, ...]) -> list[str]:
    allowed = list(actions(actor.state))
    if "comfyui" in provides and not actor.row.is_comfyui_active_slot and not actor.state.harm:
        allowed.append("activate")
    return allowed


def trash_view(entry: TrashEntry) -> dict[str, Any]:
    """Return the JSON of a trash entry (schema: :class:`aikore.instances.schemas.Trashed`)."""
    card = entry.card
    texts = {key: str(card.get(key, "")) for key in ("name", "slug", "base_blueprint")}
    return {"id": entry.id, **texts, "deleted_at": stamp(entry.deleted_at), "size": entry.size}
