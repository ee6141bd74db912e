"""Nothing that is pressed or moved is lost, whatever else is under way."""

import contextlib
import sqlite3

from playwright.sync_api import expect
from streamlit.proto.BackMsg_pb2 import BackMsg

from pg_core.config import Config
from pg_core.runs.store.processes import process_name
from pg_core.runs.store.store import Store
from tests.e2e.conftest import Open
from tests.e2e.test_journey import button, state


def test_what_is_pressed_while_the_store_is_held_is_done(open_page: Open, store: Store) -> None:
    run = store.create(Config(num_agents=2), "held", process_name())
    store.transition(run, ["starting"], state="running")
    sent: list[bytes] = []
    page = open_page(f"?run={run}", followed=lambda message: sent.append(message) or (), excused="503")
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


def test_a_press_that_comes_from_a_page_that_was_left_does_not_clear_the_next_one(
    open_page: Open, store: Store
) -> None:
    run = store.create(Config(), "left")
    store.transition(run, ["queued"], state="stopped")
    pressed: list[bytes] = []

    def late(message: bytes) -> list[bytes]:
        """Keep what opens a line of the list, and send it again behind the wish for another page."""
        asked = BackMsg.FromString(message).rerun_script
        if asked.fragment_id:
            pressed.append(message)
        return pressed if pressed and not asked.fragment_id else []

    page = open_page(f"runs?run={run}", followed=late)
    page.locator(".lab-runs-line", has_text="left").click()
    expect(page.locator(".st-key-actions")).to_be_visible()
    with contextlib.closing(sqlite3.connect(store.folder / "lab.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")  # the next page, which reads the open run, is being made as long
        page.get_by_role("link", name="Train").click()
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=running]")
        holder.execute("COMMIT")
    expect(button(page, "Resume")).to_be_visible()
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    expect(button(page, "Resume")).to_be_visible()
