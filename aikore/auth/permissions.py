"""Who may do what: permissions by name, the roles that are sets of them, the scopes of tokens. Pure; the only table.

A new permission is a line in :class:`Permission`, its place in a role, and a row of the table in ``docs/security.md``.
"""

from __future__ import annotations

from enum import Enum, StrEnum


class Permission(StrEnum):
    """What a route asks for, each with the words that go on "somebody may …"."""

    words: str

    def __new__(cls, name: str, words: str) -> Permission:
        member = str.__new__(cls, name)
        member._value_, member.words = name, words
        return member

    ACCOUNT = "account", "look after one's own password, sessions and tokens"
    INSTANCES_VIEW = "instances.view", "see instances, their runs and the trash"
    INSTANCES_RUN = "instances.run", "start, stop, restart, rebuild and activate instances"
    INSTANCES_EDIT = (
        "instances.edit",
        "make, change, copy, order, delete and restore instances; see their variables' values",
    )
    BLUEPRINTS_VIEW = "blueprints.view", "see blueprints"
    BLUEPRINTS_EDIT = "blueprints.edit", "save and remove blueprints"
    SCRIPTS_READ = "scripts.read", "read launch scripts and have scripts checked"
    SCRIPTS_EDIT = "scripts.edit", "save launch scripts"
    LOGS_READ = "logs.read", "read, search and download logs"
    FILES_READ = "files.read", "see and download an instance's files"
    FILES_WRITE = "files.write", "change, upload and delete an instance's files"
    APPS_OPEN = "apps.open", "open apps and work in them"
    DESKTOPS = "desktops", "see and use desktops"
    TERMINALS = "terminals", "use shells of instances"
    SYSTEM_VIEW = "system.view", "see the load, its history and what AiKore tells of itself"
    SYSTEM_TERMINAL = "system.terminal", "use shells of AiKore itself"
    SYSTEM_RESTART = "system.restart", "restart AiKore's manager"
    PEOPLE_MANAGE = "people.manage", "invite, change and remove people; see and revoke everybody's tokens"
    ADMINS_MANAGE = "admins.manage", "do so with admins, too"
    OWNER_LINK = "owner.link", "make a link that logs the owner in"
    AUDIT_READ = "audit.read", "read the audit log"
    GENERATE = "generate", "run saved workflows with their exposed parameters"
    GENERATE_RAW = "generate.raw", "send graphs of one's own"
    SPEND = "spend", "run what costs money"
    ASSETS_ALL = "assets.all", "see and change what others made privately"
    WORKFLOWS_EDIT = "workflows.edit", "import, change and remove workflows"
    QUEUE_MANAGE = "queue.manage", "move, pause and stop everybody's jobs"
    PROJECTS_EDIT = "projects.edit", "make and change projects of one's own"
    MODELS_DOWNLOAD = "models.download", "download and upload models"
    MODELS_DELETE = "models.delete", "remove models"


Permissions = frozenset[Permission]


class Role(Enum):
    """A set of permissions that a person is given as a whole. In this order each may what those before it may."""

    VIEWER = "viewer"
    """Looks: at instances, logs and figures, and at what the studio shares."""
    CREATOR = "creator"
    """Makes things with workflows that others saved. Gets to no app, shell or file: those show what others made."""
    OPERATOR = "operator"
    """Runs instances and works in them, so runs programs of their own."""
    ADMIN = "admin"
    """Makes and changes instances, scripts and blueprints; invites people."""
    OWNER = "owner"
    """The person whose machine it is; the only one who deals with admins."""

    @property
    def word(self) -> str:
        return self.value

    @property
    def permissions(self) -> Permissions:
        return _MAY[self]


_ADDS: dict[Role, set[Permission]] = {
    Role.VIEWER: {
        Permission.ACCOUNT,
        Permission.INSTANCES_VIEW,
        Permission.BLUEPRINTS_VIEW,
        Permission.LOGS_READ,
        Permission.SYSTEM_VIEW,
    },
    Role.CREATOR: {
        Permission.GENERATE,
        Permission.PROJECTS_EDIT,
    },
    Role.OPERATOR: {
        Permission.INSTANCES_RUN,
        Permission.SCRIPTS_READ,
        Permission.FILES_READ,
        Permission.APPS_OPEN,
        Permission.DESKTOPS,
        Permission.TERMINALS,
        Permission.GENERATE_RAW,
        Permission.SPEND,
        Permission.ASSETS_ALL,
        Permission.WORKFLOWS_EDIT,
        Permission.QUEUE_MANAGE,
        Permission.MODELS_DOWNLOAD,
    },
    Role.ADMIN: {
        Permission.INSTANCES_EDIT,
        Permission.BLUEPRINTS_EDIT,
        Permission.SCRIPTS_EDIT,
        Permission.FILES_WRITE,
        Permission.SYSTEM_TERMINAL,
        Permission.SYSTEM_RESTART,
        Permission.PEOPLE_MANAGE,
        Permission.AUDIT_READ,
        Permission.MODELS_DELETE,
    },
    Role.OWNER: {
        Permission.ADMINS_MANAGE,
        Permission.OWNER_LINK,
    },
}
"""What each role has besides what those before it have."""


def _sums() -> dict[Role, Permissions]:
    sums: dict[Role, Permissions] = {}
    so_far: Permissions = frozenset()
    for role in Role:
        sums[role] = so_far = so_far | _ADDS[role]
    return sums


_MAY = _sums()

SCOPES = {"read": Role.VIEWER, "create": Role.CREATOR, "operate": Role.OPERATOR, "admin": Role.ADMIN}
"""Scopes of API tokens: what such a token may at most."""


def role_of(word: str) -> Role:
    """Return the role with this name. Raises ValueError."""
    return Role(word)
