"""Permissions, roles and scopes: one table, which the documentation and the dashboard repeat word for word."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest

from aikore.auth.permissions import SCOPES, Permission, Role, role_of
from aikore.auth.schemas import GivenRole, RoleName, Scope
from aikore.config import Settings

ROOT = Path(__file__).parent.parent.parent


def test_each_role_may_what_those_before_it_may_and_more() -> None:
    assert all(lower.permissions < higher.permissions for lower, higher in pairwise(Role))


def test_the_owner_may_everything() -> None:
    assert Role.OWNER.permissions == set(Permission)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.CREATOR])
def test_who_may_not_see_private_things_gets_to_nothing_that_shows_them(role: Role) -> None:
    """An app, a desktop, a shell or a folder shows what everybody made in it, and nodes of a graph run code."""
    shows = {Permission.APPS_OPEN, Permission.DESKTOPS, Permission.TERMINALS, Permission.FILES_READ}
    assert not role.permissions & (shows | {Permission.ASSETS_ALL, Permission.GENERATE_RAW, Permission.SPEND})


def test_a_creator_generates_and_a_viewer_does_not() -> None:
    assert Permission.GENERATE in Role.CREATOR.permissions - Role.VIEWER.permissions


def test_a_role_that_does_not_exist_is_none() -> None:
    with pytest.raises(ValueError, match="emperor"):
        role_of("emperor")


def test_what_the_interface_takes_as_role_and_scope_is_what_there_is() -> None:
    words = [role.word for role in Role]
    assert list(get_args(RoleName)) == words
    assert list(get_args(GivenRole)) == words[:-1]
    assert list(get_args(Settings.model_fields["auth_header_role"].annotation)) == ["none", *words[:-1]]
    assert list(get_args(Scope)) == list(SCOPES)


def test_the_documented_table_of_permissions_and_roles_is_the_one_of_the_code() -> None:
    text = (ROOT / "docs/security.md").read_text()
    table = re.search(r"^\| permission \|.*?\n\n", text, re.MULTILINE | re.DOTALL)
    assert table is not None
    head, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table[0].split("\n") if line)
    assert head == ["permission", "lets somebody", *(role.word for role in Role)]
    documented = [(name.strip("`"), words, [mark == "✓" for mark in marks]) for name, words, *marks in rows]
    assert documented == [(str(p), p.words, [p in role.permissions for role in Role]) for p in Permission]


def test_the_dashboards_type_of_permissions_and_roles_is_the_one_of_the_code() -> None:
    types = (ROOT / "tools/types/payloads.d.ts").read_text()
    me = types[types.index("        Me: {") :]
    roles = [role.word for role in Role]
    for text, name, there_is in ((types, "Permission", [str(one) for one in Permission]), (me, "role", roles)):
        written = re.search(rf"^ +{name}: (.*);$", text, re.MULTILINE)
        assert written is not None
        assert [word.strip('" ') for word in written[1].split("|")] == there_is
