"""What the browser calculates by itself: a policy's network and CartPole's dynamics, against NumPy and Gymnasium."""

import itertools
from typing import Any

import gymnasium
import numpy as np
import orjson
import pytest
from playwright.sync_api import Page

from pg_core.environments import Array
from pg_core.learning import episodes
from pg_core.policies import in_numpy

AXES, XS, YS = [3, 1], [-2.0, -0.5, 0.1, 3.0], [-1.0, 0.0, 2.5]


# Networks


def policy(rng: np.random.Generator, sizes: list[int], **more: Any) -> dict[str, Array]:
    params = {}
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        params[f"kernel_{i}"] = rng.normal(size=(1, fan_in, fan_out)).astype(np.float32)
        params[f"bias_{i}"] = rng.normal(size=(1, 1, fan_out)).astype(np.float32)
    return params | more


def in_browser(bare: Page, params: dict[str, Array], activation: str, observations: Array, of: int) -> list[Array]:
    """Return outputs and probabilities, at observations and over a grid whose other dimensions are the first one's."""
    sent = orjson.loads(episodes.weights_to_json(params, 0, activation))
    found = bare.evaluate(
        """async ([params, observations, grid]) => {
            const { createNetwork } = await import("./instrument/network.js")
            const network = createNetwork(params)
            return [observations.map(network.outputs), observations.map(network.probabilities),
                [...network.outputsOver(grid)], [...network.probabilitiesOver(grid)]]
        }""",
        [sent, observations.tolist(), {"axes": AXES, "xs": XS, "ys": YS, "fixed": observations[0].tolist(), "of": of}],
    )
    return [*map(np.array, found)]


def in_float64(params: dict[str, Array], activation: str, observations: Array) -> Array:
    return in_numpy.apply({k: v.astype(np.float64) for k, v in params.items()}, observations[None], activation)[0]


@pytest.mark.parametrize("activation", in_numpy.ACTIVATIONS)
def test_a_network_gives_what_numpy_gives(bare: Page, activation: str) -> None:
    rng = np.random.default_rng(16)
    mean, variance = (
        rng.normal(size=(1, 1, 4)),
        np.array([[[1.0, 0.0, 1e-3, 4.0]]]),
    )  # one never varied: cut at the limit
    statistics = {in_numpy.MEAN: mean.astype(np.float32), in_numpy.VARIANCE: variance.astype(np.float32)}
    for hidden, outputs, more in itertools.product([[], [5], [7, 6]], [2, 3], [{}, statistics]):
        params, of = policy(rng, [4, *hidden, outputs], **more), outputs - 1
        observations = rng.normal(size=(20, 4))
        grid = np.stack([observations[0]] * (len(XS) * len(YS)))
        grid[:, AXES] = [(x, y) for y in YS for x in XS]
        expected, over = (in_float64(params, activation, each) for each in (observations, grid))
        found = in_browser(bare, params, activation, observations, of)
        assert found[0] == pytest.approx(expected, rel=1e-6, abs=1e-6)
        assert found[1] == pytest.approx(in_numpy.softmax(expected), abs=1e-6)
        assert found[2] == pytest.approx(over[:, of], rel=1e-6, abs=1e-6)
        assert found[3] == pytest.approx(in_numpy.softmax(over)[:, of], abs=1e-6)


@pytest.mark.parametrize("activation", in_numpy.ACTIVATIONS)
def test_a_network_stays_finite_where_exponentials_do_not(bare: Page, activation: str) -> None:
    params = policy(np.random.default_rng(0), [4, 3, 2])
    observations = 1e4 * np.array([[1.0, -1, 1, 1], [-1, -1, -1, 1], [1, 1, 1, 1]])
    outputs, probabilities, *_ = in_browser(bare, params, activation, observations, 0)
    expected = in_float64(params, activation, observations)
    assert outputs == pytest.approx(expected, rel=1e-6)
    assert probabilities == pytest.approx(in_numpy.softmax(expected), abs=1e-6)


# CartPole


# Our names of its parameters, and Gymnasium's.
NAMES = {
    "gravity": "gravity", "cartMass": "masscart", "poleMass": "masspole", "halfLength": "length", "force": "force_mag",
}  # fmt: skip
LOW, HIGH = [-2.4, -3, -0.3, -3.5], [2.4, 3, 0.3, 3.5]


def cart_pole(state: Array, parameters: dict[str, float]) -> Any:
    env = gymnasium.make("CartPole-v1").unwrapped
    env.reset(seed=0)
    for ours, theirs in NAMES.items():
        setattr(env, theirs, parameters[ours])
    env.total_mass = env.masspole + env.masscart
    env.polemass_length = env.masspole * env.length
    env.state = state
    return env


def steps(bare: Page, asked: list[Any]) -> list[Any]:
    """Return the state after each [state, action, parameters], and whether it has failed."""
    script = """async (asked) => {
        const { failed, step } = await import("./instrument/cart_pole.js")
        return asked.map((each) => step(...each)).map((state) => [state, failed(state)])
    }"""
    return bare.evaluate(script, asked)


def test_a_step_of_cart_pole_is_gymnasiums(bare: Page) -> None:
    rng = np.random.default_rng(16)
    defaults = bare.evaluate("import('./instrument/cart_pole.js').then(({ CART_POLE }) => CART_POLE)")
    own = gymnasium.make("CartPole-v1").unwrapped
    assert defaults == {ours: getattr(own, theirs) for ours, theirs in NAMES.items()}
    kinds = [defaults] + [{name: each * rng.uniform(0.2, 5) for name, each in defaults.items()} for _ in range(199)]
    asked = [[rng.uniform(LOW, HIGH).tolist(), int(rng.integers(2)), kind] for kind in kinds]
    expected = []
    for state, action, kind in asked:
        env = cart_pole(np.array(state), kind)
        _, _, terminated, *_ = env.step(action)
        expected.append([env.state, terminated])
    found = steps(bare, asked)
    assert {failed for _, failed in found} == {True, False}
    assert [failed for _, failed in found] == [failed for _, failed in expected]
    assert np.array([state for state, _ in found]) == pytest.approx(
        np.array([state for state, _ in expected]), abs=1e-12
    )
    assert steps(bare, [asked[0][:2]]) == found[:1], "Gymnasium's parameters, if none are given"


def test_a_pushed_pole_goes_on_as_in_gymnasium(bare: Page) -> None:
    env = gymnasium.make("CartPole-v1").unwrapped
    env.reset(seed=0)
    env.state = np.add(env.state, [0, 0.6, 0, 0])  # the push
    start, actions, states, terminated = env.state, [], [], False
    while not terminated:
        actions.append(int(env.state[2] + 0.3 * env.state[3] > 0))  # which keeps the pole up, until the track ends
        _, _, terminated, *_ = env.step(actions[-1])
        states.append(env.state)
    found = bare.evaluate(
        """async ([state, actions]) => {
            const { failed, step } = await import("./instrument/cart_pole.js")
            return actions.map((action) => (state = step(state, action))).map((state) => [...state, failed(state)])
        }""",
        [start.tolist(), actions],
    )
    assert terminated
    assert [failed for *_, failed in found] == [False] * (len(actions) - 1) + [True]
    # A fall multiplies what rounding sines and cosines leaves.
    assert np.array(found)[:, :4] == pytest.approx(np.array(states), rel=1e-9, abs=1e-9)
