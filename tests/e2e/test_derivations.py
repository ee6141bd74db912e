"""The page of derivations in a browser: every formula is typeset, every check can be run from it."""

from playwright.sync_api import expect

from pg_core.proofs import STATEMENTS
from tests.e2e.conftest import Open


def test_every_formula_is_typeset_and_fits_a_phone(open_page: Open) -> None:
    page = open_page("derivations", width=390, height=844)
    for name in STATEMENTS:
        proof = page.locator(f".st-key-proof-{name}")
        expect(proof.locator("ol > li").last).to_be_visible()
        expect(proof.locator(".katex").first).to_be_visible()
    assert page.locator(".katex-error").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # A dollar sign is left over where Markdown saw no formula.
    assert page.locator(".stMarkdown p", has_text="$").count() == 0


def test_a_link_leads_to_a_statement(open_page: Open) -> None:
    name = list(STATEMENTS)[-1]
    page = open_page(f"derivations#{name}")
    expect(page.locator(f"#{name}")).to_be_in_viewport()


def test_every_check_runs_from_the_page_alone_and_all_at_once(open_page: Open) -> None:
    page = open_page("derivations")
    first, *others = STATEMENTS
    panel = page.locator(f".st-key-check-{first}")
    panel.get_by_label("Seed").fill("7")
    panel.get_by_label("Seed").press("Enter")
    panel.get_by_role("button", name="Run the check").click()
    expect(panel.get_by_test_id("stAlertContentSuccess")).to_be_visible()
    contents = page.locator(".st-key-derivations table").first
    expect(contents.get_by_text("✓ right")).to_have_count(1)
    page.get_by_role("button", name="Run all").click()
    expect(contents.get_by_text("✓ right")).to_have_count(len(STATEMENTS))
    for name in others:
        expect(page.locator(f".st-key-check-{name}").get_by_test_id("stAlertContentSuccess")).to_be_visible()
    expect(page.get_by_text("✗ WRONG")).to_have_count(0)
    page.get_by_text("The code that runs").first.click()
    expect(page.get_by_text("def check(").first).to_be_visible()
