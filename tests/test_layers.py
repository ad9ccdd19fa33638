"""The house rule: a module imports only from floors below its own, or from its own room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import aikore

PACKAGE = Path(aikore.__file__).parent

FLOORS: dict[int, set[str]] = {
    1: {"base", "config", "database"},
    2: {"auth", "client", "launch", "monitor", "naming", "proxy"},
    3: {"apidocs", "blueprints", "live", "notices"},
    4: {"instances"},
    5: {"desktop", "files", "logs", "stats", "studio", "system", "terminal"},
    6: {"main"},
    7: {"cli", "__main__"},
}
FLOOR = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
SAME_FLOOR = {
    ("config", "base"),
    ("database", "base"),
    ("__main__", "cli"),
}
"""On the ground floor ``base`` lies lowest; ``python -m aikore`` is the command by another name."""

PURE_RULES = {"naming", "auth.origin"}
"""Rules over plain text with one home each; their own floor shares them. They themselves import from floor 1 only."""

MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in ("shipped", "static")
)


def room_of(path: Path) -> str:
    """Return the room a module lies in: the folder or file right below the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the dotted name below ``aikore`` of every import of our own package, inside functions too."""
    package = ("aikore", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            if top == "aikore" and rest not in ("", "__version__"):
                yield node.lineno, rest


def complaint(room: str, name: str) -> str | None:
    """Say what is wrong about ``room`` importing ``name``; None when it is allowed."""
    other = name.split(".")[0]
    if room == other or (room, other) in SAME_FLOOR:
        return None
    if other not in FLOOR:
        return f"{other} is on no floor; give it one in {Path(__file__).name}"
    if FLOOR[other] < FLOOR[room]:
        return None
    pure = other in PURE_RULES or ".".join(name.split(".")[:2]) in PURE_RULES
    if FLOOR[other] == FLOOR[room] and pure:
        return None
    where = "the same floor" if FLOOR[other] == FLOOR[room] else "above"
    return f"{room} (floor {FLOOR[room]}) imports {other} (floor {FLOOR[other]}), which is {where}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_floors_below(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        assert not list(imported(path)), "importing aikore loads nothing"
        return
    assert room in FLOOR, f"{room} is on no floor; give it one in {Path(__file__).name}"
    found = [(line, complaint(room, name)) for line, name in imported(path)]
    assert [f"line {line}: {what}" for line, what in found if what] == []


@pytest.mark.parametrize(
    ("room", "name"),
    [
        ("proxy", "instances"),
        ("launch", "proxy"),
        ("config", "main"),
        ("base", "config"),
        ("logs", "nowhere"),
        ("proxy", "auth.guard"),
    ],
)
def test_the_rule_itself_refuses_upward_sideways_and_unknown_imports(room: str, name: str) -> None:
    assert complaint(room, name)


@pytest.mark.parametrize("name", sorted(PURE_RULES))
def test_pure_rules_stand_on_the_ground_floor_alone(name: str) -> None:
    path = PACKAGE.joinpath(*name.split(".")).with_suffix(".py")
    assert all(FLOOR[other.split(".")[0]] == 1 for _, other in imported(path))


def test_imports_are_seen_in_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path)
    module = tmp_path / "logs" / "api.py"
    module.parent.mkdir()
    module.write_text(
        "import aikore.config\nfrom aikore import errors, __version__\nfrom . import times\nfrom ..live import x\n"
        "def f():\n    from aikore.main import serve\n"
    )
    names = [name.split(".")[0] for _, name in imported(module)]
    assert names == ["config", "errors", "logs", "live", "main"]
