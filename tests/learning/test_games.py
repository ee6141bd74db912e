"""A game that is played again: by Gymnasium's rules, and only if it is one."""

from typing import Any

import gymnasium
import numpy as np
import pytest

from pg_core.config import ConfigError
from pg_core.learning.games import MAX_STEPS, game_of, length, step

GAME = {"update": 1, "agent": 0, "start": [0.05, -0.05, 0.0, 0.01], "visitor": "0110", "opponent": "1"}


def gymnasiums(start: list[float], actions: str) -> tuple[int, list[float]]:
    env = gymnasium.make("CartPole-v1").unwrapped
    env.reset(seed=0)
    env.state = np.array(start)
    for taken, action in enumerate(actions, 1):
        terminated = env.step(int(action))[2]
        if terminated:
            return taken, env.state.tolist()
    return len(actions), env.state.tolist()


def test_a_game_ends_where_gymnasium_ends_it() -> None:
    rng = np.random.default_rng(16)
    for _ in range(100):
        start = rng.uniform(-0.05, 0.05, 4).tolist()
        actions = "".join(map(str, rng.integers(2, size=200)))
        taken, last = gymnasiums(start, actions)
        assert taken < 200 and length(start, actions, 500) == taken
        state = start
        for action in actions[:taken]:
            state = step(state, action == "1")
        # Sines differ in the last bit; a fall multiplies that.
        assert state == pytest.approx(last, rel=1e-9, abs=1e-9)


def test_a_game_ends_at_its_limit_or_with_its_actions() -> None:
    assert length((0.0,) * 4, "01" * 20, 7) == 7
    assert length((0.0,) * 4, "01" * 4, 500) == 8
    fall = length((0.0,) * 4, "1" * 500, 500)
    assert fall == gymnasiums([0.0] * 4, "1" * 500)[0] == length((0.0,) * 4, "1" * fall + "01" * 9, 500)


def test_what_a_game_tells_is_read() -> None:
    game = game_of({**GAME, "more": "is ignored"})
    assert (game.start, game.visitor, game.opponent) == ((0.05, -0.05, 0.0, 0.01), "0110", "1")


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (None, "`game` must be an object, got None."),
        ([1], "`game` must be an object, got [1]."),
        ({**GAME, "update": -1}, "`update` must be a number of updates, got -1."),
        ({**GAME, "update": 0.5}, "`update` must be a number of updates, got 0.5."),
        ({**GAME, "agent": "x"}, "`agent` must be the number of an agent, got 'x'."),
        ({**GAME, "start": [0, 0, 0, 0.051]}, "`start` must be x, ẋ, θ, θ̇ in [-0.05, 0.05], got 0.051."),
        ({**GAME, "start": [0, 0, float("nan"), 0]}, "`start` must be x, ẋ, θ, θ̇ in [-0.05, 0.05], got nan."),
        ({**GAME, "start": [0, 0, 0]}, "`start` must be x, ẋ, θ, θ̇ in [-0.05, 0.05]"),
        ({**GAME, "visitor": ""}, "`visitor` must be 1 to 3,000 actions, each 0 or 1, got ''."),
        ({**GAME, "visitor": "012"}, "`visitor` must be 1 to 3,000 actions, each 0 or 1, got '012'."),
        ({**GAME, "visitor": "01\n"}, "`visitor` must be 1 to 3,000 actions, each 0 or 1"),
        ({**GAME, "opponent": "0" * (MAX_STEPS + 1)}, "`opponent` must be 1 to 3,000 actions, each 0 or 1"),
        ({**GAME, "opponent": 101}, "`opponent` must be 1 to 3,000 actions, each 0 or 1, got 101."),
    ],
)
def test_what_is_no_game_is_refused(message: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        game_of(message)
    assert sentence in str(caught.value) and len(str(caught.value)) < 150


@pytest.mark.parametrize("name", GAME)
def test_nothing_of_a_game_may_be_missing(name: str) -> None:
    with pytest.raises(ConfigError, match=f"`{name}` must be"):
        game_of({key: value for key, value in GAME.items() if key != name})
