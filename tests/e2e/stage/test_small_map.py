"""The map under the stage: which policy it has, when it asks, and where the dot is."""

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from pg_core.environments import Array
from pg_core.runs.paths import ROOT
from tests.e2e.conftest import PATIENCE_MS
from tests.e2e.stage.conftest import Assets, box, is_color, pixels

WIDTH, HEIGHT = 400, 128 - 24  # of the canvas, under its head
TEXT = (14, 21, 32)


@pytest.fixture
def page(browser: Browser, server: Assets) -> Iterator[Page]:
    """Begin with a map that nobody sees: it lies below the window."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(server.url)
    page.add_style_tag(path=ROOT / "assets/instrument/policy_map.css")
    page.evaluate(
        """async (width) => {
            const { createSmallMap } = await import("./instrument/small_map.js")
            document.body.innerHTML = "<div style='height: 200vh'></div><main class='lab-small'></main>"
            document.body.className = "light"
            document.body.style.width = `${width}px`
            window.asked = []
            const ask = async (update, agent) => {
                asked.push([update, agent])
                if (update === 13) throw new Error("It cannot be had.")
                return { activation: "tanh", kernel_0: [[0, 0], [0, 0], [0, update], [0, 0]], bias_0: [[0, 0]] }
            }
            window.small = createSmallMap(document.querySelector("main"), ask)
            window.at = (update, theta, of = "a run") => small.at(
                { agent: 2, scale: [1, 1, 1, 1], states: [0, 0, theta, 0] }, 0, update, of)
        }""",
        WIDTH,
    )
    yield page
    page.close()


def shown(page: Page, update: int) -> None:
    page.wait_for_function("(update) => document.querySelector('main').dataset.policy === String(update)", arg=update)


def see(page: Page) -> None:
    page.locator("main").scroll_into_view_if_needed()


def dot(page: Page) -> Array:
    """Return the middle of the dot, on the canvas."""
    drawn = is_color(pixels(page.get_by_role("img")), TEXT)
    drawn[:, WIDTH // 2 - 5 : WIDTH // 2 + 5] = False  # the line in the middle
    return np.array(box(drawn)[4:])


def test_a_policy_is_asked_for_once_and_only_while_the_map_is_seen(page: Page) -> None:
    page.evaluate("at(1, 0.1)")
    page.evaluate("at(2, 0.1)")
    assert page.evaluate("asked") == []
    see(page)
    shown(page, 2)
    page.evaluate("at(2, -0.1)")
    page.evaluate("at(3, -0.1)")
    shown(page, 3)
    assert page.evaluate("asked") == [[2, 2], [3, 2]]


def test_the_dot_is_the_present_state_and_stays_whole_at_the_edge(page: Page) -> None:
    see(page)
    page.evaluate("at(1, 0.1)")
    shown(page, 1)
    across = (0.1 / np.radians(12) + 1) / 2 * WIDTH
    assert dot(page) == pytest.approx([across, HEIGHT / 2], abs=1.5)
    page.evaluate("at(1, 9)")
    assert dot(page) == pytest.approx([WIDTH - 6.5, HEIGHT / 2], abs=1.5)
    assert page.get_by_role("img").get_attribute("aria-label").startswith("Policy over θ and θ̇: π(right) is above 0.5")
    assert page.locator("main [tabindex]").count() == 0, "no stop more for who goes by keys"


def test_what_another_run_has_left_is_not_shown_nor_what_comes_of_it_too_late(page: Page) -> None:
    see(page)
    page.evaluate("at(1, 0.1)")
    shown(page, 1)
    page.evaluate("small.forget()")
    assert page.locator(".lab-map").is_hidden()
    page.evaluate("() => { at(4, 0.1, 'a run'); small.forget(); at(5, 0.1, 'another') }")
    shown(page, 5)
    assert page.evaluate("asked") == [[1, 2], [4, 2], [5, 2]]


def test_a_policy_that_cannot_be_had_leaves_nothing_and_is_not_asked_for_with_every_picture(page: Page) -> None:
    see(page)
    page.evaluate("at(1, 0.1)")
    shown(page, 1)
    page.evaluate("at(13, 0.1)")
    page.wait_for_function("!document.querySelector('main').dataset.policy")
    page.evaluate("at(13, 0.2)")
    page.evaluate("at(14, 0.1)")
    shown(page, 14)
    assert page.evaluate("asked") == [[1, 2], [13, 2], [14, 2]]
