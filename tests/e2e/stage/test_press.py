"""A click on what is drawn again all the time."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

Json = dict[str, Any]

MOUNT = """async (told) => {
    const { mount } = await import("./instrument/run_list.js")
    document.body.dataset.testid = "stMain"
    const data = new TextEncoder().encode(JSON.stringify(told))
    lab.told ??= []
    mount({ data, parentElement: document.body, setTriggerValue: (...told) => lab.told.push(told) })
}"""


@pytest.fixture(scope="module")
def page(bare: Page) -> Page:
    bare.evaluate("document.body.replaceChildren()")
    return bare


def told(mean: str) -> Json:
    line = {
        "id": "a", "name": "quick-fox", "state": "running", "color": "blue", "started": "now", "tags": [], "note": "",
        "pinned": False, "runs": None, "unfolded": False, "spark": None, "settings": "as Best", "of": "10 agents",
        "solved": "–", "steps": "–", "return": mean, "updates": "1",
    }  # fmt: skip
    return {"lines": [line], "selected": [], "open": False, "click": 0, "left": 0, "sort": "newest"}


def test_a_run_whose_numbers_change_while_it_is_pressed_is_opened(page: Page) -> None:
    page.evaluate(MOUNT, told("21"))
    page.get_by_text("21", exact=True).hover()
    page.mouse.down()
    page.evaluate(MOUNT, told("22"))
    page.evaluate(MOUNT, told("23"))
    expect(page.get_by_text("21", exact=True)).to_be_visible()
    page.mouse.up()
    expect(page.get_by_text("23", exact=True)).to_be_visible()
    [[name, selection]] = page.evaluate("lab.told")
    assert (name, selection["ids"]) == ("chosen", ["a"])
    page.evaluate(MOUNT, told("24"))
    expect(page.get_by_text("24", exact=True)).to_be_visible()


def test_what_the_other_button_opens_does_not_hold_it_up(page: Page) -> None:
    page.get_by_text("quick-fox").hover()
    page.mouse.down(button="right")
    page.evaluate(MOUNT, told("31"))
    expect(page.get_by_text("31", exact=True)).to_be_visible()
    page.mouse.up(button="right")
