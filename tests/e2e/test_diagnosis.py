"""A run that does not learn: the panel names the cause, and a click tries the remedy."""

import re

from playwright.sync_api import expect

from pg_core.config import Config
from pg_core.runs.store.store import Store
from tests.e2e.conftest import Open
from tests.e2e.test_journey import button, run_id, state


def test_a_flat_run_is_told_why_and_a_click_tries_the_remedy(open_page: Open, store: Store) -> None:
    settings = "num_updates=12&num_agents=2&episodes_per_update=2&hidden_layers=8&pace=0"
    page = open_page(f"?env_id=MountainCar-v0&{settings}")
    button(page, "Train").click()
    expect(state(page, "finished")).to_be_visible()
    flat = run_id(page)
    page.get_by_text("Why is it not learning?", exact=True).click()
    cause = page.locator(".st-key-cause_no_signal")
    expect(cause).to_contain_text("All returns are equal")
    expect(cause).to_contain_text("Each of the last 20 episodes earned −200, cut by the time limit of 200 steps.")
    expect(cause.get_by_role("link", name="Derivation")).to_have_attribute("href", re.compile("statement="))
    cause.get_by_role("button", name=re.compile("New run: T 0 → 1,?000")).click()
    page.wait_for_url(f"**beside={flat}")  # its curve stays behind the new run's
    expect(state(page, "finished")).to_be_visible()
    remedied = store.run(run_id(page))
    assert remedied.config == Config(**{**dict(store.run(flat).config), "max_episode_steps": 1000})
