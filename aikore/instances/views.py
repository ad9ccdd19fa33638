"""How an instance looks from outside. Plain JSON data, built by hand because every change is shown to everybody."""

from __future__ import annotations

from typing import Any

from aikore import naming
from aikore.auth.roles import Role
from aikore.blueprints.header import Header
from aikore.config import Settings
from aikore.database.times import stamp
from aikore.instances.actor import Actor
from aikore.instances.files import TrashEntry
from aikore.instances.lifecycle import actions
from aikore.instances.rows import InstanceRow


def instance_view(actor: Actor, header: Header, settings: Settings) -> dict[str, Any]:
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


ACTION_ROLES = {
    "edit": Role.ADMIN,
    "delete": Role.ADMIN,
    "copy": Role.ADMIN,
}
"""Who may do what a view offers; the rest is for operators."""

HIDDEN = "••••••"


def for_role(data: Any, role: Role) -> Any:
    """Return data with instances in it as somebody of this role may see them.

    Actions that are not theirs are left out, and values of variables, which may be keys, are hidden.
    """
    if role >= Role.ADMIN:
        return data
    if isinstance(data, list):
        return [for_role(one, role) for one in data]
    if not isinstance(data, dict):
        return data
    if "instances" in data:
        return data | {"instances": for_role(data["instances"], role)}
    if "actions" not in data:
        return data
    actions = [one for one in data["actions"] if role >= ACTION_ROLES.get(one, Role.OPERATOR)]
    return data | {"actions": actions, "environment": dict.fromkeys(data["environment"], HIDDEN)}


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


def _urls(row: InstanceRow, settings: Settings) -> dict[str, str | None]:
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
