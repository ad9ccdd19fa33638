"""The header of a blueprint: what it may say and how a mistake is named."""

from __future__ import annotations

import pytest

from aikore.base.errors import InvalidBlueprintError
from aikore.blueprints.header import Header, Ready, parse_header


def script(*toml: str, newline: str = "\n") -> str:
    lines = ["#!/usr/bin/env bash", "# /// aikore", *(f"# {line}" for line in toml), "# ///", "exec true", ""]
    return newline.join(lines)


def test_a_script_without_a_header_has_defaults() -> None:
    assert parse_header("#!/bin/bash\nexec true\n") == Header()
    assert parse_header("") == Header()


def test_every_key_is_read() -> None:
    header = parse_header(
        script(
            'name = "ComfyUI"',
            'category = "Images"',
            'description = "Nodes"',
            'homepage = "https://example.org/x"',
            'provides = ["comfyui"]',
            'base_path = "keep"',
            'ready = { path = "/system_stats", timeout = 900 }',
            'stop_signal = "SIGINT"',
            'warn = ["IMPORT FAILED", "IMPORT FAILED", "out of date"]',
        )
    )
    ready = Ready("http", "/system_stats", 900.0)
    assert header == Header(
        "ComfyUI",
        "Images",
        "Nodes",
        "https://example.org/x",
        ("comfyui",),
        "keep",
        ready,
        "SIGINT",
        ("IMPORT FAILED", "out of date"),
    )


@pytest.mark.parametrize("kind", ["process", "window", "http"])
def test_ready_may_be_one_word(kind: str) -> None:
    assert parse_header(script(f'ready = "{kind}"')).ready.kind == kind


def test_windows_line_ends_are_read_too() -> None:
    assert parse_header(script('name = "x"', newline="\r\n")).name == "x"


def test_a_ready_table_may_be_written_as_a_section() -> None:
    assert parse_header(script('name = "x"', "[ready]", 'path = "/a"')).ready.path == "/a"


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        (['name = "x"', 'nmae = "y"'], 4),
        (["name = 3"], 3),
        (['warn = "IMPORT FAILED"'], 3),
        (['warn = [""]'], 3),
        (['warn = ["a\\nb"]'], 3),
        (["warn = [3]"], 3),
        (['name = ""'], 3),
        (['name = "x"', "a b"], 4),
        (['name = "x"', 'name = "y"'], 4),
        (['homepage = "javascript:alert(1)"'], 3),
        (['provides = "comfyui"'], 3),
        (['base_path = "other"'], 3),
        (['name = "x"', 'ready = "soon"'], 4),
        (["ready = { timeout = true }"], 3),
        (["ready = { timeout = inf }"], 3),
        (["ready = { timeout = -1 }"], 3),
        (['ready = { path = "x" }'], 3),
        (['ready = { path = "/a b" }'], 3),
        (["[ready]", 'pth = "/"'], 4),
        (['ready = { kind = "process", path = "/x" }'], 3),
        (['stop_signal = "SIGSTOP"'], 3),
    ],
)
def test_a_mistake_is_refused_with_its_line(lines: list[str], number: int) -> None:
    with pytest.raises(InvalidBlueprintError, match=rf"^Line {number}: ") as caught:
        parse_header(script(*lines))
    assert caught.value.context["line"] == number


def test_a_header_that_is_not_closed_names_where_it_begins() -> None:
    with pytest.raises(InvalidBlueprintError, match=r"Line 2: .*not closed"):
        parse_header('#!/bin/bash\n# /// aikore\n# name = "x"')


def test_code_inside_an_open_header_names_that_line() -> None:
    with pytest.raises(InvalidBlueprintError, match="Line 3: "):
        parse_header("#!/bin/bash\n# /// aikore\nexec true\n")


def test_a_second_header_is_refused() -> None:
    with pytest.raises(InvalidBlueprintError, match="Line 5: a second header"):
        parse_header(script('name = "x"').replace("exec true", "# /// aikore\n# ///"))
