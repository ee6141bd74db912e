"""The whole way through the Policy page by keyboard alone, on one page: from the Train page’s stage to the film."""

import re

from playwright.sync_api import expect

from tests.e2e.conftest import Open
from tests.e2e.test_instrument import train
from tests.e2e.test_journey import state
from tests.e2e.test_policy import row, rows, slider

UPDATES = 5


def test_the_whole_page_by_keyboard_alone(open_page: Open) -> None:
    page = open_page(f"?pace=0&num_updates={UPDATES}&stop_when_solved=False")
    train(page)
    expect(state(page, "finished")).to_be_visible()
    page.get_by_role("link", name="Under the microscope").press("Enter")
    expect(rows(page).first).to_be_visible()
    slider(page).press("Home")
    expect(page.get_by_text(f"untrained of {UPDATES}")).to_be_visible()
    expect(page.locator(".lab-microscope")).to_have_attribute("data-apart", "0")

    page.get_by_role("region", name="Steps of the episode").press("ArrowDown")
    page.get_by_role("region", name="Steps of the episode").press("ArrowDown")
    caption = page.locator(".lab-player-caption")
    marked = page.locator(".lab-update tr[aria-current]")
    step = int(marked.locator("th").inner_text())
    expect(row(page, step)).to_have_attribute("aria-current", "step")
    expect(caption).to_contain_text(re.compile(rf"step\s+{step} of"))  # stage and table are at the same step

    page.get_by_role("button", name="Push the pole to the right").press("Enter")
    expect(marked).to_have_count(0)  # what is played now is no step of the update
    page.get_by_text("Other physics").press("Enter")
    page.get_by_role("slider", name="gravity").press("End")
    expect(page.get_by_text("30 m/s²", exact=True)).to_be_visible()

    slider(page).press("ArrowRight")
    expect(page.locator(".lab-microscope")).to_have_attribute("data-apart", "1")
    expect(page.get_by_label("Compare with")).to_be_enabled()
    page.get_by_label("Compare with").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".lab-rival-words")).to_contain_text("untrained")
    page.get_by_role("button", name="Measure robustness").press("Enter")
    expect(page.get_by_role("figure", name=re.compile("^Mean length over gravity"))).to_have_attribute(
        "data-known", "true"
    )

    page.get_by_role("button", name="Compare all estimators").press("Enter")
    expect(page.get_by_role("region", name="Estimators").locator("tbody tr").first).to_be_visible()
    with page.expect_download() as film:
        page.get_by_role("button", name="Film as WebP").press("Enter")
    assert film.value.suggested_filename.endswith(".webp")

    page.get_by_role("button", name="Beat the agent").press("Enter")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Push the pole to the right")).to_be_visible()
    page.get_by_role("button", name="Watch it learn").press("Enter")
    expect(page.get_by_text(f"after update {UPDATES} of {UPDATES}")).to_be_visible()
