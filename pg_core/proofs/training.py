"""The trainer itself, from every batch that can be drawn: `reinforce.update`, whole, with a table for a policy.

One-hot observations and no hidden layer make the policy's network a table of logits. Plain gradient descent with a
learning rate of 1 makes the step that it takes its estimate of ∇J. Where it trains P agents, there are N batches here.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from pg_core.config import Config
from pg_core.engines import Trajectories
from pg_core.learning import reinforce
from pg_core.learning.episode_statistics import initial_statistics
from pg_core.learning.reinforce import Hyperparameters, Metrics, State
from pg_core.maths import Slots
from pg_core.policies.in_tensorflow import Params
from pg_core.proofs import PARAMETERS, mdp
from pg_core.proofs.mdp import Array, Batches
from pg_core.proofs.verdicts import Comparison, exact

# The estimator of statement "discounting", of which every other is a variation.
PLAIN = {
    "weights": "reward_to_go", "gamma_t": True, "baseline": "none", "normalize_advantages": False,
    "reduction": "episode", "ent_coef": 0.0, "optimizer": "sgd", "learning_rate": 1.0, "momentum": 0.0,
    "stop_when_solved": False, "num_agents": 1,
}  # fmt: skip
LONGEST, MOST_STATES = (int(PARAMETERS[name].high) for name in ("horizon", "states"))
_traced: dict[Any, Any] = {}  # `reinforce.update` by what it is given: checks share what is the same
_function = functools.partial(tf.function, autograph=False)  # without XLA, which takes seconds to compile


def start(policy: Params, count: int, value: Params | None = None) -> State:
    """Return the state of `count` agents that have the same parameters and have not learned yet.

    Args:
        policy: parameters `[...]` of one policy, float64.
        count: N.
        value: parameters `[...]` of one value network, or none.
    """

    def copies(params: Params) -> dict[str, Array]:
        arrays = {name: np.asarray(x, np.float64) for name, x in params.items()}
        return {name: np.broadcast_to(x, (count, *x.shape)) for name, x in arrays.items()}

    def slots(params: Params) -> dict[str, Slots]:
        return {name: Slots(np.zeros_like(array), np.zeros_like(array)) for name, array in params.items()}

    policies, values, statistics = copies(policy), copies(value or {}), initial_statistics(count)
    statistics = statistics._replace(recent_returns=np.asarray(statistics.recent_returns, np.float64))
    return State(policies, values, slots(policies), slots(values), np.float64(0), statistics)


def update(
    state: State, observations: Any, batches: Batches, choices: tuple[int, ...] = (), **settings: Any
) -> tuple[State, Metrics]:
    """Have the trainer do one update from every batch.

    Args:
        state: of N agents.
        observations: `[T, N, B, D]`.
        batches: what was played.
        choices: between how many options each choice is, if an action is made of several.
        settings: of `Config`; the others are those of `PLAIN`.
    """
    hyper = _hyperparameters(**settings)
    ended = np.ones(batches.mask.shape[1:], bool)
    steps = (observations, batches.actions, batches.rewards, batches.mask)
    seen, actions, rewards, mask = (_padded(rows, LONGEST, axis=0) for rows in steps)
    played = Trajectories(_padded(seen, MOST_STATES, axis=3), actions, rewards, mask, ended, ended)
    wide = _with_first_layers(state, lambda kernel: _padded(kernel, MOST_STATES, axis=1))
    program = _program(choices, wide, played, hyper)
    learned = program(*tf.nest.map_structure(tf.constant, (wide, played)), hyper)
    after, metrics = tf.nest.map_structure(np.asarray, learned)
    return _with_first_layers(after, lambda kernel: kernel[:, : observations.shape[3]]), metrics


@functools.lru_cache
def _hyperparameters(**settings: Any) -> Hyperparameters:
    """Return settings, of one agent, as tensors, which are broadcast to all."""
    return reinforce.hyperparameters(Config(**{**PLAIN, **settings}), tf.float64)


def _padded(array: Array, size: int, axis: int) -> Array:
    """Append zeros up to what is the most in checks: one trace is for every time limit and every number of states."""
    missing = [(0, max(0, size - length) if i == axis else 0) for i, length in enumerate(array.shape)]
    return np.pad(array, missing)


def _with_first_layers(state: State, change: Callable[[Array], Array]) -> State:
    """Apply a function to what has a row for each number of an observation."""

    def changed(params: Any) -> Any:
        return params and {**params, "kernel_0": tf.nest.map_structure(change, params["kernel_0"])}

    fields = ("policy", "value", "policy_slots", "value_slots")
    return state._replace(**{field: changed(getattr(state, field)) for field in fields})


def _program(choices: tuple[int, ...], state: State, played: Trajectories, hyper: Hyperparameters) -> Any:
    """Return the trainer's update, traced for any number of agents with such networks and batches."""

    def spec(array: Array, agents: int = 0) -> tf.TensorSpec:
        return tf.TensorSpec([None if i == agents else size for i, size in enumerate(array.shape)], array.dtype)

    sizes = (array.shape[1:] for array in tf.nest.flatten(state))
    key = choices, *sizes, played.observations.shape[::2], played.actions.shape[2:]
    if key not in _traced:
        rows = (spec(array, agents=1) for array in played[:4])
        signature = tf.nest.map_structure(spec, state), Trajectories(*rows, *map(spec, played[4:]))
        step = _function(lambda state, played, hyper: reinforce.update(state, played, hyper, choices))
        _traced[key] = step.get_concrete_function(*signature, hyper)
    return _traced[key]


def one_hot(theta: Array, batches: Batches) -> Array:
    """Return the states as observations, `[T, N, B, S]`, 0 where not played."""
    seen: Array = np.eye(len(theta))[batches.states] * batches.mask[..., None]
    return seen


def table(theta: Array) -> Params:
    """Return a table `[S, K]` as the parameters of a network without hidden layers."""
    return {"kernel_0": theta, "bias_0": np.zeros((1, theta.shape[1]))}


def steps(theta: Array, batches: Batches, values: Array | None = None, **settings: Any) -> Array:
    """Return the trainer's step Δθ from every batch, `[N, S, A]`: its estimate ĝ of ∇J, for α = 1.

    Args:
        theta: the policy's logits, `[S, A]`.
        batches: what was played.
        values: of each state, `[S]`, if the baseline is a value network.
        settings: of `Config`; the others are those of `PLAIN`.
    """
    value = {} if values is None else table(np.reshape(values, [-1, 1]))
    state = start(table(theta), batches.mask.shape[1], value)
    taken: Array = update(state, one_hot(theta, batches), batches, **settings)[0].policy["kernel_0"] - theta
    return taken


def compare(
    claim: str, theta: Array, batches: Batches, right: Array, *, wrong: float = False, **settings: Any
) -> Comparison:
    """Compare the mean of the trainer's steps with what they should be on average, and calculate their variance.

    Args:
        claim: the equation in Unicode.
        theta: the policy's logits, `[S, A]`.
        batches: all that can be drawn.
        right: `[S, A]`.
        wrong: whether, or by which factor, the equation is false.
        settings: as in `steps`.
    """
    found, variance = mdp.moments(theta, batches, steps(theta, batches, **settings))
    return exact(claim, found, right, wrong=wrong, variance=variance)
