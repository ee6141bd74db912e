"""Maps of the policies of any environment: what of them is shown, over what, and by which keys."""

import re

from playwright.sync_api import Locator, Page, expect

from pg_core.config import Config
from pg_core.runs.store.store import Store
from tests.e2e.conftest import Open, trained
from tests.e2e.test_look import settled, violations_in_each_look
from tests.e2e.test_policy import row, slider

UPDATES = 3
SMALL = {"num_agents": 2, "episodes_per_update": 2, "num_updates": UPDATES, "baseline": "value", "pace": 0}


PENDULUM = Config(env_id="Pendulum-v1", **SMALL)
FROZEN_LAKE = Config(env_id="FrozenLake-v1", **SMALL, env_kwargs={"is_slippery": False})


def picture(page: Page) -> Locator:
    return page.get_by_role("img", name=re.compile("^Policy over"))


def test_a_gaussian_policy_is_seen_over_any_two_dimensions_in_step_with_the_table(
    open_page: Open, store: Store
) -> None:
    page = open_page(f"policy?run={trained(store, PENDULUM)}&update=1")
    expect(picture(page)).to_have_accessible_name(re.compile("Policy over cos θ and sin θ: mean a is above 0 on .* %"))
    told = page.locator(".lab-map-told")
    expect(told).to_have_text(re.compile(r"mean a −?\d\.\d\d · σ 0\.\d\d in every state · played within ±2"))
    expect(page.locator(".lab-map-key span")).to_have_text(["−1: plays −2", "", "1: plays 2"])
    first = told.inner_text()
    row(page, 59).click()
    page.get_by_role("region", name="Steps of the episode").press("ArrowDown")
    expect(row(page, 60)).to_have_attribute("aria-current", "step")
    expect(told).not_to_have_text(first)
    page.get_by_label("Vertical axis of the map").focus()
    page.keyboard.press("ArrowDown")
    expect(picture(page)).to_have_accessible_name(re.compile("Policy over cos θ and θ̇"))
    scores = [row(page, step).locator("td").nth(7).inner_text() for step in range(45, 75)]
    assert {score[0] for score in scores} > {"−"}, "a number may lie above its mean, or below"
    page.get_by_label("Horizontal axis of the map").select_option("2")  # that of the other axis: they change places
    expect(picture(page)).to_have_accessible_name(re.compile("Policy over θ̇ and cos θ"))
    page.get_by_label("Horizontal axis of the map").select_option("0")
    group = page.get_by_role("group", name="Policy map: arrows move a cursor", exact=True)
    group.press("ArrowRight")
    expect(told).to_have_text(re.compile(r"cos θ −?\d\.\d\d, θ̇ −?\d\.\d\d rad/s: mean a"))
    group.press("Enter")  # where the browser does not know the dynamics, no episode begins
    expect(row(page, 60)).to_have_attribute("aria-current", "step")


def test_the_value_of_states_has_a_map_that_follows_the_slider_to_the_newest_policy(
    open_page: Open, store: Store
) -> None:
    page = open_page(f"policy?run={trained(store, PENDULUM)}&update=1")
    what = page.get_by_label("What the map shows")
    expect(what.locator("option")).to_have_text(["mean a", "value V(s)"])
    what.focus()
    page.keyboard.press("End")
    value = re.compile(r"V\(s\) is from \S+ to \S+ on all of the map")
    expect(picture(page)).to_have_accessible_name(value)
    before = picture(page).get_attribute("aria-label")
    slider(page).press("End")
    expect(page.get_by_text("no update has followed it yet")).to_be_visible()
    expect(picture(page)).not_to_have_accessible_name(before)
    expect(picture(page)).to_have_accessible_name(value)


def test_the_map_of_another_environment_is_accessible_in_each_look(open_page: Open, store: Store) -> None:
    run = trained(store, PENDULUM)
    page = open_page(f"policy?run={run}&update=1", width=390, height=844)
    expect(picture(page)).to_be_visible()
    settled(page, "")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations_in_each_look(page, "") == {}


def test_a_policy_over_states_is_arrows_on_the_environments_map(open_page: Open, store: Store) -> None:
    run = trained(store, FROZEN_LAKE)
    page = open_page(f"policy?run={run}&update=1")
    states = page.get_by_role("region", name="States")
    expect(states.locator("td b")).to_have_text(list("SFFFFHFHFFFHHFFG"))
    expect(states.locator("svg:not([hidden])")).to_have_count(11)  # four holes and the goal decide nothing
    told = page.locator(".lab-map-told")
    expect(told).to_have_text(re.compile(r"state 0: left 0\.\d\d · down 0\.\d\d · right 0\.\d\d · up 0\.\d\d"))
    expect(states.locator("td").first).to_have_attribute("aria-current", "step")
    page.get_by_label("What the map shows").focus()
    page.keyboard.press("End")
    expect(told).to_have_text(re.compile(r"state 0: V\(s\) \S+"))
    expect(states.locator("td .lab-states-words").first).to_be_visible()
    settled(page, "")
    page.wait_for_selector(".lab-player[data-known=true]")
    canvas = page.locator(".lab-player-canvas").first.bounding_box() or {}
    last = page.locator(".lab-player-action").last.bounding_box() or {}
    assert canvas["y"] >= last["y"] + last["height"], "nothing is written on the picture"
    assert violations_in_each_look(page, "") == {}
