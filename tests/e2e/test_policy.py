"""The policy under the microscope: what a person sees of a run's updates, and does, in a real browser."""

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from pg_core.config import Config
from pg_core.runs.store.rows import ARRAYS
from pg_core.runs.store.store import Store
from tests.e2e.conftest import Open
from tests.e2e.test_instrument import train
from tests.e2e.test_journey import state
from tests.e2e.test_look import settled, violations_in_each_look

UPDATES = 6
RUN = Config(pace=0, num_updates=UPDATES)


def slider(page: Page):
    return page.get_by_role("slider", name="Update", exact=True)


def rows(page: Page):
    return page.locator(".lab-update tbody tr[aria-rowindex]")


def row(page: Page, step: int):
    return page.locator(f".lab-update tr[aria-rowindex='{step + 2}']")  # the head is the first


def foot(page: Page, words: str):
    return page.locator(".lab-update tfoot tr").filter(has_text=words)


def test_from_the_stage_to_the_update_that_followed(open_page: Open, store: Store, run: str) -> None:
    page = open_page(f"?run={run}")
    page.locator(".lab-strip").get_by_role("button", name=re.compile("untrained")).first.click()
    expect(page.locator(".lab-stage")).to_have_attribute("data-update", "0")
    page.get_by_role("link", name="Under the microscope").click()
    expect(page.get_by_text(f"untrained of {UPDATES}")).to_be_visible()
    [update] = store.updates(run, ["episodic_returns", "policy_loss", "grad_norm"], 0, 1)
    front = int(page.get_by_label("Agent", exact=True).input_value())
    returns = np.frombuffer(update.episodic_returns, ARRAYS["episodic_returns"]).reshape(5, -1)[front]
    expect(rows(page)).to_have_count(int(returns[0]))
    expect(foot(page, "all 3 episodes")).to_contain_text("share of ĝ 100.00 %")
    norm = np.frombuffer(update.grad_norm, ARRAYS["grad_norm"])[front]
    expect(page.locator(".lab-shares-told")).to_contain_text("It asks for more left or more right.")
    expect(foot(page, "record")).to_contain_text(f"‖ĝ‖ {float(f'{norm:.3g}'):g}")
    cells = rows(page).first.locator("th, td").all_inner_texts()
    assert cells[:4] == ["0", cells[1], "1", str(int(returns[0]))]  # the return of the first step is the episode's
    assert cells[1] in ("left", "right")

    page.get_by_label("Episode of the update").select_option("1")
    expect(rows(page)).to_have_count(int(returns[1]))
    row(page, 3).click()
    expect(row(page, 3)).to_have_attribute("aria-current", "step")
    expect(page.get_by_text(re.compile(r"step\s+3 of"))).to_be_visible()  # the player is there too


def test_the_keyboard_alone_goes_through_the_run_and_the_address_keeps_where_it_is(open_page: Open, run: str) -> None:
    page = open_page(f"policy?run={run}&update=2&agent=1")
    expect(page.get_by_text(f"after update 2 of {UPDATES}")).to_be_visible()
    expect(page.get_by_label("Agent", exact=True)).to_have_value("1")
    slider(page).focus()
    slider(page).press("ArrowRight")
    expect(page.get_by_text(f"after update 3 of {UPDATES}")).to_be_visible()
    page.wait_for_url("**update=3*")
    slider(page).press("End")
    expect(page.get_by_text("no update has followed it yet")).to_be_visible()
    expect(rows(page).first).to_be_hidden()
    page.wait_for_url(f"**update={UPDATES}*")
    page.reload()
    expect(page.get_by_text(f"after update {UPDATES} of {UPDATES}")).to_be_visible()
    expect(page.get_by_label("Agent", exact=True)).to_have_value("1")
    page.get_by_role("button", name="Watch it learn").press("Enter")
    expect(page.get_by_text("untrained of")).to_be_visible()
    expect(page.get_by_text(f"after update {UPDATES} of {UPDATES}")).to_be_visible()


def test_an_episode_goes_on_from_where_the_map_was_picked(open_page: Open, run: str) -> None:
    page = open_page(f"policy?run={run}&update=1")
    expect(rows(page).first).to_be_visible()
    policy_map = page.get_by_role("group", name=re.compile("Policy map"))
    policy_map.focus()
    for _ in range(3):
        policy_map.press("ArrowRight")
    policy_map.press("Enter")
    expect(page.locator(".lab-player-caption")).to_contain_text("update 1")
    expect(page.locator(".lab-update tr[aria-current]")).to_have_count(0)  # no step of the table is on the stage
    page.get_by_label("Horizontal axis of the map").select_option("0")
    expect(page.get_by_role("img", name=re.compile("Policy over x"))).to_be_visible()


def test_a_push_and_another_physics_are_played_on_from_the_stage(open_page: Open, run: str) -> None:
    page = open_page(f"policy?run={run}&update=1")
    expect(rows(page).first).to_be_visible()
    row(page, 2).click()
    expect(row(page, 2)).to_have_attribute("aria-current", "step")
    page.get_by_role("button", name="Push the pole to the right").press("Enter")
    expect(page.locator(".lab-update tr[aria-current]")).to_have_count(0)
    page.get_by_text("Other physics").click()
    gravity = page.get_by_role("slider", name="gravity")
    gravity.press("Home")
    expect(page.get_by_text("1 m/s²", exact=True)).to_be_visible()
    page.get_by_role("button", name="Cart and pole as in training").press("Enter")
    expect(page.get_by_text("9.8 m/s²", exact=True)).to_be_visible()
    gravity.press("Home")
    slider(page).press("ArrowRight")  # another update's own episode: it was played by the physics of training
    expect(page.get_by_text("9.8 m/s²", exact=True)).to_be_visible()


def test_all_estimators_are_compared_at_a_press_and_forgotten_at_another_policy(open_page: Open, run: str) -> None:
    page = open_page(f"policy?run={run}&update=1")
    expect(rows(page).first).to_be_visible()
    page.get_by_role("button", name="Compare all estimators").press("Enter")
    region = page.get_by_role("region", name="Estimators")
    expect(region.locator("tbody tr")).to_have_count(32)
    own = region.locator("tr[aria-current]")
    expect(own).to_contain_text("leave-one-out, normalised")
    expect(page.get_by_text("The run learns with: ")).to_be_visible()
    picture = page.get_by_role("img", name="Cosine of 32 estimators")
    expect(picture).to_be_visible()
    assert violations_in_each_look(page, "") == {}
    assert region.evaluate("({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth"), "no column is cut"
    slider(page).press("ArrowRight")
    expect(region.locator("tr")).to_have_count(0)
    expect(picture).to_be_hidden()


def test_it_is_accessible_in_each_look_and_nothing_sticks_out(open_page: Open, run: str) -> None:
    page = open_page(f"policy?run={run}&update=2", width=390, height=844)
    expect(rows(page).first).to_be_visible()
    settled(page, "")
    page.get_by_text("Other physics").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    sum_of_all = page.locator(".lab-update-sum").nth(1).bounding_box() or {}
    assert sum_of_all["x"] + sum_of_all["width"] <= 390, "sums are seen whole beside a table that is wider"
    assert violations_in_each_look(page, "") == {}


@pytest.mark.parametrize(
    ("env_id", "more"), [("Acrobot-v1", "&hidden_layers=[16]"), ("Pendulum-v1", ""), ("FrozenLake-v1", "")]
)
def test_an_update_of_any_environment_is_taken_apart(open_page: Open, env_id: str, more: str) -> None:
    page = open_page(f"?env_id={env_id}&pace=0&num_updates=2&num_agents=2&max_episode_steps=40{more}")
    train(page)
    expect(state(page, "finished")).to_be_visible()
    expect(page.locator(".lab-stage")).to_have_attribute("data-update", "2")
    page.get_by_role("link", name="Under the microscope").click()  # of the last update
    expect(rows(page).first).to_be_visible()
    expect(foot(page, "share of ĝ")).to_have_count(2)
    expect(page.locator(".lab-micro-notice")).to_be_empty()
    expect(page.locator(".lab-micro-stage")).to_have_attribute("data-update", "1")


def test_the_cursor_on_the_curve_is_where_the_slider_is_and_a_click_moves_both(open_page: Open, run: str) -> None:
    page = open_page(f"policy?run={run}&update=0")
    curve = page.locator(".lab-micro-curve")
    cursor, lines = curve.locator(".lab-chart-cursor"), curve.locator(".cartesianlayer")
    expect(cursor).to_be_visible()
    before, drawn = cursor.bounding_box()["x"], lines.inner_html()
    slider(page).press("End")
    page.wait_for_function(
        "(x) => document.querySelector('.lab-micro-curve .lab-chart-cursor').getBoundingClientRect().x > x", arg=before
    )
    assert lines.inner_html() == drawn  # nothing else is drawn again
    box = curve.locator(".nsewdrag").bounding_box()
    x, y = page.evaluate(
        """() => {
            const { _fullLayout: { xaxis, yaxis }, _fullData } = document.querySelector(".lab-micro-curve .lab-chart")
            const { x, y } = _fullData.find((trace) => trace.x.length === 6)
            return [xaxis.d2p(x[2]), yaxis.d2p(y[2])]
        }"""
    )
    page.mouse.move(box["x"] + x, box["y"] + y)
    curve.locator(".hoverlayer text").first.wait_for()
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_text(f"after update 3 of {UPDATES}")).to_be_visible()


def test_back_leaves_the_page_whatever_was_chosen_on_it(open_page: Open, run: str) -> None:
    page = open_page(f"?run={run}")
    expect(page.locator(".lab-stage")).to_have_attribute("data-update", re.compile("."))
    page.get_by_role("link", name="Under the microscope").click()
    expect(page.get_by_text(f"after update {UPDATES - 1} of {UPDATES}")).to_be_visible()  # the last that is an update
    expect(rows(page).first).to_be_visible()
    for update in (4, 3):
        slider(page).press("ArrowLeft")
        page.wait_for_url(f"**update={update}*")
    page.go_back()
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_visible()


def test_what_is_not_known_of_an_update_is_not_shown_of_another(open_page: Open, run: str) -> None:
    page = open_page(f"policy?run={run}&update=1")
    expect(rows(page).first).to_be_visible()
    page.route("**/lab/live/*dissection=2*", lambda route: route.fulfill(json={"error": "It was ended."}))
    slider(page).press("ArrowRight")
    expect(page.get_by_text("It was ended.")).to_be_visible()
    expect(rows(page).first).to_be_hidden()
    slider(page).press("ArrowRight")
    expect(rows(page).first).to_be_visible()
    expect(page.locator(".lab-micro-notice")).to_be_empty()
    expect(page.locator(".lab-microscope")).not_to_have_attribute("data-waiting", "true")
