"""Whom AiKore runs as. Started by root, it becomes the user it is told to before it opens or starts anything."""

from __future__ import annotations

import grp
import os
import pwd
import sys
from dataclasses import dataclass
from pathlib import Path

from aikore.base.errors import StartupError


@dataclass(frozen=True, slots=True)
class Account:
    """A user and its group; ``name`` and ``home`` are empty for a bare number that the system does not know."""

    uid: int
    gid: int
    name: str
    home: str


def is_root() -> bool:
    """Say whether this process may do everything."""
    return os.geteuid() == 0


def become(wanted: str, home: Path) -> None:
    """Become the wanted user for good, if root started this and one is named. Raises StartupError."""
    if not wanted or not is_root():
        return
    account = find(wanted)
    if account.uid == 0:
        raise StartupError("AIKORE_USER is root, whom AiKore is not to run as. Name an ordinary user.")
    _hand_over(home, account)
    if account.name:
        os.initgroups(account.name, account.gid)
    else:
        os.setgroups([])
    os.setgid(account.gid)
    os.setuid(account.uid)
    os.environ.update(HOME=account.home or str(home), USER=account.name, LOGNAME=account.name)
    _require_reach(home, account)
    _require_program(account)


def find(wanted: str) -> Account:
    """Return the user of ``name``, ``name:group``, ``uid`` or ``uid:gid``. Raises StartupError."""
    name, _, group = wanted.partition(":")
    try:
        known = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        if not name.isdigit():
            raise StartupError(f"AIKORE_USER: there is no user {name!r}. `useradd` makes one.") from None
        known = None
    uid = known.pw_uid if known else int(name)
    return Account(uid, _group(group, known), known.pw_name if known else "", known.pw_dir if known else "")


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


def _hand_over(home: Path, account: Account) -> None:
    """Make the data folder for the account, or see that it is already its own. Raises StartupError."""
    try:
        if not home.exists():
            home.mkdir(parents=True)
            os.chown(home, account.uid, account.gid)
        owner = home.stat().st_uid
    except OSError as error:
        raise StartupError(f"The data folder {home} cannot be made: {error.strerror}.") from error
    if owner != account.uid:
        raise StartupError(
            f"The data folder {home} belongs to user {owner}, not to {account.uid}. "
            f"Hand it over: chown -R {account.uid}:{account.gid} {home}"
        )


def _require_reach(home: Path, account: Account) -> None:
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        raise StartupError(
            f"User {account.name or account.uid} does not reach {home}: a folder above it is closed. "
            "Choose another data folder with AIKORE_HOME, e.g. /var/lib/aikore."
        )


def _require_program(account: Account) -> None:
    """See that the user can run what AiKore is made of: Python, its library and AiKore itself."""
    for path in (sys.executable, os.__file__, __file__):
        if not os.access(path, os.R_OK):
            raise StartupError(
                f"User {account.name or account.uid} cannot read {path}, which AiKore needs. "
                "Install AiKore and its Python where that user can read them, e.g. below /opt."
            )
