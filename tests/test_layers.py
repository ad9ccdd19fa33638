"""The house rule: a module imports only from floors below its own, or from its own room. The browser's modules too."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
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

INSIDE: dict[str, tuple[set[str], ...]] = {
    "instances": (
        {"background", "cards", "chores", "failures", "lifecycle", "mounts", "oom", "pins", "ports", "probe", "rows"}
        | {"schemas", "warned"},
        {"copied", "runs", "stored", "trash"},
        {"files"},
        {"actor", "examine", "unlisted"},
        {"registry", "views"},
        {"routes", "store", "topics"},
        {"displays", "publisher", "trashcan"},
        {"claims", "directory", "orders", "pinned", "removal", "warnings"},
        {"host", "scripts"},
        {"changes", "creation", "restoration"},
        {"manager"},
        {"api"},
        {"room"},
    ),
    "launch": (
        {"layout"},
        {"desktop_run", "keeper", "keymap", "protocol", "shared", "trees"},
        {"desktop", "environment", "living", "run_folder", "stages"},
        {"orphans", "records"},
        {"handle", "spawn"},
        {"local"},
    ),
    "launch.keeper": (
        {"files", "orders", "process", "row"},
        {"ladder", "record", "script", "segments", "terminal"},
        {"block"},
        {"redraw"},
        {"log"},
        {"run"},
        {"main"},
        {"__main__"},
    ),
    "launch.desktop_run": (
        {"app", "files", "listening", "orders", "parts", "x11"},
        {"display"},
        {"desktop"},
        {"main"},
        {"__main__"},
    ),
    "main": ({"home", "house"}, {"app"}, {"serve"}),
}
"""Floors inside a room, from the ground up, by the dotted name of the room. Rooms with folders all stand here."""

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


def inner_complaint(module: str, name: str) -> str | None:
    """Say what is wrong about an import inside a room; None when it is allowed or leaves the room."""
    one, other = module.split("."), name.split(".")
    shared = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if not shared or (room := ".".join(one[:shared])) not in INSIDE:
        return None
    floor = {inner: number for number, inners in enumerate(INSIDE[room], 1) for inner in inners}
    importer, imports = one[shared], other[shared]
    if importer == "__init__" or (imports not in floor and importer in floor):
        return None  # a package's own face; a name that is no module
    if importer not in floor:
        return f"{room}.{importer} is on no floor of {room}; give it one in INSIDE in {Path(__file__).name}"
    if floor[imports] < floor[importer]:
        return None
    where = "the same floor" if floor[imports] == floor[importer] else "above"
    return f"inside {room}, {importer} (floor {floor[importer]}) imports {imports} (floor {floor[imports]}), {where}"


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
    module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    found = [(line, complaint(room, name) or inner_complaint(module, name)) for line, name in imported(path)]
    broken = [f"line {line}: {what}" for line, what in found if what]
    assert not broken, f"a module imports only from floors below its own. {'; '.join(broken)}"


@pytest.mark.parametrize("path", sorted({path.parent for path in MODULES} - {PACKAGE}), ids=lambda path: path.name)
def test_every_room_with_folders_has_floors_of_its_own(path: Path) -> None:
    folders = [folder.name for folder in path.iterdir() if list(folder.glob("*.py"))]
    room = ".".join(path.relative_to(PACKAGE).parts)
    assert not folders or room in INSIDE or room.startswith("database"), (
        f"{room} has {folders}; give it floors in INSIDE"
    )


@pytest.mark.parametrize("room", sorted(INSIDE))
def test_every_module_of_such_a_room_is_on_one_of_its_floors(room: str) -> None:
    folder = PACKAGE.joinpath(*room.split("."))
    there = {path.stem for path in folder.iterdir() if path.suffix == ".py" or list(path.glob("*.py"))} - {"__init__"}
    placed = [inner for inners in INSIDE[room] for inner in inners]
    assert sorted(placed) == sorted(there)


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


def test_the_rule_inside_a_room_names_the_room_and_both_floors() -> None:
    said = inner_complaint("instances.store", "instances.manager")
    assert said == "inside instances, store (floor 6) imports manager (floor 11), above"
    assert inner_complaint("instances.nowhere", "instances.store")
    assert inner_complaint("instances.trashcan", "instances.publisher.Publisher")
    assert inner_complaint("instances.store", "instances.files.InstanceFiles") is None
    assert inner_complaint("instances.store", "base.errors") is None


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


# The browser's modules ------------------------------------------------------------------------------------------

SCRIPTS = PACKAGE / "static/js"
SCRIPT_FLOORS = {
    "": ["kit", "house", "access tools", "app", "begin"],
    "house": [
        "types",
        "api layout pins tabs toolkinds whole",
        "access store",
        "aikore form monitor notices socket trash",
        "tools",
        "actions commands",
        "table",
        "palette",
        "keys",
    ],
    "tools": ["desktop details files log script terminal view", "kinds"],
}
"""By folder, from the ground up, who stands on each floor. In folders that are not named here all are on one floor and
use each other, in no circle."""
SCRIPT_IMPORT = re.compile(r'\b(?:from|import)\s*\(?\s*"(\.{1,2}/[^"]+)"')
COMMENT = re.compile(r"/\*.*?\*/|^\s*//.*?$", re.DOTALL | re.MULTILINE)
MODULE_NAMES = sorted(path.relative_to(SCRIPTS).as_posix() for path in SCRIPTS.rglob("*.js"))


def script_imports(name: str, text: str) -> Iterator[str]:
    """Yield the modules that one imports, by their paths below ``js``; what lies elsewhere is left out."""
    for target in SCRIPT_IMPORT.findall(text):
        path = os.path.normpath(os.path.join(os.path.dirname(name), target))
        if not path.startswith(".."):
            yield path


def script_complaint(name: str, other: str) -> str | None:
    """Say which rule is broken when a module imports another one, or only its types; None when none is."""
    folder = os.path.commonpath([os.path.dirname(name), os.path.dirname(other)])
    floors = {room: floor for floor, rooms in enumerate(SCRIPT_FLOORS.get(folder, ()), 1) for room in rooms.split()}
    if not floors:
        return None
    rooms = [os.path.relpath(path, folder or ".").split("/")[0].removesuffix(".js") for path in (name, other)]
    for room in rooms:
        if room not in floors:
            return f"js/{folder}: {room} is on no floor; give it one in {Path(__file__).name}"
    mine, theirs = (floors[room] for room in rooms)
    if theirs < mine or rooms[0] == rooms[1]:
        return None
    where = "the same floor" if mine == theirs else "above"
    return f"js/{folder}: {rooms[0]} (floor {mine}) imports {rooms[1]} (floor {theirs}), which is {where}: {other}"


@pytest.mark.parametrize("name", MODULE_NAMES)
def test_a_module_of_the_browser_imports_only_from_floors_below(name: str) -> None:
    found = [script_complaint(name, other) for other in script_imports(name, (SCRIPTS / name).read_text())]
    assert [what for what in found if what] == []


@pytest.mark.parametrize("name", MODULE_NAMES)
def test_every_module_that_the_browser_imports_is_there(name: str) -> None:
    assert set(script_imports(name, (SCRIPTS / name).read_text())) <= set(MODULE_NAMES)


def test_no_module_of_the_browser_comes_back_to_itself() -> None:
    graph = {name: script_imports(name, COMMENT.sub("", (SCRIPTS / name).read_text())) for name in MODULE_NAMES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these import each other in a circle: {error.args[1]}")


@pytest.mark.parametrize(
    ("name", "other", "rule"),
    [
        ("kit/dom.js", "house/api.js", "js/: kit (floor 1) imports house (floor 2), which is above"),
        (
            "access/people.js",
            "tools/log/log.js",
            "js/: access (floor 3) imports tools (floor 3), which is the same",
        ),
        (
            "tools/log/log.js",
            "tools/files/remote.js",
            "js/tools: log (floor 1) imports files (floor 1), which is the",
        ),
        ("house/table/row.js", "house/keys.js", "js/house: table (floor 7) imports keys (floor 9), which is above"),
        ("house/store.js", "house/new.js", "js/house: new is on no floor; give it one in test_layers.py"),
        ("house/keys.js", "app.js", "js/: house (floor 2) imports app (floor 4), which is above"),
        ("house/table/row.js", "house/table/heads.js", ""),
        ("tools/log/log.js", "kit/dom.js", ""),
        ("tools/kinds.js", "tools/log/log.js", ""),
    ],
)
def test_the_rule_for_the_browser_says_what_is_broken(name: str, other: str, rule: str) -> None:
    assert (script_complaint(name, other) or "").startswith(rule)
    assert bool(rule) == bool(script_complaint(name, other))


def test_imports_of_the_browser_are_seen_in_every_form() -> None:
    text = (
        'import { a } from "./a.js";\nimport "../kit/b.js";\nexport { c } from "./c.js";\n'
        'const later = () => import("../tools/d.js");\n/** @import {E} from "./e.js" */\n'
        '/** @typedef {import("./f.js").F} F */\n'
        '/** @typedef {typeof import("../../../../tools/vendor/editor.js")} P */\n'
    )
    found = list(script_imports("house/x.js", text))
    assert found == ["house/a.js", "kit/b.js", "house/c.js", "tools/d.js", "house/e.js", "house/f.js"]
