"""CartPole under other physics: Gymnasium's with its own constants, bit for bit, and with any that it is given."""

import math

import gymnasium
import numpy as np
import orjson
import pytest

from pg_core.config import Config
from pg_core.learning import evaluation, robustness
from pg_core.learning.robustness import NOMINAL, PARAMETERS, interval, lengths, step, to_json
from pg_core.policies import in_numpy

CONFIG = Config(num_agents=2, hidden_layers=())
KERNEL = np.float32([[0.2, 0.5, 4, 2]])  # a policy that balances, but not for ever
POLICY = {
    "kernel_0": np.stack([np.zeros((4, 2), np.float32), np.concatenate([-KERNEL, KERNEL]).T]),
    "bias_0": np.zeros((2, 1, 2), np.float32),
}
ATTRIBUTES = {  # as Gymnasium's environment has them
    "gravity": "gravity", "half_length": "length", "pole_mass": "masspole", "cart_mass": "masscart",
    "force": "force_mag",
}  # fmt: skip


def physics(count=1, **values):
    return {name: np.full(count, values.get(name, value)) for name, value in NOMINAL.items()}


def gymnasiums(**values):
    env = gymnasium.make("CartPole-v1").unwrapped
    for name, value in values.items():
        setattr(env, ATTRIBUTES[name], value)
    env.total_mass, env.polemass_length = env.masspole + env.masscart, env.masspole * env.length
    return env


@pytest.mark.parametrize(
    "values", [{}, {"gravity": 3.0, "half_length": 1.5}, {"pole_mass": 2.0, "cart_mass": 0.25, "force": 25.0}]
)
def test_a_step_is_gymnasiums_bit_for_bit(values):
    env, random = gymnasiums(**values), np.random.default_rng(0)
    env.reset()
    states = random.uniform(-1, 1, (4, 200)) * [[2.4], [3], [0.2], [3]]
    right = random.random(200) < 0.5
    after = step(states, right, {name: np.float64(value) for name, value in (NOMINAL | values).items()})
    for i in range(200):
        env.state, env.steps_beyond_terminated = states[:, i], None
        env.step(int(right[i]))
        np.testing.assert_array_equal(after[:, i], env.state)


def played_by_gymnasium(values, start, uniform, noise, delay, greedy):
    """Play one episode, a step at a time; return its length."""
    env, seen = gymnasiums(**values), []
    env.reset()
    env.state = start
    params = evaluation.one_agent(POLICY, 1)
    for now in range(500):
        seen.append(np.float32(env.state + noise[now]))
        logits = in_numpy.apply(params, seen[max(0, now - delay)][None, None], "tanh")[0, 0]
        left = 1 / (1 + math.exp(float(logits[1] - logits[0])))
        *_, terminated, _, _ = env.step(int(logits[1] > logits[0]) if greedy else int(uniform[now] >= left))
        if terminated:
            return now + 1
    return 500


@pytest.mark.parametrize("greedy", [False, True], ids=["sampled", "greedy"])
def test_episodes_side_by_side_are_those_played_alone(greedy):
    kinds = [{}, {"gravity": 30.0}, {"half_length": 0.1}, {"sensor_noise": 0.3}, {"action_delay": 3}, {"force": 2.5}]
    found = lengths(
        CONFIG,
        POLICY,
        1,
        {name: np.array([kind.get(name, value) for kind in kinds]) for name, value in NOMINAL.items()},
        4,
        7,
        greedy,
    )
    draws = robustness.generator(7, robustness.Stream.FRESH, 1)
    starts = draws.uniform(-0.05, 0.05, (4, 4))
    numbers = [(draws.random(4, np.float32), draws.standard_normal((4, 4))) for _ in range(500)]
    for row, kind in zip(found, kinds, strict=True):
        sigma, delay = kind.get("sensor_noise", 0), kind.get("action_delay", 0)
        values = {name: value for name, value in kind.items() if name in ATTRIBUTES}
        alone = [
            played_by_gymnasium(
                values, starts[:, i], [u[i] for u, _ in numbers], [sigma * n[:, i] for _, n in numbers], delay, greedy
            )
            for i in range(4)
        ]
        assert row.tolist() == alone
    assert len(set(found.ravel())) > 4


def test_with_the_constants_of_training_the_mean_is_that_of_an_evaluation_by_gymnasium():
    own = lengths(CONFIG, POLICY, 1, physics(), 400)[0]
    other = evaluation.evaluate(CONFIG, POLICY, 1, 400, greedy=False).lengths
    z = (own.mean() - other.mean()) / math.sqrt(own.var(ddof=1) / 400 + other.var(ddof=1) / 400)
    assert abs(z) < 3 and own.std() > 10


def test_the_intervals_cover_the_mean():
    random = np.random.default_rng(1)
    lasted = np.minimum(8 + random.geometric(1 / 150, (400, 100)), 500)  # skewed, and cut at the limit
    exact = 8 + sum((1 - 1 / 150) ** k for k in range(492))  # E[min(8 + X, 500)] = 8 + Σ P(X > k)
    found = interval(lasted)
    covered = np.mean((found.low <= exact) & (exact <= found.high))
    assert 0.95 - 3 * math.sqrt(0.95 * 0.05 / 400) - 0.015 < covered  # a percentile interval is a little too narrow
    always = interval(np.full((1, 10), 500))
    assert (always.mean, always.low, always.high) == (500, 500, 500)


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_every_parameter_is_measured_at_its_value_in_training_and_makes_a_difference(parameter):
    said = [orjson.loads(to_json(CONFIG, POLICY, agent, 3, parameter, 30)) for agent in (0, 1)]
    for each in said:
        assert (each["update"], each["parameter"], each["episodes"], each["limit"]) == (3, parameter, 30, 500)
        assert each["nominal"] in each["values"] == sorted(each["values"]) and len(each["values"]) == 9
        assert all(
            1 <= low <= mean <= high <= 500
            for low, mean, high in zip(each["low"], each["mean"], each["high"], strict=True)
        )
    at = said[0]["values"].index(said[0]["nominal"])
    nominal = lengths(CONFIG, POLICY, 1, physics(), 30).mean()
    assert said[1]["mean"][at] == nominal > said[0]["mean"][at]
    assert len(set(said[1]["mean"])) > 3
