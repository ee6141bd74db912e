"""Beat the agent: a visitor plays against the policy at the slider, by keyboard alone; the score stays with the run."""

import re

from playwright.sync_api import Page, expect

from pg_core.config import Config
from pg_core.runs.store import scores
from pg_core.runs.store.store import Store
from tests.e2e.conftest import Open
from tests.e2e.test_look import settled, violations_in_each_look

RUN = Config(pace=0, num_updates=3, max_episode_steps=50)


def words(page: Page):
    return page.locator(".lab-game-words")


def test_by_keyboard_alone_from_the_press_to_the_score(open_page: Open, store: Store, run: str) -> None:
    page = open_page(f"policy?run={run}&update=2&agent=1")
    button = page.get_by_role("button", name="Beat the agent")
    expect(button).to_be_enabled()
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("group", name=re.compile("Game"))).to_be_focused()
    expect(page.get_by_role("button", name="Push the pole to the left")).to_be_hidden()
    page.keyboard.press("ArrowLeft")
    expect(words(page)).to_contain_text(re.compile(r"You held the pole up for .+: (a draw|you win|the agent wins)\."))
    assert page.evaluate("scrollY") == 0
    row = page.locator(".lab-game-scores tbody tr")
    expect(row).to_contain_text("agent 1, after update 2")
    [score] = scores.best(store, run, 5)
    [mine, its] = re.findall(r"\d+", page.locator(".lab-game-count > :first-child").inner_text())
    assert score == (2, 1, int(mine), int(its)), "what the lab has played again is what was seen"
    expect(page.get_by_role("button", name="Play again")).to_be_focused()
    page.keyboard.press("Enter")
    expect(words(page)).to_contain_text("The first press starts.")
    page.keyboard.press("d")
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    page.reload()
    expect(row).to_have_count(1)


def test_it_is_accessible_in_each_look_and_nothing_sticks_out(open_page: Open, run: str) -> None:
    page = open_page(f"policy?run={run}&update=1", width=390, height=844)
    page.get_by_role("button", name="Beat the agent").click()
    expect(page.get_by_role("button", name="Push the cart to the right")).to_be_visible()
    settled(page, "")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations_in_each_look(page, "") == {}
