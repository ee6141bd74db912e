"""The instrument: every policy seen while it learns, orders that mean one thing, and news that nothing stops."""

import contextlib
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from streamlit.proto.BackMsg_pb2 import BackMsg

from pg_core.config import Config
from pg_core.runs.store.processes import process_name
from pg_core.runs.store.store import Store
from tests.e2e.conftest import PATIENCE_MS, Open
from tests.e2e.test_journey import CHART, button, move_slider, run_id, state, wait_for_points
from tests.serving import Server, free_port, serve
from tests.updates import add_updates

# Notes when each policy came onto the stage.
WATCH = """() => {
    const stage = document.querySelector(".lab-stage")
    window.seen = []
    const note = () => {
        const update = Number(stage.dataset.update)
        if (stage.dataset.update && window.seen.at(-1)?.[0] !== update) window.seen.push([update, Date.now() / 1000])
    }
    note()
    new MutationObserver(note).observe(stage, { attributeFilter: ["data-update"] })
}"""
NOTE_RUNS = """() => {
    const app = document.querySelector("[data-testid=stApp]")
    const noted = new MutationObserver(() => (window.hasRun = true))
    noted.observe(app, { attributeFilter: ["data-test-script-state"] })
}"""
HAS_RUN = """() =>
    window.hasRun && document.querySelector("[data-testid=stApp]").dataset.testScriptState === "notRunning"
"""
# Elsewhere the default sizes, whose program the spare worker has ready.
LONG = "num_updates=50000&stop_when_solved=False"


def train(page: Page) -> str:
    """Press Train and return the run's id."""
    button(page, "Train").click()
    return run_id(page)


def watched(page: Page) -> list[tuple[int, float]]:
    return [(update, when) for update, when in page.evaluate("window.seen")]


def test_at_the_default_pace_twenty_policies_are_seen_evenly_spread(open_page: Open, store: Store) -> None:
    page = open_page(motion=True)
    expect(page.get_by_text("untrained · median agent")).to_be_visible()
    page.evaluate(WATCH)
    run = train(page)
    expect(state(page, "solved")).to_be_visible()
    updates = store.run(run).updates
    page.wait_for_function("(last) => window.seen.at(-1)[0] === last", arg=updates)
    seen = [update for update, _ in watched(page)]
    seen = seen[seen.index(0) :] if 0 in seen else seen
    assert len(set(seen)) >= 20
    assert seen == sorted(seen)
    quarters = [sum(updates * k / 4 <= update <= updates * (k + 1) / 4 for update in seen) for k in range(4)]
    assert min(quarters) >= 3, (quarters, seen)


def cursor(page: Page, chart: str) -> Locator:
    return page.locator(f".lab-{chart} .lab-chart-cursor")


def test_at_pace_one_every_policy_is_seen_and_the_filmstrip_plays_an_earlier_one(open_page: Open) -> None:
    page = open_page("?pace=1&num_updates=9", motion=True)
    expect(page.get_by_text("untrained · median agent")).to_be_visible()
    page.evaluate(WATCH)
    train(page)
    expect(state(page, "finished")).to_be_visible()
    page.wait_for_function("() => window.seen.at(-1)[0] === 9")
    assert sorted({update for update, _ in watched(page)}) == list(range(10))
    strip = page.locator(".lab-strip")
    strip.get_by_role("button", name=re.compile("untrained")).click()
    expect(page.locator(".lab-stage")).to_have_attribute("data-update", "0")
    for name in ("returns", "left", "right"):
        expect(cursor(page, name)).to_be_visible()
    strip.get_by_role("button", name=re.compile("now")).click()
    expect(page.locator(".lab-stage")).to_have_attribute("data-update", "9")
    expect(cursor(page, "returns")).to_be_hidden()


@pytest.mark.alone
def test_at_full_pace_a_policy_is_on_the_stage_within_a_second_of_its_commit(open_page: Open, store: Store) -> None:
    page = open_page("?pace=0&learning_rate=0.0001&" + LONG, motion=True)
    expect(page.get_by_text("untrained · median agent")).to_be_visible()
    run = train(page)
    while store.run(run).updates < 1000:  # of which most policies are no longer kept
        page.wait_for_timeout(250)
    page.evaluate(WATCH)
    committed: list[tuple[int, float]] = []
    while len(seen := watched(page)) < 12:
        committed.append((store.run(run).updates, time.time()))
        page.wait_for_timeout(20)
    committed.append((store.run(run).updates, time.time()))
    button(page, "Stop").click()
    late = []
    for update, when in seen[1:]:  # the first one came before
        [came, *_] = [at for updates, at in committed if updates >= update]
        late.append(when - came)
    assert max(late) < 1, late


def test_a_start_that_is_refused_leaves_the_page_as_it_was(open_page: Open) -> None:
    page = open_page("?pace=0&num_updates=3")
    page.locator(".st-key-group_Policy summary").click()
    layers = page.get_by_role("textbox", name="Hidden layers")
    layers.fill("many")
    layers.press("Enter")
    expect(page.get_by_text("`hidden_layers`")).to_be_visible()
    page.evaluate(NOTE_RUNS)
    button(page, "Train").click()
    page.wait_for_function(HAS_RUN)  # else the press would come with the next text, and be granted
    expect(state(page, "ready")).to_be_visible()
    layers.fill("64")
    layers.press("Enter")
    expect(page.get_by_text("`hidden_layers`")).to_be_hidden()
    expect(page.get_by_text("untrained · median agent")).to_be_visible()
    train(page)
    expect(state(page, "finished")).to_be_visible()
    wait_for_points(page, 3)


def test_the_keyboard_alone_trains_pauses_and_goes_on(open_page: Open) -> None:
    page = open_page("?" + LONG, motion=True)
    expect(button(page, "Train")).to_be_visible()
    page.wait_for_selector(CHART)
    for _ in range(5):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.st-key-train') !== null"):
            break
    page.keyboard.press("Enter")
    expect(state(page, "running")).to_be_visible()
    page.wait_for_function("() => document.activeElement.closest('.st-key-pause') !== null")  # it keeps the keyboard
    page.keyboard.press("Enter")
    expect(state(page, "paused")).to_be_visible()
    page.wait_for_function("() => document.activeElement.closest('.st-key-resume') !== null")
    page.keyboard.press("Enter")
    expect(state(page, "running")).to_be_visible()
    expect(page.get_by_role("button", name="Pause the episode")).to_be_visible()
    page.locator(".lab-player-screen").focus()
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Play the episode")).to_be_visible()
    button(page, "Stop").click()
    expect(state(page, "stopped")).to_be_visible()


@pytest.fixture(scope="module")
def training(server: Server) -> str:
    """Start a run that trains for as long as the tests that share it need it."""
    return Store(server.data).create(Config(num_updates=50_000, stop_when_solved=False, pace=5))


def test_a_twin_goes_on_unchanged_beside_the_run(open_page: Open, store: Store, training: str) -> None:
    run = training
    page = open_page(f"?run={run}")
    wait_for_points(page, 3)
    expect(button(page, "Keep a twin")).to_be_disabled()
    move_slider(page, "Learning rate", "Home")
    button(page, "Keep a twin").click()
    page.wait_for_url("**beside=*")
    [twin] = [found for found in store.runs() if found.parent_id == run]
    changed = store.requests(run)[0].update
    assert twin.parent_update == changed and twin.current.learning_rate == 0.025
    ghost = f"document.querySelector('.lab-returns {CHART}').data.find((trace) => trace.uid.startsWith('beside'))"
    page.wait_for_function(f"() => {ghost}?.x.length > {changed} && {ghost}.line.dash === 'dash'")
    button(page, "Clear").click()
    page.wait_for_function(f"() => !{ghost}")
    store.transition(twin.id, ["queued", "starting", "running"], target="stop")


def test_two_tabs_agree_on_the_state_and_a_lost_network_needs_no_hand(
    open_page: Open, store: Store, training: str
) -> None:
    run = training
    page, other = (open_page(f"?run={run}", excused="ERR_") for _ in range(2))
    wait_for_points(page, 3)
    button(other, "Pause").click()
    expect(state(page, "paused")).to_be_visible()
    expect(button(page, "Resume")).to_be_visible()
    page.context.set_offline(True)
    try:
        store.transition(run, ["paused"], target="run")
        done = store.run(run).updates
        while store.run(run).updates < done + 10:
            page.wait_for_timeout(50)
    finally:
        page.context.set_offline(False)
    wait_for_points(page, done + 10)
    button(page, "Stop").click()
    expect(state(other, "stopped")).to_be_visible()
    expect(button(other, "Resume")).to_be_visible()


def test_a_ghost_stays_behind_the_next_run_and_in_the_link(open_page: Open, store: Store) -> None:
    first = store.create(Config(num_updates=5, pace=0), "first", process_name())
    add_updates(store, first, store.run(first).config, 0, 5)
    store.transition(first, ["starting"], state="finished", process=None)
    page = open_page(f"?run={first}")
    expect(state(page, "finished")).to_be_visible()
    button(page, "Keep as a ghost").click()
    page.wait_for_url(f"**beside={first}*")
    button(page, "Train").click()
    page.wait_for_url(lambda url: f"run={first}" not in url)
    behind = f"[...document.querySelector('.lab-returns {CHART}').data].map((trace) => trace.uid)"
    page.wait_for_function(f"(uid) => {behind}.includes(uid)", arg=f"beside-{first} mean return")
    page.reload()
    page.wait_for_selector(CHART)
    page.wait_for_function(f"(uid) => {behind}.includes(uid)", arg=f"beside-{first} mean return")


def test_plain_against_best_is_one_press(open_page: Open, store: Store) -> None:
    page = open_page("?pace=0&num_updates=20&learning_rate=0.1")
    page.wait_for_selector(CHART)
    before = {run.id for run in store.runs()}
    button(page, "Plain against best").click()
    page.wait_for_url("**beside=*")
    new = [run for run in store.runs() if run.id not in before]
    rates = {run.name: run.config.learning_rate for run in new}
    assert rates == {"Plain REINFORCE": 0.003, "Best on CartPole": 0.025}
    assert {run.config.episodes_per_update for run in new} == {16, 3}
    assert len({run.config.seed for run in new}) == 1
    behind = f"document.querySelector('.lab-returns {CHART}').data.find((trace) => trace.uid.startsWith('beside'))"
    page.wait_for_function(f"() => {behind}?.x.length === 20")  # it is drawn to its end, when the best one has ended


def test_a_press_that_comes_twice_counts_once(open_page: Open, store: Store) -> None:
    run = store.create(Config(num_agents=1, num_updates=50_000), "pressed", process_name())
    store.transition(run, ["starting"], state="paused", target="pause")
    pressed: list[bytes] = []

    def again(message: bytes) -> list[bytes]:
        widgets = BackMsg.FromString(message).rerun_script.widget_states.widgets
        if not any(widget.trigger_value for widget in widgets):
            return []
        pressed.append(message)
        return [message]

    def press(name: str) -> None:
        before = len(pressed)
        button(page, name).click()
        while len(pressed) == before:
            page.wait_for_timeout(20)
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")

    page = open_page(f"?run={run}", followed=again)
    press("One update")
    while store.orders(run, after=0).until == 0:
        page.wait_for_timeout(20)
    press("Resume")
    expect(button(page, "Pause")).to_be_visible()
    assert store.run(run).target == "run"
    press("Pause")
    expect(button(page, "Resume")).to_be_visible()
    press("One update")  # once more, if both that were sent before meant the same
    while store.orders(run, after=0).until == 0:
        page.wait_for_timeout(20)
    assert (store.run(run).target, store.orders(run, after=0).until) == ("pause", 1)
    store.transition(run, ["paused"], state="finished")
    expect(button(page, "Train")).to_be_visible()
    runs = len(store.runs())
    press("Train")
    page.wait_for_url(lambda url: run not in url)
    assert len(store.runs()) == runs + 1
    button(page, "Stop").click()


def test_a_double_click_on_train_starts_one_run_that_goes_on(open_page: Open, store: Store) -> None:
    page = open_page("?view=kl&" + LONG)
    page.wait_for_selector(CHART)
    before = {run.id for run in store.runs()}
    button(page, "Train").dblclick()
    page.wait_for_url("**run=*")
    expect(button(page, "Pause")).to_be_visible()
    page.get_by_role("combobox", name="Horizontal axis").select_option("seconds")
    page.wait_for_url("**over=seconds*")  # by now the second click has been dealt with
    assert "view=kl" in page.url
    [run] = [run for run in store.runs() if run.id not in before]
    assert run.id in page.url and run.target == "run"
    button(page, "Stop").click()
    expect(state(page, "stopped")).to_be_visible()


def test_the_charts_join_what_is_new_to_what_they_have(open_page: Open, store: Store) -> None:
    run = store.create(Config(num_agents=2, num_updates=50_000), "growing", process_name())
    store.transition(run, ["starting"], state="running")
    config = store.run(run).config
    traces = "(node.data ?? []).map(({uid, x, y}) => [uid, x, y])"
    points = f"[...document.querySelectorAll('{CHART}')].map((node) => {traces})"

    def grow(page: Page, first: int, last: int) -> None:
        add_updates(store, run, config, first, last)
        drawn = (
            f"(end) => {points}.every((data) => data.some(([uid, x]) => uid.startsWith('agent') && x.at(-1) === end))"
        )
        page.wait_for_function(drawn, arg=last * config.episodes_per_update)

    page = open_page(f"?run={run}", excused="ERR_")
    for first, last in ((0, 3), (3, 4), (4, 300), (300, 301)):
        grow(page, first, last)
    failed: list[str] = []
    page.route("**/lab/live/**", lambda route: (failed.append(route.request.url), route.abort()))
    add_updates(store, run, config, 301, 310)
    while not failed:
        page.wait_for_timeout(20)
    page.unroute("**/lab/live/**")
    for first, last in ((310, 399), (399, 402), (402, 1700), (1700, 1701)):  # twice, stretches double
        grow(page, first, last)
    other = open_page(f"?run={run}")
    other.wait_for_function(f"() => {points}.length === 3 && {points}.every((data) => data.length)")
    assert page.evaluate(points) == other.evaluate(points)


def test_a_server_that_starts_again_is_found_and_the_run_resumed(browser: Browser, tmp_path: Path) -> None:
    port = free_port()
    with contextlib.closing(browser.new_context(reduced_motion="reduce")) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        with serve(tmp_path, port=port) as server:
            page.goto(f"{server.url}/?pace=5&{LONG}")
            run = train(page)
            wait_for_points(page, 3)
        with serve(tmp_path, port=port):
            expect(state(page, "interrupted")).to_be_visible()
            done = Store(tmp_path).run(run).updates
            button(page, "Resume").click()
            wait_for_points(page, done + 3)
            button(page, "Stop").click()
            expect(state(page, "stopped")).to_be_visible()


def test_a_small_map_has_the_policy_on_the_stage_from_the_untrained_one_on(open_page: Open) -> None:
    page = open_page("?pace=0&num_updates=4")
    small = page.locator(".lab-small")
    expect(small).to_have_attribute("data-policy", "0")
    expect(small.get_by_role("img")).to_have_accessible_name(re.compile(r"Policy over θ and θ̇: π\(right\)"))
    train(page)
    expect(state(page, "finished")).to_be_visible()
    expect(small).to_have_attribute("data-policy", "4")
