"""Reads the rows of instances so that a value that cannot be read stays with its own instance."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from aikore.base.times import utcnow
from aikore.instances.lifecycle import RestartPolicy
from aikore.instances.rows import InstanceRow
from aikore.naming import HOSTNAME, SLUG, name_key

log = logging.getLogger(__name__)

Faults = dict[int, set[str]]
"""Instance → the fields whose stored value cannot be read; a harmless one stands in their place."""


def _is_port(value: Any) -> bool:
    return type(value) is int and 1 <= value <= 65535


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_time(value: Any) -> bool:
    return isinstance(value, datetime)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _are_variables(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def _or_none(rule: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or rule(value)


SUBSTITUTES: Mapping[str, tuple[Callable[[Any], bool], Callable[[], Any]]] = {
    "name": (lambda value: isinstance(value, str) and bool(value.strip()), lambda: ""),
    "base_blueprint": (_is_text, str),
    "gpu_ids": (_or_none(_are_texts), lambda: None),
    "autostart": (_is_flag, bool),
    "persistent_mode": (_is_flag, bool),
    "is_comfyui_active_slot": (_is_flag, bool),
    "status": (_is_text, str),
    "pid": (_or_none(_is_count), lambda: None),
    "app_port": (_or_none(_is_port), lambda: None),
    "vnc_port": (_or_none(_is_port), lambda: None),
    "vnc_display": (_or_none(_is_count), lambda: None),
    "environment": (_are_variables, dict),
    "launch_args": (_is_text, str),
    "restart_policy": (lambda value: value in set(RestartPolicy), lambda: str(RestartPolicy.NEVER)),
    "hostname": (lambda value: _is_text(value) and (not value or bool(HOSTNAME.fullmatch(value))), str),
    "open_networks": (_are_texts, list),
    "script_origin": (_is_text, str),
    "rebuild_pending": (_is_flag, bool),
    "last_run": (_is_count, int),
    "position": (lambda value: type(value) is int, int),
    "group": (_is_text, str),
    "created_at": (_is_time, utcnow),
    "updated_at": (_is_time, utcnow),
}
"""Field → what a value must be, and what stands for one that is not."""

NEEDED: Mapping[str, Callable[[Any], bool]] = {
    "slug": lambda value: _is_text(value) and bool(SLUG.fullmatch(value)),
    "port": _is_port,
}
"""Fields for which nothing can stand."""

_UNREADABLE = object()


def read_rows(session: Session) -> tuple[list[InstanceRow], Faults]:
    """Return the rows and what of them cannot be read. A row without a readable slug or port is left out."""
    try:
        rows = list(session.scalars(select(InstanceRow).order_by(InstanceRow.id)))
    except Exception as error:
        log.error("a row of the instances cannot be read, so they are read one value at a time: %s", error)
        numbers = session.scalars(select(InstanceRow.id).order_by(InstanceRow.id)).all()
        rows = [_piecemeal(session, number) for number in numbers]
    session.expunge_all()
    faults: Faults = {}
    for row in rows:
        if wrong := _mend(row):
            faults[row.id] = wrong
            log.error("row %s of the instances (%s) holds unreadable values: %s", row.id, row.slug, sorted(wrong))
    return [row for row in rows if not faults.get(row.id, set()) & NEEDED.keys()], faults


def _piecemeal(session: Session, number: int) -> InstanceRow:
    values = {}
    for attribute in inspect(InstanceRow).column_attrs:
        column = getattr(InstanceRow, attribute.key)
        try:
            values[attribute.key] = session.execute(select(column).where(InstanceRow.id == number)).scalar_one()
        except Exception:
            values[attribute.key] = _UNREADABLE
    return InstanceRow(**values)


def _mend(row: InstanceRow) -> set[str]:
    """Put harmless values where there are none that can be read; return the fields."""
    wrong = {name for name, (rule, _) in SUBSTITUTES.items() if not rule(getattr(row, name))}
    wrong |= {name for name, rule in NEEDED.items() if not rule(getattr(row, name))}
    for name in wrong & SUBSTITUTES.keys():
        setattr(row, name, SUBSTITUTES[name][1]())
    row.name = row.name or str(row.slug)
    row.name_key = name_key(row.name)
    return wrong
