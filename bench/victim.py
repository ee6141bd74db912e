"""A lab that is struck: a real server and a real browser that watches it train."""

import time
import urllib.parse
from pathlib import Path

import psutil
from playwright.sync_api import BrowserContext, BrowserType, Page, expect

from pg_core.config import Config
from pg_core.runs.store.records import ACTIVE
from pg_core.runs.store.schema import ARRAYS
from pg_core.runs.store.store import Store
from tests.serving import chromium, start

# Some seconds of training, and checkpoints of 5 MB, which take long enough to be caught.
CONFIG = Config(
    num_agents=64, episodes_per_update=1, hidden_layers=(64, 64), num_updates=40, pace=0, stop_when_solved=False
)
LINK = "?num_agents=64&episodes_per_update=1&hidden_layers=64,64&num_updates=40&pace=0&stop_when_solved=False"
PATIENCE_SECONDS = 120.0
# By the status line, and by the single episodes in the chart: each agent plays one an update.
SHOWN = r"""() => Math.max(
    0,
    ...[...document.body.innerText.matchAll(/update (\d+) of/g)].map((found) => Number(found[1])),
    ...(document.querySelector(".js-plotly-plot")?.data ?? []).flatMap((t) => (t.uid === "episodes" ? [...t.x] : [])),
)"""


class Lab:
    """A server, its folder, and a browser with one page."""

    def __init__(self, folder: Path, chromium: BrowserType) -> None:
        self.folder, self._chromium = folder, chromium
        self._browser: BrowserContext | None = None
        self._page: Page | None = None
        self._store = Store(folder)
        self._server = start(folder)

    def train(self, delay: float) -> tuple[str, psutil.Process]:
        """Press Train, and wait until updates are shown, and `delay` seconds more; return the run and its worker."""
        page = self._open(LINK)
        self._button("Train").click()
        page.wait_for_function(f"() => ({SHOWN})() > 0")
        run_id = urllib.parse.parse_qs(urllib.parse.urlparse(page.url).query)["run"][0]
        time.sleep(delay)
        workers = {found: process for found, _, process in self._store.worked_on()}
        pid = int(workers.get(run_id, f"{2**22}@").split("@")[0])  # 2²² is no process: it has ended already
        return run_id, psutil.Process(pid)

    def shown(self) -> int:
        """Return the highest update that the page shows."""
        return int(self._page.evaluate(SHOWN)) if self._page else 0

    def close_browser(self) -> None:
        """End the browser, if there is one."""
        if self._browser and self._browser.browser:
            self._browser.browser.close()
        self._browser = self._page = None

    def strike_server(self, *, kill: bool) -> None:
        """Kill the server, or ask it to end."""
        self._server.process.kill() if kill else self._server.process.terminate()

    def wait_until_gone(self, process: psutil.Process | None) -> float:
        """Return the seconds until a process, or (None) the server and all its workers, have ended and are reaped."""
        start = time.monotonic()
        while process.is_running() if process else (self._server.process.poll() is None or self._family()):
            time.sleep(0.01)
        return time.monotonic() - start

    def stored(self, run_id: str) -> int:
        """Return how many updates of a run the store has."""
        return self._store.run(run_id).updates

    def rows(self, run_id: str) -> list[tuple[bytes, ...]]:
        """Return the updates of a run."""
        return [tuple(row)[2:] for row in self._store.updates(run_id, list(ARRAYS), 0, CONFIG.num_updates + 1)]

    def finish(self, run_id: str) -> None:
        """Have a run go on to its end as a person would: with a server, a browser, and Resume if it was interrupted."""
        if self._server.process.poll() is not None:
            self._server = start(self.folder)
        page = self._page if self._page and self._server is self._shown_by else self._open(f"?run={run_id}")
        while (found := self._store.run(run_id)).state in ACTIVE:
            time.sleep(0.05)
        if found.state == "interrupted":
            self._button("Resume").click()
        while (found := self._store.run(run_id)).state in (*ACTIVE, "interrupted"):
            time.sleep(0.05)
        if found.state != "finished":
            raise RuntimeError(f"Run {run_id} is {found.state}: {found.reason}")
        expect(page.locator(".lab-state").get_by_text("finished", exact=True)).to_be_visible(
            timeout=1000 * PATIENCE_SECONDS
        )

    def close(self) -> None:
        """End the browser and the server."""
        self.close_browser()
        self._server.process.terminate()
        self._server.process.wait()
        self._store.close()

    def _open(self, link: str) -> Page:
        """Open a page of the server in the browser, in place of the last one."""
        self._browser = self._browser or self._chromium.launch(**chromium()).new_context()
        if self._page:
            self._page.close()
        self._page, self._shown_by = self._browser.new_page(), self._server
        self._page.set_default_timeout(1000 * PATIENCE_SECONDS)
        self._page.goto(f"{self._server.url}/{link}")
        return self._page

    def _button(self, name: str):
        assert self._page
        return self._page.get_by_test_id("stMainBlockContainer").get_by_role("button", name=name, exact=True)

    def _family(self) -> list[psutil.Process]:
        """Return all processes of this lab, a server of before included: they carry its folder in their environment."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("PG_LAB_DATA") == str(self.folder):
                    found.append(process)
            except psutil.Error:  # another's, or gone by now
                continue
        return found
