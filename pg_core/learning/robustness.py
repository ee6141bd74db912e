"""How long a policy balances CartPole if cart and pole, or what it is told of them, are others than in training.

All episodes of all values are played side by side; with Gymnasium's own constants they are its episodes, bit for bit.
"""

from typing import NamedTuple

import numpy as np
import orjson

from pg_core.config import Config
from pg_core.environments import Array, cart_pole
from pg_core.learning import evaluation
from pg_core.policies import in_numpy
from pg_core.policies.in_numpy import Params
from pg_core.randomness import Stream, generator

DRAWS, TAIL = 4_000, 0.025  # of the distribution function; and the probability beyond each end of an interval

# By name: its value in training, and the values at which it is measured, of which that is one.
PARAMETERS: dict[str, tuple[float, tuple[float, ...]]] = {
    "gravity": (cart_pole.PHYSICS["gravity"], (1, 5, 9.8, 15, 20, 25, 30, 40, 50)),  # m/s²
    "half_length": (cart_pole.PHYSICS["half_length"], (0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3)),  # of the pole, m
    "pole_mass": (cart_pole.PHYSICS["pole_mass"], (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5)),  # kg
    "cart_mass": (cart_pole.PHYSICS["cart_mass"], (0.1, 0.25, 0.5, 1, 2, 3, 5, 7, 10)),  # kg
    "force": (cart_pole.PHYSICS["force"], (1, 2.5, 5, 10, 15, 20, 25, 30, 40)),  # of an action, N
    "sensor_noise": (0.0, (0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)),  # σ, in m, m/s, rad, rad/s
    "action_delay": (0.0, (0, 1, 2, 3, 4, 5, 6, 8, 10)),  # steps
}
NOMINAL = {name: value for name, (value, _) in PARAMETERS.items()}


class Robustness(NamedTuple):
    """Mean length of episodes at each of V values of a parameter, and the ends of its 95 % interval, `[V]`."""

    mean: Array
    low: Array
    high: Array


def lengths(
    config: Config, policy: Params, agent: int, physics: dict[str, Array], episodes: int, seed: int = 0,
    greedy: bool = False,
) -> Array:  # fmt: skip
    """Play episodes under V kinds of physics side by side; return how many steps each lasted, `[V, N]`.

    The first states, the numbers by which actions are sampled and the noise are the same for all kinds, and for all
    policies that play by the same seed.

    Args:
        config: in force when the policy was taken.
        policy: parameters of the population, the population axis first.
        agent: in [0, P-1].
        physics: of each of `PARAMETERS` V values, `[V]`. An action that is delayed by k steps is one on what was
            observed k steps before, on the first observation until then.
        episodes: N, at least 1.
        seed: of all random numbers.
        greedy: the most probable actions, or sampled ones as in training.
    """
    kinds, limit = len(physics["gravity"]), config.environment.max_episode_steps
    draws, params = generator(seed, Stream.FRESH, 1), evaluation.one_agent(policy, agent)
    of_all = {name: np.repeat(values, episodes) for name, values in physics.items()}
    delays = of_all["action_delay"].astype(int)
    states = np.tile(draws.uniform(-cart_pole.START, cart_pole.START, (4, episodes)), kinds)
    seen = np.empty((int(delays.max()) + 1, kinds * episodes, 4), np.float32)  # the last observations, in turn
    lasted, alive = np.full(kinds * episodes, limit), np.arange(kinds * episodes)
    for now in range(limit):
        uniform, normal = draws.random(episodes, np.float32), draws.standard_normal((4, episodes))
        noise = of_all["sensor_noise"][alive] * normal[:, alive % episodes]
        seen[now % len(seen), alive] = (states[:, alive] + noise).T
        observations = seen[np.maximum(now - delays[alive], 0) % len(seen), alive]
        right = _act(params, observations, uniform[alive % episodes], config.activation, greedy)
        states[:, alive] = cart_pole.step(
            states[:, alive], right == 1, {name: each[alive] for name, each in of_all.items()}
        )
        failed = cart_pole.has_failed(states[:, alive])
        lasted[alive[failed]] = now + 1
        alive = alive[~failed]
        if not len(alive):
            break
    return lasted.reshape(kinds, episodes)


def _act(params: Params, observations: Array, uniform: Array, activation: str, greedy: bool) -> Array:
    if greedy:
        chosen: Array = in_numpy.greedy(params, observations[None], activation)[0]
    else:
        chosen = in_numpy.sample(params, observations[None], uniform[None], activation)[0]
    return chosen


def interval(played: Array, limit: int, seed: int = 0) -> Robustness:
    """Calculate means and their 95 % intervals, which know that lengths lie in [1, limit], and no more.

    If x₁ ≤ … ≤ x_N are sorted, x_N₊₁ is the limit, and F their distribution function, then the mean is at most
    x_N₊₁ - Σᵢ F(xᵢ) (xᵢ₊₁ - xᵢ). The F(xᵢ) are like N sorted uniform numbers, or above them: the upper end is the
    97.5 % quantile of that over such numbers, and the lower end that from the other side. So who has not failed in N
    episodes may still fail in a share 1 - 0.025^(1/N) of them. That the mean is held so often is conjectured, and
    true wherever it was simulated.

    Args:
        played: lengths, `[V, N]`.
        limit: the longest that one can be.
        seed: of the uniform numbers.

    See Learned-Miller & Thomas, "A new confidence interval for the mean of a bounded random variable", 2020.
    """
    uniform = np.sort(np.random.default_rng(seed).random((DRAWS, played.shape[1])))
    low = limit + 1 - _upper(limit + 1 - played, limit, uniform)
    return Robustness(played.mean(axis=1), low, _upper(played, limit, uniform))


def _upper(values: Array, most: int, uniform: Array) -> Array:
    gaps = np.diff(np.sort(values), append=most)
    upper: Array = most - np.quantile(gaps @ uniform.T, TAIL, axis=1)
    return upper


def to_json(
    config: Config, policy: Params, agent: int, update: int, parameter: str, episodes: int, greedy: bool = False
) -> bytes:
    """Measure over the values of one of `PARAMETERS`, all others as in training; return a JSON object.

    Args:
        config: in force when the policy was taken, of CartPole.
        policy: parameters of the population, the population axis first.
        agent: in [0, P-1].
        update: number of updates that the policy has done.
        parameter: key of `PARAMETERS`.
        episodes: N, at each value.
        greedy: the most probable actions, or sampled ones as in training.
    """
    nominal, values = PARAMETERS[parameter]
    physics = {name: np.full(len(values), value) for name, value in NOMINAL.items()} | {parameter: np.array(values)}
    played = lengths(config, policy, agent, physics, episodes, greedy=greedy)
    found = interval(played, config.environment.max_episode_steps)
    about = {
        "update": update, "agent": agent, "parameter": parameter, "episodes": episodes, "greedy": greedy,
        "limit": config.environment.max_episode_steps, "nominal": nominal, "values": values,
    }  # fmt: skip
    return orjson.dumps(about | found._asdict(), option=orjson.OPT_SERIALIZE_NUMPY)
