"""Every page, on a desk and on a phone, in light and in dark: accessible, and nothing sticks out."""

import itertools
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from pg_core.config import Config
from pg_core.runs.store.processes import process_name
from pg_core.runs.store.store import Store
from tests.e2e.conftest import Open, leave, show, trained

PAGES = {"": ".js-plotly-plot", "derivations": ".katex", "runs": "h1"}


def settled(page: Page, path: str) -> Page:
    expect(page.locator(PAGES[path]).first).to_be_visible()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    return page


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


def violations_in_each_look(page: Page, path: str) -> dict[tuple[int, str], list[str]]:
    """Return what is wrong with a page on a desk and on a phone, in light and in dark."""
    found = {}
    for look in itertools.product((390, 1440), ("light", "dark")):
        width, scheme = look
        show(page, width, 844, scheme)
        expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", scheme)
        page.wait_for_function("() => !document.querySelector('.lab-film')?.getAnimations().length")  # colours change
        found[look] = violations(settled(page, path))
    return {look: wrong for look, wrong in found.items() if wrong}


@pytest.mark.parametrize("path", PAGES)
def test_no_error_no_serious_axe_violation_and_nothing_sticks_out_on_a_phone(open_page: Open, path: str) -> None:
    page = settled(open_page(path, width=390, height=844), path)  # the fixture fails for any error in the console
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator(".katex-error").count() == 0
    assert violations_in_each_look(page, path) == {}


def test_no_serious_axe_violation_while_training(open_page: Open, store: Store) -> None:
    run = trained(store, Config(num_updates=7, pace=0))
    store.transition(run, ["finished"], state="running", process=process_name())  # all is there, and stays as it is
    page = settled(open_page(f"?run={run}"), "")
    expect(page.locator(".lab-state").get_by_text("running", exact=True)).to_be_visible()
    expect(page.get_by_text("of at most 7")).to_be_visible()
    expect(page.locator(".lab-strip").get_by_role("button", name=re.compile("untrained"))).to_be_visible()
    for group in ("Run", "Policy", "Optimiser"):
        page.locator(f".st-key-group_{group} summary").click()
    page.get_by_text("Numbers as a table").click()
    assert violations_in_each_look(page, "") == {}
    store.transition(run, ["running"], state="finished", process=None)


# The boxes of all that stands on the Train page, by name: relative to the page, whatever is scrolled.
BOXES = """() => {
    const shown = [...document.querySelectorAll(
        ".st-key-bar > *, .st-key-controls > * > *, .lab-status, .lab-stage, .lab-stage button, .lab-stage select, " +
        ".lab-sentence, .lab-small, .lab-film, .lab-film > *, .lab-returns, .lab-left, .lab-right, .lab-numbers, " +
        ".lab-numbers-list > *, " +
        ".lab-numbers dd, .lab-chart, .lab-more"
    )].filter((piece) => piece.checkVisibility())
    const origin = document.querySelector(".st-key-page").getBoundingClientRect()
    return shown.map((piece) => {
        const box = piece.getBoundingClientRect()
        return [piece.className, box.left - origin.left, box.top - origin.top, box.width, box.height]
    })
}"""


Boxes = list[list]
SIZES = [(1440, 900), (1920, 1080), (820, 1180), (390, 844)]


def settled_boxes(page: Page) -> list[Boxes]:
    """Return the boxes in each size once no run of the page's script is under way."""
    found = []
    for size in SIZES:
        show(page, *size, scheme="light")
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        page.wait_for_function(
            "() => [...document.querySelectorAll('.lab-chart')].every((chart) => chart.dataset.known === 'true')"
        )
        assert page.locator(".st-key-problem").all_inner_texts() == []  # the text says more than a box that is too much
        found.append(page.evaluate(BOXES))
    return found


def moved(before: Boxes, after: Boxes) -> list[tuple[list, list]]:
    assert [box[0] for box in before] == [box[0] for box in after]
    pairs = zip(before, after, strict=True)
    return [(a, b) for a, b in pairs if any(abs(x - y) > 1 for x, y in zip(a[1:], b[1:], strict=True))]


def test_nothing_moves_between_the_states(open_page: Open, store: Store) -> None:
    run = store.create(Config(), "modest-otter-90", process_name())
    starting = settled(open_page(f"?run={run}", motion=True), "")
    expect(starting.locator(".lab-state").get_by_text("starting", exact=True)).to_be_visible()
    expect(starting.locator(".lab-strip").get_by_text("untrained").first).to_be_visible()
    page = settled(open_page("?pace=0", motion=True), "")
    main = page.get_by_test_id("stMainBlockContainer")
    expect(page.locator(".lab-strip").get_by_text("untrained").first).to_be_visible()
    expect(page.get_by_text("press Train: agents start")).to_be_visible()
    seen = {"ready": settled_boxes(page), "starting": settled_boxes(starting)}
    store.transition(run, ["starting"], state="stopped", process=None)
    leave(starting)  # which would go on to play
    page.get_by_role("radio", name="1", exact=True).click()
    page.wait_for_url("**pace=1*")
    main.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text(re.compile(r"update ([3-9]|\d\d+) of at most"))).to_be_visible()
    seen["running"] = settled_boxes(page)
    main.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator(".lab-state").get_by_text("paused", exact=True)).to_be_visible()
    seen["paused"] = settled_boxes(page)
    page.get_by_role("radio", name="∞", exact=True).click()
    main.get_by_role("button", name="Resume", exact=True).click()
    expect(page.locator(".lab-state").get_by_text("solved", exact=True)).to_be_visible()
    expect(main.get_by_role("button", name="Train", exact=True)).to_be_visible()
    seen["solved"] = settled_boxes(page)
    for (name, boxes), (i, size) in itertools.product(seen.items(), enumerate(SIZES)):
        assert moved(seen["ready"][i], boxes[i]) == [], (name, size)


def test_on_a_wide_page_train_is_among_the_first_five_stops_and_the_controls_scroll_by_themselves(
    open_page: Open,
) -> None:
    page = settled(open_page(), "")
    seen = []
    for _ in range(5):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.closest('.st-key-train') !== null"))
    assert any(seen)
    for group in ("Run", "Policy"):
        page.locator(f".st-key-group_{group} summary").click()
    expect(page.get_by_text("Hidden layers")).to_be_visible()
    main = page.get_by_test_id("stMain")
    assert main.evaluate("(main) => main.scrollHeight <= main.clientHeight")


# The order of the eye, on a phone, is that of the document: for each piece its place in both.
ORDER = """() => {
    const names = ["lab-status", "lab-stage", "lab-strip", "lab-returns", "lab-left", "lab-right", "lab-numbers"]
    const pieces = [...names, "st-key-knob_learning_rate"].map((name) => document.querySelector(`.${name}`))
    return pieces.slice(1).map((piece, i) => [
        pieces[i].getBoundingClientRect().bottom <= piece.getBoundingClientRect().top + 1,
        Boolean(pieces[i].compareDocumentPosition(piece) & Node.DOCUMENT_POSITION_FOLLOWING),
    ])
}"""


def test_a_phone_shows_the_page_in_the_order_of_the_document_and_one_knob(open_page: Open) -> None:
    page = settled(open_page(width=390, height=844), "")
    expect(page.get_by_text("untrained · median agent")).to_be_visible()
    assert all(map(all, page.evaluate(ORDER)))
    knobs = page.locator(".st-key-controls [class*=st-key-knob_]:visible")
    assert knobs.count() == 1
    page.get_by_role("button", name="Gₜ").click()
    expect(page.locator(".st-key-knob_gamma")).to_be_visible()
    assert knobs.count() == 1
    bar = page.locator(".st-key-bar").bounding_box()
    assert bar is not None and bar["y"] + bar["height"] <= 844 and bar["y"] > 600
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input[type=range], summary, [role=radio]")]
            .filter((target) => target.checkVisibility() && target.closest(".st-key-page"))
            .filter((target) => !target.closest("[style*=clip]"))  // for screen readers
            .map((target) => [target.outerHTML.slice(0, 200), target.getBoundingClientRect()])
            .filter(([, { width, height }]) => width && (width < 24 || height < 24)).map(([name]) => name)"""
    )
    assert small == []
