"""Says whether an instance can be used as far as its folder goes, else why not in a person's words. Blocking."""

from __future__ import annotations

import os
import stat

from aikore.base.errors import InvalidPathError, NotFoundError
from aikore.instances.cards import foreign_home
from aikore.instances.files import InstanceFiles
from aikore.instances.lifecycle import Examined, Harm
from aikore.launch.layout import CARD_NAME, LOCK_NAME, RECORD_NAME

KINDS = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe"}


def examine(files: InstanceFiles, slug: str) -> Examined:
    """Look at an instance's folder and at what AiKore keeps in it."""
    return _unreachable(files, slug) or _foreign(files, slug) or _unfit(files, slug) or Examined()


def _unreachable(files: InstanceFiles, slug: str) -> Examined | None:
    folder, where = files.folder(slug), f"instances/{slug}"
    try:
        if not stat.S_ISDIR(folder.stat().st_mode):
            return Examined(Harm.ALL, f"{where} is no folder. Move it away and bring the instance's folder back.")
        with os.scandir(folder) as entries:
            if any(entry.name != CARD_NAME for entry in entries):
                return None
        return Examined(Harm.ALL, f"Its folder {where} is empty. Is its disk mounted?")
    except FileNotFoundError:
        link = f" is a link to {folder.readlink()}, which" if folder.is_symlink() else ""
        return Examined(Harm.ALL, f"Its folder {where}{link} is not there. Is its disk mounted?")
    except OSError as error:
        return Examined(Harm.ALL, f"Its folder {where} cannot be read: {error.strerror}.")


def _foreign(files: InstanceFiles, slug: str) -> Examined | None:
    """Tell a folder that another house works in: a copied house has the links of its original."""
    folder = files.folder(slug)
    theirs = foreign_home(folder, files.home)
    if theirs is None:
        return None
    where = folder.resolve()
    advice = f"Copy it, and let instances/{slug} be the copy."
    return Examined(Harm.ALL, f"Its folder {where} belongs to the AiKore in {theirs}. {advice}")


def _unfit(files: InstanceFiles, slug: str) -> Examined | None:
    for name in (RECORD_NAME, LOCK_NAME):
        if kind := _special(files, slug, name):
            where = f"instances/{slug}/{name}"
            return Examined(Harm.START, f"{where} is {kind}, not the file that AiKore keeps there. Remove it.")
    try:
        files.read_script(slug)
    except NotFoundError as error:
        return Examined(Harm.START, error.message)
    except InvalidPathError:  # a link out of the folder is not read here, but bash may
        return None
    return None


def _special(files: InstanceFiles, slug: str, name: str) -> str:
    """Return what lies there instead of a plain file, "" where all is well."""
    try:
        mode = (files.folder(slug) / name).lstat().st_mode
    except OSError:
        return ""
    return "" if stat.S_ISREG(mode) else KINDS.get(stat.S_IFMT(mode), "no plain file")
