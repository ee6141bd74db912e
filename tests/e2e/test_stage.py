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

import gymnasium
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from bench.measure import ROOT
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


def sent_frames(update: int, agent: int, thoughts: Sequence[Sequence[float]], discrete: bool = True) -> Json:
    """Return a policy's episode in pictures: one for every second step, of one colour each."""
    pictures = [io.BytesIO() for _ in thoughts]
    for i, picture in enumerate(pictures):
        Image.new("RGB", (200, 100), (250, 10, 20 * i)).save(picture, "WEBP", lossless=True)
    length = 2 * (len(thoughts) - 1)
    one = {
        "agent": agent, "return": -30.5, "length": length, "frame_ms": 40, "discrete": discrete,
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


# Where things are

STATES = [
    (0, 0, 0, 0), (0, 0, 0.2, 0), (0, 0, -0.2, 0), (1, 0, 0.1, 0), (-1, 0, -0.1, 0), (2, 0, 0.15, 0), (-2, 0, 0.05, 0),
    (0.5, 0, -0.15, 0), (2.4, 0, -0.2, 0), (-2.4, 0, 0.2, 0), (-0.013, 0, 0.209, 0), (1.7, 0, -0.209, 0),
]  # fmt: skip


def is_color(picture: np.ndarray, *colors: tuple[int, int, int]) -> np.ndarray:
    return np.any([np.all(picture[..., :3] == color, axis=-1) for color in colors], axis=0)


def box(found: np.ndarray) -> np.ndarray:
    """Return left, top, right, bottom and the centre of gravity of what is found."""
    rows, columns = np.nonzero(found)
    return np.array([columns.min(), rows.min(), columns.max(), rows.max(), columns.mean(), rows.mean()])


@pytest.mark.parametrize("state", STATES)
def test_cart_and_pole_lie_where_gymnasium_has_them(stage: Stage, state: tuple[float, ...]) -> None:
    env = gymnasium.make("CartPole-v1", render_mode="rgb_array")
    env.reset()
    env.unwrapped.state = np.array(state)
    theirs = np.asarray(env.render())
    env.close()
    page = stage(640)
    one = sent(0, [1])
    one["episodes"] = [entry(0, 1, np.array([state, state]), np.array([0.5]))]
    page.evaluate(
        """(sent) => {
            const canvas = document.createElement("canvas")
            canvas.id = "alone"
            canvas.style = "position: fixed; inset: 0 auto auto 0; width: 600px; height: 400px;"
                + "--st-text-color: #00ff00; --st-primary-color: #ff0000; --st-secondary-background-color: #ffffff"
            document.body.append(canvas)
            const decoded = lab.createEpisodes(async () => sent).get(0)
            return decoded.then((episode) => lab.createStage(canvas).show({ episode, front: "median", moment: 0 }))
        }""",
        one,
    )
    ours = pixels(page.locator("#alone"))
    assert ours.shape[:2] == theirs.shape[:2]
    black = is_color(theirs, (0, 0, 0))
    (track,) = np.nonzero(black.all(axis=1) | (black.sum(axis=1) > 540))
    cart = black.copy()
    cart[track] = False
    red, green, *_ = np.moveaxis(ours, -1, 0)
    pole = is_color(theirs, (202, 152, 101), (129, 132, 203))
    assert box(is_color(ours, (0, 255, 0)) & (ours[..., 3] > 128)) == pytest.approx(box(cart), abs=2)
    assert box((red > green + 128) & (ours[..., 3] > 128)) == pytest.approx(box(pole), abs=2)
    background = ours[..., 3] == 0
    (our_track,) = np.nonzero((~background).sum(axis=1) > 590)
    assert our_track.mean() == pytest.approx(track.mean(), abs=2)


def test_numbers_arrive_as_they_were_sent(stage: Stage) -> None:
    states = np.array([[0.0, -3.2767, 0.2, -2.0], [2.4, 3.2767, -0.2, 2.0], [-2.4, 0.1, 0.0001, 0.0]])
    given = entry(0, 2, states, np.array([0.0, 1.0]))
    decoded = stage().evaluate(
        """async (sent) => {
            const { stateAt, rightAt } = lab.decoding
            const { episodes: [entry] } = await lab.createEpisodes(async () => sent).get(0)
            return [[0, 1, 2].map((step) => stateAt(entry, step)), [0, 1, 2].map((step) => rightAt(entry, step)),
                entry.states.constructor.name, entry.probs.constructor.name]
        }""",
        {**sent(0, [2]), "episodes": [given]},
    )
    assert np.abs(np.array(decoded[0]) - states).max() <= max(given["scale"])
    assert decoded[1:] == [[0, 1, None], "Int16Array", "Uint16Array"]


def test_what_was_fetched_is_kept_and_what_failed_is_not(stage: Stage) -> None:
    page = stage()
    give(page, {str(update): sent(update, [3]) for update in range(66)})
    ask = "(updates) => Promise.all(updates.map((update) => lab.episodes.get(update))).then(() => lab.asked.splice(0))"
    assert page.evaluate(ask, [0, 0, 1]) == ["0", "1"]
    assert page.evaluate(ask, [0]) == []
    page.evaluate(ask, [*range(2, 65)])
    assert page.evaluate(ask, [0, 1]) == ["1"], "64 are kept, and the one that was used last stays"
    for _ in range(2):
        assert page.evaluate("lab.episodes.get(99).catch(({ message }) => message)") == "There is no 99."
    assert page.evaluate("lab.asked") == ["99", "99"]


# Who takes over


def test_with_every_none_is_skipped_also_after_the_last_offer(stage: Stage) -> None:
    page = playing(stage(), **{str(update): sent(update, [400]) for update in range(1, 5)})
    give(page, {"0": sent(0, [400])})
    offer(page, 1, [0, 1], every=True)
    page.clock.run_for(700)
    assert shown(page) == [0], "0.8 seconds are due to each"
    page.clock.run_for(200)
    assert shown(page) == [0, 1]
    offer(page, 4, [1, 2, 3, 4], every=True)
    page.clock.run_for(100)
    assert shown(page) == [0, 1], "0.8 / 3 seconds if three wait"
    page.clock.run_for(150)
    assert shown(page) == [0, 1, 2]
    page.clock.run_for(450)
    assert shown(page) == [0, 1, 2, 3]
    page.clock.run_for(850)
    assert shown(page) == [0, 1, 2, 3, 4]
    page.clock.run_for(20_000)
    assert shown(page) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("kept", "every"), [([1, 2, 3], False), ([1, 2, 3, 9], True)])
def test_otherwise_the_newest_one(stage: Stage, kept: list[int], every: bool) -> None:
    page = playing(stage(), **{"9": sent(9)})
    offer(page, 9, kept, every)
    page.clock.run_for(900)
    assert shown(page) == [0, 9]
    expect(caption(page)).to_contain_text("update 9 · median agent 4 of 5")


def test_an_episode_that_has_ended_makes_room(stage: Stage) -> None:
    page = stage()
    give(page, {"0": sent(0, [12]), "1": sent(1, [500])})
    offer(page, 0)
    offer(page, 1)
    page.clock.run_for(200)
    assert shown(page) == [0]
    page.clock.run_for(100)
    assert shown(page) == [0, 1]


def test_the_old_one_plays_until_the_new_one_is_there(stage: Stage) -> None:
    page = playing(stage(), **{"1": sent(1)})
    page.evaluate("lab.hold('1')")
    offer(page, 1)
    page.clock.run_for(1000)
    before = step(page)
    page.clock.run_for(100)
    assert shown(page) == [0] and step(page) > before
    page.evaluate("lab.release()")
    expect(page.locator("#stage[data-update='1']")).to_be_attached()
    assert step(page) == 0
    assert page.evaluate("lab.asked") == ["0", "1"]


def test_nothing_takes_over_while_paused_or_an_older_one_is_picked(stage: Stage) -> None:
    page = playing(stage(), **{str(update): sent(update) for update in range(1, 6)})
    live = page.get_by_role("button", name="Live")
    expect(live).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Pause the episode").click()
    expect(live).to_have_attribute("aria-pressed", "false")
    offer(page, 2)
    page.clock.run_for(5000)
    assert (shown(page), page.evaluate("lab.asked")) == ([0], ["0"])
    page.get_by_role("button", name="Play the episode").click()
    page.clock.run_for(900)
    assert shown(page) == [0, 2]
    page.evaluate("lab.player.play(1)")
    assert shown(page) == [0, 2, 1]
    offer(page, 4)
    page.clock.run_for(20_000)
    assert shown(page) == [0, 2, 1]
    live.click()
    assert shown(page) == [0, 2, 1, 4]
    live.click()
    offer(page, 5)
    page.clock.run_for(20_000)
    assert shown(page) == [0, 2, 1, 4], "a press on what is pressed stays with the policy"
    page.evaluate("lab.player.live()")
    assert shown(page) == [0, 2, 1, 4, 5]
    assert page.evaluate("lab.live") == [False, True, False, True, False, True]


def test_what_cannot_be_fetched_is_said_and_tried_again_later_each_time(stage: Stage) -> None:
    page = playing(stage())
    offer(page, 1)
    page.clock.run_for(1500)  # asked after 0.8 s
    expect(page.get_by_text("There is no 1.")).to_be_visible()
    assert page.evaluate("lab.asked") == ["0", "1"]
    page.clock.run_for(1000)  # again after 1.8 s
    offer(page, 1)
    assert page.evaluate("lab.asked") == ["0", "1", "1"]
    give(page, {"1": sent(1)})
    page.clock.run_for(1500)  # and after 3.8 s
    assert shown(page) == [0, 1]
    expect(page.locator(".lab-player-notice")).to_be_hidden()


def test_another_run_begins_anew(stage: Stage) -> None:
    page = playing(stage(), **{"7": sent(7)})
    page.get_by_role("button", name="Pause the episode").click()
    page.evaluate("lab.player.reset({ episodes: lab.createEpisodes(lab.fetch), actions: null })")
    assert page.locator("#stage[data-update]").count() == 0
    offer(page, 0)
    assert shown(page) == [0, 0]
    page.evaluate("lab.player.reset({ episodes: lab.episodes, actions: null })")
    offer(page, 7)
    assert shown(page) == [0, 0, 7]


# What is on the stage


def test_it_loops_with_a_rest_at_the_end(stage: Stage) -> None:
    page = stage()
    give(page, {"0": sent(0, [50])})
    offer(page, 0)
    page.clock.run_for(500)
    assert 20 <= step(page) <= 25
    page.clock.run_for(1000)
    assert step(page) == 50
    expect(caption(page)).to_have_text("untrained · step 50 of 50 · return 50")
    page.clock.run_for(400)
    assert step(page) < 25


def test_the_keyboard_moves_through_the_episode(stage: Stage) -> None:
    page = playing(stage())
    slider, group = page.get_by_label("Time step", exact=True), keys(page)
    group.press(" ")
    expect(page.get_by_role("button", name="Play the episode")).to_be_visible()
    group.press("Home")
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        group.press(key)
    expect(slider).to_have_attribute("aria-valuetext", "step 2 of 120")
    expect(caption(page)).to_have_text("untrained · median agent 4 of 5 · step   2 of 120 · return 120")
    group.press("End")
    expect(slider).to_have_attribute("aria-valuetext", "step 120 of 120")
    group.press("ArrowRight")
    assert step(page) == 120
    page.get_by_role("button", name="Previous time step").click()
    page.get_by_role("button", name="Next time step").click()
    page.get_by_role("button", name="Previous time step").click()
    assert step(page) == 119
    group.press(">")
    expect(page.get_by_label("Speed", exact=True)).to_have_value("2")
    for _ in range(9):
        group.press("<")
    expect(page.get_by_label("Speed", exact=True)).to_have_value("0.25")
    for key in ("r", "c", "Control+ArrowLeft"):
        group.press(key)
    assert step(page) == 119
    group.press("Home")
    group.press(" ")
    page.clock.run_for(400)
    assert 3 <= step(page) <= 5, "a quarter of the environment's own pace"


def test_thought_and_state_are_those_of_the_moment(stage: Stage) -> None:
    page = stage()
    one = sent(0, [1])
    states = np.array([[0.5, -1.25, np.radians(-6), np.radians(90)], [0, 0, 0, 0]])
    give(page, {"0": {**one, "episodes": [entry(0, 1, states, np.array([0.71]))]}})
    offer(page, 0)
    keys(page).press("Home")
    expect(page.locator(".lab-player-push")).to_have_text("◀ leftright ▶0.71")
    assert page.locator(".lab-player-state").inner_text().split() == [
        "x", "0.50", "m", "ẋ", "−1.25", "m/s", "θ", "−6.0", "°", "θ̇", "90.0", "°/s",
    ]  # fmt: skip
    filled = page.locator(".lab-player-filled").bounding_box()
    whole = page.locator(".lab-player-bar").bounding_box()
    assert filled and whole
    assert filled["width"] / whole["width"] == pytest.approx(0.29, abs=0.01)
    keys(page).press("End")
    expect(page.locator(".lab-player-push")).to_have_text("◀ leftright ▶end")


def test_any_agent_stands_in_front_and_one_that_was_not_sent_is_fetched(stage: Stage) -> None:
    lengths = (212, 19, 500, 41, 120)
    page = stage()
    give(page, {"0": sent(0, lengths, agents=[1, 2, 4]), "0/3": sent(0, lengths, agents=[3])})
    offer(page, 0)
    picker = page.get_by_label("Agent in front")
    picker.select_option("Best agent")
    expect(caption(page)).to_contain_text("best agent 2 of 5")
    keys(page).press("End")
    assert step(page) == 500
    picker.select_option("Agent 3")
    expect(caption(page)).to_have_text("untrained · agent 3 of 5 · step 41 of 41 · return 41")
    assert page.evaluate("lab.asked") == ["0", "0/3"]
    picker.select_option("All side by side")
    expect(caption(page)).to_contain_text("untrained · 3 of 5 agents · step  41 of 500 · returns 19 to 500")
    expect(page.get_by_role("img")).to_have_accessible_name(
        "CartPole-v1, untrained, 3 of 5 agents: returns 19 to 500 in 500 steps"
    )
    assert shown(page) == [0], "it is the same policy"


def test_side_by_side_has_a_track_for_each(stage: Stage) -> None:
    page = playing(stage())
    page.get_by_label("Agent in front").select_option("All side by side")
    keys(page).press("Home")
    primary = is_color(pixels(page.get_by_role("img")), (0, 104, 163))
    # A pole's row is taller than that of a label; three rows of two.
    rows = np.flatnonzero(np.diff(np.concatenate([[0], primary.any(axis=1), [0]]).astype(int)))
    assert ((rows[1::2] - rows[::2]) > 20).sum() == 3


def test_the_fallen_fade(stage: Stage) -> None:
    page = playing(stage())
    page.get_by_label("Agent in front").select_option("All side by side")
    keys(page).press("Home")
    darkest = []
    for steps in (19, 12, 13, 10):
        for _ in range(steps):
            keys(page).press("ArrowRight")
        track = pixels(page.get_by_role("img"))[20:105, 255:]  # of agent 1, which falls after 19 steps
        darkest.append(int(track[..., :3].sum(axis=-1)[track[..., 3] == 255].min()))
    assert darkest[0] < darkest[1] < darkest[2] == darkest[3]


def test_gymnasiums_frames_of_the_front_agent(stage: Stage) -> None:
    frames = sent_frames(0, 4, [[0.3, 0.7], [0.6, 0.4], []])
    page = playing(stage(), **{"0/4/frames": {**frames, "env_id": "CartPole-v1"}})
    button = page.get_by_role("button", name="Gymnasium's frames")
    expect(button).to_have_attribute("aria-pressed", "false")
    keys(page).press("Home")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(caption(page)).to_have_text("untrained · median agent 4 of 5 · step 0 of 4 · return −30.5")
    expect(page.locator(".lab-player-actions")).to_have_text("left0.30right0.70")
    keys(page).press("End")
    expect(page.get_by_label("Time step", exact=True)).to_have_attribute("aria-valuetext", "step 4 of 4")
    expect(page.locator(".lab-player-actions")).to_have_text("leftendrightend")
    page.wait_for_function(
        "document.querySelector('canvas').getContext('2d').getImageData(250, 166, 1, 1).data[2] === 40"
    )
    # Twice as wide as high, in a box of 3 to 2: not distorted.
    assert box(pixels(page.get_by_role("img"))[..., 3] > 200)[:4] == pytest.approx([0, 41.5, 499, 290.5], abs=1)
    assert page.evaluate("lab.asked") == ["0", "0/4/frames"]
    button.click()
    expect(caption(page)).to_contain_text("step   4 of 120")


def test_other_environments_come_in_pictures(stage: Stage) -> None:
    page = stage()
    best, mean = sent_frames(0, 2, [[0.1] * 8, []]), sent_frames(1, 0, [[-0.5, 0.25], []], discrete=False)
    give(
        page,
        {
            "0": sent_frames(0, 0, [[0.3, 0.7, 0.0], []]),
            "0/2": best,
            "1": mean,
            "1/2": {**mean, "episodes": [{**mean["episodes"][0], "agent": 2}]},
        },
    )
    offer(page, 0)
    expect(page.get_by_role("button", name="Gymnasium's frames")).to_be_hidden()
    expect(page.locator(".lab-player-actions")).to_have_text("left0.30right0.70action 20.00")
    page.get_by_label("Agent in front").select_option("Best agent")
    expect(caption(page)).to_contain_text("best agent 2 of 5")
    expect(page.locator(".lab-player-action")).to_have_count(6)
    offer(page, 1)
    page.clock.run_for(900)
    keys(page).press("Home")
    expect(page.locator(".lab-player-actions")).to_have_text("mean a₀−0.50mean a₁0.25")


def test_a_new_theme_reaches_a_picture_that_stands_still(stage: Stage) -> None:
    page = playing(stage())
    keys(page).press("Home")
    assert is_color(pixels(page.get_by_role("img")), (0, 104, 163)).any()
    page.evaluate("document.body.className = 'dark'")
    page.wait_for_function(
        """() => {
            const canvas = document.querySelector("canvas")
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
            return data.some((_, i) => data[i] === 63 && data[i + 1] === 146 && data[i + 2] === 222)
        }"""
    )


def test_reduced_motion_shows_stills_of_newer_policies(stage: Stage) -> None:
    page = playing(stage(still=True), **{"1": sent(1)})
    expect(page.get_by_role("button", name="Live")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Play the episode")).to_be_visible()
    assert step(page) == 120
    still = pixels(page.get_by_role("img"))
    page.clock.run_for(3000)
    assert (pixels(page.get_by_role("img")) == still).all()
    offer(page, 1)
    assert shown(page) == [0, 1]
    page.get_by_role("button", name="Play the episode").click()
    page.clock.run_for(500)
    assert 20 <= step(page) <= 25


# What does not move


def places(page: Page, selector: str) -> list[Json | None]:
    return [one.bounding_box() for one in page.locator(selector).all()]


@pytest.mark.parametrize(("width", "height"), [(358, 340), (500, 500), (800, 700)])
def test_nothing_moves_while_it_plays(stage: Stage, width: int, height: int) -> None:
    frames = {**sent_frames(0, 4, [[0.3, 0.7]] * 3), "env_id": "CartPole-v1"}
    page = stage(width)
    pieces = ".lab-player, .lab-player-screen, .lab-player-thought, .lab-player-caption, .lab-player-controls > *"
    empty = places(page, pieces)
    assert empty[0] and empty[0]["height"] <= height
    playing(page, **{"0/4/frames": frames})
    parts = f"{pieces}, .lab-player-quantity, .lab-player-number, .lab-player-outcome"
    at_first = places(page, parts)
    page.clock.run_for(1900)
    assert places(page, parts) == at_first
    assert places(page, pieces) == empty
    page.get_by_role("button", name="Gymnasium's frames").click()
    expect(page.locator(".lab-player-actions")).to_be_visible()
    assert places(page, pieces) == empty
    for piece in page.locator(".lab-player :is(button, select, input)").all():
        where = piece.bounding_box()
        assert where and min(where["width"], where["height"]) >= 24
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_filmstrip_grows_in_its_places(stage: Stage) -> None:
    page = playing(stage(1000), **{str(update): sent(update, [10 + update]) for update in range(1, 40)})
    before = places(page, ".lab-film, .lab-film-place")
    assert before[0] and before[0]["height"] <= 92
    for strip in ([0], [0, 3], [0, 3, 6, 9, 12, 15, 18, 21, 24], [0, 6, 12, 18, 24]):
        page.evaluate("(strip) => lab.film.update({ strip, newest: strip.at(-1) })", strip)
        expect(page.locator(".lab-film-outcome").filter(has_text="return")).to_have_count(len(strip))
        assert places(page, ".lab-film, .lab-film-place") == before
    assert page.evaluate("lab.asked") == [str(update) for update in (0, 3, 6, 9, 12, 15, 18, 21, 24)]
    assert pixels(page.locator(".lab-film canvas").nth(1))[..., 3].any()
    film = page.get_by_role("group", name="Earlier policies")
    film.get_by_role("button", name="update 12 return 22").click()
    film.get_by_role("button", name="now update 24").click()
    film.get_by_role("button", name="untrained return 120").click()
    assert page.evaluate("lab.picked") == [12, None, 0]
    pressed = film.locator("[aria-pressed=true]")
    page.evaluate("lab.film.mark(12)")
    expect(pressed).to_have_text("update 12 return 22")
    page.evaluate("lab.film.mark(null)")
    expect(pressed).to_have_text("now update 24")
    film.get_by_role("button", name="update 6 return 16").focus()
    page.evaluate("lab.film.update({ strip: [0, 1, 6], newest: 24 })")
    expect(film.get_by_role("button", name="update 6 return 16")).to_be_focused()


def test_the_filmstrip_waits_for_the_stage_and_tries_again(stage: Stage) -> None:
    page = playing(stage(), **{"1": sent(1), "2": sent(2)})
    page.evaluate("lab.hold('1'); lab.player.play(1); lab.film.update({ strip: [0, 2, 5], newest: 5 })")
    assert page.evaluate("lab.asked") == ["0", "1"]
    page.evaluate("lab.release()")
    expect(page.locator(".lab-film-outcome").filter(has_text="return")).to_have_count(2)
    page.wait_for_function("lab.asked.at(-1) === '5' && !lab.episodes.busy")
    give(page, {"5": sent(5)})
    page.clock.run_for(1000)
    expect(page.locator(".lab-film-outcome").filter(has_text="return")).to_have_count(3)


def test_the_filmstrip_scrolls_in_its_own_box_on_a_phone(stage: Stage) -> None:
    page = stage(358)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".lab-film").evaluate("(film) => film.scrollWidth > film.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_axe_violation(stage: Stage, scheme: str) -> None:
    page = playing(stage(scheme=scheme))
    page.evaluate("lab.film.update({ strip: [0], newest: 0 }); lab.film.mark(0)")
    expect(page.locator(".lab-film-outcome").filter(has_text="return")).to_have_count(1)
    page.clock.resume()
    found = Axe().run(page).response["violations"]
    serious = [rule for rule in found if rule["impact"] in ("serious", "critical")]
    assert [f"{rule['id']}: {node['html'][:200]}" for rule in serious for node in rule["nodes"]] == []


def test_all_is_gone_once_it_is_destroyed(stage: Stage) -> None:
    page = playing(stage())
    page.evaluate("lab.player.destroy(); lab.film.destroy()")
    assert page.locator("#stage > *, #film > *").count() == 0
    page.clock.run_for(1000)
