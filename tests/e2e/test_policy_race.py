"""Estimators race: forks of a run from the update on the page, by keyboard alone, side by side on one chart."""

import re

from playwright.sync_api import Page, expect

from pg_core.config import Config
from pg_core.runs.store.store import Store
from tests.e2e.conftest import Open
from tests.e2e.test_look import settled, violations_in_each_look

UPDATES, AT = 6, 2
RUN = Config(pace=0, num_updates=UPDATES)


def compared(page: Page) -> None:
    page.get_by_role("button", name="Compare all estimators").press("Enter")
    expect(page.get_by_role("region", name="Estimators").locator("tbody tr")).to_have_count(32)


def test_ticked_estimators_race_and_are_seen_side_by_side(open_page: Open, store: Store, run: str) -> None:
    page = open_page(f"policy?run={run}&update={AT}")
    compared(page)
    race = page.get_by_role("button", name="Race them")
    boxes = page.get_by_role("region", name="Estimators").get_by_role("checkbox")
    expect(race).to_be_disabled()
    for baseline in ("no baseline", "leave-one-out"):
        box = page.get_by_role("checkbox", name=f"reward-to-go Gₜ, {baseline}, per episode", exact=True)
        box.press("Space")
        expect(box).to_be_checked()
    race.press("Enter")
    expect(race).to_be_disabled()
    chart = page.get_by_role("figure", name=re.compile("Chart of .*, 2 lines"))
    expect(chart).to_be_visible()
    page.wait_for_url("**race=*race=*")
    forks = [each for each in store.runs() if each.parent_id == run]
    assert {fork.name for fork in forks} == {"Baseline: none", "Baseline: leave-one-out"}
    assert {fork.parent_update for fork in forks} == {AT}
    expect(page.locator(".lab-compared-legend tbody th")).to_have_text(["b leave-one-out → none", "b leave-one-out"])
    page.reload()  # the address knows them
    expect(chart).to_be_visible()
    assert {store.run(fork.id).current.baseline for fork in forks} == {"none", "leave_one_out"}
    expect(boxes).to_have_count(0)
    page.get_by_role("button", name="Open them on the Runs page").press("Enter")
    page.wait_for_url("**/runs*")
    expect(chart).to_be_visible()


def test_three_at_most_race_and_none_from_where_no_update_has_followed(open_page: Open, run: str) -> None:
    page = open_page(f"policy?run={run}&update={UPDATES}", width=390, height=844)
    compared(page)
    boxes = page.get_by_role("region", name="Estimators").get_by_role("checkbox")
    for i in range(3):
        boxes.nth(i).press("Space")
    expect(boxes.nth(3)).to_be_disabled()
    settled(page, "")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations_in_each_look(page, "") == {}
    page.get_by_role("button", name="Race them").press("Enter")
    expect(page.get_by_text(f"got {UPDATES}: a race needs one to follow")).to_be_visible()
