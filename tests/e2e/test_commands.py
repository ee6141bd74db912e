"""Nothing that is pressed or moved is lost, whatever else is under way."""

import contextlib
import sqlite3

from playwright.sync_api import expect

from pg_core.config import Config
from pg_core.runs.store.processes import process_name
from pg_core.runs.store.store import Store
from tests.e2e.conftest import Open
from tests.e2e.test_journey import button, state


def test_what_is_pressed_while_the_store_is_held_is_done(open_page: Open, store: Store) -> None:
    run = store.create(Config(num_agents=2), "held", process_name())
    store.transition(run, ["starting"], state="running")
    sent: list[bytes] = []
    page = open_page(f"?run={run}", repeated=lambda message: bool(sent.append(message)), excused="503")
    expect(state(page, "running")).to_be_visible()

    def click(place: str) -> None:
        before = len(sent)
        page.locator(place).first.click()
        while len(sent) == before:
            page.wait_for_timeout(20)

    page.locator(".st-key-group_Estimator summary").click()
    with contextlib.closing(sqlite3.connect(store.folder / "lab.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        for place in (
            ".st-key-knob_normalize_advantages label",
            ".st-key-slot_main button",
            ".st-key-knob_gamma_t label",
        ):
            click(place)
        holder.execute("COMMIT")
    expect(button(page, "Resume")).to_be_visible()
    while store.run(run).current != Config(num_agents=2, normalize_advantages=False, gamma_t=True):
        page.wait_for_timeout(20)
    assert store.run(run).target == "pause"
