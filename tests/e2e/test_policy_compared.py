"""A policy beside another, in a real browser: fresh episodes by a seed, two policies at once, under other physics."""

import json

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open
from tests.e2e.test_instrument import train
from tests.e2e.test_journey import state
from tests.e2e.test_policy import rows

UPDATES = 6


@pytest.fixture(scope="module")
def runs() -> list[str]:
    return []  # the run of all tests here, once it is trained


@pytest.fixture
def run(runs: list[str], open_page: Open) -> str:
    if not runs:
        page = open_page(f"?pace=0&num_updates={UPDATES}")
        runs.append(train(page))
        expect(state(page, "finished")).to_be_visible()
    return runs[0]


def caption(page: Page):
    return page.locator(".lab-player-caption")


def answers(page: Page) -> list[tuple[str, dict]]:
    """Return a list that fills with what the browser asks for episodes, and what it is told."""
    found: list[tuple[str, dict]] = []
    page.on("response", lambda got: "seed=" in got.url and found.append((got.url, json.loads(got.body()))))
    return found


def test_a_fresh_episode_by_a_seed_is_chosen_by_keyboard_and_kept_in_the_address(open_page: Open, run: str) -> None:
    page = open_page(f"policy?run={run}&update=2")
    expect(rows(page).first).to_be_visible()
    heard = answers(page)
    page.get_by_label("Episode played").focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_url("**play=sampled*")
    seed = page.get_by_role("spinbutton", name="seed")
    seed.fill("41")
    seed.press("ArrowUp")
    seed.press("Tab")
    page.wait_for_url("**play_seed=42*")
    expect(caption(page)).to_contain_text("update 2")
    expect(rows(page).first).to_be_visible()  # the update's numbers stay
    page.get_by_label("Episode played").select_option("greedy")
    page.wait_for_url("**play=greedy*")
    page.wait_for_load_state("networkidle")
    url, told = heard[-1]
    assert "seed=42" in url and "greedy=1" in url
    length = told["episodes"][0]["length"]
    expect(caption(page)).to_contain_text(f"return {length}")
    page.reload()
    expect(page.get_by_label("Episode played")).to_have_value("greedy")
    expect(seed).to_have_value("42")
    expect(caption(page)).to_contain_text(f"return {length}")
    page.get_by_label("Episode played").select_option("")
    expect(seed).to_be_hidden()
    page.wait_for_url(lambda url: "play" not in url)
    rows(page).nth(1).click()
    expect(rows(page).nth(1)).to_have_attribute("aria-current", "step")  # the table's episode is on the stage again
