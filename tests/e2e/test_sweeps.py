"""From choosing axes to opening the best cell, by keyboard, on a desk and on a phone."""

import itertools
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pg_core.config import Config
from pg_core.runs.store import library, sweeps
from pg_core.runs.store.store import Store
from pg_core.sweeps.declaration import Axis, Sweep
from tests.e2e.conftest import PATIENCE_MS, Open, show
from tests.e2e.test_look import violations

UPDATES = 20
SMALL = f"sweeps?num_updates={UPDATES}&axis=learning_rate%3D0.003:0.1:log:2&axis=gamma%3D0.5,1&seeds=2"


@pytest.fixture(autouse=True)
def rested(store: Store) -> None:
    """Have nothing train that another test has left."""
    for run in store.runs():
        store.transition(run.id, ["queued", "starting", "running", "paused"], target="stop")


@pytest.fixture(scope="module")
def known() -> list[str]:
    return []  # the sweep that the tests of this module look at, once it is trained


@pytest.fixture
def sweep(open_page: Open, store: Store, known: list[str]) -> str:
    if not known:
        page = open_page(f"{SMALL}&sweep_by=final_return")
        press(page, "Train 4 runs")
        done(page)
        known.append(sweeps.sweeps(store)[0].id)
    return known[0]


def press(page: Page, name: str) -> None:
    button = page.get_by_test_id("stMainBlockContainer").get_by_role("button", name=name, exact=True)
    expect(button).to_be_enabled()
    button.press("Enter")


def state(page: Page, name: str):
    return page.locator(".lab-sweep .lab-state").get_by_text(name, exact=True)


def done(page: Page) -> None:
    expect(state(page, "done")).to_be_visible(timeout=2 * PATIENCE_MS)  # several runs, each compiled


def cells(page: Page):
    return page.locator(".lab-map .lab-cell")


def settled(page: Page) -> Page:
    expect(cells(page).first).to_be_visible()
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    return page


def test_from_choosing_axes_to_opening_the_best_cell_by_keyboard_alone(open_page: Open, store: Store) -> None:
    page = open_page(f"sweeps?num_updates={UPDATES}&seeds=2&sweep_by=final_return")
    expect(page.get_by_text("No sweep is open.")).to_be_visible()
    expect(page.get_by_role("button", name="Train 12 runs")).to_be_enabled()
    # The range of a known control becomes smaller, and it has fewer values.
    highest = page.locator(".st-key-axis_learning_rate").get_by_role("slider").nth(1)
    highest.press("ArrowLeft")
    page.wait_for_url("**learning_rate%3D0.003%3A0.07*")
    count = page.locator(".st-key-axis_learning_rate").get_by_label("Values", exact=True)
    count.fill("2")
    count.press("Enter")
    expect(page.get_by_role("button", name="Train 6 runs")).to_be_enabled()
    expect(page.get_by_text("× 2 seeds = 12 agents, about")).to_be_visible()
    before = {row.id for row in sweeps.sweeps(store)}
    press(page, "Train 6 runs")
    expect(cells(page)).to_have_count(6)
    done(page)
    [row] = [row for row in sweeps.sweeps(store) if row.id not in before]
    page.wait_for_url(f"**sweep={row.id}*")
    expect(page.locator(".lab-sweep-best")).to_contain_text("Best: Learning rate α")
    expect(page.locator(".st-key-sweep_verdict")).to_contain_text("Compared with setting 1")
    best = cells(page).filter(has_text="★")
    expect(best).to_have_count(1)
    best.press("Enter")
    expect(best).to_have_attribute("aria-pressed", "true")
    panel = page.locator(".lab-sweep-setting")
    expect(panel).to_contain_text("2 seeds pooled")
    named = panel.get_by_role("heading").inner_text()
    setting = int(named.split(":")[0].split()[-1]) - 1
    [run] = [run for run in store.runs(sweep_id=row.id) if run.setting == setting]
    link = panel.get_by_role("link", name=f"Policy: {run.name}")
    link.press("Enter")
    page.wait_for_url(f"**/policy?run={run.id}*")
    expect(page.locator(".lab-microscope")).to_be_visible()
    page.go_back()
    expect(cells(page).filter(has_text="★")).to_be_visible()


def test_a_press_of_two_clicks_starts_one_sweep(open_page: Open, store: Store) -> None:
    page = open_page(SMALL)
    before = len(sweeps.sweeps(store))
    button = page.get_by_role("button", name="Train 4 runs")
    expect(button).to_be_enabled()
    button.dblclick()
    settled(page)
    done(page)
    assert len(sweeps.sweeps(store)) == before + 1


def test_while_it_trains_no_chart_and_no_cell_is_another_element_and_the_keyboard_stays(
    open_page: Open, store: Store
) -> None:
    page = open_page("sweeps?num_updates=3000&stop_when_solved=False&axis=gamma%3D0.9,1&seeds=1&sweep_by=final_return")
    press(page, "Train 2 runs")
    settled(page)
    expect(page.locator(".lab-sweep .lab-chart .scatterlayer .trace").first).to_be_attached()
    page.evaluate("""() => {
        const mark = () => [...document.querySelectorAll(".lab-sweep, .lab-cell, .lab-chart, .lab-chart svg.main-svg")]
        window.first = mark()
        window.same = () => mark().length === first.length && mark().every((node, i) => node === first[i])
    }""")
    cells(page).first.focus()
    version = page.locator(".lab-sweep-table tbody").inner_text()
    page.wait_for_function(
        "(before) => document.querySelector('.lab-sweep-table tbody').innerText !== before", arg=version
    )
    cells(page).first.press("Enter")
    panel = page.locator(".lab-sweep-setting")
    panel.get_by_role("button", name="Stop this setting").press("Enter")
    expect(panel).to_contain_text("stopped")
    assert page.evaluate("same()")
    running = [run.state for run in store.runs(sweep_id=sweeps.sweeps(store)[0].id) if run.setting != 0]
    assert running == ["running"]
    press(page, "Stop")
    expect(state(page, "stopped")).to_be_visible()
    expect(page.get_by_role("button", name="Resume")).to_be_enabled()
    assert page.evaluate("same()")


def test_what_never_solves_and_what_diverges_are_results(open_page: Open, store: Store) -> None:
    axis = "axis=learning_rate%3D0.0001,0.02"
    page = open_page(f"sweeps?num_updates=3&{axis}&seeds=2")
    press(page, "Train 2 runs")
    done(page)
    expect(cells(page).nth(0)).to_have_attribute("data-kind", "unsolved")
    expect(cells(page).nth(0)).to_have_text("unsolved0 of 2 solved")
    expect(page.locator(".lab-sweep-best")).to_contain_text("choose another one")
    page.get_by_label("Measure").select_option("final_return")
    expect(cells(page).filter(has_text="★")).to_have_count(1)
    page.wait_for_url("**sweep_by=final_return*")


def test_more_axes_are_seen_as_lines_and_any_two_of_them_as_a_map(open_page: Open) -> None:
    more = "axis=gamma%3D0.9,1&axis=baseline%3Dnone,leave_one_out&axis=ent_coef%3D0,0.01&seeds=1&num_updates=3"
    page = open_page(f"sweeps?{more}&sweep_by=final_return")
    press(page, "Train 8 runs")
    done(page)
    lines = page.locator(".lab-sweep-lines")
    expect(
        lines.get_by_role("img", name="8 settings over Discount factor γ, Baseline b, Entropy bonus c_H")
    ).to_be_visible()
    expect(lines.locator("g")).to_have_count(8)
    expect(cells(page)).to_have_count(4)
    expect(cells(page).first).to_contain_text("best of 2")
    page.get_by_label("Axis down").select_option("ent_coef")
    expect(page.locator(".lab-map caption")).to_have_text("Discount factor γ across, Entropy bonus c_H down")
    page.get_by_role("button", name="1: show this setting").press("Enter")
    expect(page.locator(".lab-sweep-setting h2")).to_contain_text("Setting")


def test_a_sweep_is_extended_and_opened_again_from_the_list(open_page: Open, store: Store, sweep: str) -> None:
    page = settled(open_page(f"sweeps?sweep={sweep}&sweep_by=final_return"))
    cells(page).nth(3).press("Enter")
    page.get_by_role("button", name="Extend").press("Enter")
    only = page.get_by_text("Only of setting 4, which is shown")
    only.click()
    page.get_by_role("button", name="Train further seeds of setting 4").press("Enter")
    expect(page.locator(".lab-sweep-setting")).to_contain_text("4 seeds pooled")
    assert sorted(run.setting for run in store.runs(sweep_id=sweep)) == [0, 1, 2, 3, 3]
    page.keyboard.press("Escape")
    done(page)
    page = open_page("sweeps")
    expect(page.get_by_text("No sweep is open.")).to_be_visible()
    name = sweeps.sweep(store, sweep).name
    page.get_by_role("combobox", name="Open a sweep").fill(name)
    page.get_by_role("option", name=name).click()
    settled(page)
    page.wait_for_url(f"**sweep={sweep}*")
    expect(page.get_by_role("button", name="Train 4 runs")).to_be_enabled()


def test_a_declaration_leaves_as_a_file_and_comes_in_again(open_page: Open, sweep: str, tmp_path: Path) -> None:
    page = settled(open_page(f"sweeps?sweep={sweep}"))
    page.get_by_role("button", name="Share").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="The declaration as JSON").click()
    path = tmp_path / "declaration.json"
    download.value.save_as(path)
    declared = Sweep.from_json(path.read_bytes())
    assert [axis.text for axis in declared.axes] == ["learning_rate=0.003:0.1:log:2", "gamma=0.5,1"]

    def bring(text: str) -> None:
        page.get_by_role("button", name="Share").click()
        page.locator("input[type=file]").set_input_files(
            {"name": "d.json", "mimeType": "application/json", "buffer": text.encode()}
        )
        expect(page.get_by_text("d.json")).to_be_visible()
        page.get_by_role("button", name="Import").click()

    page = open_page("sweeps")
    bring('{"axes": 1}')
    expect(page.get_by_text("A sweep must be one JSON object")).to_be_visible()
    page = open_page("sweeps")
    axes = (Axis.of("gamma=0.9,0.95,1"),)
    bring(Sweep(base=Config(num_updates=7), axes=axes, seeds=3).to_json())
    page.wait_for_url("**num_updates=7*")
    expect(page.get_by_role("button", name="Train 3 runs")).to_be_enabled()
    assert json.loads(path.read_text())["seeds"] == 2


def test_a_deleted_sweep_says_that_it_is_gone(open_page: Open, store: Store) -> None:
    page = open_page("sweeps?num_updates=2&axis=gamma%3D0.9,1&seeds=1")
    press(page, "Train 2 runs")
    done(page)
    sweep_id = sweeps.sweeps(store)[0].id
    library.delete(store, [run.id for run in store.runs(sweep_id=sweep_id)])
    page.reload()
    expect(page.get_by_text("No sweep is open.")).to_be_visible()


@pytest.mark.parametrize("path", ["sweeps", "sweeps?sweep={}&sweep_by=final_return"], ids=["before", "after"])
def test_no_serious_axe_violation_and_nothing_sticks_out(open_page: Open, sweep: str, path: str) -> None:
    page = open_page(path.format(sweep), width=390, height=844)
    expect(page.get_by_role("button", name=re.compile(r"Train \d+ runs"))).to_be_enabled()
    if sweep in page.url:
        cells(settled(page)).first.press("Enter")
        expect(page.locator(".lab-sweep-setting")).to_contain_text("pooled")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    found = {}
    for width, scheme in itertools.product((390, 1440), ("light", "dark")):
        show(page, width, 844, scheme)
        expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", scheme)
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        found[width, scheme] = violations(page)
    assert {look: wrong for look, wrong in found.items() if wrong} == {}


def test_on_a_phone_the_map_comes_first_and_the_controls_below(open_page: Open, sweep: str) -> None:
    page = settled(open_page(f"sweeps?sweep={sweep}&sweep_by=final_return", width=390, height=844))
    tops = [
        page.locator(name).bounding_box()["y"]
        for name in (".lab-sweep-map", ".lab-sweep-curves", ".st-key-sweep_verdict", ".st-key-sweep_controls")
    ]
    assert tops == sorted(tops)
    small = page.evaluate(
        """() => [...document.querySelectorAll(".lab-sweep :is(button, select, a)")]
            .filter((target) => target.checkVisibility())
            .map((target) => [target.outerHTML.slice(0, 100), target.getBoundingClientRect()])
            .filter(([, { width, height }]) => width < 24 || height < 24).map(([name]) => name)"""
    )
    assert small == []
