"""What an environment may return and what not, and whose line is named."""

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from pg_core import config
from pg_core.environments import EnvironmentFault, faults
from pg_core.environments.watched import Watched, misfit

BOX, INTS = spaces.Box(-1, 1, (2,)), spaces.Box(-9, 9, (2,), np.int32)
CHOICE, DIALS, LAMPS = spaces.Discrete(3, start=5), spaces.MultiDiscrete([2, 3]), spaces.MultiBinary(2)
PARTS = spaces.Dict({"place": CHOICE, "speed": BOX})


@pytest.mark.parametrize(
    ("space", "value"),
    [
        (BOX, np.zeros(2)), (BOX, np.full(2, 5, np.float32)), (BOX, [0, 1]), (INTS, np.zeros(2, np.int64)),
        (CHOICE, 5), (CHOICE, np.int64(7)), (CHOICE, np.array(6)), (DIALS, np.array([1, 2])), (LAMPS, [0, 1]),
        (PARTS, {"place": 5, "speed": np.zeros(2)}), (spaces.Tuple((CHOICE, BOX)), (5, np.zeros(2))),
    ],
)  # fmt: skip
def test_what_can_be_learned_from_fits(space, value):
    assert misfit(space, value) == ""


@pytest.mark.parametrize(
    ("space", "value", "problem"),
    [
        (BOX, np.zeros(3), "has shape (3,), where its space has (2,)"),
        (BOX, None, "has shape (), where its space has (2,)"),
        (BOX, [[1], [2, 3]], "is list [[1], [2, 3]], which is no array"),
        (BOX, np.array(["a", "b"]), "has dtype <U1, where its space has float32"),
        (INTS, np.zeros(2), "has dtype float64, where its space has int32"),
        (CHOICE, 4, "is 4, outside of Discrete(3, start=5)"),
        (CHOICE, 8, "is 8, outside of Discrete(3, start=5)"),
        (CHOICE, 5.0, "is float 5.0, where Discrete(3, start=5) has whole numbers"),
        (
            CHOICE,
            np.array([5]),
            "is an array of shape (1,) and dtype int64, where Discrete(3, start=5) has whole numbers",
        ),
        (DIALS, np.array([2, 0]), "is [2 0], outside of MultiDiscrete([2 3])"),
        (LAMPS, np.array([0.5, 1]), "has dtype float64, where its space has int8"),
        (PARTS, {"place": 5}, "is dict {'place': 5}, where its space is Dict("),
        (PARTS, {"place": 5, "sped": 0}, "lacks 'speed', which its space has"),
        (PARTS, {"place": 9, "speed": np.zeros(2)}, "at 'place' is 9, outside of Discrete(3, start=5)"),
        (spaces.Tuple((CHOICE, BOX)), (5, np.zeros(1)), "at 1 has shape (1,), where its space has (2,)"),
    ],
)
def test_what_cannot_is_named(space, value, problem):
    assert misfit(space, value).startswith(problem)


class Returns(gym.Env):
    observation_space, action_space = BOX, CHOICE

    def __init__(self, reset=(np.zeros(2), {}), step=(np.zeros(2), 1.0, False, False, {})):  # noqa: B008
        self.returns = reset, step

    def reset(self, *, seed=None, options=None):
        return self.returns[0]

    def step(self, action):
        return self.returns[1]


@pytest.mark.parametrize(
    ("reset", "told"),
    [
        (np.zeros(2), "an array of shape (2,) and dtype float64, not (observation, info)"),
        ((np.zeros(3), {}), "an observation that has shape (3,)"),
    ],
)
def test_a_wrong_reset_is_told(reset, told):
    with pytest.raises(EnvironmentFault) as fault:
        Watched(Returns(reset=reset), "Own-v0").reset(seed=0)
    line = Returns.reset.__code__.co_firstlineno
    assert str(fault.value).startswith(f"Own-v0 returned {told}")
    assert str(fault.value).endswith(f"test_watched.py:{line}; reset): mend its `reset`.")


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ((np.zeros(2), None, False, False, {}), "returned a reward that is no number, NoneType None"),
        ((np.zeros(2), [1.0], False, False, {}), "returned a reward that is no number, list [1.0]"),
        ((np.zeros(2), 1, None, False, {}), "returned a `terminated` that is neither True nor False, NoneType None"),
        ((np.zeros(2), 1, False, 0.5, {}), "returned a `truncated` that is neither True nor False, float 0.5"),
        ((np.zeros(2), 1, False, {}), "raised ValueError: not enough values to unpack (expected 5, got 4)"),
    ],
)
def test_a_wrong_step_is_told(step, told):
    env = Watched(Returns(step=step), "Own-v0")
    env.reset(seed=0)
    with pytest.raises(EnvironmentFault) as fault:
        env.step(5)
    assert str(fault.value).startswith(f"Own-v0 {told}")
    assert f"test_watched.py:{Returns.step.__code__.co_firstlineno}; step 1)" in str(fault.value)


class Hostile:
    """Raises whatever it is asked."""

    def _raises(self, *_):
        raise RuntimeError

    __float__ = __eq__ = __repr__ = __str__ = __bool__ = __array__ = __contains__ = _raises
    __hash__ = None


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError


RAGGED, HUGE, LONG = [[1], [1, 2]], 10**400, 10**5000  # beyond float64; beyond what Python prints


def kind(value):
    return type(value).__name__


@pytest.mark.parametrize(
    "reward",
    [HUGE, LONG, Fraction(HUGE), Decimal("sNaN"), np.complex64(1j), np.array(None), np.array("x"), RAGGED, Hostile()],
    ids=kind,
)
@pytest.mark.parametrize("flag", [False, LONG, RAGGED, Hostile()], ids=kind)
def test_what_cannot_even_be_judged_is_the_environments_fault(reward, flag):
    env = Watched(Returns(step=(np.zeros(2), reward, flag, False, {})), "Own-v0")
    env.reset(seed=0)
    with pytest.raises(EnvironmentFault, match=r"^Own-v0 .*step 1\)"):
        env.step(5)


@pytest.mark.parametrize("space", [BOX, CHOICE, DIALS, PARTS, spaces.Tuple((CHOICE, BOX))])
@pytest.mark.parametrize(
    "value", [LONG, -LONG, RAGGED, Hostile(), (LONG, Hostile()), {"place": LONG, "speed": RAGGED}], ids=kind
)
def test_an_observation_that_cannot_be_judged_is_too(space, value):
    env = Returns(reset=(value, {}))
    env.observation_space = space
    with pytest.raises(EnvironmentFault, match=r"^Own-v0 .*; reset\)"):
        Watched(env, "Own-v0").reset(seed=0)


def test_an_error_without_words_is_told_by_its_type():
    assert faults.said(Unspeakable()) == "Unspeakable"


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 1), np.uint8), np.zeros((0, 4, 3), np.uint8),
        np.zeros((2, 16_384, 3), np.uint8), np.full((4, 4, 3), None),
        np.full((4, 4, 3), "x"), np.zeros((4, 4, 3), complex),
    ],
)  # fmt: skip
def test_what_no_file_can_hold_is_no_picture(picture):
    env = Returns()
    env.render = lambda: picture
    with pytest.raises(EnvironmentFault, match=r"returned no picture \[height, width, 3\] but an array of shape"):
        Watched(env, "Own-v0").render()


def test_an_episode_is_not_played_beyond_its_end():
    env = Watched(Returns(step=(np.ones(2), np.float64(2), np.True_, 0, {"more": 1})), "Own-v0")
    env.reset(seed=0)
    assert env.step(5)[1:] == (2.0, True, False, {})
    env.env.returns = None
    np.testing.assert_array_equal(env.step(5)[0], np.ones(2))
    np.testing.assert_array_equal(env.reset()[0], np.ones(2))


def test_the_innermost_line_that_is_the_authors_is_named():
    installed, shadow = np.__file__.replace("numpy", "theirs"), np.__file__
    lines = [(shadow, 1), (installed, 2), (json.__file__, 3), (faults.__file__, 4), ("<string>", 5), (__file__, 6)]
    assert faults.line_of(lines, "") == "tests/environments/test_watched.py:6"
    assert faults.line_of(lines, "theirs") == "theirs/__init__.py:2"  # the environment itself is an installed package
    assert faults.line_of([("/elsewhere/mine.py", 7)], "") == "mine.py:7"
    assert faults.line_of(lines[:-1], "") == ""
    assert faults.line_of([(config.__file__, 8)], "") == ""
    beside = str(Path(config.__file__).parents[1] / "pg_core_of_mine" / "grid.py")
    assert faults.line_of([(beside, 9)], "") == "pg_core_of_mine/grid.py:9"


def test_the_line_is_that_of_the_error_that_led_to_another():
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            line = error.__traceback__.tb_lineno
            np.zeros(2).reshape(error)
    except TypeError as error:
        error.__traceback__ = None
        assert faults.line_of(faults.lines(error), "") == f"tests/environments/test_watched.py:{line}"


def test_a_long_message_is_cut_and_on_one_line():
    assert faults.said(ValueError("two\nlines")) == "ValueError: two lines"
    assert faults.said(ValueError()) == "ValueError"
    assert len(faults.said(ValueError("x" * 10_000))) == len("ValueError: ") + faults.MAX_MESSAGE
