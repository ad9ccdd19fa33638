"""The desktop tool in a real Chromium: what a real display shows arrives in it, what is done in it arrives there."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e.page import Dashboard
from tests.helpers.desktop import RED, painted, state, wait_for_page
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

    page.get_by_test_id("desktop-screen").click()
    page.keyboard.type("Hello (World)!")
    wait_until(lambda: state(instance, aikore)["typed"] == "Hello (World)!", 20, "typing arrives")
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+c")
    page.get_by_test_id("desktop-clipboard").click()
    expect(page.get_by_test_id("desktop-clip")).to_have_value("Hello (World)!")
    page.get_by_test_id("desktop-clip").fill("from here")
    page.get_by_test_id("desktop-screen").click()

    def pasted() -> bool:
        page.keyboard.press("Control+a")
        page.keyboard.press("Control+v")
        page.wait_for_timeout(300)  # the page tells what it has four times a second
        return bool(state(instance, aikore)["typed"] == "from here")

    wait_until(pasted, 20, "the clipboard arrives")

    page.get_by_test_id("desktop-look").check()
    page.get_by_test_id("desktop-screen").click()
    page.keyboard.type("nothing")
    page.get_by_test_id("close-tab").click()
    left = int(state(instance, aikore)["count"])
    wait_until(lambda: int(state(instance, aikore)["count"]) > left + 4, 20, "the page counts on without viewers")
    assert state(instance, aikore)["typed"] == "from here", "who only looks types nothing"

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
