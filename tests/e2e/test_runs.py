"""The Runs page in a browser: find, sort, describe, fork, delete and restore, compare; on a desk and on a phone."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from pg_core.config import Config
from pg_core.runs.exchange import archive
from pg_core.runs.store import library
from pg_core.runs.store.processes import process_name
from pg_core.runs.store.records import Batch, Snapshot
from pg_core.runs.store.store import Store
from tests.e2e.conftest import Open, leave
from tests.e2e.test_look import violations
from tests.serving import Server
from tests.updates import add_updates

HOSTILE = "<img src=x onerror=alert(1)> ![x](https://example.org/x.png) $x$"


@pytest.fixture
def store(server: Server) -> Iterator[Store]:
    """A store without runs, but for what other tests have deleted."""
    store = Store(server.data)
    empty(store)
    yield store
    empty(store)


def empty(store: Store) -> None:
    for run in store.runs():
        store.transition(run.id, ["queued", "starting", "running", "paused"], state="stopped", process=None)
    library.delete(store, [run.id for run in store.runs()])


def add(store: Store, name: str, **settings: object) -> str:
    """Keep a run that was stopped before its first update."""
    run = store.create(Config(num_agents=1, **settings), name, "me")
    checkpoint = Snapshot(0, {"kernel_0": np.zeros(1)}, {"update": np.int64(0)})
    store.commit(run, "me", Batch([], {}, {}, [checkpoint]))
    store.transition(run, ["starting"], state="stopped", process=None)
    return run


def lines(page: Page) -> Locator:
    return page.locator(".lab-runs-line")


def select(page: Page, *rows: int) -> None:
    """Tick lines of the list."""
    for row in rows:
        lines(page).nth(row).get_by_role("checkbox").check()


def test_a_run_is_described_deleted_and_restored(open_page: Open, store: Store) -> None:
    run = add(store, HOSTILE)
    page = open_page("runs")
    select(page, 0)
    page.get_by_label("Note").fill(HOSTILE)
    page.get_by_role("textbox", name="Tags").fill("typed, and not entered")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_label("Note")).to_have_count(1)  # the field of before is hidden at once, and gone soon after
    expect(page.get_by_label("Note")).to_have_value(HOSTILE)
    assert store.run(run).tags == ("typed", "and not entered")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("1 run deleted.")).to_be_visible()
    assert store.runs() == []
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("1 run deleted.")).to_have_count(0)
    assert (store.run(run).name, store.run(run).note) == (HOSTILE, HOSTILE)
    assert page.locator("img[src=x], img[src*=example]").count() == 0


def test_a_deleted_run_is_restored_from_another_browser(open_page: Open, store: Store) -> None:
    run = add(store, "gone")
    library.delete(store, [run])
    page = open_page(f"runs?state=deleted&selected={run}")
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_role("button", name="Restore")).to_have_count(0)
    assert [run.name for run in store.runs()] == ["gone"]


def test_the_selected_run_stays_the_same_when_rows_move(open_page: Open, store: Store) -> None:
    """What is sorted in the browser, refreshed or joined by a new run must not make another run the one to delete."""
    ids = {name: add(store, name) for name in ("m", "z", "a")}
    page = open_page("runs")
    page.get_by_role("button", name="Run", exact=True).click()  # the head of the first column: a, m, z
    expect(page.locator("button.lab-runs-name")).to_have_text(["a", "m", "z"])
    select(page, 2)
    page.wait_for_url(f"**selected={ids['z']}*")
    expect(page.get_by_label("Name")).to_have_value("z")
    active = store.create(Config(num_agents=1), "new", process_name())
    page.reload()  # what is active makes the page look again and again
    expect(page.get_by_label("Name")).to_have_value("z")
    newest = store.create(Config(num_agents=1), "newest", process_name())
    expect(lines(page)).to_have_count(5)
    expect(page.get_by_label("Name")).to_have_value("z")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("1 run deleted.")).to_be_visible()
    assert {run.id for run in store.runs()} == {ids["m"], ids["a"], active, newest}


def test_a_link_finds_sorts_and_selects_on_another_browser(open_page: Open, store: Store) -> None:
    ids = [add(store, name, gamma=gamma) for name, gamma in (("b", 0.5), ("a", 0.5), ("c", 1.0))]
    page = open_page("runs")
    page.get_by_role("textbox", name="Search").fill("gamma<1")
    page.get_by_role("textbox", name="Search").press("Enter")
    expect(lines(page)).to_have_count(2)
    select(page, 1)
    page.wait_for_url(f"**selected={ids[0]}*")
    other = open_page(page.url.split("/")[-1] + "&sort=name&state=nonsense")
    expect(other.get_by_role("textbox", name="Search")).to_have_value("gamma<1")
    expect(other.get_by_label("Name")).to_have_value("b")
    expect(other.get_by_text("must be one of queued, starting")).to_be_visible()
    assert "sort=name" in other.url


@pytest.mark.parametrize(("width", "height", "scheme"), [(1440, 900, "light"), (390, 844, "dark")])
def test_several_runs_are_compared(open_page: Open, store: Store, width: int, height: int, scheme: str) -> None:
    slow, fast = add(store, "slow", learning_rate=0.001), add(store, HOSTILE, learning_rate=0.1)
    for run in (slow, fast):
        add_updates(store, run, store.run(run).config, 0, 5)
    page = open_page(f"runs?selected={slow}&selected={fast}", width, height, scheme)
    legend = page.locator(".lab-compared-legend tbody th")
    expect(legend).to_have_text(["α 0.001", "α 0.1"])  # what tells them apart, not what they are called
    expect(page.locator(".js-plotly-plot .xtitle")).to_have_text("environment steps of an agent, mean")
    expect(page.locator(".st-key-verdict").get_by_text("No difference is seen between")).to_be_visible()
    page.get_by_text("Numbers as a table").click()
    expect(page.locator("[role=grid]").get_by_text("95 % low")).to_be_attached()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("a[href*=example], img[src*=example]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["?run={}", "runs?selected={}&selected={}"])
def test_a_chart_is_saved_dark_on_opaque_white(
    open_page: Open, store: Store, tmp_path: Path, path: str, scheme: str
) -> None:
    runs = [add(store, "one"), add(store, "other")]
    for run in runs:
        add_updates(store, run, store.run(run).config, 0, 5)
    page = open_page(path.format(*runs), scheme=scheme)
    chart = page.locator(".lab-chart:not(.lab-chart-small)")
    chart.hover()
    with page.expect_download() as download:
        chart.locator("[data-title='Download plot as a PNG']").click()
    download.value.save_as(tmp_path / "chart.png")
    with Image.open(tmp_path / "chart.png") as picture:
        pixels = np.asarray(picture.convert("RGBA")).astype(int)
    assert (pixels[..., 3] == 255).all()
    lightness = pixels[..., :3].mean(axis=2)
    assert (lightness > 250).mean() > 0.5 and (pixels[0, 0] == 255).all()
    assert lightness.min() < 30  # the text, #0E1520 in both themes


def test_a_fork_opens_on_the_train_page_and_waits(open_page: Open, store: Store) -> None:
    parent = add(store, "parent", num_updates=1)
    page = open_page("runs")
    select(page, 0)
    page.get_by_role("button", name="Fork").click()
    page.wait_for_url("**/?*run=*")
    [child] = [run for run in store.runs() if run.parent_id == parent]
    assert child.id in page.url
    page.get_by_text("History", exact=True).click()
    expect(page.get_by_text("Forked after 0 updates of parent.")).to_be_visible()
    expect(page.get_by_text("set what is to differ")).to_be_visible()
    assert child.state == "stopped"


def test_two_tabs_on_one_run_agree(open_page: Open, store: Store) -> None:
    run = store.create(Config(num_agents=1, num_updates=50_000), "shared", process_name())
    store.transition(run, ["starting"], state="running")
    pages = [open_page(f"?run={run}") for _ in range(2)]
    # While a control is replaced, the old one may still be there.
    sliders = [page.get_by_role("slider", name=re.compile("Discount factor")).first for page in pages]
    for slider in sliders:
        expect(slider).to_have_value("1")
    sliders[0].focus()
    sliders[0].press("ArrowLeft")
    expect(sliders[1]).to_have_value("0.999")
    assert store.run(run).current.gamma == 0.999
    sliders[1].focus()
    sliders[1].press("ArrowLeft")
    expect(sliders[1]).to_have_value("0.998")
    expect(sliders[0]).to_have_value("0.998")
    assert [request.values for request in store.requests(run)] == [{"gamma": 0.999}, {"gamma": 0.998}]


def upload(page: Page, path: Path) -> None:
    page.get_by_text("Import a run").click()
    page.locator("input[type=file]").set_input_files(path)
    expect(page.get_by_text(path.name)).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()


def test_a_run_is_downloaded_and_imported_again(open_page: Open, server: Server, store: Store, tmp_path: Path) -> None:
    config = Config(num_agents=2, hidden_layers=(8,), gamma=0.25)
    original = store.create(config, "there / and back", "me")
    policy, checkpoint = archive.split(np.zeros((), archive.checkpoint_type(config, 0, full=True)))
    checkpoint["env_steps_to_solve"] = np.full(2, -1)
    store.commit(original, "me", Batch([], {}, {}, [Snapshot(0, policy, checkpoint)]))
    store.transition(original, ["starting"], state="stopped", process=None)
    page = open_page("runs")
    select(page, 0)
    page.locator(".st-key-actions").get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="The whole run").click()
    assert download.value.suggested_filename == "there-and-back.zip"
    path = tmp_path / "there-and-back.zip"
    download.value.save_as(path)

    page.goto(f"{server.url}/runs")
    upload(page, path)
    expect(page.get_by_text("Imported: there / and back, stopped after 0 updates.")).to_be_visible()
    imported = store.runs()[0]
    assert imported.id != original and imported.config == config
    page.locator(".st-key-imported-run").get_by_role("button", name="Open").click()
    page.wait_for_url(f"**/?*run={imported.id}*")


def test_a_file_that_is_no_run_gets_a_sentence(open_page: Open, store: Store, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "no.zip"
    path.write_bytes(b"![no zip](https://example.org/x.png)")
    before = store.runs()
    page = open_page("runs")
    upload(page, path)
    expect(page.get_by_text("The file is not the zip of an exported run")).to_be_visible()
    assert store.runs() == before
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_have_count(1)
    held = page.request.get(f"{server.url}/_stcore/metrics").text()
    assert "cache_memory_bytes" in held and "UploadedFileManager" not in held  # the file is forgotten


def test_back_leads_to_the_list_from_the_run_that_was_opened(open_page: Open, store: Store) -> None:
    run = add(store, "opened")
    page = open_page("runs")
    lines(page).first.click()
    expect(page.get_by_role("heading", name="opened")).to_be_visible()
    page.locator(".st-key-actions").get_by_role("button", name="Open").click()
    page.wait_for_url(f"**/?*run={run}*")
    expect(page.locator(".lab-stage")).to_be_visible()
    page.go_back()
    expect(lines(page)).to_have_count(1)
    expect(page.get_by_role("heading", name="opened")).to_be_visible()
    assert page.url.split("/")[-1].startswith("runs")


def test_the_list_is_worked_by_keyboard(open_page: Open, store: Store) -> None:
    for name in ("a", "b", "c"):
        add(store, name, gamma={"a": 1.0, "b": 0.9, "c": 0.8}[name])
    page = open_page("runs?sort=name")
    names = page.locator("button.lab-runs-name")
    names.first.focus()
    page.keyboard.press("ArrowDown")
    expect(names.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="b", exact=True)).to_be_visible()
    names.nth(1).focus()
    page.keyboard.press("End")
    page.keyboard.press("Space")
    expect(page.get_by_role("heading", name="2 runs")).to_be_visible()
    expect(page.get_by_text("Without an update: b, c.")).to_be_visible()
    names.nth(2).focus()
    page.keyboard.press("Escape")
    expect(page.locator(".st-key-drawer")).to_have_count(0)


def test_on_a_phone_cards_are_ticked_before_they_are_compared(open_page: Open, store: Store) -> None:
    for name, gamma in (("a", 1.0), ("b", 0.9)):
        add_updates(store, add(store, name, gamma=gamma), Config(num_agents=1, gamma=gamma), 0, 3)
    page = open_page("runs", 390, 844)
    select(page, 0, 1)
    expect(page.locator(".st-key-drawer")).to_have_count(0)  # it would cover what is still to be ticked
    page.get_by_role("button", name="Compare 2 runs").click()
    expect(page.locator(".lab-compared-legend tbody tr")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".st-key-drawer")).to_have_count(0)
    expect(lines(page)).to_have_count(2)


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1440, "dark"), (820, "light"), (390, "dark")])
def test_list_and_drawer_are_accessible(open_page: Open, store: Store, width: int, scheme: str) -> None:
    runs = [add(store, name, gamma=gamma) for name, gamma in (("a", 1.0), ("b", 0.9))]
    for run in runs:
        add_updates(store, run, store.run(run).config, 0, 3)
    for selected in ("", f"?selected={runs[0]}", f"?selected={runs[0]}&selected={runs[1]}"):
        page = open_page(f"runs{selected}", width, 900, scheme)
        expect(lines(page)).to_have_count(2)
        if selected:
            expect(page.locator(".lab-compared-legend tbody tr").first).to_be_attached()
            expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_have_count(1)
        assert violations(page) == []
        leave(page)


def test_all_that_is_shown_is_exported_as_one_table(open_page: Open, store: Store, tmp_path: Path) -> None:
    for name, gamma in (("a", 1.0), ("b", 0.9)):
        add_updates(store, add(store, name, gamma=gamma), Config(num_agents=1, gamma=gamma), 0, 3)
    page = open_page("runs")
    page.locator(".st-key-below_list").get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Updates, a row for each agent's, as Parquet").click()
    assert download.value.suggested_filename == "runs-updates.parquet"
    download.value.save_as(tmp_path / "runs.parquet")
    table = pq.read_table(tmp_path / "runs.parquet").to_pylist()
    assert [(row["name"], row["gamma"], row["update"]) for row in table] == [
        *(("b", 0.9, update) for update in range(3)), *(("a", 1.0, update) for update in range(3)),
    ]  # fmt: skip
