"""The rendered configuration: pure text from routes. What it does is shown by tests/integration/test_proxy.py."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aikore.base.errors import ProxyError
from aikore.config import Settings
from aikore.proxy.render import Options, problem, quote, quote_path, render
from aikore.proxy.routes import Route

ROOT = Path(__file__).parent.parent.parent
TEMPLATES = ROOT / "aikore/proxy/templates"


def options(**settings: Any) -> Options:
    return Options(Settings(home=Path("/srv/a$b"), **settings), Path("/static"), (1, 22, 1), 2, 4096, "", "7-abc")


def test_the_same_routes_in_another_order_give_the_same_text() -> None:
    routes = [Route("b", 2), Route("a", 1)]
    assert render(routes, options()) == render(routes[::-1], options())


def test_only_the_generation_differs_between_equal_configurations() -> None:
    one, two = render([], options()), render([], replace(options(), generation="8-abc"))
    assert one.replace("7-abc", "8-abc") == two


def test_a_route_adds_an_upstream_but_no_location() -> None:
    few, many = render([], options()), render([Route(f"a{i}", 100 + i) for i in range(500)], options())
    assert few.count("location") == many.count("location")
    assert many.count("upstream app_") == 500


def test_keepalive_min_timeout_is_used_where_nginx_has_it() -> None:
    assert "keepalive_min_timeout" not in render([], options())
    assert "keepalive_min_timeout 5s" in render([], replace(options(), version=(1, 27, 4)))


def test_under_a_supervisor_nginx_complains_to_standard_error_too() -> None:
    assert "error_log stderr" in render([], options(nginx="external"))
    assert "stderr" not in render([], options())


def test_an_ipv6_host_is_listened_on_in_brackets() -> None:
    assert "listen [::]:9000" in render([], options(host="::"))


@pytest.mark.parametrize(
    "routes",
    [
        [Route("a;b", 1)],
        [Route("../x", 1)],
        [Route("", 1)],
        [Route("a", 0)],
        [Route("a", 1, public_port=70000)],
        [Route("a", 1, hostname="x; } server {")],
        [Route("a", 1, hostname="x\nlisten 1")],
        [Route("a", 1, hostname="Upper.Case")],
        [Route("a", 1, hostname="localhost")],
        [Route("a", 1, public_port=9000)],
        [Route("a", 1, hostname="x.lan"), Route("b", 2, hostname="x.lan")],
        [Route("a", 1, hostname="b.localhost"), Route("b", 2)],
        [Route("a", 1, public_port=9001), Route("b", 2, public_port=9001)],
        [Route("a", 1, active=True), Route("b", 2, active=True)],
    ],
)
def test_routes_that_contradict_or_inject_are_refused(routes: list[Route]) -> None:
    with pytest.raises(ProxyError):
        render(routes, options())


def test_parameters_are_quoted_for_nginx() -> None:
    assert quote("it's \\") == "'it\\'s \\\\'"
    assert quote_path("/a$b c") == "'/a${dollar}b c'"
    assert problem(404, "not_found", "x").startswith("'{")


# Who sets and who reads a variable ------------------------------------------------------------------------------

SETS = re.compile(r"^\s*(?:map .* |geo (?:\S+ )?|set |auth_request_set )\$(\w+)(?= )", re.MULTILINE)
CAPTURES = re.compile(r"\(\?<(\w+)>")
READS = re.compile(r"\$\{?([a-z]\w*)")
Parts = dict[str, set[str]]


def variables() -> tuple[Parts, Parts]:
    """Return which parts set and which read each variable that is ours, beyond the patterns of one part."""
    sets: Parts = defaultdict(set)
    reads: Parts = defaultdict(set)
    captures: Parts = defaultdict(set)
    for path in TEMPLATES.rglob("*.j2"):
        part, text = str(path.relative_to(TEMPLATES)).removesuffix(".j2"), path.read_text()
        for found, pattern in ((sets, SETS), (captures, CAPTURES)):
            for name in pattern.findall(text):
                found[name].add(part)
        for name in READS.findall(SETS.sub(lambda one: one[0][: one.start(1) - one.start() - 1], text)):
            reads[name].add(part)
    reads["dollar"].add("render.py")
    sets.update({name: parts for name, parts in captures.items() if reads[name] != parts})
    return sets, {name: reads[name] for name in sets}


def documented() -> tuple[Parts, Parts]:
    rows = re.findall(r"^\| `\$(\w+)` \| .+ \| (.+) \| (.+) \|$", (ROOT / "docs/nginx.md").read_text(), re.MULTILINE)
    sets = {name: set(re.findall(r"`(\S+)`", parts)) for name, parts, _ in rows}
    return sets, {name: set(re.findall(r"`(\S+)`", parts)) for name, _, parts in rows}


def test_the_documentation_says_who_sets_and_who_reads_each_variable() -> None:
    assert documented() == variables()


def test_every_variable_is_read_by_somebody() -> None:
    assert [name for name, parts in variables()[1].items() if not parts] == []


def test_which_instance_a_request_is_for_is_decided_by_the_servers_alone() -> None:
    sets, reads = variables()
    assert sets["instance"] == {"servers/main", "servers/own"}
    sources = ("main_instance", "own_instance", "path_instance", "host_instance")
    assert set().union(*(reads[name] for name in sources)) == {"http/routes", "servers/main", "servers/own"}
