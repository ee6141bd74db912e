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


@pytest.mark.parametrize(
    "press",
    [
        ("pointerdown", {"button": 2, "pointerType": "mouse"}),
        ("pointerdown", {"button": 0, "pointerType": "touch"}),
    ],
    ids=str,
)
def test_what_is_no_press_of_the_mouse_holds_nothing_up(page: Page, press: tuple[str, Json]) -> None:
    page.evaluate("([kind, about]) => document.body.dispatchEvent(new PointerEvent(kind, about))", list(press))
    mean = f"4{press[1]['button']}"
    page.evaluate(MOUNT, told(mean))
    expect(page.get_by_text(mean, exact=True)).to_be_visible()


@pytest.mark.parametrize(
    "end",
    [("pointercancel", {}), ("contextmenu", {}), ("blur", {}), ("pointermove", {"buttons": 0})],
    ids=lambda end: end[0],
)
def test_a_press_whose_end_is_not_seen_holds_nothing_up_for_long(page: Page, end: tuple[str, Json]) -> None:
    down = {"button": 0, "pointerType": "mouse"}
    tell = "([kind, about]) => window.dispatchEvent(new PointerEvent(kind, about))"
    page.evaluate(tell, ["pointerdown", down])
    mean = f"5{len(end[0])}"
    page.evaluate(MOUNT, told(mean))
    expect(page.get_by_text(mean, exact=True)).to_have_count(0)
    page.evaluate(tell, list(end))
    expect(page.get_by_text(mean, exact=True)).to_be_visible()
