"""What a person sees when the disk fills up while a run learns, and again when there is room."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pg_core.runs.store import maintenance
from pg_core.runs.store.schema import lab_file
from pg_core.runs.store.store import Store
from tests.disks import fill, make_room, small_disk
from tests.e2e.conftest import Open
from tests.e2e.test_journey import button, run_id, state, wait_for_points
from tests.serving import Server, serve


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with small_disk(tmp_path) as folder, serve(folder) as server:
        yield server


def told(page: Page, sentence: str) -> None:
    expect(page.get_by_text(sentence).first).to_be_visible()
    assert "Traceback" not in page.inner_text("body")


def test_a_full_disk_is_told_and_the_run_goes_on_once_there_is_room(open_page: Open, server: Server) -> None:
    page = open_page("?num_updates=50000&stop_when_solved=False&pace=5", excused="503")
    button(page, "Train").click()
    wait_for_points(page, 5)
    run, store = run_id(page), Store(server.data)

    fill(server.data)
    expect(state(page, "interrupted")).to_be_visible()
    told(page, "free some space")
    kept = store.run(run).updates
    button(page, "Resume").click()
    told(page, "The lab's store cannot be used (database or disk is full): the disk is full; free some space")
    assert list(maintenance.problems(lab_file(server.data))) == []
    told(open_page("runs"), store.run(run).name)
    told(open_page(f"?run={run}"), "free some space")

    make_room(server.data)
    while store.run(run).state != "interrupted":
        page.wait_for_timeout(50)
    assert store.run(run).updates == kept
    page.reload()
    button(page, "Resume").click()
    expect(state(page, "running")).to_be_visible()
    while store.run(run).updates <= kept:
        page.wait_for_timeout(50)
    button(page, "Stop").click()
    expect(state(page, "stopped")).to_be_visible()
    assert list(maintenance.problems(lab_file(server.data))) == []
