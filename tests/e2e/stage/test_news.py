"""The instrument between news and runs of its page, on a page without Streamlit: the test says when its script runs."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.e2e.conftest import PATIENCE_MS
from tests.e2e.stage.conftest import Assets, Json, sent

MOUNT = """async ([token, address = "lab/live/it"]) => {
    const { mount } = await import("./instrument/instrument.js")
    const page = { address, subject: "it", token, next: {}, view: ["a", "b", "c"], axes: { a: "a" } }
    Object.assign(page, { panels: { b: "b", c: "c" }, meanings: {}, statements: {}, actions: null })
    window.triggers ??= []
    const setTriggerValue = (name, value) => window.triggers.push([name, value])
    const data = new TextEncoder().encode(JSON.stringify(page))
    mount({ data, parentElement: document.querySelector("#place"), setStateValue() {}, setTriggerValue })
}"""
PAGE = """
    <div data-testid="stApp" data-test-connection-state="CONNECTED" data-test-script-state="running">
    <div data-testid="stMain" id="stMain"><div id="place"></div></div></div>
"""


def news(token: str, next: float | None, sentence: str) -> Json:
    told = {"state": token, "words": "", "progress": 0, "sentence": sentence, "numbers": []}
    return {"version": "0", "token": token, "told": told, "next": next,
            "stage": {"newest": 0, "kept": [0], "every": False, "strip": [0]}}  # fmt: skip


@pytest.fixture
def page(browser: Browser, server: Assets) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(server.url)
    page.evaluate("(page) => { document.body.innerHTML = page }", PAGE)
    yield page
    page.close()


def test_what_is_told_while_the_page_is_drawn_has_it_drawn_again(page: Page) -> None:
    # After its last update, nothing more of a run is to be expected.
    answers = [news("running", 0.01, "first"), news("solved", None, "second"), news("solved", None, "third")]

    def answer(route: Route) -> None:
        if "policy" in route.request.url:
            route.fulfill(json={"error": "There is none."})
        else:
            route.fulfill(json=answers.pop(0))

    page.route("**/lab/live/it?*", answer)
    page.evaluate(MOUNT, ["paused"])
    page.get_by_text("second").wait_for()
    page.evaluate(MOUNT, ["running"])  # as the run of the page that was under way has found it
    page.get_by_text("third").wait_for()
    page.evaluate("document.querySelector('[data-testid=stApp]').dataset.testScriptState = 'notRunning'")
    page.wait_for_function("() => window.triggers.length")
    assert page.evaluate("window.triggers") == [["stale", "solved"]]


def test_what_is_asked_at_an_address_that_has_ended_comes_from_the_next_one(page: Page) -> None:
    def answer(route: Route) -> None:
        url = route.request.url
        if "policy" in url and "live/first" in url:
            route.fulfill(status=404)
        else:
            route.fulfill(json=sent(0) if "policy" in url else news("solved", None, "the run has ended"))

    page.route("**/lab/live/*?*", answer)
    page.evaluate("document.querySelector('[data-testid=stApp]').dataset.testScriptState = 'notRunning'")
    page.evaluate(MOUNT, ["solved", "lab/live/first"])
    page.wait_for_function("() => window.triggers.length")
    assert page.evaluate("window.triggers") == [["stale", "address"]]
    page.evaluate(MOUNT, ["solved", "lab/live/second"])  # as the run of the page that was asked for gives it
    expect(page.locator(".lab-player-policy")).to_contain_text("untrained")
    assert page.evaluate("window.triggers.length") == 1
