"""Measures the pages on a large store, in a real server and Chromium: `python -m bench.scale`.

It needs what requirements-dev.txt names, and a Chromium on the path.
"""

import argparse
import json
import statistics
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, Request, sync_playwright

from bench.measure import say
from pg_core.config import Config
from pg_core.runs.store.processes import process_name
from pg_core.runs.store.schema import CHANGES, RUNS, write
from pg_core.runs.store.store import Store
from tests.serving import chromium, serve
from tests.updates import add_updates

RUNS_LISTED, CHANGES_EACH = 1_000, 10
EPISODES = (1_000, 1_000_000)
REPEATS, ANSWERS = 10, 10
CHUNK = 5_000  # updates inserted at once
TABLE = ".lab-runs-line"
# Notes when the frame is over in which something is first there: Playwright itself would look only now and then.
NOTE_FRAME = """(sign) => new MutationObserver((_, observer) => {
  if (!document.querySelector(sign)) return
  observer.disconnect()
  requestAnimationFrame(() => requestAnimationFrame(() => { window.shown = Date.now() / 1000 }))
}).observe(document, { childList: true, subtree: true, attributes: true })"""
CURVE = ".js-plotly-plot .scatterlayer .trace path"


def add_runs(store: Store, count: int, changes_each: int) -> None:
    """Add stopped runs with different settings, each with changes of its learning rate."""
    rng, now = np.random.default_rng(0), time.time()
    rows, changes = [], []
    for number in range(count):
        config = Config(seed=number, learning_rate=float(rng.choice([0.001, 0.003, 0.01, 0.03])))
        run_id = uuid.uuid4().hex
        rows.append({
            "id": run_id, "name": f"run {number}", "config": config.model_dump_json(), "state": "stopped",
            "created_at": now + number, "queued_at": now, "updates": 100, "episodes": 1_500, "env_steps": 150_000,
            "mean_return": float(rng.uniform(10, 500)), "env_steps_to_solve": json.dumps([None] * config.num_agents),
        })  # fmt: skip
        changes += [
            {"run_id": run_id, "values": json.dumps({"gamma": 0.9 + step / 1000}), "requested_at": now, "update": step}
            for step in range(changes_each)
        ]
    with write(store.engine) as connection:
        connection.execute(RUNS.insert(), rows)
        connection.execute(CHANGES.insert(), changes)


def add_long_run(store: Store, episodes: int) -> str:
    """Add a run of so many episodes that this process pretends to train, and return its id."""
    config = Config(num_updates=1_000_000)
    run_id = store.create(config, f"{episodes:,} episodes", process_name())
    for first in range(0, episodes // (config.num_agents * config.episodes_per_update), CHUNK):
        last = min(first + CHUNK, episodes // (config.num_agents * config.episodes_per_update))
        add_updates(store, run_id, config, first, last)
    store.transition(run_id, ["starting"], state="running")
    return run_id


def seconds_until_shown(page: Page, address: str) -> float:
    """Return the seconds from navigation until a frame shows what the page was told to note."""
    start = time.time()
    page.goto(address)
    return float(page.wait_for_function("() => window.shown").json_value()) - start


def bytes_of_answers(page: Page, address: str, store: Store, run_id: str) -> list[int]:
    """Open a run that goes on, an update at a time, and return how many bytes each brings the page."""
    answered: list[Request] = []
    page.goto(address)
    page.wait_for_selector(CURVE, state="attached")
    page.on("requestfinished", lambda request: answered.append(request) if "version=" in request.url else None)
    found, run = [], store.run(run_id)
    for done in range(run.updates, run.updates + ANSWERS):
        answered.clear()
        add_updates(store, run_id, run.config, done, done + 1)
        page.get_by_text(f"update {done + 1:,} of").wait_for()
        while not answered:  # that it is over may be told after it is shown
            page.wait_for_timeout(20)
        found.append(max(request.sizes()["responseBodySize"] for request in answered))
    return found


def main() -> None:
    """Fill a store, serve it, measure, print."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        store = Store(Path(folder))
        say("filling the store")
        add_runs(store, RUNS_LISTED - len(EPISODES), CHANGES_EACH)
        long_runs = {episodes: add_long_run(store, episodes) for episodes in EPISODES}
        with serve(Path(folder)) as server:
            browser = playwright.chromium.launch(**chromium())
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            pages = {f"list {RUNS_LISTED:,} runs": (f"{server.url}/runs", TABLE)}
            pages |= {
                f"open {episodes:,} episodes": (f"{server.url}/?run={run_id}", CURVE)
                for episodes, run_id in long_runs.items()
            }
            for what, (link, sign) in pages.items():
                page = context.new_page()
                page.add_init_script(f"({NOTE_FRAME})({json.dumps(sign)})")
                first, *times = [seconds_until_shown(page, link) for _ in range(1 + REPEATS)]
                print(
                    f"{what}: {first:.2f} s the first time, then median of {REPEATS} {statistics.median(times):.2f} s"
                )
            for episodes, run_id in long_runs.items():
                sizes = bytes_of_answers(browser.new_page(), f"{server.url}/?run={run_id}", store, run_id)
                median = statistics.median(sizes)
                print(f"an update at {episodes:,} episodes: median of {len(sizes)} {median:,.0f} bytes")
            browser.close()


if __name__ == "__main__":
    main()
