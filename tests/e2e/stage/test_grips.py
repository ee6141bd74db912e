"""Cart and pole are pushed on the stage itself: where they are, by mouse, finger and keys."""

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.stage.conftest import Assets, Stage, entry, give, keys, pixels, sent

METRE, MIDDLE, TRACK, AXLE, POLE = 125, 300, 299.5, 7.5, 125  # Gymnasium's pixels, of a picture 600 wide
POSES = [(0, 0), (1, 0.1), (-1.5, -0.2), (2.3, 0.209)]
GRIPS = """async () => {
    const { createGrips } = await import("./instrument/grips.js")
    Object.assign(lab, { pushed: [], held: 0 })
    lab.grips = createGrips(lab.player, { onPush: (...what) => lab.pushed.push(what), onHold: () => lab.held++ })
    lab.grips.take(true)
    const link = document.createElement("link")
    document.head.append(Object.assign(link, { rel: "stylesheet", href: "instrument/grips.css" }))
}"""


def put(page: Page, x: float = 0, theta: float = 0) -> Page:
    give(page, {"0": {**sent(0, [1]), "episodes": [entry(0, 1, np.array([[x, 0, theta, 0]] * 2), np.array([0.5]))]}})
    page.evaluate(GRIPS)
    page.evaluate("lab.player.reset({ episodes: lab.createEpisodes(lab.fetch) }), lab.player.play(0)")
    page.wait_for_selector("#stage[data-update='0']")
    page.evaluate("lab.player.hold(0)")
    return page


def at(page: Page, left: float, top: float) -> tuple[float, float]:
    """Return where a point of Gymnasium's picture is on the page."""
    box = page.locator(".lab-player-canvas").bounding_box()
    assert box
    return box["x"] + left * box["width"] / 600, box["y"] + top * box["width"] / 600


def cart(page: Page, x: float = 0) -> tuple[float, float]:
    return at(page, MIDDLE + METRE * x, TRACK + 8)  # lower than the axle


def pole(page: Page, x: float = 0, theta: float = 0, up: float = POLE / 2) -> tuple[float, float]:
    return at(page, MIDDLE + METRE * x + up * np.sin(theta), TRACK - AXLE - up * np.cos(theta))


def drag(page: Page, start: tuple[float, float], right: float) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + right / 2, start[1])
    page.mouse.move(start[0] + right, start[1])
    page.mouse.up()


@pytest.mark.parametrize("width", [320, 600])
def test_cart_and_pole_are_where_gymnasium_has_them(stage: Stage, width: int) -> None:
    page = stage(width)
    for x, theta in POSES:
        put(page, x, theta)
        beside = at(page, MIDDLE + METRE * x + (200 if x < 0 else -200), TRACK - 100)
        asked = [cart(page, x), pole(page, x, theta), pole(page, x, theta, 110), pole(page, x, theta, 30), beside]
        found = page.evaluate(
            """(points) => {
                const { left, top } = document.querySelector(".lab-player-canvas").getBoundingClientRect()
                return points.map(([x, y]) => lab.player.stage.locate(x - left, y - top))
            }""",
            asked,
        )
        assert [each.get("body") for each in found] == ["cart", "pole", "pole", "pole", None], (x, theta)
        assert found[0]["metre"] == pytest.approx(METRE * width / 600, rel=0.01)


def test_a_push_is_as_large_as_the_drag(stage: Stage) -> None:
    page = put(stage(600))
    drag(page, cart(page), 2 * METRE)
    drag(page, cart(page), -0.5 * METRE)
    drag(page, pole(page), METRE)
    pushed = page.evaluate("lab.pushed.splice(0)")
    assert [body for body, _ in pushed] == ["cart", "cart", "pole"]
    assert [more for _, more in pushed] == pytest.approx([2, -0.5, 1])  # 1 m/s, or rad/s, for each metre
    assert page.evaluate("lab.held") == 3  # the episode stands still while it is dragged
    drag(page, cart(page), 0)  # a press
    drag(page, at(page, 100, 100), METRE)  # of nothing
    page.mouse.move(*cart(page))
    page.mouse.down(button="right")
    page.mouse.up(button="right")
    assert page.evaluate("lab.pushed") == []


def test_an_arrow_shows_the_pull_until_the_browser_takes_the_pointer(stage: Stage) -> None:
    page = put(stage(600))
    canvas = page.get_by_role("img")
    before = pixels(canvas)
    x, y = pole(page)
    page.mouse.move(x, y)
    assert page.locator(".lab-player-screen").evaluate("(node) => node.style.cursor") == "grab"
    page.mouse.down()
    page.mouse.move(x + METRE, y)
    rows, columns = np.nonzero((pixels(canvas) != before).any(axis=-1))
    assert columns.max() == pytest.approx(MIDDLE + METRE, abs=4)
    assert rows.mean() == pytest.approx(TRACK - AXLE - POLE / 2, abs=4)
    canvas.dispatch_event("pointercancel")
    page.mouse.up()
    assert (pixels(canvas) == before).all()
    assert page.evaluate("lab.pushed") == []


def test_keys_push_while_the_stage_has_the_focus_and_the_others_stay_the_players(stage: Stage) -> None:
    page = put(stage())
    for key in ("u", "O", "j", "l", "x", "Control+l", "ArrowRight", "Home", "<", ">", "End"):
        keys(page).press(key)
    pushes = [["pole", -1], ["pole", 1], ["cart", -1], ["cart", 1]]
    assert page.evaluate("lab.pushed.splice(0)") == pushes
    assert "U and O push the pole" in keys(page).get_attribute("title")
    assert "Space plays and pauses" in keys(page).get_attribute("aria-label")
    assert "J and L the cart" in keys(page).get_attribute("aria-label")
    page.get_by_role("slider", name="Time step").press("l")
    page.evaluate("lab.grips.take(false)")  # another environment's
    keys(page).press("l")
    drag(page, cart(page), METRE)
    assert page.evaluate("lab.pushed") == []
    assert "pole" not in keys(page).get_attribute("aria-label") + keys(page).get_attribute("title")
    page.evaluate("lab.grips.take(true), lab.grips.destroy()")
    keys(page).press("l")
    assert page.evaluate("lab.pushed") == []


@pytest.fixture
def touched(browser: Browser, server: Assets) -> Iterator[Page]:
    """A page that is longer than its screen, which is touched."""
    context = browser.new_context(has_touch=True, viewport={"width": 376, "height": 500}, reduced_motion="reduce")
    page = context.new_page()
    page.goto(server.url)
    page.wait_for_function("window.lab")
    page.evaluate("document.body.style.height = '3000px'")
    yield put(page)
    context.close()


def swipe(page: Page, start: tuple[float, float], right: float, down: float) -> None:
    session = page.context.new_cdp_session(page)
    for kind, share in [("touchStart", 0), *(("touchMove", each / 10) for each in range(1, 11))]:
        points = [{"x": start[0] + share * right, "y": start[1] + share * down}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_finger_drags_sideways_and_scrolls_the_page_up_and_down(touched: Page) -> None:
    swipe(touched, cart(touched), -60, 0)
    [[body, more]] = touched.evaluate("lab.pushed.splice(0)")
    assert (body, more) == ("cart", pytest.approx(-60 / touched.evaluate("lab.player.stage.locate(0, 0).metre")))
    assert touched.evaluate("scrollY") == 0
    swipe(touched, cart(touched), 0, -120)
    touched.wait_for_function("scrollY > 50")
    assert touched.evaluate("lab.pushed") == []
