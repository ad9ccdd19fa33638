"""What groups of settings are made of: their base class and the kinds of values that several of them use."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "AIKORE_"


class Group(BaseSettings):
    """Settings that belong together, read from the environment; a variable that is empty counts as not set.

    A group that needs another one stands on it (inherits from it). No two groups have a name in common, so one object
    of :class:`aikore.config.Settings` is all of them, and a room asks for the group it needs. Rules over one value
    stand in its type; rules over several are validators of their group.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        allow_inf_nan=False,
        ignored_types=(cached_property,),
        defer_build=True,  # few groups are ever made alone
    )


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _whole_path(value: Path) -> Path:
    return value.expanduser().absolute()


def _port_range(value: str) -> str:
    if value:
        port_pool(value)
    return value


def port_pool(text: str) -> range:
    """Return the TCP ports of an inclusive range such as ``9001-9020``; none of an empty text. Raises ValueError."""
    if not text:
        return range(0)
    first, _, last = text.partition("-")
    try:
        low, high = int(first), int(last or first)
    except ValueError:
        raise ValueError(f"{text!r} is not a port range; write it like 9001-9020") from None
    if not 1 <= low <= high <= 65535:
        raise ValueError(f"{text!r} is not a port range: ports go from 1 to 65535, the lower one first")
    return range(low, high + 1)


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Words separated by commas."""
WholePath = Annotated[Path, AfterValidator(_whole_path)]
"""A path that means the same wherever AiKore is started."""
OptionalPath = Annotated[WholePath | None, BeforeValidator(lambda value: value or None)]
PortRange = Annotated[str, AfterValidator(_port_range)]
"""An inclusive range of TCP ports, written ``9001-9020``; :func:`port_pool` reads it."""
