"""CartPole under other physics: Gymnasium's with its own constants, bit for bit, and with any that it is given."""

import math

import gymnasium
import numpy as np
import orjson
import pytest

from pg_core.config import Config
from pg_core.environments import cart_pole
from pg_core.learning import evaluation, robustness
from pg_core.learning.robustness import NOMINAL, PARAMETERS, interval, lengths, to_json
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
    after = cart_pole.step(states, right, {name: np.float64(value) for name, value in (NOMINAL | values).items()})
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


def failing(share, length):
    """Lengths of 400 times 100 episodes, some of which fail after so many steps, and their mean."""
    failed = np.random.default_rng(1).random((400, 100)) < share
    return np.where(failed, length, 500), 500 - share * (500 - length)


def falling():
    lasted = np.minimum(8 + np.random.default_rng(1).geometric(1 / 150, (400, 100)), 500)  # skewed, cut at the limit
    return lasted, 8 + sum((1 - 1 / 150) ** k for k in range(492))  # E[min(8 + X, 500)] = 8 + Σ P(X > k)


@pytest.mark.parametrize(
    ("lasted", "exact"),
    [failing(0.02, 250), failing(0.01, 100), failing(0.002, 10), failing(0.5, 250), falling()],
    ids=["2 % fail at 250", "1 % at 100", "0.2 % at 10", "half at 250", "all fall"],
)
def test_the_intervals_cover_the_mean_even_where_no_failure_may_have_been_seen(lasted, exact):
    found = interval(lasted, 500)
    covered = np.mean((found.low <= exact) & (exact <= found.high))
    assert covered > 0.95 - 3 * math.sqrt(0.95 * 0.05 / 400)
    assert np.all((found.low <= found.mean) & (found.mean <= found.high))
    assert np.mean(found.high - found.low) < 60


def test_what_has_never_failed_may_still_fail():
    """None of N have with probability (1 - p)^N, which is 2.5 % at p = 1 - 0.025^(1/N): the mean is 500 - 499 p."""
    always = interval(np.full((1, 100), 500), 500)
    assert always.mean == always.high == 500
    assert always.low == pytest.approx(500 - 499 * (1 - 0.025**0.01), abs=0.7)  # as exact as the draws are
    never = interval(np.full((1, 100), 1), 500)
    assert (never.low, never.high) == (1, pytest.approx(501 - always.low))
    fifty = interval(30 + np.random.default_rng(0).binomial(40, 0.5, (1, 100)), 500)
    assert 47 < fifty.low < 50 < fifty.high < 68  # the next one might last


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
