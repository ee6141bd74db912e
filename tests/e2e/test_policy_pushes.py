"""Cart and pole are pushed on the Policy page, by buttons, keys and drags; sensors are noisy and actions late."""

import re

import pytest
from playwright.sync_api import Page, expect

from pg_core.config import Config
from tests.e2e.conftest import Open
from tests.e2e.test_policy import row, rows

DEGREES = 57.3  # of the stage's numbers, for each radian
RUN = Config(pace=0, num_updates=6)


def screen(page: Page):
    return page.get_by_role("group", name=re.compile("Stage"))


def seen(page: Page) -> list[float]:
    """Return x, ẋ, θ, θ̇ where the episode on the stage begins, as it is told there."""
    screen(page).press("Home")
    told = page.locator(".lab-player-state .lab-player-number").all_inner_texts()
    return [float(number.replace("−", "-")) for number in told]


def begin(page: Page) -> list[float]:
    """Put the first step of the update's episode on the stage."""
    expect(rows(page).first).to_be_visible()
    row(page, 0).click()
    expect(row(page, 0)).to_have_attribute("aria-current", "step")
    return seen(page)


def test_keys_and_buttons_push_cart_and_pole_by_as_much(open_page: Open, run: str) -> None:
    page = open_page(f"policy?run={run}&update=1")
    x, x_dot, theta, theta_dot = begin(page)
    screen(page).press("l")
    expect(page.locator(".lab-update tr[aria-current]")).to_have_count(0)  # it is not the update's episode any more
    assert seen(page) == pytest.approx([x, x_dot + 1, theta, theta_dot], abs=0.011)
    page.get_by_role("button", name="Push the cart to the left").press("Enter")
    assert seen(page) == pytest.approx([x, x_dot, theta, theta_dot], abs=0.011)
    screen(page).press("u")
    assert seen(page) == pytest.approx([x, x_dot, theta, theta_dot - DEGREES], abs=0.11)
    page.get_by_role("button", name="Push the pole to the right").press("Enter")
    assert seen(page) == pytest.approx([x, x_dot, theta, theta_dot], abs=0.11)


def test_a_drag_on_the_stage_pushes_what_is_dragged(open_page: Open, run: str) -> None:
    page = open_page(f"policy?run={run}&update=1", width=390, height=844)
    before = begin(page)
    box = screen(page).locator("canvas").bounding_box()
    metre = box["width"] / 4.8
    left, top = box["x"] + box["width"] / 2 + metre * before[0], box["y"] + box["height"] * 308 / 400
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(left - metre, top)
    page.mouse.up()
    expect(page.locator(".lab-update tr[aria-current]")).to_have_count(0)
    assert seen(page) == pytest.approx([before[0], before[1] - 1, *before[2:]], abs=0.03)


def test_sensors_become_noisy_and_actions_late_by_keyboard(open_page: Open, run: str) -> None:
    page = open_page(f"policy?run={run}&update=1")
    before = begin(page)
    page.get_by_text("Other physics").click()
    noise, delay = page.get_by_role("slider", name="sensor noise"), page.get_by_role("slider", name="action delay")
    noise.press("ArrowRight")
    expect(noise).to_have_value("0.01")
    expect(page.locator(".lab-update tr[aria-current]")).to_have_count(0)
    assert seen(page) == before  # it goes on from the state on the stage, which is not noisy
    delay.press("End")
    expect(page.get_by_text("10 steps", exact=True)).to_be_visible()
    chance = page.locator(".lab-player-push > .lab-player-number")
    seen(page)
    first = chance.inner_text()
    for _ in range(5):
        screen(page).press("ArrowRight")
        expect(chance).to_have_text(first)  # ten steps by what was seen at the first one
    page.get_by_role("button", name="Cart and pole as in training").press("Enter")
    expect(noise).to_have_value("0")
    expect(delay).to_have_value("0")
