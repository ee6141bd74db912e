"""Measures what visits to the Policy page leave behind: `python -m bench.visits`.

While a run trains at ten updates a second, fifty visitors open the microscope of another one after the other, move its
slider, measure robustness and go; each tenth compares all estimators. Noted are the memory of the server, and of the
processes that answer it, after every ten visits, and how long the updates of the run that trains took meanwhile.
"""

import argparse
import random
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
from playwright.sync_api import Browser, expect, sync_playwright

from bench.measure import say
from bench.slider import FOLLOW, start, train
from pg_core.runs.store.store import Store
from tests.serving import Server, chromium, serve

UPDATES = 120
PACE = 10  # updates a second
LONG = f"pace={PACE}&num_updates=100000&stop_when_solved=False"
MOVES = 4


def visit(browser: Browser, url: str, run: str, chance: random.Random, *, compares: bool) -> None:
    """Look at some updates of a run, and go."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(120_000)
    page.goto(f"{url}/policy?run={run}&update={chance.randrange(UPDATES)}")
    page.locator(".lab-microscope[data-apart]").wait_for()
    for update in chance.sample(range(UPDATES), MOVES):
        page.evaluate(FOLLOW, update)
    page.get_by_role("button", name="Measure robustness").click()
    page.locator(".lab-robustness-chart .js-plotly-plot").wait_for()
    if compares:
        page.get_by_role("button", name="Compare all estimators").click()
        expect(page.locator(".lab-estimators tbody tr").first).to_be_visible(timeout=300_000)
    page.close()


def say_memory(server: Server, visits: int) -> None:
    """Say what the server has, and what all processes below it have."""
    process = psutil.Process(server.process.pid)
    own, below = process.memory_info().rss, sum(child.memory_info().rss for child in process.children(recursive=True))
    say(f"after {visits} visits: server {own / 2**20:.0f} MiB, what answers and trains {below / 2**20:.0f} MiB")


def lasted(store: Store, run: str, first: int) -> str:
    """Describe how long the updates of a run took, without what it waited for its pace, from one on."""
    seconds = [row.seconds for row in store.updates(run, [], first, store.run(run).updates)]
    took = 1000 * np.array([b - a for a, b in pairwise(seconds)])
    return f"{len(took)} updates, median {np.median(took):.0f} ms, longest {took.max():.0f} ms"


def main() -> None:
    """Visit and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50, help="visits (default: 50)")
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as name, serve(Path(name)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**chromium())
        page = browser.new_page()
        page.set_default_timeout(120_000)
        seen = train(page, server.url, Path(name), f"pace=0&num_updates={UPDATES}&stop_when_solved=False")
        start(page, server.url, LONG, "running")
        page.close()
        store, chance = Store(Path(name)), random.Random(0)
        [trains] = [run.id for run in store.runs() if run.id != seen]
        for done in range(times):
            if done % 10 == 0:
                say_memory(server, done)
            visit(browser, server.url, seen, chance, compares=done % 10 == 9)
            if done == 0:
                first = store.run(trains).updates
        say_memory(server, times)
        say(f"meanwhile: {lasted(store, trains, first)}")
        browser.close()


if __name__ == "__main__":
    main()
