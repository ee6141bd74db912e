"""Every page, on a desk and on a phone, in light and in dark: accessible, and nothing sticks out."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open

PAGES = {"": ".js-plotly-plot", "derivations": ".katex", "runs": "h1"}


def settled(page: Page, path: str) -> Page:
    expect(page.locator(PAGES[path]).first).to_be_visible()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    return page


def stop(page: Page) -> None:
    # Streamlit has a Stop of its own in the header, while a script takes long.
    main = page.get_by_test_id("stMainBlockContainer")
    main.get_by_role("button", name="Stop", exact=True).click()
    expect(main.get_by_role("button", name="Resume", exact=True)).to_be_visible()


def violations(page: Page) -> list[str]:
    # KaTeX makes a hundred elements of each formula, all alike; with those of the derivations, axe takes minutes.
    page.evaluate("document.querySelectorAll('.katex').forEach((formula) => formula.replaceChildren('formula'))")
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_no_serious_axe_violation(open_page: Open, path: str, scheme: str) -> None:
    page = settled(open_page(path, scheme=scheme), path)
    assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_axe_violation_while_training(open_page: Open, scheme: str) -> None:
    page = settled(open_page("?num_updates=50000&stop_when_solved=False&num_agents=2", scheme=scheme), "")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text("of 50,000")).to_be_visible()
    for group in ("Run", "Policy", "Optimiser"):
        page.get_by_text(group, exact=True).first.click()
    assert violations(page) == []
    stop(page)


@pytest.mark.parametrize("path", [path for path in PAGES if path != "derivations"])  # they have a test of their own
def test_nothing_sticks_out_on_a_phone(open_page: Open, path: str) -> None:
    page = settled(open_page(path, width=390, height=844), path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator(".katex-error").count() == 0


# Whether at least so many pieces are there and none lies on another; true at last, once all of a redraw has arrived.
APART = """(expected) => {
    const pieces = [...document.querySelectorAll(
        "[data-testid=stMetric], [data-testid=stExpander], [data-testid=stButton], .js-plotly-plot, .st-key-player"
    )].filter((piece) => piece.checkVisibility())
    const boxes = pieces.map((piece) => piece.getBoundingClientRect())
    const pairs = boxes.flatMap((a, i) => boxes.slice(i + 1).map((b) => [a, b]))
    return pieces.length >= expected && !pairs.some(([a, b]) =>
        a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
}"""


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_no_piece_of_the_train_page_lies_on_another(open_page: Open, width: int, height: int) -> None:
    page = settled(open_page("?num_updates=50000&stop_when_solved=False&num_agents=2", width, height), "")
    page.wait_for_function(APART, arg=12)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text("of 50,000")).to_be_visible()
    page.wait_for_function(APART, arg=15)
    stop(page)
