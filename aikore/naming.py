"""Names, slugs and addresses: the one home of their rules. Pure but for :func:`contained`.

A *name* is what people see. A *slug* is made from it once, at creation, and is safe in URLs, host names (RFC 1123
labels) and on disk.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

from text_unidecode import unidecode

from aikore.base.errors import InvalidNameError, InvalidPathError

NAME_MAX = 80
"""Characters of a name."""

FILE_NAME_MAX = 255
"""Bytes of a file's name (NAME_MAX of Linux file systems)."""

FILE_DEPTH_MAX = 64

GROUP_MAX = 60
"""Characters of a group's name."""

SLUG_MAX = 40
"""Characters of a slug; a DNS label has 63 (RFC 1035), the rest is room for suffixes."""

SLUG = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
HOSTNAME = re.compile(r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
RESERVED_SLUGS = frozenset({"www", "localhost"})
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters without a shape (Unicode's Default_Ignorable_Code_Point): joiners, variation selectors, fillers."""
_BLANK_PATTERN = "\u2800"
"""Braille without a dot: a symbol to Unicode, nothing to a reader."""


def clean_name(name: str) -> str:
    """Return the name as it is stored: NFC, outer and repeated spaces removed.

    Raises InvalidNameError when nothing of it is visible, when it is longer than 80 characters or holds control
    characters, line breaks or marks that turn the reading direction. Anything else, slashes, dots and emoji too, is a
    name.
    """
    text = " ".join(unicodedata.normalize("NFC", name).split(" ")).strip()
    text = re.sub(" {2,}", " ", text)
    if not is_visible(text):
        raise InvalidNameError("A name needs at least one visible character.")
    if len(text) > NAME_MAX:
        raise InvalidNameError(f"The name has {len(text)} characters; {NAME_MAX} are possible. Shorten it.")
    for char in text:
        if unicodedata.category(char) in _FORBIDDEN_CATEGORIES or char in _BIDI_CONTROLS:
            raise InvalidNameError(f"The name holds the character U+{ord(char):04X}, which cannot be shown. Remove it.")
    return text


def clean_group(group: str) -> str:
    """Return a group's name as it is stored, "" for none. Raises InvalidNameError as :func:`clean_name` does."""
    if not group.strip():
        return ""
    text = clean_name(group)
    if len(text) > GROUP_MAX:
        raise InvalidNameError(f"The group's name has {len(text)} characters; {GROUP_MAX} are possible. Shorten it.")
    return text


def is_visible(text: str) -> bool:
    """Say whether a reader sees anything of it."""
    return bool(visible_text(text).replace(_BLANK_PATTERN, ""))


def visible_text(text: str) -> str:
    """Return what a reader sees: compatibility form, single spaces, without characters that have no shape."""
    return " ".join(unicodedata.normalize("NFKC", _IGNORABLE.sub("", text)).split())


def name_key(name: str) -> str:
    """Return what makes two names the same to a reader: :func:`visible_text`, case folded."""
    return visible_text(unicodedata.normalize("NFKC", visible_text(name).casefold()))


def make_slug(name: str, taken: Callable[[str], bool]) -> str:
    """Make a slug from a name: ASCII letters, digits and single hyphens; a number is added until it is free.

    A slug always holds a letter, so that it is never mistaken for an id.
    """
    ascii_text = unidecode(unicodedata.normalize("NFKC", name)).lower()
    base = re.sub(r"[^a-z0-9]+", "-", ascii_text).strip("-")[:SLUG_MAX].strip("-")
    if not re.search("[a-z]", base) or base in RESERVED_SLUGS:
        base = f"app-{base}".strip("-")
    slug, number = base, 2
    while taken(slug):
        slug, number = f"{base}-{number}", number + 1
    return slug


def clean_hostname(hostname: str) -> str:
    """Return a host name in lower case, or "" for none. Raises InvalidNameError when it is not one (RFC 1123)."""
    text = hostname.strip().lower().rstrip(".")
    if text and (not HOSTNAME.fullmatch(text) or re.fullmatch(r"[0-9.]+", text)):
        raise InvalidNameError(f"{hostname[:80]!r} is not a host name; write it like comfy.example.lan.")
    return text


def contained(root: Path, *parts: str) -> Path:
    """Return ``root/parts`` resolved, links followed. Raises InvalidPathError when that lies outside ``root``."""
    if any("\0" in part for part in parts):
        raise InvalidPathError("A path cannot hold a NUL character.")
    base = root.resolve()
    path = base.joinpath(*parts).resolve()
    if path == base or not path.is_relative_to(base):
        raise InvalidPathError(f"{'/'.join(parts)[:200]!r} leads out of its folder.")
    return path


def file_parts(path: str) -> tuple[str, ...]:
    """Return the names a relative path goes through; none for "", the folder itself. Raises InvalidPathError.

    Every name is taken literally: what is empty, "." or ".." or cannot be a name on disk is refused, never resolved.
    """
    if not path:
        return ()
    parts = tuple(path.split("/"))
    if len(parts) > FILE_DEPTH_MAX:
        raise InvalidPathError(f"The path goes through {len(parts)} folders; {FILE_DEPTH_MAX} are possible.")
    for part in parts:
        broken = "\0" in part or any("\ud800" <= char <= "\udfff" for char in part)
        if part in ("", ".", "..") or broken or len(part.encode("utf-8", "replace")) > FILE_NAME_MAX:
            raise InvalidPathError(f"{path[:200]!r} is no path inside the folder. Write it like models/new.txt.")
    return parts


def new_file_parts(path: str) -> tuple[str, ...]:
    """Return the names of a path whose last one is to be made. Raises InvalidPathError.

    A new name shows something, cannot hold control characters, line breaks or marks that turn the reading direction,
    nor begin or end with a space; names that programs made are taken as they are.
    """
    parts = file_parts(path)
    if not parts:
        raise InvalidPathError("Say what it is to be called.")
    name = parts[-1]
    for char in name:
        if unicodedata.category(char) in _FORBIDDEN_CATEGORIES or char in _BIDI_CONTROLS:
            raise InvalidPathError(f"The name holds the character U+{ord(char):04X}, which cannot be shown. Remove it.")
    if name != name.strip():
        raise InvalidPathError("A name cannot begin or end with a space. Remove it.")
    if not is_visible(name):
        raise InvalidPathError("A name needs at least one visible character.")
    return parts


def path_url(slug: str, root_path: str = "") -> str:
    """Return the path under which the door serves an instance."""
    return f"{root_path}/app/{slug}/"


def desktop_url(slug: str, root_path: str = "") -> str:
    """Return the path of the page that shows an instance's desktop."""
    return f"{root_path}/desktop/{slug}/"


ANY_HOST = "aikore-host.invalid"
"""Stands for the host name a client uses; ``.invalid`` can be nobody's (RFC 6761)."""


def with_host(text: str, host_header: str) -> str:
    """Put the client's own host name (of its ``Host`` header) where :data:`ANY_HOST` stands."""
    host = re.sub(r":\d+\Z", "", host_header)
    return text.replace(ANY_HOST, host if re.fullmatch(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]", host) else "localhost")


def host_url(slug: str, hostname: str, domain: str, port: int, scheme: str = "http") -> str:
    """Return the address of an instance under a host of its own."""
    host = hostname or (f"{slug}.{domain}" if domain else f"{slug}.localhost")
    usual = {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{host}{'' if port == usual else f':{port}'}/"


def port_url(port: int | None, scheme: str = "http") -> str | None:
    """Return the address of an instance under a port of its own, for any host."""
    return f"{scheme}://{ANY_HOST}:{port}/" if port else None
