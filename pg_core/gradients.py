"""The gradients of an update, summed over slices of the trajectories: where nearly all of its time goes."""

import math
from typing import Any, NamedTuple

import tensorflow as tf

from pg_core import maths
from pg_core.engines import Trajectories
from pg_core.policies import Params, backward, distribution, forward, log_odds_policy, logits_gradients
from pg_core.sweep import sweep


class Actor(NamedTuple):
    """What differentiating the policies' loss gives."""

    gradients: Params  # each episode's own, [P, B, ...]
    loss: maths.PolicyGradientLoss
    log_probs: tf.Tensor  # [T, P, B], as the next
    entropies: tf.Tensor


class Critic(NamedTuple):
    """What differentiating the value networks' loss gives."""

    gradients: Params  # [P, ...]
    loss: tf.Tensor  # [P]
    values: tf.Tensor  # [T, P, B]


def policy_gradients(
    policy: Params,
    trajectories: Trajectories,
    weights: tf.Tensor,
    scale: tf.Tensor,
    ent_coef: tf.Tensor,
    activation: tf.Tensor,
) -> Actor:
    """Differentiate the loss for every episode by itself: the mean is the batch's gradient, the spread its noise.

    Args:
        policy: parameters of P policies.
        trajectories: tensors `[T, P, B, ...]`.
        weights: what multiplies each score, `[T, P, B]`.
        scale: n, by which the sum over steps is divided, `[P]`.
        ent_coef: weight of the entropy, `[P]`.
        activation: index among the choices of `Config`.
    """

    def part(agent: Any, rows: Any) -> tuple[Any, Any]:
        (params, scale, ent_coef), (observations, actions, weights, mask) = agent, rows
        layers = forward(params, observations, activation)
        # A copy of log σ for every episode, so that its gradients come apart as the networks' do.
        copies = {n: tf.repeat(x[None], mask.shape[0], axis=0) for n, x in params.items() if n == "log_std"}
        outputs = layers[-1].outputs
        with tf.GradientTape() as tape:
            tape.watch((outputs, copies))
            current = distribution(outputs, copies.get("log_std"))
            log_probs, entropies = current.log_prob(actions), current.entropy()
            terms = [_time_major(x) for x in (log_probs, weights, entropies, mask)]
            loss = maths.policy_gradient_loss(terms[0], terms[1], terms[2], terms[3], ent_coef, scale)
        delta, own = tape.gradient(loss.total, (outputs, copies))
        alone = maths.PolicyGradientLoss(*(term[0] for term in loss))
        return (backward(params, layers, delta, activation) | own, alone), (log_probs, entropies)

    mask, num_episodes = trajectories.mask, weights.shape[2]
    rows = tuple(map(_rows, (trajectories.observations, trajectories.actions, weights, mask)))
    agents = log_odds_policy(policy), scale, ent_coef
    (gradients, loss), values = sweep(part, agents, rows, tf.reduce_sum(mask, axis=0))
    gradients = {name: num_episodes * g for name, g in logits_gradients(gradients, policy).items()}
    return Actor(gradients, loss, *map(_per_step, values))


def value_gradients(value: Params, trajectories: Trajectories, returns: tf.Tensor, activation: tf.Tensor) -> Critic:
    """Differentiate the value networks' loss; without networks the values are 0 and the loss is undefined.

    Args:
        value: parameters of P value networks, or none.
        trajectories: tensors `[T, P, B, ...]`.
        returns: targets, `[T, P, B]`.
        activation: index among the choices of `Config`.
    """
    if not value:
        return Critic({}, tf.fill([returns.shape[1]], float("nan")), tf.zeros_like(returns))

    def part(agent: Any, rows: Any) -> tuple[Any, Any]:
        (params, num_steps), (observations, targets, mask) = agent, rows
        layers = forward(params, observations, activation)
        outputs = layers[-1].outputs
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            values = outputs[..., 0]
            loss = maths.value_loss(_time_major(values), _time_major(targets), _time_major(mask), num_steps)[0]
        return (backward(params, layers, tape.gradient(loss, outputs), activation), loss), values

    mask = trajectories.mask
    agents, rows = (
        (value, tf.reduce_sum(mask, axis=(0, 2))),
        tuple(map(_rows, (trajectories.observations, returns, mask))),
    )
    (gradients, loss), values = sweep(part, agents, rows, tf.reduce_sum(mask, axis=0))
    return Critic({name: tf.reduce_sum(g, axis=1) for name, g in gradients.items()}, loss, _per_step(values))


def approx_kl(policy: Params, trajectories: Trajectories, log_probs: tf.Tensor, activation: tf.Tensor) -> tf.Tensor:
    """Estimate how far a step has moved the policies, `[P]`, from the first quarter of the episodes.

    All of them would take a fifth of the time of an update, for a metric that needs no more.

    Args:
        policy: parameters after the step.
        trajectories: tensors `[T, P, B, ...]`.
        log_probs: log π(aₜ|sₜ) before the step, `[T, P, B]`.
        activation: index among the choices of `Config`.
    """

    def part(params: Any, rows: Any) -> tuple[Any, Any]:
        observations, actions = rows
        said = distribution(forward(params, observations, activation)[-1].outputs, params.get("log_std"))
        return (), said.log_prob(actions)

    count = math.ceil(log_probs.shape[2] / 4)
    mask = trajectories.mask[:, :, :count]
    rows = tuple(_rows(x[:, :, :count]) for x in (trajectories.observations, trajectories.actions))
    _, new = sweep(part, log_odds_policy(policy), rows, tf.reduce_sum(mask, axis=0))
    return maths.approx_kl(log_probs[:, :, :count], _per_step(new), mask)


def _rows(array: tf.Tensor) -> tf.Tensor:
    """Turn time-major `[T, P, B, ...]` into `[P, B, T, ...]`, the rows of each episode's matrix product."""
    return tf.transpose(array, [1, 2, 0, *range(3, array.shape.rank)])


def _time_major(array: tf.Tensor) -> tf.Tensor:
    """Turn one agent's `[B, C]` into `[C, 1, B]`."""
    return tf.transpose(array)[:, None]


def _per_step(array: tf.Tensor) -> tf.Tensor:
    """Turn `[P, B, T]` back into time-major `[T, P, B]`."""
    return tf.transpose(array, [2, 0, 1])
