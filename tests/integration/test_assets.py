"""How the pages' files reach a browser: kept for good under an address of their content."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest

from tests.helpers.server import AiKoreServer


@pytest.fixture
def aikore(shared_aikore: AiKoreServer) -> AiKoreServer:
    return shared_aikore


@pytest.mark.parametrize(("address", "least"), [("/", 4), ("/desktop/plain/", 10)])
def test_every_file_a_page_names_is_there_compressed_and_kept_for_good(
    aikore: AiKoreServer, address: str, least: int
) -> None:
    aikore.create("Plain", "Static")
    page = aikore.http.get(address)
    assert page.headers["cache-control"] == "no-cache"
    names = re.findall(r'(?:href|src)="((?:\.\./)*static/[^"]+)"', page.text)
    assert len(names) > least
    for name in names:
        answer = aikore.http.get(urljoin(address, name))
        assert answer.status_code == 200, name
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
        if len(answer.content) > 1024:
            assert answer.headers["content-encoding"] == "gzip", name


def test_a_page_of_an_earlier_version_still_gets_its_tools_and_does_not_keep_them(aikore: AiKoreServer) -> None:
    answer = aikore.http.get("/static/v-00aa/js/tools/terminal/terminal.js")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"
    assert aikore.http.get("/static/v-00aa/nothing.js").status_code == 404


def test_the_page_allows_no_inline_script_and_no_eval(aikore: AiKoreServer) -> None:
    page = aikore.http.get("/")
    rules = dict(rule.strip().split(" ", 1) for rule in page.headers["content-security-policy"].split(";"))
    assert rules["default-src"] == "'self'"
    assert "script-src" not in rules
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=", page.text)
