"""The gradients of an update, accumulated over slices of the trajectories: where nearly all of its time goes.

Each loss is differentiated in closed form: its slope at the outputs is written here, and `backward` does the rest.
"""

import math
from typing import Any, NamedTuple

import tensorflow as tf

from pg_core import maths
from pg_core.engines import Trajectories
from pg_core.learning.accumulate import accumulate
from pg_core.policies.in_tensorflow import (
    Choices,
    Params,
    backward,
    distribution,
    forward,
    log_odds_networks,
    logits_gradients,
)


class Actor(NamedTuple):
    """Log-probabilities and entropies of the policies, and the gradient of their loss."""

    gradients: Params  # each episode's own, [P, B, ...]: their sum is the batch's gradient, their spread its noise
    log_probs: tf.Tensor  # log π(aₜ|sₜ), [T, P, B]
    entropies: tf.Tensor  # H(π(·|sₜ)), [T, P, B], nats


class Critic(NamedTuple):
    """What the value networks estimate, and the gradient of their loss."""

    gradients: Params  # [P, ...]
    values: tf.Tensor  # V(sₜ), [T, P, B]


def policy_gradients(
    policy: Params, trajectories: Trajectories, weights: tf.Tensor, ent_coefs: tf.Tensor, activation: tf.Tensor,
    choices: Choices = (),
) -> Actor:  # fmt: skip
    """Differentiate L = -Σₜ (wₜ log π(aₜ|sₜ) + cₜ H(π(·|sₜ))) for every episode by itself.

    ∂L/∂zₜ = -(wₜ ∂log π(aₜ|sₜ)/∂zₜ + cₜ ∂H/∂zₜ), where zₜ are a network's outputs

    Args:
        policy: parameters of P policies.
        trajectories: tensors `[T, P, B, ...]`.
        weights: w, what multiplies each score, `[T, P, B]`, 0 after an episode's end.
        ent_coefs: c, what multiplies each entropy, `[T, P, B]`, likewise.
        activation: index among the choices of `Config`.
        choices: between how many options each choice is, if an action is made of several.
    """

    def slice_gradients(networks: Any, batch: Any) -> tuple[Any, Any]:
        observations, actions, weights, ent_coefs = batch
        layers = forward(networks, observations, activation)
        pi = distribution(policy, networks, layers, choices)
        delta = -(weights[..., None] * pi.score(actions) + ent_coefs[..., None] * pi.entropy_gradient())
        return backward(networks, layers, delta, activation), (pi.log_prob(actions), pi.entropy())

    batch = _episodes_first(trajectories.observations, trajectories.actions, weights, ent_coefs)
    networks = log_odds_networks(policy, choices)
    gradients, said = accumulate(slice_gradients, networks, batch, _lengths(trajectories.mask))
    return Actor(logits_gradients(gradients, policy, choices), *map(_time_major, said))


def value_gradients(
    value: Params, trajectories: Trajectories, returns: tf.Tensor, shares: tf.Tensor, activation: tf.Tensor
) -> Critic:
    """Differentiate L = ½ Σₜ mₜ (V(sₜ) - Gₜ)², whose slope is mₜ (V(sₜ) - Gₜ); without networks the values are 0.

    Args:
        value: parameters of P value networks, or none.
        trajectories: tensors `[T, P, B, ...]`.
        returns: G, `[T, P, B]`.
        shares: m, of each step in the mean, `[T, P, B]`.
        activation: index among the choices of `Config`.
    """
    if not value:
        return Critic({}, tf.zeros_like(returns))

    def slice_gradients(networks: Any, batch: Any) -> tuple[Any, Any]:
        observations, returns, shares = batch
        layers = forward(networks, observations, activation)
        values = layers[-1].preactivations
        delta = shares[..., None] * (values - returns[..., None])
        return backward(networks, layers, delta, activation), values[..., 0]

    batch = _episodes_first(trajectories.observations, returns, shares)
    gradients, values = accumulate(slice_gradients, value, batch, _lengths(trajectories.mask))
    return Critic({name: tf.reduce_sum(g, axis=1) for name, g in gradients.items()}, _time_major(values))


def approx_kl(
    policy: Params, trajectories: Trajectories, log_probs: tf.Tensor, activation: tf.Tensor, choices: Choices = ()
) -> tf.Tensor:
    """Estimate how far a step has moved the policies, `[P]`, from the first quarter of the episodes.

    All of them would take a fifth of an update's time, for a metric that can do without.

    Args:
        policy: parameters after the step.
        trajectories: tensors `[T, P, B, ...]`.
        log_probs: log π(aₜ|sₜ) before the step, `[T, P, B]`.
        activation: index among the choices of `Config`.
        choices: as in `policy_gradients`.
    """

    def new_log_probs(networks: Any, batch: Any) -> tuple[Any, Any]:
        observations, actions = batch
        pi = distribution(policy, networks, forward(networks, observations, activation), choices)
        return (), pi.log_prob(actions)

    count = math.ceil(log_probs.shape[2] / 4)
    mask = trajectories.mask[:, :, :count]
    batch = _episodes_first(trajectories.observations[:, :, :count], trajectories.actions[:, :, :count])
    _, new = accumulate(new_log_probs, log_odds_networks(policy, choices), batch, _lengths(mask))
    return maths.approx_kl(log_probs[:, :, :count], _time_major(new), mask)


def _episodes_first(*arrays: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Turn time-major `[T, P, B, ...]` into `[P, B, T, ...]`, the rows of each episode's matrix product."""
    return tuple(tf.transpose(array, [1, 2, 0, *range(3, array.shape.rank)]) for array in arrays)


def _time_major(array: tf.Tensor) -> tf.Tensor:
    """Turn `[P, B, T]` back into `[T, P, B]`."""
    return tf.transpose(array, [2, 0, 1])


def _lengths(mask: tf.Tensor) -> tf.Tensor:
    """Return the steps of each episode, `[P, B]`, for a mask `[T, P, B]`."""
    return tf.reduce_sum(mask, axis=0)
