"""The documentation says what the code says: settings, routes, dependencies, version."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from enum import Enum
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from aikore import __version__
from aikore.base.events import Topic
from aikore.config import GROUPS, Settings
from aikore.config.group import Group

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"


def default_text(field: FieldInfo) -> str:
    """Write a setting's default as it stands in the table."""
    if field.default_factory is not None:
        return "the user's data folder"
    value = field.default.value if isinstance(field.default, Enum) else field.default
    value = value.get_secret_value() if isinstance(value, SecretStr) else value
    text = ",".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
    return f"`{text}`" if text and value is not None else "empty"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_with_its_default_and_help(name: str) -> None:
    field = Settings.model_fields[name]
    row = f"| `AIKORE_{name.upper()}` | {default_text(field)} | {field.description} |"
    assert row in (DOCS / "settings.md").read_text().splitlines()


def test_no_setting_is_documented_that_does_not_exist() -> None:
    named = set(re.findall(r"^\| `AIKORE_(\w+)`", (DOCS / "settings.md").read_text(), re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("group", GROUPS)
def test_the_settings_of_a_room_stand_under_its_heading_in_their_order(group: type[Group]) -> None:
    _, _, section = (DOCS / "settings.md").read_text().partition(f"\n## {(group.__doc__ or '').rstrip('.')}\n")
    named = re.findall(r"^\| `AIKORE_(\w+)`", section.partition("\n## ")[0], re.MULTILINE)
    assert named == [name.upper() for name in group.__annotations__ if name in group.model_fields]


def test_every_route_is_documented_with_its_methods(tmp_path: Path) -> None:
    from aikore.main import create_app

    app = create_app(Settings(home=tmp_path, nginx="off"))  # type: ignore[arg-type]
    text = (DOCS / "http.md").read_text()
    promised = {(m.upper(), path) for path, methods in app.openapi()["paths"].items() for m in methods}
    documented = set(re.findall(r"`(GET|POST|PUT|PATCH|DELETE|HEAD) (/[^`?\s]*)[^`]*`", text))
    assert documented == promised


def test_every_socket_is_documented() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "aikore").rglob("*.py"))
    promised = set(re.findall(r"\.websocket\(\s*\"([^\"]+)\"", sources))
    documented = set(re.findall(r"`WS (/[^`?\s]*)[^`]*`", (DOCS / "http.md").read_text()))
    assert documented == promised


def test_every_topic_is_documented_with_its_permission() -> None:
    import aikore.main  # noqa: F401 — loads all rooms

    modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "aikore"]
    topics = {value for module in modules for value in vars(module).values() if isinstance(value, Topic)}
    assert len({topic.name for topic in topics}) == len(topics), "names are unique"
    text = (DOCS / "http.md").read_text().partition("## Events")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `(\w+)` \| `([\w.]+)` \|", text, re.MULTILINE))
    assert documented == {(topic.name, topic.needs) for topic in topics if topic.needs}


def test_every_dependency_is_named_with_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[\s\[<>=~!]", requirement)[0] for requirement in wanted}
    package = json.loads((ROOT / "package.json").read_text())
    names |= {*package["dependencies"], *package["devDependencies"]}
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", (DOCS / "dependencies.md").read_text(), re.MULTILINE))
    assert set(rows) == names
    assert all(len(reason) > 10 for reason in rows.values())


def test_every_command_is_in_the_readme_or_the_help_page() -> None:
    from aikore.cli import main

    text = (ROOT / "README.md").read_text()
    assert [name for name in main.commands if f"aikore {name}" not in text] == []


def test_every_variable_of_a_launch_script_is_in_the_contract() -> None:
    from aikore.instances.schemas import RESERVED_VARIABLES
    from aikore.launch.environment import Device, Devices, gpu_facts

    text = (ROOT / "blueprints/README.md").read_text()
    given = {*RESERVED_VARIABLES, *gpu_facts(Devices((Device("nvidia", "0"),)))} - {"AIKORE_RUN"}  # for AiKore itself
    assert [name for name in sorted(given) if not re.search(rf"\b{name}\b", text)] == []


def test_relative_links_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *DOCS.glob("*.md")):
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
            if not target.endswith(".png"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_changelog_begins_with_this_version() -> None:
    first = re.search(r"^## (?!Unreleased)(\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first is not None
    assert first[1] == __version__
