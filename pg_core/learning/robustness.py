"""How long a policy balances CartPole if cart and pole, or what it is told of them, are others than in training.

All episodes of all values are played side by side, in Gymnasium's order of operations: with its own constants they are
its episodes, bit for bit.
"""

from typing import NamedTuple

import numpy as np
import orjson

from pg_core.config import Config
from pg_core.environments import Array
from pg_core.learning import evaluation
from pg_core.policies import in_numpy
from pg_core.policies.in_numpy import Params
from pg_core.randomness import Stream, generator

SECONDS = 0.02  # of a step
MAX_POSITION, MAX_ANGLE = 2.4, 12 * 2 * np.pi / 360
START = 0.05  # every component of the first state is uniform in ±START
RESAMPLES = 1_000

# By name: its value in training, and the values at which it is measured, of which that is one.
PARAMETERS: dict[str, tuple[float, tuple[float, ...]]] = {
    "gravity": (9.8, (1, 5, 9.8, 15, 20, 25, 30, 40, 50)),  # m/s²
    "half_length": (0.5, (0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3)),  # of the pole, m
    "pole_mass": (0.1, (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5)),  # kg
    "cart_mass": (1.0, (0.1, 0.25, 0.5, 1, 2, 3, 5, 7, 10)),  # kg
    "force": (10.0, (1, 2.5, 5, 10, 15, 20, 25, 30, 40)),  # of an action, N
    "sensor_noise": (0.0, (0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)),  # σ, in m, m/s, rad, rad/s
    "action_delay": (0.0, (0, 1, 2, 3, 4, 5, 6, 8, 10)),  # steps
}
NOMINAL = {name: value for name, (value, _) in PARAMETERS.items()}


class Robustness(NamedTuple):
    """Mean length of episodes at each of V values of a parameter, and its 95 % bootstrap interval, `[V]`."""

    mean: Array
    low: Array
    high: Array


def step(states: Array, right: Array, physics: dict[str, Array]) -> Array:
    """Move every cart by one explicit Euler step, see `engines.cart_pole.step`.

    θ̈ = (g sin θ - u cos θ) / (l (4/3 - m cos² θ / M)), ẍ = u - m l θ̈ cos θ / M, u = (F + m l θ̇² sin θ) / M

    Args:
        states: x, ẋ, θ, θ̇, `[4, N]`, float64.
        right: whether the cart is pushed right, not left, bool `[N]`.
        physics: `gravity`, `half_length`, `pole_mass`, `cart_mass`, `force`, each `[N]` or a number.

    Returns:
        The states one step later, `[4, N]`.

    See Gymnasium, `classic_control/cartpole.py`, which it equals bit for bit.
    """
    _, x_dot, theta, theta_dot = states
    length, pole = physics["half_length"], physics["pole_mass"]
    mass, moment = pole + physics["cart_mass"], pole * length
    cosine, sine = np.cos(theta), np.sin(theta)
    force = np.where(right, physics["force"], -physics["force"])
    push = (force + moment * np.square(theta_dot) * sine) / mass
    inertia = length * (4.0 / 3.0 - pole * np.square(cosine) / mass)
    theta_acceleration = (physics["gravity"] * sine - cosine * push) / inertia
    x_acceleration = push - moment * theta_acceleration * cosine / mass
    return states + SECONDS * np.stack([x_dot, x_acceleration, theta_dot, theta_acceleration])


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
    states = np.tile(draws.uniform(-START, START, (4, episodes)), kinds)
    seen = np.empty((int(delays.max()) + 1, kinds * episodes, 4), np.float32)  # the last observations, in turn
    lasted, alive = np.full(kinds * episodes, limit), np.arange(kinds * episodes)
    for now in range(limit):
        uniform, normal = draws.random(episodes, np.float32), draws.standard_normal((4, episodes))
        noise = of_all["sensor_noise"][alive] * normal[:, alive % episodes]
        seen[now % len(seen), alive] = (states[:, alive] + noise).T
        observations = seen[np.maximum(now - delays[alive], 0) % len(seen), alive]
        right = _act(params, observations, uniform[alive % episodes], config.activation, greedy)
        states[:, alive] = step(states[:, alive], right == 1, {name: each[alive] for name, each in of_all.items()})
        failed = (np.abs(states[0, alive]) > MAX_POSITION) | (np.abs(states[2, alive]) > MAX_ANGLE)
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


def interval(played: Array, seed: int = 0) -> Robustness:
    """Calculate means and their 95 % percentile-bootstrap intervals, which stay between the shortest and the longest.

    Args:
        played: lengths, `[V, N]`.
        seed: of the resampling.

    See Efron & Tibshirani, "An introduction to the bootstrap", 1993, section 13.3.
    """
    count = played.shape[1]
    chosen = np.random.default_rng(seed).integers(count, size=(RESAMPLES, count))
    low, high = np.quantile(played[:, chosen].mean(axis=-1), [0.025, 0.975], axis=-1)
    return Robustness(played.mean(axis=1), low, high)


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
    found = interval(lengths(config, policy, agent, physics, episodes, greedy=greedy))
    about = {
        "update": update, "agent": agent, "parameter": parameter, "episodes": episodes, "greedy": greedy,
        "limit": config.environment.max_episode_steps, "nominal": nominal, "values": values,
    }  # fmt: skip
    return orjson.dumps(about | found._asdict(), option=orjson.OPT_SERIALIZE_NUMPY)
