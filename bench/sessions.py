"""Thirty sessions on one server: `python -m bench.sessions`; prints how far behind its commits their charts are.

Train is pressed in pages in Chromium. So that the browsers do not take the processors that are to be measured, only
some stay; the other sessions are the server's side of a page alone: they hold its WebSocket, ask what is new whenever
they were told to, and for an episode of the newest policy every 0.8 seconds, as the instrument of a page does.
"""

import argparse
import asyncio
import bisect
import contextlib
import http.client
import itertools
import json
import math
import re
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import websockets
from playwright.async_api import Browser, Page, async_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from bench.markdown import number, table
from bench.measure import say
from pg_core.config import Config
from tests.serving import Server, chromium, serve

LINK = "num_updates=1000000&stop_when_solved=False&learning_rate=0.0001&pace=10"  # learns for as long as it is watched
POLL_SECONDS, SAMPLE_SECONDS, LAST_SECONDS = 0.02, 5.0, 3.0
PLAYED_SECONDS = 0.8  # for which a page plays a policy before it asks for a newer one
ADDRESS = re.compile(rb"lab/live/[\w.-]+")
# Tells when a chart was drawn, and up to which episode of an agent.
NOTE_DRAWINGS = """() => {
  window.drawn = []
  const react = Plotly.react
  Plotly.react = (...all) => react(...all).then((node) => {
    const curve = node.data.find((trace) => trace.uid === "center mean return" && trace.x?.length)
    if (curve) window.drawn.push([Date.now() / 1000, curve.x.at(-1)])
    return node
  })
}"""


@dataclass
class Viewer:
    """What one session has shown: when, and how many updates."""

    kind: str
    run_id: str
    shown: list[tuple[float, int]] = field(default_factory=list)
    address: str = ""  # at which it asks


@dataclass
class Watch:
    """What is noted while the sessions are open."""

    commits: dict[str, list[tuple[float, int]]] = field(default_factory=dict)  # by run: when, and how many updates
    memory: list[tuple[float, int]] = field(default_factory=list)  # of the server: when, and bytes
    errors: list[str] = field(default_factory=list)
    begin: float = 0.0  # when all sessions were open
    end: float = 0.0


async def watch_commits(data: Path, watch: Watch) -> None:
    """Note when the store has how many updates of each run."""
    with contextlib.closing(sqlite3.connect(f"file:{data / 'lab.db'}?mode=ro", uri=True)) as store:
        while True:
            with contextlib.suppress(sqlite3.OperationalError):  # locked by a commit
                for run_id, updates in store.execute("SELECT id, updates FROM runs").fetchall():
                    noted = watch.commits.setdefault(run_id, [])
                    if not noted or updates > noted[-1][1]:
                        noted.append((time.time(), updates))
            await asyncio.sleep(POLL_SECONDS)


async def watch_memory(server: Server, watch: Watch) -> None:
    """Note the server's memory."""
    while True:
        watch.memory.append((time.time(), psutil.Process(server.process.pid).memory_info().rss))
        await asyncio.sleep(SAMPLE_SECONDS)


async def follow(server: Server, viewer: Viewer, watch: Watch) -> None:
    """Hold one session without a browser: run the page once, as its script tells, and then ask what is new."""
    url = server.url.replace("http", "ws") + "/_stcore/stream"
    async with websockets.connect(url, subprotocols=["streamlit"], origin=server.url, max_size=None) as socket:
        await socket.send(_rerun(viewer.run_id))
        while not viewer.address:
            await hear(socket, viewer, watch)
        await asyncio.gather(ask(server, viewer, watch), hear(socket, viewer, watch, forever=True))


async def hear(socket: websockets.ClientConnection, viewer: Viewer, watch: Watch, forever: bool = False) -> None:
    """Read what the page's script sends: where the session is to ask, and errors."""
    while True:
        data = await socket.recv(decode=False)
        message = ForwardMsg.FromString(data)
        if message.WhichOneof("type") == "delta" and message.delta.new_element.WhichOneof("type") == "exception":
            watch.errors.append(message.delta.new_element.exception.message)
        if found := ADDRESS.search(data):
            viewer.address = found[0].decode()
        if not forever:
            return


async def ask(server: Server, viewer: Viewer, watch: Watch) -> None:
    """Ask what is new, and for the newest policy's episode, as often as a browser does."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))

    def question(query: str) -> Any:
        connection.request("GET", f"/{viewer.address}?{query}")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            watch.errors.append(f"{query}: {answer.status} {body[:200]!r}")
        return json.loads(body)

    version, shown, since = "", -1, -math.inf
    while True:
        news = await asyncio.to_thread(question, f"version={version}")
        version, newest, now = news["version"], news["stage"]["newest"], time.monotonic()
        due = now + news["next"]  # a page waits for no episode
        for trace in news.get("charts", [{"data": []}])[0]["data"]:
            if trace["uid"] == "center mean return" and trace["x"]:
                viewer.shown.append((time.time(), trace["x"][-1] // Config().episodes_per_update))
        if newest != shown and now - since >= PLAYED_SECONDS:
            await asyncio.to_thread(question, f"policy={newest}")
            shown, since = newest, now
        await asyncio.sleep(due - time.monotonic())


def _rerun(run_id: str) -> bytes:
    message = BackMsg()
    message.rerun_script.query_string = f"run={run_id}"
    return message.SerializeToString()


async def open_page(browser: Browser, server: Server, link: str, watch: Watch) -> Page:
    """Open a page of the lab in a browser context of its own."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    page = await context.new_page()
    page.on("pageerror", lambda error: watch.errors.append(str(error)))
    await page.goto(f"{server.url}/?{link}")
    await page.wait_for_selector(".js-plotly-plot")
    await page.evaluate(NOTE_DRAWINGS)
    return page


async def start_run(page: Page) -> str:
    """Press Train and return the id of the run."""
    await page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Train", exact=True).click()
    await page.wait_for_url(re.compile("run="))
    await page.get_by_text(re.compile("update [1-9]")).first.wait_for()
    return page.url.split("run=")[1].split("&")[0]


async def hold_sessions(server: Server, options: argparse.Namespace, watch: Watch) -> list[Viewer]:
    """Open all sessions, keep them for some minutes, and return what they have shown."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**chromium())
        training = [await open_page(browser, server, LINK, watch) for _ in range(options.training)]
        runs = [await start_run(page) for page in training]
        pages = list(zip(training, runs, strict=True))
        for page, _ in pages[options.browsers :]:
            await page.context.close()
        pages, watched = pages[: options.browsers], itertools.cycle(runs)
        for run_id, _ in zip(watched, range(options.browsers - len(pages)), strict=False):
            pages.append((await open_page(browser, server, f"run={run_id}", watch), run_id))
        followers = [Viewer("WebSocket", next(watched)) for _ in range(options.sessions - len(pages))]
        following = [asyncio.create_task(follow(server, viewer, watch)) for viewer in followers]
        say(f"{options.sessions} sessions are open")
        watch.begin = time.time()
        await asyncio.sleep(60 * options.minutes)
        watch.end = time.time()
        for task in following:
            watch.errors += [f"a session ended: {task.exception()!r}"] if task.done() else []
            task.cancel()
        drawn = [await page.evaluate("window.drawn") for page, _ in pages]
        await browser.close()
    batch = Config().episodes_per_update
    viewers = [Viewer("Chromium", run_id, [(when, int(x) // batch) for when, x in shown])
               for (_, run_id), shown in zip(pages, drawn, strict=True)]  # fmt: skip
    return viewers + followers


def delays(viewer: Viewer, watch: Watch) -> list[float]:
    """Return the seconds from each commit until the viewer's chart had it."""
    times, found = [when for when, _ in viewer.shown], []
    highest = list(itertools.accumulate((updates for _, updates in viewer.shown), max))
    for when, updates in watch.commits[viewer.run_id]:
        # What is committed in the last seconds may be shown after the end.
        if watch.begin <= when <= watch.end - LAST_SECONDS:
            index = bisect.bisect_left(highest, updates)
            found.append(times[index] - when if index < len(times) else math.inf)
    return found


def report(server: Server, viewers: list[Viewer], watch: Watch, cpu: dict[str, float], minutes: float) -> str:
    """Return the table of delays, and what the server took."""
    rows = []
    for kind in dict.fromkeys(viewer.kind for viewer in viewers):
        of_kind = [viewer for viewer in viewers if viewer.kind == kind]
        every = sorted(itertools.chain.from_iterable(delays(viewer, watch) for viewer in of_kind))
        cuts = [every[int(share * (len(every) - 1))] for share in (0.5, 0.95, 1)]
        rows.append((kind, str(len(of_kind)), f"{len(every):,}", *(number(cut, 2) for cut in cuts)))
    fifths = [watch.memory[len(watch.memory) * fifth // 5 - 1][1] / 2**20 for fifth in range(1, 6)]
    used = ", ".join(f"{name} {number(seconds / (60 * minutes), 2)}" for name, seconds in cpu.items())
    errors = Counter(watch.errors)
    return "\n".join([
        table(("session", "number", "commits", "median delay, s", "p95, s", "longest, s"), rows),
        f"Memory of the server after each fifth of the time: {', '.join(f'{size:.0f}' for size in fifths)} MiB.",
        f"Processors in use on average: {used}.",
        f"Errors: {dict(errors) or 'none'}.",
    ])  # fmt: skip


def cpu_seconds(server: Server) -> dict[str, dict[int, float]]:
    """Return the processor time of the server, its workers, and this process with its browser, each by process."""

    def used(processes: Iterable[psutil.Process]) -> dict[int, float]:
        seconds = {}
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                seconds[process.pid] = sum(process.cpu_times()[:2])
        return seconds

    lab, ours = psutil.Process(server.process.pid), psutil.Process()
    workers = lab.children(recursive=True)
    rest = [process for process in ours.children(recursive=True) if process not in (lab, *workers)]
    return {"server": used([lab]), "workers": used(workers), "this measurement": used([ours, *rest])}


async def measure(server: Server, data: Path, options: argparse.Namespace) -> str:
    """Hold the sessions under watch, and return the report."""
    watch = Watch()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(options.sessions))
    watching = [asyncio.create_task(watch_memory(server, watch)), asyncio.create_task(watch_commits(data, watch))]
    holding = asyncio.create_task(hold_sessions(server, options, watch))
    while not watch.begin and not holding.done():
        await asyncio.sleep(0.1)
    before = cpu_seconds(server)
    while not watch.end and not holding.done():
        await asyncio.sleep(0.1)
    after = cpu_seconds(server)
    viewers = await holding
    for task in watching:
        task.cancel()
    log = (data / "server.log").read_text()
    if "Traceback" in log:
        watch.errors.append(f"the server said: {log}")
    cpu = {  # of those that are still there
        name: sum(seconds - before[name].get(pid, 0.0) for pid, seconds in processes.items())
        for name, processes in after.items()
    }
    return report(server, viewers, watch, cpu, options.minutes)


def main() -> None:
    """Serve, open the sessions, print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=30, help="in all (default: 30)")
    parser.add_argument("--training", type=int, default=4, help="of which train (default: 4)")
    parser.add_argument("--browsers", type=int, default=1, help="of which stay in Chromium (default: 1)")
    parser.add_argument("--minutes", type=float, default=5.0, help="that they are open (default: 5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as server:
        print(asyncio.run(measure(server, Path(folder), options)))


if __name__ == "__main__":
    main()
