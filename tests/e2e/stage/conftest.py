"""The stage, its player and the filmstrip, on a page without Streamlit whose clock the test moves."""

import base64
import functools
import http.server
import io
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from pg_core.runs.paths import ROOT
from tests.e2e.conftest import PATIENCE_MS

Json = dict[str, Any]

HARNESS = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Stage</title>
<link rel="stylesheet" href="instrument/stage.css">
<style>
  body { margin: 8px; background: var(--st-background-color); color: var(--st-text-color); --st-font: sans-serif;
    --st-base-radius: 4px; }
  body.light { color-scheme: light; --st-text-color: #0e1520; --st-background-color: #fff;
    --st-secondary-background-color: #f3f5f7; --st-border-color: #d5dae0; --st-primary-color: #0068a3; }
  body.dark { color-scheme: dark; --st-text-color: #e6eaef; --st-background-color: #11151a;
    --st-secondary-background-color: #1b2129; --st-border-color: #333c47; --st-primary-color: #3f92de; }
</style>
<div id="stage"></div><div id="film"></div>
<script type="module">
  import { createEpisodes } from "./instrument/episodes.js"
  import * as decoding from "./instrument/episodes.js"
  import { createFilmstrip } from "./instrument/filmstrip.js"
  import { createPlayer } from "./instrument/player.js"
  import { createStage } from "./instrument/stage.js"

  const lab = { sent: {}, asked: [], shown: [], picked: [], live: [], gates: new Map() }
  Object.assign(lab, { decoding, createEpisodes, createStage })
  lab.fetch = async (update, agent, frames) => {
    const which = [update, agent, frames && "frames"].filter((part) => part !== null && part !== false).join("/")
    lab.asked.push(which)
    if (lab.gates.has(which)) await lab.gates.get(which)
    if (!lab.sent[which]) throw new Error(`There is no ${which}.`)
    return lab.sent[which]
  }
  lab.hold = (which) => lab.gates.set(which, new Promise((resolve) => (lab.release = resolve)))
  lab.episodes = createEpisodes(lab.fetch)
  lab.player = createPlayer(document.querySelector("#stage"), {
    episodes: lab.episodes, actions: ["left", "right"],
    onLive: (live) => lab.live.push(live),
  })
  const { dataset } = document.querySelector("#stage")
  const note = () => dataset.update && lab.shown.push(Number(dataset.update))
  new MutationObserver(note).observe(document.querySelector("#stage"), { attributeFilter: ["data-update"] })
  lab.film = createFilmstrip(document.querySelector("#film"), {
    episodes: lab.episodes, onPick: (update) => lab.picked.push(update),
  })
  window.lab = lab
</script>"""


@dataclass(frozen=True)
class Assets:
    """Where they are served; what the server said is in `data`, as with a server of the lab."""

    url: str
    data: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assets]:
    """Serve the assets and a page that loads them, in place of Streamlit."""
    data = tmp_path_factory.mktemp("assets")
    log = (data / "server.log").open("w", buffering=1)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/":
                return super().do_GET()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(HARNESS.encode())

        def log_message(self, said: str, *of: object) -> None:
            log.write(f"{said % of}\n")

    handler = functools.partial(Handler, directory=ROOT / "assets")
    with log, http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Assets(f"http://127.0.0.1:{server.server_port}/", data)
        server.shutdown()


@pytest.fixture(scope="module")
def bare(browser: Browser, server: Assets) -> Iterator[Page]:
    """Open a page for the tests of a module, which puts on it what it is about."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(server.url)
    page.wait_for_function("window.lab")
    yield page
    page.close()


Stage = Callable[..., Page]


@pytest.fixture
def stage(browser: Browser, server: Assets) -> Iterator[Stage]:
    """Open the page with the clock at rest: `stage(width=500, scheme="light", still=False)`; errors fail the test."""
    contexts, errors = [], []

    def open_one(width: int = 500, scheme: str = "light", still: bool = False) -> Page:
        context = browser.new_context(
            viewport={"width": max(width + 16, 376), "height": 700},
            reduced_motion="reduce" if still else "no-preference",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.clock.install(time=0)
        page.goto(server.url)
        page.clock.pause_at(1000)
        page.wait_for_function("window.lab")
        page.evaluate(
            "([width, scheme]) => { document.body.className = scheme; document.body.style.width = `${width}px` }",
            [width, scheme],
        )
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not errors


# What the server sends


def _base64(numbers: np.ndarray) -> str:
    return base64.b64encode(numbers.tobytes()).decode()


def entry(agent: int, length: int, states: np.ndarray | None = None, probs: np.ndarray | None = None) -> Json:
    """Return an agent's episode: one that sways, further and further, if no states are given."""
    time = np.arange(length + 1)
    if states is None:
        lean = 0.209 * time / length * np.cos(0.15 * time + agent)
        states = np.stack([(agent - 2) * time / length, np.cos(0.1 * time), lean, np.sin(0.15 * time)], axis=1)
    scale = np.abs(states).max(axis=0) / 32767 + 1e-12
    probs = (0.5 + 0.45 * np.sin(0.2 * time[:-1] + agent)) if probs is None else probs
    return {
        "agent": agent, "return": float(length), "length": length, "scale": scale.tolist(),
        "states": _base64(np.round(states / scale).astype("<i2")),
        "probs": _base64(np.round(65535 * probs).astype("<u2")),
    }  # fmt: skip


def sent(update: int, lengths: Sequence[int] = (212, 19, 500, 41, 120), agents: Sequence[int] | None = None) -> Json:
    """Return a policy's episode in numbers, of some of its agents."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    roles = {"median": order[len(order) // 2], "best": order[-1], "worst": order[0]}
    return {
        "update": update, "env_id": "CartPole-v1", "num_agents": len(lengths), "kind": "cart_pole", "step_ms": 20,
        "roles": roles, "episodes": [entry(i, lengths[i]) for i in agents or range(len(lengths))],
    }  # fmt: skip


def sent_frames(
    update: int, agent: int, thoughts: Sequence[Sequence[float]], choices: Sequence[int] | None = None
) -> Json:
    """Return a policy's episode in pictures: one for every second step, of one colour each."""
    pictures = [io.BytesIO() for _ in thoughts]
    for i, picture in enumerate(pictures):
        Image.new("RGB", (200, 100), (250, 10, 20 * i)).save(picture, "WEBP", lossless=True)
    length = 2 * (len(thoughts) - 1)
    one = {
        "agent": agent, "return": -30.5, "length": length, "frame_ms": 40,
        "choices": [len(thoughts[0])] if choices is None else choices,
        "steps": list(range(0, length + 1, 2)), "thoughts": thoughts,
        "frames": [base64.b64encode(picture.getvalue()).decode() for picture in pictures],
    }  # fmt: skip
    return {
        "update": update, "env_id": "Other-v0", "num_agents": 5, "kind": "frames",
        "roles": {"median": 0, "best": 2, "worst": 1}, "episodes": [one],
    }  # fmt: skip


def give(page: Page, answers: Mapping[str, Json]) -> None:
    page.evaluate("(answers) => Object.assign(lab.sent, answers)", answers)


def offer(page: Page, newest: int, kept: Sequence[int] = (), every: bool = False) -> None:
    page.evaluate("(news) => lab.player.offer(news)", {"newest": newest, "kept": [*kept], "every": every})


def shown(page: Page) -> list[int]:
    return page.evaluate("lab.shown")


def step(page: Page) -> int:
    return int(page.get_by_label("Time step", exact=True).input_value())


def caption(page: Page) -> Locator:
    return page.locator(".lab-player-caption")


def keys(page: Page) -> Locator:
    return page.get_by_role("group", name="Stage")


def pixels(canvas: Locator) -> np.ndarray:
    """Return a canvas as `[height, width, 4]` integers."""
    url = canvas.evaluate("(canvas) => canvas.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGBA")).astype(int)


def playing(page: Page, **answers: Json) -> Page:
    """Put the untrained policy on the stage."""
    give(page, {"0": sent(0), **answers})
    offer(page, 0)
    expect(page.locator("#stage[data-update='0']")).to_be_attached()
    return page


def places(page: Page, selector: str) -> list[Json]:
    return page.locator(selector).evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().toJSON())")


def is_color(picture: np.ndarray, *colors: tuple[int, int, int]) -> np.ndarray:
    return np.any([np.all(picture[..., :3] == color, axis=-1) for color in colors], axis=0)


def box(found: np.ndarray) -> np.ndarray:
    """Return left, top, right, bottom and the centre of gravity of what is found."""
    rows, columns = np.nonzero(found)
    return np.array([columns.min(), rows.min(), columns.max(), rows.max(), columns.mean(), rows.mean()])
