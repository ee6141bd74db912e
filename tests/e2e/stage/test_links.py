"""What a browser asks of a page that it leaves, on a page without Streamlit."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from pg_core.runs.paths import ROOT
from tests.e2e.conftest import PATIENCE_MS
from tests.e2e.stage.conftest import Assets

ADD = """(html) => {
    document.body.insertAdjacentHTML("beforeend", html)
    return new Promise((done) => setTimeout(done))  // who observes has been told by then
}"""
CHECKED = "<div class='st-key-checked'></div>"
GOING = "<div class='st-key-going'><a href='./train'>Train</a></div>"


@pytest.fixture
def page(browser: Browser, server: Assets) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(server.url)
    page.add_script_tag(content=(ROOT / "assets" / "links.js").read_text(encoding="utf-8"))
    page.evaluate("""() => {
        window.asked = 0
        window.gone = 0
        addEventListener("popstate", () => window.asked++)
        addEventListener("click", (event) => (event.preventDefault(), window.gone++))
    }""")
    yield page
    page.close()


def asked(page: Page) -> int:
    return int(page.evaluate("window.asked"))


def test_the_page_of_a_check_that_has_ended_is_asked_for_once(page: Page) -> None:
    page.evaluate(ADD, CHECKED)
    page.evaluate(ADD, "<p>Drawing …</p>")
    assert asked(page) == 1
    page.evaluate("document.querySelector('.st-key-checked').remove()")
    page.evaluate(ADD, CHECKED)
    assert asked(page) == 2


def test_the_way_to_the_next_page_is_taken_once_and_nothing_more_is_asked(page: Page) -> None:
    page.evaluate(ADD, GOING + CHECKED)
    page.evaluate(ADD, "<p>Drawing …</p>")
    assert page.evaluate("window.gone") == 1 and asked(page) == 0


def test_who_stays_after_all_is_told(page: Page) -> None:
    page.evaluate(ADD, "<a id='there' href='./runs'>Runs</a><a id='here' href='?statement=b'>B</a>")
    page.locator("#there").click()
    page.evaluate(ADD, CHECKED)
    assert asked(page) == 0
    page.locator("#here").click()
    page.evaluate(ADD, "<p>Drawing …</p>")
    assert asked(page) == 1


def test_a_link_within_a_page_is_left_to_it(page: Page) -> None:
    page.evaluate("history.replaceState(null, '', './derivations?statement=a')")
    page.evaluate(ADD, "<a id='within' href='#main'>Skip</a>")
    page.locator("#within").click()
    assert page.evaluate("window.gone") == 1 and not page.url.endswith("#main")


def test_who_follows_a_link_to_another_page_is_not_led_back(page: Page) -> None:
    page.evaluate(ADD, "<a id='here' href=''>Here</a><a id='there' href='./runs'>Runs</a>")
    page.locator("#here").click()
    page.evaluate(ADD, CHECKED)
    assert asked(page) == 1
    page.locator("#there").click()
    page.evaluate("document.querySelector('.st-key-checked').remove()")
    page.evaluate(ADD, CHECKED)
    assert asked(page) == 1
    page.evaluate("history.pushState(null, '', './runs')")  # by now the browser is on the other page, and asks for that
    page.evaluate("document.querySelector('.st-key-checked').remove()")
    page.evaluate(ADD, CHECKED)
    assert asked(page) == 2
    page.go_back()
    page.evaluate("document.querySelector('.st-key-checked').remove()")
    page.evaluate(ADD, CHECKED)
    assert asked(page) == 4  # who comes back is told, too: one was the way back itself
