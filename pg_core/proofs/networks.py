"""The trainer's step through whole networks, against TensorFlow's tape on the losses written plainly.

There is a case for each kind of policy, with hidden layers on both sides of the width at which the trainer changes its
way to multiply, and with episodes of several lengths.
"""

import functools
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from pg_core.policies.in_tensorflow import Params
from pg_core.proofs import training
from pg_core.proofs.mdp import Array, Batches
from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Comparison, exact

ENT_COEF, GAMMA = 0.3, 0.9
HIDDEN = (9, 3)
ACTIVATIONS = {"tanh": tf.tanh, "relu": tf.nn.relu, "silu": tf.nn.silu}
# [T, N, B]: two batches of two episodes, the longest of which the trainer works through in two slices.
MASK = (np.arange(150)[:, None, None] < [[150, 2], [3, 40]]).astype(float)


class Case(NamedTuple):
    """A kind of policy, and an environment in which it acts."""

    name: str
    env_id: str
    observation_size: int
    outputs: int
    choices: tuple[int, ...]  # none: vectors


CASES = (
    Case("two actions", "CartPole-v1", 4, 2, (2,)),
    Case("a Gaussian", "Pendulum-v1", 3, 1, ()),
    Case("choices of three and of two", "Acrobot-v1", 6, 5, (3, 2)),
    Case("three actions", "Acrobot-v1", 6, 3, (3,)),
)


@functools.lru_cache(maxsize=1)
def comparisons(seed: int) -> tuple[Comparison, ...]:
    """Compare the steps of policies and value networks, for every kind of policy and every activation."""
    return tuple(
        exact(f"{case.name}, hidden layers, each activation: the trainer's step is -∇L", *sides(case, seed))
        for case in CASES
    )


def sides(case: Case, seed: int) -> tuple[Array, Array]:
    """Calculate the trainer's steps and minus the tape's gradients, of every parameter, for both batches."""
    rng = np.random.default_rng([seed, 7])
    policy, value = _network(case, case.outputs, rng), _network(case, 1, rng)
    if not case.choices:
        policy["log_std"] = rng.normal(scale=0.3, size=(1, case.outputs))
    observations, batches = _play(case, rng)
    start = training.start(policy, MASK.shape[1], value)
    before = start.policy, start.value  # the same for each batch, but its own
    settings: dict[str, Any] = {"env_id": case.env_id, "gamma": GAMMA, "ent_coef": ENT_COEF, "baseline": "value"}
    steps = []
    for activation in ACTIVATIONS:
        settings |= {"activation": activation, "reduction": "step", "choices": case.choices}
        after, _ = training.update(start, observations, batches, **settings)
        steps.append(_flat((after.policy, after.value)) - _flat(before))
    slopes = compute(_slopes, before, observations, batches.actions, _returns(batches.rewards), choices=case.choices)
    return np.stack(steps), -np.stack([_flat(slope) for slope in slopes])


def _slopes(before: tuple[Params, Params], *played: tf.Tensor, choices: tuple[int, ...]) -> list[Any]:
    """Differentiate the losses, for each activation, with respect to the parameters of both networks by the tape."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(before)
        losses = [total_loss(*before, played, activation, choices) for activation in ACTIVATIONS.values()]
    return [tape.gradient(loss, before) for loss in losses]


def _returns(rewards: Array) -> Array:
    """Calculate Gₜ = rₜ + γ Gₜ₊₁, `[T, N, B]`."""
    returns, ahead = np.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        returns[t] = ahead = rewards[t] + GAMMA * ahead
    return returns


def total_loss(
    policy: Params, value: Params, played: tuple[tf.Tensor, ...], activation: Any, choices: tuple[int, ...]
) -> tf.Tensor:
    """Calculate the sum of -Σ (γᵗ (Gₜ - V) log π + c_H H) / n and ½ Σ (V - Gₜ)² / n, over the n steps of each batch.

    The first one's V is held constant, so that each network has one loss.
    """
    observations, actions, returns = played
    values = outputs(value, observations, activation)[..., 0]
    weights = GAMMA ** np.arange(len(MASK))[:, None, None] * (returns - tf.stop_gradient(values))
    log_probs, entropies = said(policy, outputs(policy, observations, activation), actions, choices)
    terms = 0.5 * (values - returns) ** 2 - weights * log_probs - ENT_COEF * entropies
    return tf.reduce_sum(MASK * terms / MASK.sum(axis=(0, 2), keepdims=True))


def outputs(params: Params, x: tf.Tensor, activation: Any) -> tf.Tensor:
    """Apply a network for each batch, its parameters `[N, ...]`, to `[T, N, B, D]`."""
    for i in range(len(HIDDEN) + 1):
        x = x @ params[f"kernel_{i}"] + params[f"bias_{i}"]
        x = activation(x) if i < len(HIDDEN) else x
    return x


def said(policy: Params, z: tf.Tensor, actions: tf.Tensor, choices: tuple[int, ...]) -> tuple[tf.Tensor, tf.Tensor]:
    """Calculate log π(a|s) and H(π(·|s)), `[T, N, B]`: of two choices as of one among all pairs."""
    if choices:
        if len(choices) > 1:  # zᵢⱼ = zᵢ + zⱼ
            z = tf.concat([z[..., i : i + 1] + z[..., choices[0] :] for i in range(choices[0])], axis=-1)
            actions = actions[..., 0] * choices[1] + actions[..., 1]
        every = tf.nn.log_softmax(z)
        return tf.gather(every, actions, batch_dims=3), -tf.reduce_sum(tf.exp(every) * every, axis=-1)
    log_std = policy["log_std"]
    density = tf.exp(-((actions - z) ** 2) / (2 * tf.exp(2 * log_std))) / tf.sqrt(2 * np.pi * tf.exp(2 * log_std))
    entropies = 0.5 * tf.math.log(2 * np.pi * np.e * tf.exp(2 * log_std)) + 0 * z
    return tf.reduce_sum(tf.math.log(density), axis=-1), tf.reduce_sum(entropies, axis=-1)


def _network(case: Case, num_outputs: int, rng: np.random.Generator) -> dict[str, Array]:
    sizes, params = (case.observation_size, *HIDDEN, num_outputs), {}
    for i in range(len(sizes) - 1):
        params[f"kernel_{i}"] = rng.normal(size=sizes[i : i + 2])
        params[f"bias_{i}"] = rng.normal(size=(1, sizes[i + 1]))
    return params


def _play(case: Case, rng: np.random.Generator) -> tuple[Array, Batches]:
    """Draw anything that may be seen, done and earned."""
    observations = rng.normal(size=(*MASK.shape, case.observation_size)) * MASK[..., None]
    if case.choices:
        drawn = [rng.integers(size, size=MASK.shape) * MASK for size in case.choices]
        actions: Array = (np.stack(drawn, axis=-1) if len(drawn) > 1 else drawn[0]).astype(np.int32)
    else:
        actions = rng.normal(size=(*MASK.shape, case.outputs)) * MASK[..., None]
    rewards = rng.normal(size=MASK.shape) * MASK
    return observations, Batches(MASK, actions, rewards, MASK, np.ones(MASK.shape[1]))


def _flat(params: tuple[Params, Params]) -> Array:
    return np.concatenate([np.ravel(array) for array in tf.nest.flatten(params)])
