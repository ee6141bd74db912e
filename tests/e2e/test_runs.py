"""The Runs page in a browser: describe, fork, delete and restore, compare."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from pg_core.config import Config
from pg_core.runs import archive
from pg_core.runs.records import Batch, Snapshot
from pg_core.runs.store import Store
from tests.e2e.conftest import Open, Server

HOSTILE = "<img src=x onerror=alert(1)> ![x](https://example.org/x.png) $x$"


@pytest.fixture(scope="module")
def store(server: Server) -> Store:
    return Store(server.data)


def add(store: Store, name: str, **settings: object) -> str:
    """Keep a run that was stopped before its first update."""
    run = store.create(Config(num_agents=1, **settings), name, "me")
    checkpoint = Snapshot(0, {"kernel_0": np.zeros(1)}, {"update": np.int64(0)})
    store.commit(run, "me", Batch([], {}, {}, 0, checkpoint))
    store.transition(run, ["starting"], state="stopped", process=None)
    return run


def select(page: Page, *rows: int) -> None:
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    for row in rows:
        table.click(position={"x": 16, "y": 52 + 35 * row})


def test_a_run_is_described_deleted_and_restored(open_page: Open, store: Store) -> None:
    run = add(store, HOSTILE)
    page = open_page("runs")
    select(page, 0)
    page.get_by_label("Note").fill(HOSTILE)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Note")).to_have_value(HOSTILE)
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("1 run deleted.")).to_be_visible()
    assert store.runs() == []
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("1 run deleted.")).to_have_count(0)
    assert (store.run(run).name, store.run(run).note) == (HOSTILE, HOSTILE)
    assert page.locator("img[src=x], img[src*=example]").count() == 0


def test_several_runs_are_compared(open_page: Open, store: Store) -> None:
    add(store, "slow", learning_rate=0.001)
    add(store, "fast", learning_rate=0.1)
    page = open_page("runs")
    select(page, 0, 1)
    expect(page.locator(".js-plotly-plot")).to_be_visible()
    table = page.locator(".stMarkdown table")
    expect(table).to_contain_text("Learning rate")
    assert table.inner_text().split() == ["setting", "fast", "slow", "Learning", "rate", "0.1", "0.001"]


def test_a_fork_opens_on_the_train_page(open_page: Open, store: Store) -> None:
    parent = add(store, "parent", num_updates=1)
    page = open_page("runs")
    select(page, 0)
    page.get_by_role("button", name="Fork").click()
    page.wait_for_url("**/?*run=*")
    [child] = [run for run in store.runs() if run.parent_id == parent]
    assert child.id in page.url


def upload(page: Page, path: Path) -> None:
    page.get_by_text("Import a run").click()
    page.locator("input[type=file]").set_input_files(path)
    expect(page.get_by_text(path.name)).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()


def test_a_run_is_downloaded_and_imported_again(open_page: Open, store: Store, tmp_path: Path) -> None:
    config = Config(num_agents=2, hidden_layers=(8,), gamma=0.25)
    original = store.create(config, "there / and back", "me")
    policy, checkpoint = archive.split(np.zeros((), archive.checkpoint_type(config, 0, full=True)))
    checkpoint["env_steps_to_solve"] = np.full(2, -1)
    store.commit(original, "me", Batch([], {}, {}, 0, Snapshot(0, policy, checkpoint)))
    store.transition(original, ["starting"], state="stopped", process=None)
    page = open_page("runs")
    select(page, 0)
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="The whole run").click()
    assert download.value.suggested_filename == "there-and-back.zip"
    path = tmp_path / "there-and-back.zip"
    download.value.save_as(path)

    page = open_page("runs")
    upload(page, path)
    expect(page.get_by_text("Imported: there / and back, stopped after 0 updates.")).to_be_visible()
    imported = store.runs()[0]
    assert imported.id != original and imported.config == config
    page.locator(".st-key-imported-run").get_by_role("button", name="Open").click()
    page.wait_for_url(f"**/?*run={imported.id}*")


def test_a_file_that_is_no_run_gets_a_sentence(open_page: Open, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "no.zip"
    path.write_bytes(b"![no zip](https://example.org/x.png)")
    before = store.runs()
    page = open_page("runs")
    upload(page, path)
    expect(page.get_by_text("The file is not the zip of an exported run")).to_be_visible()
    assert store.runs() == before
