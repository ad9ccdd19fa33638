"""The dashboard's files under addresses that change with their content."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest

from aikore.base.shipped import static_dir
from aikore.proxy import assets


@pytest.fixture
def static(tmp_path: Path) -> Path:
    for name, text in {
        "index.html": '<head><link rel="stylesheet" href="static/css/a.css">'
        '<script src="static/js/begin.js"></script></head>static/x',
        "css/a.css": "",
        "js/begin.js": 'import("./app.js");\n',
        "js/app.js": '/** import "./not.js" */\nimport { a } from "./a.js";\nimport "./deep/b.js";\n',
        "js/a.js": 'export { b } from "./deep/b.js";\nconst later = () => import("./later.js");\n',
        "js/deep/b.js": 'import {\n  a,\n} from "../a.js";\n',
        "js/later.js": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_all_modules_the_page_begins_with_are_found_and_later_ones_are_not(static: Path) -> None:
    assert assets.modules(static, "js/app.js") == ["js/app.js", "js/a.js", "js/deep/b.js"]


def test_addresses_of_the_page_carry_the_version_and_its_text_does_not(static: Path) -> None:
    page = assets.page(static, "index.html", "0123")
    assert 'href="static/v-0123/css/a.css"' in page
    assert 'src="static/v-0123/js/begin.js"' in page
    assert '<link rel="modulepreload" href="static/v-0123/js/deep/b.js">' in page
    assert page.endswith("static/x")


def bundle(static: Path) -> None:
    sources = {name: hashlib.sha256((static / name).read_bytes()).hexdigest() for name in ("js/app.js", "css/a.css")}
    (static / "dist").mkdir()
    (static / "dist/sources.json").write_text(json.dumps(sources))


def test_the_page_takes_the_bundle_of_its_own_files(static: Path) -> None:
    bundle(static)
    page = assets.page(static, "index.html", "0123")
    assert re.findall(r'(?:href|src)="static/v-0123/([^"]+)"', page) == [
        "dist/begin.js",
        "dist/page.css",
        "dist/app.js",
    ]


def test_a_bundle_of_other_files_is_left_aside(static: Path) -> None:
    bundle(static)
    (static / "css/a.css").write_text("changed")
    assert 'src="static/v-0123/js/begin.js"' in assets.page(static, "index.html", "0123")
    (static / "css/a.css").unlink()
    assert "dist/" not in assets.page(static, "index.html", "0123")


def test_a_page_further_down_reaches_the_same_files(static: Path) -> None:
    (static / "desktop").mkdir()
    (static / "js/tools/desktop").mkdir(parents=True)
    (static / "desktop/index.html").write_text(
        '<head><script src="../../static/js/tools/desktop/page.js"></script></head>'
    )
    (static / "js/tools/desktop/page.js").write_text('import "../../deep/b.js";\n')
    page = assets.page(static, "desktop/index.html", "0123")
    assert 'src="../../static/v-0123/js/tools/desktop/page.js"' in page
    assert '<link rel="modulepreload" href="../../static/v-0123/js/deep/b.js">' in page


def test_the_version_changes_with_content_and_names_and_with_nothing_else(static: Path, tmp_path: Path) -> None:
    before = assets.digest(static)
    (static / "js/a.js").touch()
    assert assets.digest(static) == before
    (static / "js/later.js").write_text("1")
    changed = assets.digest(static)
    (static / "js/later.js").rename(static / "js/other.js")
    assert len({before, changed, assets.digest(static)}) == 3


@pytest.mark.parametrize("first", assets.PAGES.values())
def test_the_real_pages_name_no_module_that_is_not_there(first: str) -> None:
    found = assets.modules(static_dir(), first)
    assert "js/house/api.js" in found
    assert not [name for name in found if not (static_dir() / name).is_file()]
    assert not [name for name in found if name.startswith("vendor")]


def test_a_copy_elsewhere_has_the_same_version(static: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    copy = tmp_path_factory.mktemp("copy") / "static"
    shutil.copytree(static, copy)
    assert assets.digest(copy) == assets.digest(static)
