"""A policy beside another, in a real browser: fresh episodes by a seed, two policies at once, under other physics."""

import re

from playwright.sync_api import Page, expect

from pg_core.config import Config
from tests.e2e.conftest import Open
from tests.e2e.test_look import settled, violations_in_each_look
from tests.e2e.test_policy import rows, slider

UPDATES = 6
RUN = Config(pace=0, num_updates=UPDATES)


def caption(page: Page):
    return page.locator(".lab-player-caption")


def test_a_fresh_episode_by_a_seed_is_chosen_by_keyboard_and_kept_in_the_address(open_page: Open, run: str) -> None:
    page = open_page(f"policy?run={run}&update=2")
    expect(rows(page).first).to_be_visible()
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
    with page.expect_response(lambda got: "seed=42&greedy=1" in got.url) as got:
        page.get_by_label("Episode played").select_option("greedy")
    page.wait_for_url("**play=greedy*")
    length = got.value.json()["episodes"][0]["length"]
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


def test_another_policy_is_compared_by_keyboard_from_the_same_start_and_kept_in_the_address(
    open_page: Open, run: str
) -> None:
    page = open_page(f"policy?run={run}&update={UPDATES}")
    words = page.locator(".lab-rival-words")
    expect(page.get_by_label("Compare with")).to_be_enabled()
    page.get_by_label("Compare with").focus()
    page.keyboard.press("ArrowDown")
    expect(words).to_contain_text("untrained, agent 0 (orange): return")
    expect(page.get_by_label("Episode played")).to_have_value("sampled")
    expect(page.get_by_label("Episode played").locator("option").first).to_have_text("on stage: the update’s episode")
    update = page.get_by_role("spinbutton", name="Update of the other policy")
    update.fill("2")
    with page.expect_response(lambda got: "policy=2&" in got.url) as got:
        update.press("Tab")
    length = got.value.json()["episodes"][0]["length"]
    expect(words).to_contain_text("after update 2, agent 0 (orange): return")
    expect(words).to_contain_text(f"return {length} in {length} steps. Same first state")
    page.wait_for_url("**versus_update=2*")
    page.reload()
    expect(words).to_contain_text("after update 2, agent 0")
    page.get_by_role("button", name="Push the pole to the right").press("Enter")
    expect(words).to_contain_text("after update 2, agent 0")  # it goes on with both
    page.get_by_label("Episode played").select_option("")
    expect(words).to_be_hidden()
    expect(page.get_by_label("Compare with")).to_have_value("")
    page.wait_for_url(lambda url: "versus" not in url)


def test_robustness_is_measured_at_a_press_and_forgotten_at_another_policy(open_page: Open, run: str) -> None:
    page = open_page(f"policy?run={run}&update=3&play=greedy&versus={run}&versus_update={UPDATES}&versus_agent=1")
    expect(page.locator(".lab-rival-words")).to_contain_text(f"after update {UPDATES}, agent 1")
    page.get_by_label("What is changed").focus()
    page.keyboard.press("ArrowDown")
    page.get_by_role("button", name="Measure robustness").press("Enter")
    chart = page.get_by_role("figure", name="Mean length over half of the pole’s length, of 100 episodes each")
    expect(chart).to_have_attribute("data-known", "true")
    for policy in ("after update 3, agent 0", f"after update {UPDATES}, agent 1", "untrained, agent 0"):
        expect(page.get_by_text(re.compile(rf"{policy}: \d+ steps at 0.5, as in training; fewest, "))).to_be_visible()
        expect(chart.locator(".legendtext").filter(has_text=policy)).to_be_visible()
    slider(page).press("ArrowLeft")
    expect(chart).to_be_hidden()


def test_what_is_compared_is_accessible_in_each_look_and_nothing_sticks_out(open_page: Open, run: str) -> None:
    page = open_page(f"policy?run={run}&update=3&play=greedy&versus={run}&versus_agent=1", width=390, height=844)
    expect(page.locator(".lab-rival-words")).to_contain_text("untrained, agent 1")
    page.get_by_role("button", name="Measure robustness").press("Enter")
    expect(page.locator(".lab-robustness .lab-chart")).to_have_attribute("data-known", "true")
    settled(page, "")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations_in_each_look(page, "") == {}
