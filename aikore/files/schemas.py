"""What this room takes and gives as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from aikore.files.tree import PlaceName
from aikore.files.writing import TEXT_MAX

PATH_MAX = 2048
"""Characters of a path: encoded in an address they must pass NGINX, which takes 32 KiB."""


class EntryView(BaseModel):
    """One thing in a folder."""

    model_config = ConfigDict(from_attributes=True)
    name: str
    kind: Literal["file", "folder", "link", "other"]
    size: int = Field(description="Bytes; of a folder or link nothing to go by.")
    modified: float = Field(description="Unix time in seconds.")
    target: str | None = Field(description="Where a link points, as text. Links are shown, never followed.")
    reachable: bool = Field(description="False when its name is no UTF-8, so that only a terminal can reach it.")


class FolderView(BaseModel):
    """A stretch of a folder: folders first, then by name."""

    place: PlaceName
    path: str
    entries: list[EntryView]
    offset: int
    total: int
    more: bool = Field(description="True when the folder holds even more than was counted.")


class TextView(BaseModel):
    """A text file."""

    content: str
    version: str = Field(description="Also the ETag; send it back in If-Match to save.")


class TextSave(BaseModel):
    """A text to save."""

    model_config = ConfigDict(extra="forbid")
    content: str = Field(max_length=TEXT_MAX)


class Saved(BaseModel):
    """The version of what was saved."""

    version: str


class NewFolder(BaseModel):
    """A folder to make."""

    model_config = ConfigDict(extra="forbid")
    path: str = Field(min_length=1, max_length=PATH_MAX)


class Move(BaseModel):
    """What to call something from now on, or where to move it."""

    model_config = ConfigDict(extra="forbid")
    path: str = Field(min_length=1, max_length=PATH_MAX)
    to: str = Field(min_length=1, max_length=PATH_MAX, description="Its whole new path, in the same place.")


class DeletedView(BaseModel):
    """A deleted file or folder."""

    model_config = ConfigDict(from_attributes=True)
    id: str
    place: PlaceName
    path: str
    kind: Literal["file", "folder", "link", "other"]
    size: int
    deleted_at: datetime
