"""What instances claim for themselves alone: names, slugs, host names, ports, displays. Says what is free."""

from __future__ import annotations

from aikore import naming
from aikore.base.errors import NameTakenError
from aikore.base.times import utcnow
from aikore.config.instances import InstanceSettings
from aikore.instances import ports
from aikore.instances.displays import Displays
from aikore.instances.files import InstanceFiles
from aikore.instances.registry import Registry
from aikore.instances.rows import InstanceRow
from aikore.instances.schemas import InstanceCreate

CHOICES = (
    "gpu_ids", "autostart", "persistent_mode", "environment", "launch_args", "restart_policy", "open_networks",
    "group",
)  # fmt: skip
"""Fields that a person chooses and that a copy or a restored instance takes along."""


def choose(row: InstanceRow, source: InstanceCreate | InstanceRow) -> None:
    """Give a row the choices of another instance, or those that somebody made."""
    for field in CHOICES:
        setattr(row, field, getattr(source, field))


class Claims:
    """Compares with what all instances have. Ask while holding the registry's structure lock."""

    def __init__(
        self, settings: InstanceSettings, files: InstanceFiles, registry: Registry, displays: Displays
    ) -> None:
        self._settings = settings
        self._files = files
        self._registry = registry
        self._displays = displays

    def new_row(self, name: str, hostname: str, blueprint: str) -> InstanceRow:
        """Return the row of a new instance, not stored yet. Raises what is taken or used up."""
        self.check_name(name, None)
        self.check_hostname(hostname, None)
        rows = self._registry.rows()
        slugs = {row.slug for row in rows}
        slug = naming.make_slug(name, lambda s: s in slugs or self._files.slug_in_use(s))
        return InstanceRow(
            name=name,
            name_key=naming.name_key(name),
            slug=slug,
            base_blueprint=blueprint,
            hostname=hostname,
            autostart=False,
            persistent_mode=False,
            is_comfyui_active_slot=False,
            status="stopped",
            environment={},
            launch_args="",
            restart_policy="never",
            open_networks=[],
            script_origin="",
            rebuild_pending=False,
            last_run=0,
            position=max((row.position for row in rows), default=0) + 1,
            group="",
            port=ports.choose_instance_port(self._settings.instance_port_pool, (row.port for row in rows)),
            app_port=ports.choose_app_port(
                self._settings.app_port_pool, (row.app_port for row in rows if row.app_port), self._settings.host
            ),
            vnc_display=self._displays.free(rows),
            created_at=utcnow(),
            updated_at=utcnow(),
        )

    def slug_is_free(self, slug: str) -> bool:
        """Say whether a slug is one and neither an instance nor a folder bears it."""
        taken = {row.slug for row in self._registry.rows()}
        return bool(naming.SLUG.fullmatch(slug)) and slug not in taken and not self._files.slug_in_use(slug)

    def port_is_free(self, port: object) -> bool:
        """Say whether a port is one of the pool that no instance has."""
        return port in set(self._settings.instance_port_pool) - {row.port for row in self._registry.rows()}

    def check_name(self, name: str, own_id: int | None) -> None:
        """Raise NameTakenError when an instance other than ``own_id`` has the name."""
        if self._name_taken(name, own_id):
            raise NameTakenError(f"There is already an instance called {name!r}. Choose another name.")

    def _name_taken(self, name: str, own_id: int | None) -> bool:
        key = naming.name_key(name)
        return any(row.name_key == key and (own_id is None or row.id != own_id) for row in self._registry.rows())

    def free_name(self, name: str) -> str:
        """Return a name as it is, or with the lowest number behind it that is free."""
        number, free = 2, name
        while self._name_taken(free, None):
            suffix = f" ({number})"
            free, number = name[: naming.NAME_MAX - len(suffix)] + suffix, number + 1
        return free

    def check_hostname(self, hostname: str, own_id: int | None) -> None:
        """Raise NameTakenError when the house or an instance other than ``own_id`` has the host name."""
        if self.hostname_taken(hostname, own_id):
            raise NameTakenError(f"The host name {hostname} already belongs to an instance or to AiKore itself.")

    def hostname_taken(self, hostname: str, own_id: int | None) -> bool:
        if not hostname:
            return False
        settings = self._settings
        own = {"localhost", settings.host, settings.app_domain, *settings.allowed_hosts}
        others = (actor.row.hostname for actor in self._registry.all() if actor.row.id != own_id)
        return hostname in own or hostname in others

    def group_as_known(self, group: str, own_id: int | None) -> str:
        """Return a group as other instances that are in it write it, where only characters without a shape differ."""
        known = (actor.row.group for actor in self._registry.all() if actor.row.id != own_id)
        return next((name for name in known if naming.visible_text(name) == naming.visible_text(group)), group)
