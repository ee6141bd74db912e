"""The trainer itself, from every batch that can be drawn: `reinforce.update`, whole, with a table for a policy.

One-hot observations and no hidden layer make the policy's network a table of logits. Plain gradient descent with a
learning rate of 1 makes the step that it takes its estimate of ∇J. Where it trains P agents, there are N batches here.
"""

import functools
from typing import Any

import numpy as np
import tensorflow as tf

from pg_core.config import Config
from pg_core.engines import Trajectories
from pg_core.learning import reinforce
from pg_core.learning.episode_statistics import initial_statistics
from pg_core.learning.reinforce import Metrics, State
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
LONGEST = int(PARAMETERS["horizon"].high)
MAX_TRACED = 16
_traced: dict[Any, Any] = {}  # `reinforce.update` by what it is given: checks ask for the same again; oldest first
_function = functools.partial(tf.function, autograph=False)  # without XLA, which takes seconds to compile


def start(policy: Params, count: int, value: Params | None = None) -> State:
    """Return the state of `count` agents that have the same parameters and have not learned yet.

    Args:
        policy: parameters `[...]` of one policy, float64.
        count: N.
        value: parameters `[...]` of one value network, or none.
    """

    def copies(params: Params) -> dict[str, tf.Tensor]:
        arrays = {name: np.asarray(x, np.float64) for name, x in params.items()}
        return {name: tf.constant(np.broadcast_to(x, (count, *x.shape))) for name, x in arrays.items()}

    def slots(params: Params) -> dict[str, Slots]:
        return {name: Slots(tf.zeros_like(array), tf.zeros_like(array)) for name, array in params.items()}

    policies, values, statistics = copies(policy), copies(value or {}), initial_statistics(count)
    statistics = statistics._replace(recent_returns=tf.cast(statistics.recent_returns, tf.float64))
    return State(policies, values, slots(policies), slots(values), tf.constant(0, tf.float64), statistics)


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
    config = Config(**{**PLAIN, **settings})
    hyper = reinforce.hyperparameters(config, tf.float64)  # of one agent, which are broadcast to all
    ended = np.ones(batches.mask.shape[1:], bool)
    steps = map(_padded, (observations, batches.actions, batches.rewards, batches.mask))
    played = Trajectories(*map(tf.constant, (*steps, ended, ended)))
    trajectories = Trajectories(*_for_any_number(played[:4], axis=1), *_for_any_number(played[4:], axis=0))
    signature = _for_any_number(state, axis=0), trajectories
    key = choices, *tf.nest.flatten(signature)
    if key not in _traced:
        if len(_traced) == MAX_TRACED:
            del _traced[next(iter(_traced))]
        step = _function(lambda state, played, hyper: reinforce.update(state, played, hyper, choices))
        _traced[key] = step.get_concrete_function(*signature, hyper)
    learned: tuple[State, Metrics] = _traced[key](state, played, hyper)
    return learned


def _padded(array: Any) -> Array:
    """Append zeros to `[T, ...]` up to the longest time limit, as the trainer does: one trace is for every horizon."""
    missing = max(0, LONGEST - len(array))
    padded: Array = np.pad(array, [(0, missing)] + [(0, 0)] * (np.ndim(array) - 1))
    return padded


def _for_any_number(tensors: Any, axis: int) -> Any:
    """Return the types and shapes of a structure of tensors, with any number of agents on this axis."""

    def spec(tensor: tf.Tensor) -> tf.TensorSpec:
        shape = [None if i == axis else size for i, size in enumerate(tensor.shape)]
        return tf.TensorSpec(shape, tensor.dtype)

    return tf.nest.map_structure(spec, tensors)


def one_hot(theta: tf.Tensor, batches: Batches) -> Any:
    """Return the states as observations, `[T, N, B, S]`, 0 where not played."""
    return np.eye(theta.shape[0])[batches.states] * batches.mask[..., None]


def table(theta: tf.Tensor) -> Params:
    """Return a table `[S, K]` as the parameters of a network without hidden layers."""
    return {"kernel_0": theta, "bias_0": tf.zeros((1, theta.shape[1]), tf.float64)}


def steps(theta: tf.Tensor, batches: Batches, values: tf.Tensor | None = None, **settings: Any) -> tf.Tensor:
    """Return the trainer's step Δθ from every batch, `[N, S, A]`: its estimate ĝ of ∇J, for α = 1.

    Args:
        theta: the policy's logits, `[S, A]`.
        batches: what was played.
        values: of each state, `[S]`, if the baseline is a value network.
        settings: of `Config`; the others are those of `PLAIN`.
    """
    value = {} if values is None else table(tf.reshape(values, [-1, 1]))
    state = start(table(theta), batches.mask.shape[1], value)
    return update(state, one_hot(theta, batches), batches, **settings)[0].policy["kernel_0"] - theta


def compare(
    claim: str, theta: tf.Tensor, batches: Batches, right: tf.Tensor, *, wrong: float = False, **settings: Any
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
