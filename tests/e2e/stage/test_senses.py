"""A policy with noisy sensors and late actions, as the browser plays it, against Python."""

import math
from typing import Any

import numpy as np
import orjson
import pytest
from playwright.sync_api import Page

from pg_core.config import Config
from pg_core.learning import episodes, robustness
from pg_core.learning.robustness import NOMINAL, lengths

CONFIG = Config(num_agents=1, hidden_layers=())
KERNEL = np.float32([[0.2, 0.5, 4, 2]])  # a policy that balances, but not for ever
POLICY = {
    "kernel_0": np.concatenate([-KERNEL, KERNEL]).T[None],
    "bias_0": np.zeros((1, 1, 2), np.float32),
}
NAMES = {  # in the browser, and in Python
    "gravity": "gravity", "halfLength": "half_length", "poleMass": "pole_mass", "cartMass": "cart_mass",
    "force": "force", "sensorNoise": "sensor_noise", "actionDelay": "action_delay",
}  # fmt: skip
STEPS, EPISODES, SEED = 500, 4, 7
ROLLOUT = """async ([params, kinds, starts, uniform, normals, greedy]) => {
    const { step } = await import("./instrument/cart_pole.js")
    const { createNetwork } = await import("./instrument/network.js")
    const { createLuck, rollout } = await import("./instrument/played.js")
    const network = createNetwork(params, [2])
    const { choose } = createLuck(true)
    return kinds.map((physics) => starts.map((start, i) => {
        const luck = {
            choose: (chance, now) => (greedy ? choose(chance) : Number(uniform[now][i] < chance)),
            normals: (now) => normals[now][i],
        }
        const dynamics = (state, action) => step(state, action, physics)
        const { episodes: [entry] } = rollout(network, start, { limit: 500 }, { dynamics, physics }, luck)
        const states = Array.from({ length: entry.length + 1 }, (_, t) => [...entry.states.slice(4 * t, 4 * t + 4)])
        const chances = (state) => network.probabilities(state)[1]
        const probs = [...entry.probs].map((each) => each / 65535)
        return { length: entry.length, states, probs, of: states.map(chances) }
    }))
}"""


def played(bare: Page, kinds: list[dict[str, float]], greedy: bool) -> list[list[Any]]:
    """Play episodes in the browser by the random numbers of `robustness.lengths`."""
    draws = robustness.generator(SEED, robustness.Stream.FRESH, 1)
    starts = draws.uniform(-0.05, 0.05, (4, EPISODES)).T
    numbers = [(draws.random(EPISODES, np.float32), draws.standard_normal((4, EPISODES))) for _ in range(STEPS)]
    # Python plays left where a number is below π(left), the browser right where it is below π(right).
    uniform = [(1 - each.astype(np.float64)).tolist() for each, _ in numbers]
    physics = [{ours: kind.get(theirs, NOMINAL[theirs]) for ours, theirs in NAMES.items()} for kind in kinds]
    params = orjson.loads(episodes.weights_to_json(POLICY, 0, CONFIG.activation))
    normals = [each.T.tolist() for _, each in numbers]
    return bare.evaluate(ROLLOUT, [params, physics, starts.tolist(), uniform, normals, greedy])


@pytest.mark.parametrize("greedy", [False, True], ids=["sampled", "greedy"])
def test_episodes_last_as_long_as_those_of_the_robustness_chart(bare: Page, greedy: bool) -> None:
    kinds = [
        {}, {"sensor_noise": 0.05}, {"sensor_noise": 0.5}, {"action_delay": 1}, {"action_delay": 10},
        {"sensor_noise": 0.1, "action_delay": 3, "gravity": 15.0},
    ]  # fmt: skip
    values = {name: np.array([kind.get(name, value) for kind in kinds]) for name, value in NOMINAL.items()}
    expected = lengths(CONFIG, POLICY, 0, values, EPISODES, SEED, greedy)
    found = [[each["length"] for each in row] for row in played(bare, kinds, greedy)]
    assert found == expected.tolist()
    assert len(set(expected.ravel())) > 8


def test_without_noise_and_delay_the_policy_sees_where_it_is(bare: Page) -> None:
    [[first, *_]] = played(bare, [{}], False)
    assert first["probs"] == pytest.approx(first["of"][:-1], abs=1e-12)


def test_the_first_actions_are_on_the_first_observation_until_the_delay_is_over(bare: Page) -> None:
    [[first, *_]] = played(bare, [{"action_delay": 3}], False)
    of = first["of"]
    assert first["length"] > 5
    assert first["probs"][:6] == pytest.approx([of[0], of[0], of[0], of[0], of[1], of[2]], abs=1e-12)


def test_noise_changes_what_is_seen_and_not_where_the_cart_is(bare: Page) -> None:
    [[noisy, *_], [clean, *_]] = played(bare, [{"sensor_noise": 0.05}, {}], False)
    assert noisy["states"][0] == clean["states"][0]
    assert noisy["probs"][0] != clean["probs"][0]
    states = np.array(noisy["states"])  # positions move on by velocities, without noise
    assert states[1:, [0, 2]] == pytest.approx(states[:-1, [0, 2]] + 0.02 * states[:-1, [1, 3]], abs=1e-12)


def test_episodes_that_are_compared_have_the_same_luck_which_is_normal(bare: Page) -> None:
    again, alike, normals = bare.evaluate(
        """async () => {
            const { createLuck } = await import("./instrument/played.js")
            const luck = createLuck(false)
            const twice = (ask) => [ask(), ask()].map(JSON.stringify)
            const steps = Array.from({ length: 5000 }, (_, step) => step)
            return [twice(() => steps.map((step) => luck.choose(0.5, step))), twice(() => luck.normals(3)),
                steps.flatMap(luck.normals)]
        }"""
    )
    assert again[0] == again[1] and alike[0] == alike[1]
    count = len(normals)
    assert count == 4 * 5000
    # Standard errors of a normal's mean, variance and fourth moment: 1, √2 and √96, over √N.
    for power, moment, error in [(1, 0, 1), (2, 1, math.sqrt(2)), (4, 3, math.sqrt(96))]:
        assert np.mean(np.power(normals, power)) == pytest.approx(moment, abs=5 * error / math.sqrt(count))
