"""Where the stage draws cart, pole and track, and that the numbers are those that were sent."""

import gymnasium
import numpy as np
import pytest

from tests.e2e.stage.conftest import (
    Stage,
    box,
    entry,
    give,
    is_color,
    pixels,
    sent,
)

STATES = [
    (0, 0, 0, 0), (0, 0, 0.2, 0), (0, 0, -0.2, 0), (1, 0, 0.1, 0), (-1, 0, -0.1, 0), (2, 0, 0.15, 0), (-2, 0, 0.05, 0),
    (0.5, 0, -0.15, 0), (2.4, 0, -0.2, 0), (-2.4, 0, 0.2, 0), (-0.013, 0, 0.209, 0), (1.7, 0, -0.209, 0),
]  # fmt: skip


def test_cart_and_pole_lie_where_gymnasium_has_them(stage: Stage) -> None:
    env = gymnasium.make("CartPole-v1", render_mode="rgb_array")
    env.reset()
    page = stage(640)
    page.evaluate(
        """() => {
            const canvas = document.createElement("canvas")
            canvas.id = "alone"
            canvas.style = "position: fixed; inset: 0 auto auto 0; width: 600px; height: 400px;"
                + "--st-text-color: #00ff00; --st-primary-color: #ff0000; --st-secondary-background-color: #ffffff"
            document.body.append(canvas)
            lab.alone = lab.createStage(canvas)
        }"""
    )
    for state in STATES:
        env.unwrapped.state = np.array(state)
        theirs = np.asarray(env.render())
        one = sent(0, [1])
        one["episodes"] = [entry(0, 1, np.array([state, state]), np.array([0.5]))]
        page.evaluate(
            """async (sent) => {
                const episode = await lab.createEpisodes(async () => sent).get(0)
                lab.alone.show({ episode, front: "median", moment: 0 })
            }""",
            one,
        )
        lie_alike(pixels(page.locator("#alone")), theirs, state)
    env.close()


def lie_alike(ours: np.ndarray, theirs: np.ndarray, state: tuple[float, ...]) -> None:
    assert ours.shape[:2] == theirs.shape[:2]
    black = is_color(theirs, (0, 0, 0))
    (track,) = np.nonzero(black.all(axis=1) | (black.sum(axis=1) > 540))
    cart = black.copy()
    cart[track] = False
    red, green, *_ = np.moveaxis(ours, -1, 0)
    pole = is_color(theirs, (202, 152, 101), (129, 132, 203))
    assert box(is_color(ours, (0, 255, 0)) & (ours[..., 3] > 128)) == pytest.approx(box(cart), abs=2), state
    assert box((red > green + 128) & (ours[..., 3] > 128)) == pytest.approx(box(pole), abs=2), state
    background = ours[..., 3] == 0
    (our_track,) = np.nonzero((~background).sum(axis=1) > 590)
    assert our_track.mean() == pytest.approx(track.mean(), abs=2), state


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
