"""Folders of instances that no row knows, as a lost or older database leaves them. Blocking; call it in a thread.

They are told and can be taken in again, never removed. What lies in them was written by apps, so nothing of it is
believed that would open a door: the networks that need no login are not taken over.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aikore import naming
from aikore.base.disk import read_small
from aikore.base.errors import AiKoreError
from aikore.blueprints.header import parse_header
from aikore.blueprints.library import Blueprint
from aikore.instances.cards import read_card
from aikore.instances.files import SCRIPT_MAX
from aikore.launch.layout import CARD_NAME, SCRIPT_NAME
from aikore.launch.records import read_record


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A folder without a row and what is known of it."""

    slug: str
    card: dict[str, Any]

    def view(self) -> dict[str, str]:
        """Return the JSON of it (schema: :class:`aikore.instances.schemas.UnlistedFolder`)."""
        return {"slug": self.slug, "name": self.card["name"], "base_blueprint": self.card["base_blueprint"]}


def find_unlisted(instances: Path, known: Container[str], blueprints: Iterable[Blueprint]) -> list[Unlisted]:
    """Return the folders of instances whose slug is not ``known``, by name."""
    try:
        slugs = sorted(path.name for path in instances.iterdir() if path.name not in known and _is_ours(path))
    except OSError:
        return []
    shelf = list(blueprints) if slugs else []
    return [Unlisted(slug, _card_of(instances / slug, shelf)) for slug in slugs]


def _is_ours(folder: Path) -> bool:
    own = (folder / SCRIPT_NAME).is_file() or (folder / CARD_NAME).is_file()
    return own and naming.SLUG.fullmatch(folder.name) is not None


def _card_of(folder: Path, shelf: Iterable[Blueprint]) -> dict[str, Any]:
    """Return the row's columns that the folder tells: its card, else what its launch script says; its last run."""
    card: dict[str, Any] = {"name": folder.name, "base_blueprint": "", **read_card(folder)}
    try:
        card["name"] = naming.clean_name(str(card["name"]))
    except AiKoreError:
        card["name"] = folder.name
    card["base_blueprint"] = str(card["base_blueprint"])[:80] or _blueprint_of(folder, shelf)
    record = read_record(folder)
    numbers = (card.get("last_run"), record.run if record else 0)
    card["last_run"] = max((number for number in numbers if isinstance(number, int)), default=0)
    card.pop("open_networks", None)
    return card


def _blueprint_of(folder: Path, shelf: Iterable[Blueprint]) -> str:
    """Return the blueprint whose script this is, else the one of the same name, else what the script calls itself."""
    try:
        text = read_small(folder / SCRIPT_NAME, SCRIPT_MAX).decode("utf-8", "replace")
        name = parse_header(text).name
    except (OSError, AiKoreError):
        return "custom"
    same = [blueprint.id for blueprint in shelf if blueprint.content == text]
    alike = [blueprint.id for blueprint in shelf if name and blueprint.header.name == name]
    return next(iter((*same, *alike)), name[:80] or "custom")
