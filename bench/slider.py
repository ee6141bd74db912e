"""Measures in Chromium how long the Policy page takes to follow its slider: `python -m bench.slider`.

A run of 500 updates, trained at full pace; the slider is set to updates in an order that nobody has asked for before.
Noted are the milliseconds until the map has the policy of that update, and until stage and table have the update;
and the pictures of the stage that come late while it plays.
"""

import argparse
import random
import re
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from bench.measure import say
from pg_core.runs.store.store import Store
from tests.serving import chromium, serve

RUN = "pace=0&num_updates=500&stop_when_solved=False"
LATE_MS = 25  # between two pictures; 50 a second are one each 20 ms
PLAYED_MS = 10_000
FOLLOW = """(update) => new Promise((resolve) => {
  const [slider, root] = [document.querySelector(".lab-time-slider"), document.querySelector(".lab-microscope")]
  const begun = performance.now()
  const found = {}
  const look = () => {
    for (const part of ["policy", "apart"]) {
      if (!(part in found) && root.dataset[part] === String(update)) found[part] = performance.now() - begun
    }
    if (Object.keys(found).length === 2) resolve(found)
    else requestAnimationFrame(look)
  }
  slider.value = update
  slider.dispatchEvent(new Event("input"))
  look()
})"""
PLAY = """(ms) => new Promise((resolve) => {
  const [gaps, end] = [[], performance.now() + ms]
  let before = null
  const tick = (now) => {
    if (before !== null) gaps.push(now - before)
    before = now
    if (now < end) requestAnimationFrame(tick)
    else resolve(gaps)
  }
  requestAnimationFrame(tick)
})"""


def start(page: Page, url: str, settings: str, until: str) -> None:
    """Have a run trained until it has a state, a regular expression."""
    page.goto(f"{url}/?{settings}")
    page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Train", exact=True).click()
    page.locator(".lab-state").get_by_text(re.compile(f"^({until})$")).wait_for()


def train(page: Page, url: str, folder: Path, settings: str = RUN) -> str:
    """Train a run to its end; return its id."""
    start(page, url, settings, "solved|finished")
    return Store(folder).runs()[0].id


def main() -> None:
    """Move the slider and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=40, help="updates that the slider is set to (default: 40)")
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as name, serve(Path(name)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**chromium())
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(120_000)
        run = train(page, server.url, Path(name))
        page.goto(f"{server.url}/policy?run={run}&update=0")
        page.locator(".lab-microscope[data-apart='0']").wait_for()
        found = [page.evaluate(FOLLOW, update) for update in random.Random(0).sample(range(1, 500), times)]
        for part, what in {"policy": "map", "apart": "stage and table"}.items():
            took = sorted(each[part] for each in found)
            say(f"{what}: median {statistics.median(took):.0f} ms, 95 % within {took[int(0.95 * times)]:.0f} ms")
        gaps = page.evaluate(PLAY, PLAYED_MS)
        late = sum(gap > LATE_MS for gap in gaps)
        say(f"while it plays: {1000 * len(gaps) / sum(gaps):.0f} pictures a second, {late} of {len(gaps)} late")
        browser.close()


if __name__ == "__main__":
    main()
