"""The desktop tool in a real Chromium: what a real display shows arrives in it, what is done in it arrives there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.page import Dashboard, LoginPage
from tests.helpers.access import PASSWORD
from tests.helpers.desktop import RED, painted, state, wait_for_page
from tests.helpers.outer import outer_proxy
from tests.helpers.server import AiKoreServer, wait_until

PIXEL = """() => {
  const canvas = document.querySelector('[data-testid="desktop-screen"] canvas');
  const { data } = canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1);
  return "#" + [...data.slice(0, 3)].map((part) => part.toString(16).padStart(2, "0")).join("");
}"""


def near(colour: str, other: str) -> bool:
    """Say whether two colours are the same but for what a JPEG loses."""
    parts = zip(bytes.fromhex(colour[1:]), bytes.fromhex(other[1:]), strict=True)
    return all(abs(one - two) < 12 for one, two in parts)


def wait_for_colour(page: Page, colour: str) -> None:
    canvas = page.get_by_test_id("desktop-screen").locator("canvas")
    expect(canvas).to_be_visible(timeout=30_000)
    wait_until(lambda: near(page.evaluate(PIXEL), colour), 30, f"the canvas is {colour}")


class Keyboard:
    """A keyboard of another layout, as Chromium tells of one."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)

    def _send(self, kind: str, key: str, code: str, number: int = 0) -> None:
        event = {"type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number}
        self._session.send("Input.dispatchKeyEvent", event)

    def press(self, key: str, code: str) -> None:
        for kind in ("rawKeyDown", "keyUp"):
            self._send(kind, key, code)

    def press_with_altgr(self, key: str, code: str) -> None:
        self._send("rawKeyDown", "AltGraph", "AltRight", 225)
        self.press(key, code)
        self._send("keyUp", "AltGraph", "AltRight", 225)

    def compose(self, first: str, first_code: str, letter: str, code: str) -> None:
        """Press a dead key, which shows as ``first``, and another that makes a letter of it."""
        self._send("rawKeyDown", "Process", first_code, 229)
        self._session.send("Input.imeSetComposition", {"text": first, "selectionStart": 1, "selectionEnd": 1})
        self._send("rawKeyDown", "Process", code, 229)
        self._session.send("Input.insertText", {"text": letter})


def test_a_desktop_shows_its_page_takes_keys_and_clipboard_fits_the_pane_and_goes_on_alone(
    dashboard: Dashboard, page: Page, aikore: AiKoreServer
) -> None:
    aikore.create("Plain", "Static")
    instance = painted(aikore, "Paint")
    wait_for_page(instance, aikore)
    dashboard.menu("Paint", "desktop")
    wait_for_colour(page, RED)
    pane = page.get_by_test_id("desktop-screen").bounding_box()
    assert pane
    wait_until(lambda: abs(int(state(instance, aikore)["width"]) - pane["width"]) < 2, 20, "the screen fits the pane")

    def types(text: str) -> None:
        wait_until(lambda: state(instance, aikore)["typed"] == text, 20, f"{text} is typed")

    page.get_by_test_id("desktop-screen").click()
    page.keyboard.type("Hello (World)!")
    types("Hello (World)!")
    keyboard = Keyboard(page)
    page.keyboard.press("Control+a")
    for key, code in (("ä", "Quote"), ("ß", "Minus"), ("é", "Digit2"), ("ł", "KeyL"), ("я", "KeyZ")):
        keyboard.press(key, code)
    keyboard.press_with_altgr("€", "KeyE")
    keyboard.press_with_altgr("@", "KeyQ")
    keyboard.press_with_altgr("{", "Digit7")
    keyboard.compose("´", "Equal", "é", "KeyE")
    keyboard.compose("^", "BracketLeft", "ô", "KeyO")
    page.keyboard.type("z")
    types("äßéłя€@{éôz")

    page.keyboard.press("Control+a")
    page.keyboard.press("Control+c")
    page.get_by_test_id("desktop-clipboard").click()
    expect(page.get_by_test_id("desktop-clip")).to_have_value("äßéłя€@{éôz")
    page.get_by_test_id("desktop-clip").fill("Grüße, 你好 😀\nfrom here")
    page.get_by_test_id("desktop-screen").click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+v")
    types("Grüße, 你好 😀\nfrom here")
    page.context.grant_permissions(["clipboard-write"])
    page.get_by_test_id("desktop-quality").focus()
    page.evaluate("navigator.clipboard.writeText('from elsewhere: œuf')")
    page.get_by_test_id("desktop-screen").click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+v")
    types("from elsewhere: œuf")

    page.keyboard.press("Control+Alt+Escape")
    expect(page.get_by_test_id("desktop-quality")).to_be_focused()
    page.get_by_test_id("desktop-quality").select_option("fast")
    page.get_by_test_id("desktop-full").click()
    wait_until(lambda: int(state(instance, aikore)["width"]) > 1400, 20, "the screen fits the whole window")
    page.evaluate("document.exitFullscreen()")
    wait_until(lambda: int(state(instance, aikore)["width"]) < 1400, 20, "the screen fits the pane again")
    wait_for_colour(page, RED)

    page.get_by_test_id("desktop-look").check()
    page.get_by_test_id("desktop-screen").click()
    page.keyboard.type("nothing")
    page.get_by_test_id("close-tab").click()
    left = int(state(instance, aikore)["count"])
    wait_until(lambda: int(state(instance, aikore)["count"]) > left + 4, 20, "the page counts on without viewers")
    assert state(instance, aikore)["typed"] == "from elsewhere: œuf", "who only looks types nothing"

    page.goto(f"{aikore.url}{instance['urls']['desktop']}")
    expect(page.get_by_role("heading", name="Paint")).to_be_visible()
    wait_for_colour(page, RED)
    aikore.kill()
    expect(page.get_by_test_id("desktop-notice")).to_contain_text("The connection is lost.", timeout=20_000)
    aikore.start()
    expect(page.get_by_test_id("desktop-notice")).to_be_hidden(timeout=20_000)
    wait_for_colour(page, RED)
    assert aikore.http.post("/api/instances/paint/stop").status_code == 202
    expect(page.get_by_test_id("desktop-notice")).to_contain_text("Paint does not run.", timeout=20_000)
    page.get_by_test_id("desktop-start").click()
    wait_for_colour(page, RED)

    page.goto(aikore.url)
    dashboard.press("Plain", "more")
    expect(page.locator('[data-testid="menu"] [data-action="log"]')).to_be_visible()
    expect(page.locator('[data-testid="menu"] [data-action="desktop"]')).to_have_count(0)


@pytest.fixture
def outer(tmp_path: Path) -> Iterator[Callable[[int], int]]:
    """Start a proxy of somebody else with TLS before AiKore; give its port."""
    with ExitStack() as stack:
        yield lambda inner: stack.enter_context(outer_proxy(tmp_path, inner, tls=True))


def test_behind_a_proxy_with_tls_two_people_share_a_desktop_and_its_size(
    browser: Browser, aikore_factory: Callable[..., AiKoreServer], outer: Callable[[int], int]
) -> None:
    server = aikore_factory(auth="on", password=PASSWORD, root_path="/aikore", trusted_proxies="127.0.0.1")
    server.http = httpx.Client(base_url=f"{server.url}/aikore", trust_env=False)
    server.start()
    server.http.post("/api/auth/login", json={"password": PASSWORD}).raise_for_status()
    instance = painted(server, "Paint")
    wait_for_page(instance, server)
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 1100, "height": 700})
    one = context.new_page()
    one.goto(f"https://localhost:{outer(server.port)}{instance['urls']['desktop']}")
    LoginPage(one).enter(PASSWORD)
    wait_for_colour(one, RED)
    wait_until(lambda: int(state(instance, server)["width"]) == 1100, 20, "the screen fits the first window")
    two = context.new_page()
    two.set_viewport_size({"width": 390, "height": 700})
    two.goto(one.url)
    wait_for_colour(two, RED)
    two.set_viewport_size({"width": 800, "height": 700})
    wait_until(lambda: int(state(instance, server)["width"]) == 800, 20, "the screen fits who changed last")
    for page, text, typed, height in ((one, "one", "one", 200), (two, " two", "one two", 400)):
        page.bring_to_front()
        # not twice at one place: no double click
        page.get_by_test_id("desktop-screen").click(position={"x": 200, "y": height})
        page.keyboard.type(text)
        wait_until(lambda typed=typed: state(instance, server)["typed"] == typed, 20)  # type: ignore[misc]
    resizes, count = int(state(instance, server)["resizes"]), int(state(instance, server)["count"])
    one.bring_to_front()
    one.get_by_test_id("desktop-look").check()
    one.set_viewport_size({"width": 900, "height": 700})
    one.get_by_test_id("desktop-screen").click()
    one.keyboard.type("nothing")
    wait_until(lambda: int(state(instance, server)["count"]) > count + 12, 20, "3 s pass")
    now = state(instance, server)
    assert (now["typed"], int(now["width"])) == ("one two", 800), "who only looks changes nothing"
    two.set_viewport_size({"width": 390, "height": 700})
    wait_until(lambda: int(state(instance, server)["count"]) > int(now["count"]) + 8, 20, "2 s pass")
    wait_for_colour(two, RED)
    assert int(state(instance, server)["resizes"]) == resizes, "no phone makes it too narrow, nobody pulls to and fro"
    wait_for_colour(one, RED)
