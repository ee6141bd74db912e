"""Measures in Chromium how long a click on Train takes to show its first point: `python -m bench.clicks`.

Warm: the server has run for some seconds, so that a spare worker waits; cold: it has just started, in an empty folder.
"""

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from bench.measure import say
from tests.serving import chromium, serve

SETTLE_SECONDS = 9  # until a spare worker is ready again
# Notes when the button was pressed, and when the chart had an episode, frame by frame.
WATCH = """() => {
  document.addEventListener("click", () => { window.clicked ??= performance.now() }, true)
  const poll = () => {
    const node = document.querySelector(".js-plotly-plot")
    if (window.clicked && node?.data?.some((trace) => trace.uid === "episodes" && trace.x?.length)) {
      window.shown = performance.now()
    } else requestAnimationFrame(poll)
  }
  poll()
}"""


def click(page: Page) -> float:
    """Press Train; return the milliseconds until the first point is there."""
    page.evaluate(WATCH)
    page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function("() => window.shown")
    return float(page.evaluate("window.shown - window.clicked"))


def visit(browser: Browser, url: str, settle_seconds: float) -> float:
    """Open the page in a new context, wait, press Train, and let the run end."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{url}/?num_updates=20")
    page.wait_for_selector(".js-plotly-plot")
    page.wait_for_timeout(1000 * settle_seconds)
    found = click(page)
    page.locator(".lab-state").get_by_text("finished", exact=True).wait_for()
    context.close()
    return found


def main() -> None:
    """Click and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warm", type=int, default=20, help="clicks on a warm server (default: 20)")
    parser.add_argument("--cold", type=int, default=3, help="clicks on new servers (default: 3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**chromium())
        cold = []
        for _ in range(options.cold):
            shutil.rmtree(folder)
            Path(folder).mkdir()
            with serve(Path(folder)) as server:
                cold.append(visit(browser, server.url, 0))
            say(f"cold: {cold[-1]:.0f} ms")
        with serve(Path(folder)) as server:
            warm = [visit(browser, server.url, SETTLE_SECONDS) for _ in range(options.warm)]
        browser.close()
    for name, times in (("cold", cold), ("warm", warm)):
        if times:
            print(f"{name}: median of {len(times)} {statistics.median(times):.0f} ms, most {max(times):.0f} ms")


if __name__ == "__main__":
    main()
