"""What a person does on the Train page, in a real browser against a real server and real workers."""

import re
import urllib.parse

import psutil
from playwright.sync_api import Page, expect

from pg_core.config import Config
from pg_core.runs.store.processes import process_name
from pg_core.runs.store.store import Store
from tests.e2e.conftest import Open
from tests.serving import Server
from tests.updates import add_updates

CHART = ".js-plotly-plot"
NUM_TICKS = 20


def button(page: Page, name: str):
    # Streamlit has a Stop of its own in the header, while a script takes long.
    return page.get_by_test_id("stMainBlockContainer").get_by_role("button", name=name, exact=True)


def state(page: Page, name: str):
    return page.locator(".lab-state").get_by_text(name, exact=True)


def run_id(page: Page) -> str:
    page.wait_for_url("**run=*")
    return urllib.parse.parse_qs(urllib.parse.urlparse(page.url).query)["run"][0]


def wait_for_points(page: Page, count: int) -> None:
    page.wait_for_function(
        "([chart, count]) => document.querySelector(chart)?.data?.some((trace) => trace.x?.length >= count)",
        arg=[CHART, count],
    )


def move_slider(page: Page, name: str, key: str) -> None:
    slider = page.get_by_role("slider", name=re.compile(name))
    slider.focus()
    slider.press(key)


def test_first_visit_shows_an_untrained_policy_and_one_obvious_button(open_page: Open) -> None:
    page = open_page()
    expect(button(page, "Train")).to_be_visible()
    expect(button(page, "Stop")).to_be_disabled()
    expect(page.get_by_text("untrained · median agent")).to_be_visible()
    assert page.locator(".st-key-bar button[kind=primary]:visible").count() == 1


def test_train_change_pause_reload_resume_stop(open_page: Open, server: Server, store: Store) -> None:
    # 50,000 updates: the run goes on for as long as the test needs it.
    page = open_page("?num_updates=50000&stop_when_solved=False&pace=10")
    button(page, "Train").click()
    expect(state(page, "running")).to_be_visible()
    run = run_id(page)
    wait_for_points(page, 5)

    move_slider(page, "Learning rate", "ArrowLeft")
    mark = page.locator(f"{CHART} .annotation-text").filter(has_text="α 0.025 → 0.02")
    expect(mark).to_be_visible()
    expect(page.get_by_text("α 0.025 → 0.02, steps are 1.2 times shorter; typical return")).to_be_visible()
    assert store.run(run).current.learning_rate == 0.02
    requests = store.requests(run)
    assert [request.values for request in requests] == [{"learning_rate": 0.02}]
    assert requests[0].update is not None and requests[0].update > 0

    button(page, "Pause").click()
    expect(state(page, "paused")).to_be_visible()
    done = store.run(run).updates
    page.reload()
    expect(state(page, "paused")).to_be_visible()
    assert run_id(page) == run
    wait_for_points(page, 5)
    expect(page.get_by_role("slider", name=re.compile("Learning rate"))).to_have_attribute("aria-valuetext", "0.02")
    assert store.run(run).updates == done

    button(page, "One update").click()
    expect(page.get_by_text(f"update {done + 1:,} of")).to_be_visible()
    expect(state(page, "paused")).to_be_visible()

    button(page, "Resume").click()
    expect(state(page, "running")).to_be_visible()
    page.wait_for_function("(text) => !document.body.innerText.includes(text)", arg=f"update {done + 1:,} of")
    page.get_by_role("radio", name="5", exact=True).click()
    page.wait_for_url("**pace=5*")
    button(page, "Train anew").click()
    page.wait_for_url(lambda url: run not in url)
    assert store.run(run).updates > done + 1
    assert store.run(run_id(page)).config.pace == 5

    button(page, "Stop").click()
    expect(state(page, "stopped")).to_be_visible()
    page.goto(f"{server.url}/?run={run}")
    expect(state(page, "stopped")).to_be_visible()  # the one before, too
    assert run_id(page) == run


def test_chart_keeps_its_node_and_zoom(open_page: Open, store: Store) -> None:
    run = store.create(Config(num_updates=50_000), "zoomed", process_name())
    store.transition(run, ["starting"], state="running")
    config = store.run(run).config
    add_updates(store, run, config, 0, 10)
    page = open_page(f"?run={run}")
    wait_for_points(page, 10)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")  # until then, the chart may move
    plot = page.locator(f"{CHART} .nsewdrag").first
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5, steps=5)
    page.mouse.up()
    page.wait_for_function("(chart) => document.querySelector(chart).layout.xaxis.autorange === false", arg=CHART)
    zoom = page.evaluate(
        """(chart) => {
            const node = document.querySelector(chart)
            node.dataset.mark = "the same"
            window.ticks = 0
            node.on("plotly_afterplot", () => { window.ticks += 1 })
            return node.layout.xaxis.range
        }""",
        CHART,
    )
    for tick in range(NUM_TICKS):
        add_updates(store, run, config, 10 + tick, 11 + tick)
        page.wait_for_function("(count) => window.ticks > count", arg=tick)
    after = page.evaluate(
        """(chart) => {
            const node = document.querySelector(chart)
            const count = document.querySelectorAll(`.lab-returns ${chart}`).length
            return [count, node.dataset.mark, node.layout.xaxis.range]
        }""",
        CHART,
    )
    assert after == [1, "the same", zoom]
    look = """(chart) => {
        const node = document.querySelector(chart)
        const text = getComputedStyle(node).getPropertyValue("--st-text-color").trim()
        return [node._fullLayout.font.color, text, node._fullLayout.xaxis.range]
    }"""
    light, *_ = page.evaluate(look, CHART)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "([chart, light]) => document.querySelector(chart)._fullLayout.font.color !== light", arg=[CHART, light]
    )
    drawn, dark, seen = page.evaluate(look, CHART)
    assert [drawn, seen] == [dark, zoom]
    store.transition(run, ["running"], state="stopped", process=None)


def test_runs_page_opens_a_run(open_page: Open, store: Store) -> None:
    run = store.create(Config(num_agents=3, gamma=0.5), name="the one to open")
    store.transition(run, ["queued"], state="stopped")
    page = open_page("runs")
    page.locator(".lab-runs-line", has_text="the one to open").click()
    page.locator(".st-key-actions").get_by_role("button", name="Open").click()
    expect(state(page, "stopped")).to_be_visible()
    expect(page.get_by_text("the one to open")).to_be_visible()
    assert run_id(page) == run
    expect(page.get_by_role("slider", name=re.compile("Discount factor"))).to_have_value("0.5")


def test_a_link_with_nonsense_gets_a_sentence_and_the_default(open_page: Open) -> None:
    page = open_page("?gamma=7&run=nothing")
    expect(page.get_by_text("must be in [0, 1], got 7")).to_be_visible()
    expect(page.get_by_text("No run has the id")).to_be_visible()
    expect(page.get_by_role("slider", name=re.compile("Discount factor"))).to_have_value("1")


def test_the_server_never_loads_tensorflow(open_page: Open, server: Server) -> None:
    page = open_page()
    for name in ("Train", "Derivations", "Runs"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", name=name, level=1)).to_be_attached()
    libraries = {library.path for library in psutil.Process(server.process.pid).memory_maps()}
    assert any("numpy" in path for path in libraries)
    assert not [path for path in libraries if "tensorflow" in path]
