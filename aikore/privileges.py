"""Whom AiKore runs as. Started by root, it becomes the user it is told to before it opens or starts anything."""

from __future__ import annotations

import grp
import os
import pwd
import sys
from dataclasses import dataclass
from pathlib import Path

from aikore.config import Settings
from aikore.errors import StartupError


@dataclass(frozen=True, slots=True)
class User:
    """A user and its group; ``name`` and ``home`` are empty for a bare number that the system does not know."""

    uid: int
    gid: int
    name: str
    home: str


def is_root() -> bool:
    """Say whether this process may do everything."""
    return os.geteuid() == 0


def become(settings: Settings) -> None:
    """Become the user of the settings for good, if root started this and one is set. Raises StartupError."""
    if not settings.user or not is_root():
        return
    user = find(settings.user)
    if user.uid == 0:
        raise StartupError("AIKORE_USER is root, whom AiKore is not to run as. Name an ordinary user.")
    _hand_over(settings.home, user)
    if user.name:
        os.initgroups(user.name, user.gid)
    else:
        os.setgroups([])
    os.setgid(user.gid)
    os.setuid(user.uid)
    os.environ.update(HOME=user.home or str(settings.home), USER=user.name, LOGNAME=user.name)
    _check_reach(settings.home, user)
    _check_program(user)


def find(wanted: str) -> User:
    """Return the user of ``name``, ``name:group``, ``uid`` or ``uid:gid``. Raises StartupError."""
    name, _, group = wanted.partition(":")
    try:
        known = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        if not name.isdigit():
            raise StartupError(f"AIKORE_USER: there is no user {name!r}. `useradd` makes one.") from None
        known = None
    uid = known.pw_uid if known else int(name)
    return User(uid, _group(group, known), known.pw_name if known else "", known.pw_dir if known else "")


def _group(group: str, known: pwd.struct_passwd | None) -> int:
    if group.isdigit():
        return int(group)
    if group:
        try:
            return grp.getgrnam(group).gr_gid
        except KeyError:
            raise StartupError(f"AIKORE_USER: there is no group {group!r}.") from None
    if known is None:
        raise StartupError("AIKORE_USER: for a number that the system does not know, name the group too: 1000:1000.")
    return known.pw_gid


def _hand_over(home: Path, user: User) -> None:
    """Make the data folder for the user, or see that it is already the user's. Raises StartupError."""
    try:
        if not home.exists():
            home.mkdir(parents=True)
            os.chown(home, user.uid, user.gid)
        owner = home.stat().st_uid
    except OSError as error:
        raise StartupError(f"The data folder {home} cannot be made: {error.strerror}.") from error
    if owner != user.uid:
        raise StartupError(
            f"The data folder {home} belongs to user {owner}, not to {user.uid}. "
            f"Hand it over: chown -R {user.uid}:{user.gid} {home}"
        )


def _check_reach(home: Path, user: User) -> None:
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        raise StartupError(
            f"User {user.name or user.uid} does not reach {home}: a folder above it is closed. "
            "Choose another data folder with AIKORE_HOME, e.g. /var/lib/aikore."
        )


def _check_program(user: User) -> None:
    """See that the user can run what AiKore is made of: Python, its library and AiKore itself."""
    for path in (sys.executable, os.__file__, __file__):
        if not os.access(path, os.R_OK):
            raise StartupError(
                f"User {user.name or user.uid} cannot read {path}, which AiKore needs. "
                "Install AiKore and its Python where that user can read them, e.g. below /opt."
            )
