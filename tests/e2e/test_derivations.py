"""The page of derivations in a browser: one statement a view, checked on arrival, reached by its address."""

import re
from collections import defaultdict

import pytest
from playwright.sync_api import expect
from streamlit.proto.BackMsg_pb2 import BackMsg

from pages.widgets.statement import number, text_of
from pages.widgets.trials import TRIALS
from pg_core.proofs import GROUPS, STATEMENTS
from pg_core.runs.store.store import Store
from tests.e2e.conftest import Open, show

FIRST, *_, LAST = STATEMENTS
DRAWN = "JSON.stringify(document.querySelector('.st-key-margin .js-plotly-plot')?.data)"


def heading(name: str) -> str:
    return f"{number(name)}. {text_of(name).title}"


def test_a_check_runs_on_arrival_and_again_for_another_seed(open_page: Open) -> None:
    page = open_page("derivations?statement=baselines")
    said = page.locator(".st-key-margin").get_by_test_id("stAlertContentSuccess")
    expect(said).to_be_visible()
    page.wait_for_function(f"() => {DRAWN}")
    before = page.evaluate(DRAWN)
    page.get_by_label("Seed").fill("7")
    page.get_by_label("Seed").press("Enter")
    page.wait_for_function(f"(before) => ![before, undefined].includes({DRAWN})", arg=before)
    expect(said).to_be_visible()
    page.get_by_text("The code that runs").click()
    expect(page.get_by_text("def check(").first).to_be_visible()


def test_the_steps_of_a_proof_are_numbered_through(open_page: Open) -> None:
    page = open_page("derivations?statement=baselines")
    page.get_by_text("The proof goes on").click()
    expect(page.locator(".st-key-proof li").nth(5)).to_be_visible()
    expect(page.locator(".st-key-proof li").first).to_have_css("display", "grid")
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")  # what CSS counts is no text
    said: dict[str, str] = defaultdict(str)
    for node in tree["nodes"]:
        if node["role"]["value"] == "StaticText":
            said[node["parentId"]] += node["name"]["value"]
    assert [text for text in said.values() if re.fullmatch(r"\d\.", text)] == ["1.", "2.", "3.", "4.", "5.", "6."]


def test_a_link_of_before_leads_to_its_statement(open_page: Open) -> None:
    page = open_page(f"derivations#{LAST}")
    expect(page.get_by_role("heading", name=heading(LAST))).to_be_visible()
    assert page.url.endswith(f"derivations?statement={LAST}")


def test_links_of_the_contents_and_of_a_text_stay_in_the_tab(open_page: Open) -> None:
    page = open_page(f"derivations?statement={FIRST}")
    page.evaluate("window.here = true")
    tabs = len(page.context.pages)
    page.locator(".st-key-contents").get_by_role("link", name=heading("baselines")).click()
    expect(page.get_by_role("heading", name=heading("baselines"))).to_be_in_viewport()
    page.locator(".st-key-body").get_by_role("link", name="leave-one-out", exact=True).click()
    expect(page.get_by_role("heading", name=heading("leave_one_out"))).to_be_in_viewport()
    page.go_back()
    expect(page.get_by_role("heading", name=heading("baselines"))).to_be_visible()
    assert page.evaluate("window.here")
    assert len(page.context.pages) == tabs


SIZES = [(1440, 900, "light"), (820, 1180, "dark"), (390, 844, "light")]


def test_a_trial_draws_both_runs_on_one_chart(open_page: Open, store: Store) -> None:
    before = {run.id for run in store.runs()}
    presses: dict[str, bytes] = {}

    def late(message: bytes) -> list[bytes]:  # a press on a page that is left comes once more, behind the next page
        asked = BackMsg.FromString(message).rerun_script
        if any(widget.trigger_value for widget in asked.widget_states.widgets):
            presses[asked.page_script_hash] = message
        return [press for left, press in presses.items() if asked.page_script_hash not in ("", left)]

    page = open_page("derivations?statement=reward_to_go", followed=late)
    for size in SIZES:
        show(page, *size)
        # Pressed twice, and as soon as it can be; where there is room it can be pressed as well, but two workers do.
        page.locator(".st-key-trial").get_by_role("button").dblclick(trial=size != SIZES[-1])
    page.wait_for_url("**beside=*")
    expect(page.get_by_role("heading", name="Train", exact=True)).to_be_attached()
    new = {run.name: run for run in store.runs() if run.id not in before}
    (first, opened), (second, behind) = TRIALS["reward_to_go"].runs
    assert {name: run.config for name, run in new.items()} == {first: opened, second: behind}
    assert f"run={new[first].id}" in page.url and f"beside={new[second].id}" in page.url
    chart = "document.querySelector('.lab-returns .js-plotly-plot')"
    page.wait_for_function(f"() => {chart}?.data?.find((trace) => trace.uid.startsWith('beside'))?.x.length > 5")
    page.wait_for_function(f"() => {chart}.data.find((trace) => !trace.uid.startsWith('beside'))?.x.length > 5")
    for size in SIZES:
        show(page, *size)
        page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")
    for run in new.values():
        store.transition(run.id, ["queued", "starting", "running"], target="stop")


@pytest.mark.parametrize("names", GROUPS.values(), ids=GROUPS)
def test_every_statement_has_an_address_and_every_formula_fits_a_phone(open_page: Open, names: tuple[str, ...]) -> None:
    page = open_page(f"derivations?statement={names[0]}", width=390, height=844)
    for name in names:
        if name != names[0]:
            page.locator(".st-key-neighbours").get_by_role("link", name=heading(name)).last.click()
        page.wait_for_url(f"**/derivations?statement={name}")
        expect(page.get_by_role("heading", name=heading(name))).to_be_in_viewport()
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")  # until then, it moves
        expect(page.locator(".st-key-proof .katex").first).to_be_visible()
        assert page.locator(".katex-error").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        # A dollar sign is left over where Markdown saw no formula.
        assert page.locator(".stMarkdown p", has_text="$").count() == 0
