"""A long table of which only the rows around what is seen are there."""

import pytest
from playwright.sync_api import Locator, Page, expect

COUNT, HEIGHT = 3_000, 20


@pytest.fixture(scope="module")
def page(bare: Page) -> Page:
    bare.evaluate("import('./instrument/rows.js').then(({ createRows }) => Object.assign(lab, { createRows }))")
    bare.add_style_tag(content="table { border-spacing: 0; } td, tbody th { padding: 0; } tr { height: 20px; }")
    bare.add_style_tag(content="thead { position: sticky; top: 0; }")
    return bare


@pytest.fixture
def table(page: Page) -> Locator:
    page.evaluate(
        """(count) => {
            document.body.innerHTML = `<div tabindex="0" style="height: 400px; overflow: auto; overflow-anchor: none">
              <table><thead><tr><th>n</th><th>n²</th></tr></thead><tbody></tbody></table></div>`
            lab.picked = []
            const [scroller, body] = ["div", "tbody"].map((name) => document.querySelector(name))
            lab.rows = lab.createRows(scroller, body, 2, { onPick: (index) => lab.picked.push(index) })
            lab.rows.show(count, (n) => [String(n), String(n * n)])
        }""",
        COUNT,
    )
    return page.locator("table")


def row(table: Locator, index: int) -> Locator:
    return table.locator(f"tr[aria-rowindex='{index + 2}']")


def test_what_is_seen_is_there_and_little_else(table: Locator) -> None:
    expect(row(table, 0)).to_have_text("00")
    assert table.locator("tr[aria-rowindex]").count() < 100
    assert table.evaluate("node => node.offsetHeight") == (COUNT + 1) * HEIGHT  # as if all were


def test_scrolling_and_the_keyboard_bring_the_others(page: Page, table: Locator) -> None:
    page.locator("div").evaluate("node => (node.scrollTop = 1500 * 20)")
    expect(row(table, 1_500)).to_be_in_viewport()
    expect(row(table, 1_500)).to_have_text(f"1500{1500**2}")
    row(table, 1_503).click()
    assert page.evaluate("lab.picked") == [1_503]
    page.locator("div").press("End")
    expect(row(table, COUNT - 1)).to_be_in_viewport()
    page.locator("div").press("Home")
    expect(row(table, 0)).to_be_in_viewport()


def test_a_marked_row_is_seen_and_the_only_one(page: Page, table: Locator) -> None:
    for index in (0, 2_000, 2_001, COUNT - 1, 3):
        page.evaluate("(index) => lab.rows.mark(index)", index)
        expect(row(table, index)).to_be_in_viewport()
        expect(table.locator("tr[aria-current]")).to_have_count(1)
        expect(row(table, index)).to_have_attribute("aria-current", "step")
    page.evaluate("lab.rows.mark(null)")
    expect(table.locator("tr[aria-current]")).to_have_count(0)


def test_arrows_lead_from_row_to_row(page: Page, table: Locator) -> None:
    scroller = page.locator("div")
    for key, wanted in (("ArrowDown", 0), ("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 1)):
        scroller.press(key)
        assert page.evaluate("lab.picked.at(-1)") == wanted
        page.evaluate("(index) => lab.rows.mark(index)", wanted)
    page.evaluate("(index) => lab.rows.mark(index)", COUNT - 1)
    scroller.press("ArrowDown")
    assert page.evaluate("lab.picked.at(-1)") == COUNT - 1


@pytest.mark.parametrize("count", [0, 1, 5, 44])
def test_a_short_table_is_whole(page: Page, table: Locator, count: int) -> None:
    page.locator("div").evaluate("node => (node.scrollTop = 1500 * 20)")
    page.evaluate("(count) => lab.rows.show(count, (n) => [String(n), '-'])", count)
    expect(table.locator("tbody tr")).to_have_count(count)
    if count:
        expect(row(table, count - 1)).to_have_text(f"{count - 1}-")


def test_one_that_was_filled_unseen_is_whole_once_it_is_seen(page: Page, table: Locator) -> None:
    page.locator("div").evaluate("node => node.hidden = true")
    page.evaluate("lab.rows.show(40, (n) => [String(n), '-'])")
    page.locator("div").evaluate("node => node.hidden = false")
    expect(row(table, 39)).to_have_text("39-")


def test_a_press_on_a_row_counts_though_others_come_and_go_meanwhile(page: Page, table: Locator) -> None:
    page.evaluate(
        """() => { // what has been scrolled is told only with the next picture
            const scroller = document.querySelector("div")
            lab.scrolled = scroller.onscroll
            scroller.onscroll = null
            scroller.scrollTop = 900
        }"""
    )
    first = table.locator("tr[aria-rowindex]").first
    expect(first).to_have_text("00")
    row(table, 50).hover()
    page.mouse.down()
    page.evaluate("lab.scrolled()")
    expect(first).not_to_have_text("00")
    page.mouse.up()
    assert page.evaluate("lab.picked") == [50]
