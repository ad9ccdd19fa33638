"""The databases there are: one file for each wing of the house. What differs between them is here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Wing:
    """A database: ``name`` of its file and of its migrations' folder, ``head`` of these, ``pragmas`` of its own."""

    name: str
    head: str
    """The newest migration of this program; a test compares it with the folder."""
    pragmas: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What is set otherwise than in ``sqlite.PRAGMAS`` when it is opened for writing."""

    @property
    def file(self) -> str:
        return f"{self.name}.db"

    @property
    def migrations(self) -> Path:
        return MIGRATIONS / self.name


AIKORE = Wing("aikore", "0003")
"""Instances and who may get at them."""

STUDIO = Wing("studio", "0001", {"synchronous": "FULL"})
"""What the studio makes. A transaction that ended outlives a power cut: what may cost money is sent only after it."""
