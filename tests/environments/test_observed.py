"""What who draws observations is told of them: names, units and ranges of numbers, or states and their map."""

import numpy as np
import pytest
from gymnasium import spaces

from pg_core.environments import describe
from pg_core.environments.observed import MAX_DIMENSIONS, Dimension, observed


def test_known_numbers_have_names_units_and_the_boxs_ranges():
    across, _, velocity = describe("Pendulum-v1").observed.dimensions
    assert across == Dimension("cos θ", "", -1.0, 1.0)
    assert velocity == Dimension("θ̇", "rad/s", -8.0, 8.0)
    names = [dimension.name for dimension in describe("Acrobot-v1").observed.dimensions]
    assert names == ["cos θ₁", "sin θ₁", "cos θ₂", "sin θ₂", "θ̇₁", "θ̇₂"]
    assert describe("Acrobot-v1").observed.dimensions[4].high == pytest.approx(4 * np.pi)
    assert describe("Acrobot-v1").observed.states == 0


class Observing:
    """An environment of which nothing but its observations and its map counts."""

    def __init__(self, space, **more):
        self.observation_space, self.unwrapped = space, self
        vars(self).update(more)


def told(space, name="Other", **more):
    return observed(name, Observing(space, **more))


def test_bounds_that_are_no_range_to_draw_are_left_to_what_is_observed():
    box = spaces.Box(np.array([-2, -np.inf, -1e30, 0, 1]), np.array([3, np.inf, 1e30, 1e4, 1]), dtype=np.float64)
    dimensions = told(box).dimensions
    assert [dimension.name for dimension in dimensions] == ["o0", "o1", "o2", "o3", "o4"]
    assert [(dimension.low, dimension.high) for dimension in dimensions] == [(-2, 3), *[(None, None)] * 4]
    assert told(spaces.Box(0, 1, (MAX_DIMENSIONS + 1,))).dimensions == ()
    assert told(spaces.Box(-1, 1, (4,)), name="Pendulum").dimensions[0].name == "o0", "another than that of the names"
    one_hot = told(spaces.Tuple((spaces.Discrete(3), spaces.Discrete(2)))).dimensions
    assert [(each.low, each.high) for each in one_hot] == [(0, 1)] * 5


@pytest.mark.parametrize(
    ("env_id", "options", "states", "grid"),
    [
        ("FrozenLake-v1", {}, 16, ("SFFF", "FHFH", "FFFH", "HFFG")),
        ("FrozenLake-v1", {"desc": ["SF", "HG"]}, 4, ("SF", "HG")),
        ("FrozenLake-v1", {"map_name": None}, 64, ()),
        ("CliffWalking-v1", {}, 48, ("F" * 12, "F" * 12, "F" * 12, "SCCCCCCCCCCG")),
        ("Taxi-v4", {}, 500, ()),
    ],
    ids=["FrozenLake", "its own map", "another map each time", "CliffWalking", "no grid"],
)
def test_states_lie_where_the_environments_map_has_them(env_id, options, states, grid):
    assert describe(env_id, **options).observed == ((), states, grid)


@pytest.mark.parametrize(
    "desc",
    [
        [1, 2, 3, 4], [[1, 2], [3, 4]], "SFHG", ["SFHG"], object(), [["S", "F", "G"]],
        [["S", "F", "H"], ["G"]], [[b"S", b"F"], [b"\xff", b"G"]],
    ],
)  # fmt: skip
def test_what_is_no_map_of_the_states_is_none(desc):
    assert told(spaces.Discrete(4), desc=desc).grid == ()
