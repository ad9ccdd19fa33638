"""The card in each instance's folder: what its row says, so that the folder can be taken in again without the row.

It is written by AiKore alone, but lies where apps write: what is read from it is checked like anything from outside.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

from aikore.base import home_identity
from aikore.base.disk import read_small, write_whole
from aikore.launch.layout import CARD_NAME

log = logging.getLogger(__name__)

CARD_MAX = 2**20


def read_card(folder: Path) -> dict[str, Any]:
    """Return what an instance's folder says of itself; nothing where there is no card that can be read."""
    with suppress(OSError, ValueError):
        card = json.loads(read_small(folder / CARD_NAME, CARD_MAX))
        if isinstance(card, dict):
            return card
    return {}


def foreign_home(folder: Path, home: Path) -> Path | None:
    """Return the data folder of another house that works in this folder; None where it is ours or nobody's."""
    owner = read_card(folder).get("house")
    if not isinstance(owner, dict) or owner.get("id") in (None, _house_id(home)):
        return None
    theirs = Path(str(owner.get("home")))
    return theirs if _house_id(theirs) == owner["id"] else None


def house_of(home: Path) -> dict[str, str]:
    """Return what a card says of the house that works in its folder."""
    return {"id": _house_id(home) or "", "home": str(home)}


def _house_id(home: Path) -> str | None:
    found = home_identity.read(home)
    return found.id if found else None


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Bring a folder's card up to date. A disk that refuses leaves the older one: the row is what counts.

    Another house's card stays as it is.
    """
    if not folder.is_dir() or read_card(folder) == card or foreign_home(folder, Path(card["house"]["home"])):
        return
    try:
        write_whole(folder / CARD_NAME, json.dumps(card).encode(), 0o600)
    except OSError as error:
        log.warning("the card of %s was not written: %s", folder.name, error.strerror)
