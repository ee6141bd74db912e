"""One update of REINFORCE, from trajectories to new parameters: the algorithm, written once for every engine.

See Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning", 1992, and
Sutton & Barto, "Reinforcement Learning", 2nd ed., sections 13.3 and 13.4.
"""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.acting import initialize_policy, initialize_value
from pg_core.config import Config
from pg_core.engines import Trajectories
from pg_core.environments import Array, EnvironmentSpec
from pg_core.maths import Slots
from pg_core.policies import Params, apply, choice, distribution


class State(NamedTuple):
    """All that learning carries from one update to the next."""

    policy: Params
    value: Params  # empty without a value network
    policy_slots: dict[str, Slots]
    value_slots: dict[str, Slots]
    step: tf.Tensor  # updates done, float32 scalar


class Hyperparameters(NamedTuple):
    """The live hyperparameters as tensors: changing one never traces a function again."""

    gamma: tf.Tensor  # [P]
    ent_coef: tf.Tensor  # [P]
    learning_rate: tf.Tensor  # [P], 0 for an agent that no longer learns
    momentum: tf.Tensor  # [P]
    max_grad_norm: tf.Tensor  # [P], 0 for no limit
    activation: tf.Tensor  # index among the choices of `Config`, as are the next three
    weights: tf.Tensor
    baseline: tf.Tensor
    reduction: tf.Tensor
    gamma_t: tf.Tensor  # bool
    normalize_advantages: tf.Tensor  # bool


class Metrics(NamedTuple):
    """What one update measures, each `[P]`; NaN where undefined."""

    policy_loss: tf.Tensor
    value_loss: tf.Tensor
    entropy_loss: tf.Tensor
    entropy: tf.Tensor  # nats, mean over steps
    grad_norm: tf.Tensor  # of the policy's gradient, before the limit
    grad_snr: tf.Tensor
    approx_kl: tf.Tensor  # from the policy before to the one after the step
    explained_variance: tf.Tensor  # of the returns by the baseline


class Weights(NamedTuple):
    """What the scores are multiplied with, and what it was made from, each `[T, P, B]`."""

    returns: tf.Tensor
    baseline: tf.Tensor
    weights: tf.Tensor


def initial_state(config: Config, spec: EnvironmentSpec) -> State:
    """Draw the parameters of a run that has not learned yet."""
    policy = initialize_policy(config, spec)
    value = initialize_value(config, spec) if config.baseline == "value" else {}

    def slots(params: dict[str, Array]) -> dict[str, Slots]:
        return {name: Slots(np.zeros_like(array), np.zeros_like(array)) for name, array in params.items()}

    state = State(policy, value, slots(policy), slots(value), np.float32(0))
    tensors: State = tf.nest.map_structure(tf.constant, state)
    return tensors


def hyperparameters(config: Config, learning: Array) -> Hyperparameters:
    """Return a config's live hyperparameters as tensors.

    Args:
        config: the config in force.
        learning: which agents still learn, bool `[P]`.
    """
    values = {}
    for name in Hyperparameters._fields:
        value = getattr(config, name)
        if isinstance(value, float):
            values[name] = tf.constant(np.full(config.num_agents, value, np.float32))
        else:
            values[name] = tf.constant(value) if isinstance(value, bool) else choice(config, name)
    values["learning_rate"] *= tf.constant(learning.astype(np.float32))
    return Hyperparameters(**values)


def estimate_weights(trajectories: Trajectories, values: tf.Tensor, hyper: Hyperparameters) -> Weights:
    """Calculate what each score is multiplied with: return, minus baseline, perhaps normalised, perhaps times γᵗ.

    Args:
        trajectories: of which rewards and mask are used.
        values: the value network's V(sₜ), `[T, P, B]`; zeros without one.
        hyper: hyperparameters in force.
    """
    rewards, mask, gamma = trajectories.rewards, trajectories.mask, hyper.gamma[:, None]
    whole, to_go = (functools.partial(f, rewards, gamma) for f in (maths.episode_returns, maths.discounted_returns))
    returns = tf.switch_case(hyper.weights, [whole, to_go]) * mask
    means = (maths.batch_mean, maths.step_mean, maths.leave_one_out)
    baselines = [lambda: tf.zeros_like(returns), *(functools.partial(f, returns, mask) for f in means), lambda: values]
    baseline = tf.switch_case(hyper.baseline, baselines)
    advantages = (returns - baseline) * mask
    advantages = tf.where(hyper.normalize_advantages, maths.normalize(advantages, mask), advantages)
    # The whole-episode return counts its discount from the start of the episode: a second γᵗ would be one too many.
    discounted = hyper.gamma_t & (hyper.weights == 1)
    return Weights(returns, baseline, tf.where(discounted, maths.discounts(rewards, gamma) * advantages, advantages))


def update(state: State, trajectories: Trajectories, hyper: Hyperparameters, optimizer: str) -> tuple[State, Metrics]:
    """Take one gradient step of every agent from its own episodes.

    Args:
        state: parameters and optimiser slots before.
        trajectories: tensors `[T, P, B, ...]`.
        hyper: hyperparameters in force.
        optimizer: key of `maths.OPTIMIZERS`, fixed for a run.

    Returns:
        The state after, and what was measured.
    """
    step = state.step + 1
    rows = _rows(trajectories.observations)  # [P, B, T, D]
    with tf.GradientTape() as tape:
        tape.watch(state.value)
        values = _values(state.value, rows, hyper.activation)
        estimate = estimate_weights(trajectories, values, hyper)
        value_loss = maths.value_loss(values, estimate.returns, trajectories.mask)
        total = tf.reduce_sum(value_loss)
    value_gradients = tape.gradient(total, state.value) if state.value else {}
    loss, gradients, log_probs, entropies = _policy_gradients(state.policy, rows, trajectories, estimate.weights, hyper)
    batch = {name: tf.reduce_mean(g, axis=1) for name, g in gradients.items()}
    policy, policy_slots = _step(state.policy, batch, state.policy_slots, step, hyper, optimizer)
    value, value_slots = _step(state.value, value_gradients, state.value_slots, step, hyper, optimizer)
    new = distribution(_tile(policy, rows), rows, hyper.activation)
    new_log_probs = _per_step(new.log_prob(_rows(trajectories.actions)))
    metrics = Metrics(
        policy_loss=loss.policy_loss,
        value_loss=value_loss if state.value else tf.fill(tf.shape(value_loss), float("nan")),
        entropy_loss=loss.entropy_loss,
        entropy=maths.masked_mean(entropies, trajectories.mask),
        grad_norm=maths.gradient_norm(list(batch.values())),
        grad_snr=maths.gradient_snr(list(gradients.values())),
        approx_kl=maths.approx_kl(log_probs, new_log_probs, trajectories.mask),
        explained_variance=maths.explained_variance(estimate.baseline, estimate.returns, trajectories.mask),
    )
    return State(policy, value, policy_slots, value_slots, step), metrics


def _policy_gradients(
    policy: Params, rows: tf.Tensor, trajectories: Trajectories, weights: tf.Tensor, hyper: Hyperparameters
) -> tuple[maths.PolicyGradientLoss, Params, tf.Tensor, tf.Tensor]:
    """Return the loss, each episode's own gradient `[P, B, ...]`, log-probabilities and entropies `[T, P, B]`.

    Every episode gets a copy of its agent's parameters, so that one backward pass gives all B gradients: their mean is
    the batch's, their spread its noise.
    """
    copies = _tile(policy, rows)
    with tf.GradientTape() as tape:
        tape.watch(copies)
        current = distribution(copies, rows, hyper.activation)
        log_probs = _per_step(current.log_prob(_rows(trajectories.actions)))
        entropies = _per_step(current.entropy())
        per_step = hyper.reduction == 1
        loss = maths.policy_gradient_loss(log_probs, weights, entropies, trajectories.mask, hyper.ent_coef, per_step)
        total = tf.reduce_sum(loss.total)
    num_episodes = tf.cast(tf.shape(rows)[1], tf.float32)
    gradients = {name: num_episodes * g for name, g in tape.gradient(total, copies).items()}
    return loss, gradients, log_probs, entropies


def _step(
    params: Params, gradients: Params, slots: dict[str, Slots], step: tf.Tensor, hyper: Hyperparameters, optimizer: str
) -> tuple[Params, dict[str, Slots]]:
    """Limit each agent's gradient norm and take the optimiser's step."""
    new_params, new_slots = {}, {}
    if params:
        norm, limit = maths.gradient_norm(list(gradients.values())), hyper.max_grad_norm
        scale = tf.where((limit > 0) & (norm > limit), limit / norm, 1)  # [P]
    for name, value in params.items():
        shape = [-1] + [1] * (value.shape.rank - 1)  # [P] against [P, ...]
        rates = [tf.reshape(x, shape) for x in (scale, hyper.learning_rate, hyper.momentum)]
        gradient = rates[0] * gradients[name]
        delta, new_slots[name] = maths.OPTIMIZERS[optimizer](gradient, slots[name], step, rates[1], rates[2])
        new_params[name] = value + delta
    return new_params, new_slots


def _values(value: Params, rows: tf.Tensor, activation: tf.Tensor) -> tf.Tensor:
    """Return V(sₜ) `[T, P, B]`, zeros without a value network."""
    if not value:
        return tf.zeros_like(_per_step(rows[..., 0]))
    return _per_step(apply(_tile(value, rows), rows, activation)[..., 0])


def _tile(params: Params, rows: tf.Tensor) -> Params:
    """Give each of B episodes a copy of its agent's parameters: `[P, ...]` to `[P, B, ...]`."""
    return {name: tf.repeat(value[:, None], tf.shape(rows)[1], axis=1) for name, value in params.items()}


def _rows(array: tf.Tensor) -> tf.Tensor:
    """Turn time-major `[T, P, B, ...]` into `[P, B, T, ...]`, the rows of each episode's matrix product."""
    return tf.transpose(array, [1, 2, 0, *range(3, array.shape.rank)])


def _per_step(array: tf.Tensor) -> tf.Tensor:
    """Turn `[P, B, T]` back into time-major `[T, P, B]`."""
    return tf.transpose(array, [2, 0, 1])
