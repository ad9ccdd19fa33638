"""The terminal tool in a real Chromium, over real shells."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from tests.e2e.page import Dashboard
from tests.helpers.server import AiKoreServer
from tests.helpers.terminal import Terminal

NO_WEBGL = """
const context = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.startsWith("webgl") ? null : context.call(this, kind, ...rest);
};
"""
"""A browser without WebGL: the terminal draws with elements, whose text a test can read."""


def shown(place: Page | Locator) -> Locator:
    """Return the lines of the terminal in front."""
    return place.locator(".term:not([hidden]) .xterm-rows")


def run(place: Page | Locator, line: str) -> None:
    place.locator(".term:not([hidden]) .xterm-helper-textarea").press_sequentially(line + "\n")


def test_a_terminal_answers_keeps_its_screen_over_a_reload_and_says_that_it_ended(
    page: Page, aikore_factory: Callable[..., AiKoreServer]
) -> None:
    server = aikore_factory()
    server.variables["HOME"] = str(server.home)  # nobody's own shell files
    server.start()
    server.create("Work", "Static", environment={"OWN": "mine"})
    page.add_init_script(NO_WEBGL)
    lines: list[tuple[WebSocketRoute, WebSocketRoute]] = []
    page.route_web_socket(re.compile("/terminal[?]"), lambda line: lines.append((line, line.connect_to_server())))
    dashboard = Dashboard(page, server)
    dashboard.menu("Work", "terminal")
    expect(shown(page)).to_contain_text("instances/work", timeout=20_000)
    run(page, "printf '\\e[31m%s\\e[0m <b>%s</b>\\n' $((6*7)) $OWN; PS1=ready; printf '\\e[c\\e[6n'")
    expect(shown(page)).to_contain_text("42 <b>mine</b>")
    page.keyboard.press("Enter")
    expect(shown(page)).to_contain_text("2c1R: command not found")

    for end in lines[-1]:
        end.close(code=4000, reason="the line breaks")
    expect(page.get_by_test_id("terminal-notice")).to_contain_text("The connection is lost")
    expect(page.get_by_test_id("terminal-notice")).to_be_hidden()
    run(page, "echo back''again")
    expect(shown(page)).to_contain_text("backagain")
    assert shown(page).inner_text().count("42 <b>mine</b>") == 1, "it goes on where it broke off"

    page.get_by_test_id("terminal-new").click()
    expect(page.get_by_test_id("terminal-tab")).to_have_count(2)
    run(page, "echo sec''ond")
    expect(shown(page)).to_contain_text("second")
    page.get_by_test_id("terminal-tab").first.dblclick()
    page.get_by_test_id("terminal-name").fill("Training")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("terminal-tab").first).to_have_text("Training")

    page.get_by_role("button", name="Find", exact=True).click()
    page.get_by_test_id("terminal-find").locator("visible=true").fill("mine")
    expect(page.get_by_test_id("terminal-found").locator("visible=true")).to_have_text("1 of 1")
    page.keyboard.press("Escape")

    page.reload()
    dashboard.menu("Work", "terminal")
    expect(shown(page)).to_contain_text("42 <b>mine</b>")
    run(page, "echo still''here")
    expect(shown(page)).to_contain_text("stillhere")
    assert shown(page).inner_text().count("2c1R:") == 1, "a query of the history is not answered again"

    page.get_by_test_id("terminal-more").click()
    page.locator('[data-action="end"]').click()
    expect(page.get_by_test_id("terminal-tab")).to_have_count(1)
    expect(shown(page)).to_contain_text("second")
    run(page, "exit 3")
    expect(page.get_by_test_id("terminal-notice")).to_have_text("The shell has ended with code 3.")
    assert server.http.get("/api/terminals").json() == []

    page.get_by_test_id("find").click()
    page.keyboard.type("terminal of aikore")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("tab-terminal")).to_have_text(["Work · Terminal", "AiKore · Terminal"])
    front = page.locator(".panel:not([data-hidden])")
    expect(shown(front)).to_contain_text(re.compile(r"[$#]"))
    run(front, "echo in $PWD")
    expect(shown(front)).to_contain_text(f"in {server.home}")
    page.reload()
    expect(page.get_by_test_id("tab-terminal")).to_have_text(["Work · Terminal", "AiKore · Terminal"])
    expect(shown(front)).to_contain_text(f"in {server.home}")


ASK = (
    r"stty raw -echo; printf '\e[c\e[>c\e[6n\e[?6n\e[5n\e[?25$p\e[4$p\e]11;?\a\e]4;1;?\a\eP$qm\e\\'; "
    r"sleep 1; dd bs=4096 count=1 2>/dev/null > replies; stty sane; echo as''ked"
)
"""What programs ask a terminal at their start; its replies go into a file."""


def test_of_two_pages_one_answers_what_programs_ask(page: Page, aikore_factory: Callable[..., AiKoreServer]) -> None:
    server = aikore_factory()
    server.variables["HOME"] = str(server.home)
    server.start()
    server.create("Work", "Static")
    replies = server.home / "instances/work/replies"
    assert page.context.browser is not None
    pages = [page, page.context.browser.new_context().new_page()]
    for one in pages:
        one.add_init_script(NO_WEBGL)
        Dashboard(one, server).menu("Work", "terminal")
        expect(shown(one)).to_contain_text("instances/work", timeout=20_000)
    assert len(server.http.get("/api/terminals").json()) == 1

    def asked(where: Page) -> bytes:
        run(where, "clear; " + ASK)
        for one in pages:
            expect(shown(one)).to_contain_text("asked", timeout=20_000)
        found = replies.read_bytes()
        run(where, "clear; rm replies; echo cl''eared")
        for one in pages:
            expect(shown(one)).to_contain_text("cleared")
        return found

    for where in (page, pages[1], page):
        got = asked(where)
        for reply in (
            b"\x1b[?1;2c",
            b"\x1b[>0;276;0c",
            b"R",
            b"\x1b[0n",
            b"\x1b]11;rgb:",
            b"\x1b]4;1;rgb:",
            b"\x1bP1$r",
        ):
            assert got.count(reply) == (2 if reply == b"R" else 1), (reply, got)
    pages[1].locator(".term:not([hidden]) .xterm-helper-textarea").focus()
    pages.pop().context.close()
    assert asked(page).count(b"\x1b[?1;2c") == 1, "who stays answers"
    page.reload()
    expect(shown(page)).to_contain_text("cleared")
    run(page, "echo ha''ppy")
    expect(shown(page)).to_contain_text("happy")
    assert "1;2c" not in shown(page).inner_text(), "a replayed query is not answered again"


def test_a_reload_inside_a_full_screen_program_shows_its_whole_picture(
    page: Page, aikore_factory: Callable[..., AiKoreServer]
) -> None:
    server = aikore_factory(terminal_scrollback=65536)
    server.variables["HOME"] = str(server.home)
    server.start()
    server.create("Work", "Static")
    page.add_init_script(NO_WEBGL)
    Dashboard(page, server).menu("Work", "terminal")
    expect(shown(page)).to_contain_text("instances/work", timeout=20_000)
    run(page, "seq -f 'line %g' 300 > long.txt; vi -u NONE long.txt")
    expect(shown(page)).to_contain_text("line 17")
    with Terminal(
        server, "/api/instances/work/terminal", session=server.http.get("/api/terminals").json()[0]["id"], draw=False
    ) as hand:
        while hand.next < 200_000:  # its first drawing goes out of the scrollback
            hand.send("jk" * 50)
            assert hand.take(5)
    page.reload()
    expect(shown(page)).to_contain_text("line 17", timeout=20_000)
    rows = [line for line in shown(page).inner_text().splitlines() if line.startswith("line ")]
    assert len(rows) > 10 and rows == [f"line {int(rows[0].split()[1]) + at}" for at in range(len(rows))]
    run(page, ":q!")
    run(page, "echo ba''ck")
    expect(shown(page)).to_contain_text("back")
