"""One update of REINFORCE, from trajectories to new parameters: the algorithm, written once for every engine.

See Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning", 1992, and
Sutton & Barto, "Reinforcement Learning", 2nd ed., sections 13.3 and 13.4.
"""

import functools
import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.acting import initialize_policy, initialize_value
from pg_core.config import Config
from pg_core.engines import Trajectories
from pg_core.environments import Array, EnvironmentSpec
from pg_core.maths import Slots
from pg_core.policies import Params, backward, choice, distribution, forward, log_odds_policy, logits_gradients
from pg_core.scores import Scores, add_episodes, initial_scores, is_unsolved, mean_return
from pg_core.sweep import sweep


class State(NamedTuple):
    """All that learning carries from one update to the next."""

    policy: Params
    value: Params  # empty without a value network
    policy_slots: dict[str, Slots]
    value_slots: dict[str, Slots]
    step: tf.Tensor  # updates done, float32 scalar
    scores: Scores


class Hyperparameters(NamedTuple):
    """The live hyperparameters as tensors: changing one never traces a function again."""

    gamma: tf.Tensor  # [P]
    ent_coef: tf.Tensor  # [P]
    learning_rate: tf.Tensor  # [P]
    momentum: tf.Tensor  # [P]
    max_grad_norm: tf.Tensor  # [P], 0 for no limit
    activation: tf.Tensor  # index among the choices of `Config`, as are the next three
    weights: tf.Tensor
    baseline: tf.Tensor
    reduction: tf.Tensor
    gamma_t: tf.Tensor  # bool
    normalize_advantages: tf.Tensor  # bool
    stop_when_solved: tf.Tensor  # bool


class Metrics(NamedTuple):
    """What one update played and measured; each `[P]` but for the first two, NaN where undefined."""

    episodic_returns: tf.Tensor  # [P, B] undiscounted
    episodic_lengths: tf.Tensor  # [P, B]
    policy_loss: tf.Tensor
    value_loss: tf.Tensor
    entropy_loss: tf.Tensor
    entropy: tf.Tensor  # nats, mean over steps
    grad_norm: tf.Tensor  # of the policy's gradient, before the limit
    grad_snr: tf.Tensor
    approx_kl: tf.Tensor  # from the policy before to the one after the step
    explained_variance: tf.Tensor  # of the returns by the baseline
    mean_return: tf.Tensor  # of the last (at most) 100 episodes
    env_steps: tf.Tensor  # since the start of the run
    env_steps_to_solve: tf.Tensor  # -1 where not solved
    is_finite: tf.Tensor  # whether the gradient and the new policy are


class Weights(NamedTuple):
    """What the scores are multiplied with, and what was subtracted from the returns, each `[T, P, B]`."""

    baseline: tf.Tensor
    weights: tf.Tensor


def initial_state(config: Config, spec: EnvironmentSpec) -> State:
    """Draw the parameters of a run that has not learned yet."""
    policy = initialize_policy(config, spec)
    value = initialize_value(config, spec) if config.baseline == "value" else {}

    def slots(params: dict[str, Array]) -> dict[str, Slots]:
        return {name: Slots(np.zeros_like(array), np.zeros_like(array)) for name, array in params.items()}

    state = State(policy, value, slots(policy), slots(value), np.float32(0), initial_scores(config.num_agents))
    tensors: State = tf.nest.map_structure(tf.convert_to_tensor, state)
    return tensors


def hyperparameters(config: Config) -> Hyperparameters:
    """Return a config's live hyperparameters as tensors."""
    values = {}
    for name in Hyperparameters._fields:
        value = getattr(config, name)
        if isinstance(value, float):
            values[name] = tf.constant(np.full(config.num_agents, value, np.float32))
        else:
            values[name] = tf.constant(value) if isinstance(value, bool) else choice(config, name)
    return Hyperparameters(**values)


def estimate_returns(trajectories: Trajectories, hyper: Hyperparameters) -> tf.Tensor:
    """Calculate the return that each step gets credit for, `[T, P, B]`: the whole episode's, or what follows."""
    returns = (maths.episode_returns, maths.discounted_returns)
    branches = [functools.partial(f, trajectories.rewards, hyper.gamma[:, None]) for f in returns]
    return tf.switch_case(hyper.weights, branches) * trajectories.mask


def estimate_weights(returns: tf.Tensor, values: tf.Tensor, mask: tf.Tensor, hyper: Hyperparameters) -> Weights:
    """Calculate what each score is multiplied with: return, minus baseline, perhaps normalised, perhaps times γᵗ.

    Args:
        returns: from `estimate_returns`.
        values: the value network's V(sₜ), `[T, P, B]`; zeros without one.
        mask: 1 on played steps, `[T, P, B]`.
        hyper: hyperparameters in force.
    """
    means = (maths.batch_mean, maths.step_mean, maths.leave_one_out)
    baselines = [lambda: tf.zeros_like(returns), *(functools.partial(f, returns, mask) for f in means), lambda: values]
    baseline = tf.switch_case(hyper.baseline, baselines)
    advantages = (returns - baseline) * mask
    advantages = tf.where(hyper.normalize_advantages, maths.normalize(advantages, mask), advantages)
    # The whole-episode return counts its discount from the start of the episode: a second γᵗ would be one too many.
    discounted = hyper.gamma_t & (hyper.weights == 1)
    discounts = maths.discounts(returns, hyper.gamma[:, None])
    return Weights(baseline, tf.where(discounted, discounts * advantages, advantages))


def update(
    state: State, trajectories: Trajectories, hyper: Hyperparameters, optimizer: str, threshold: float | None
) -> tuple[State, Metrics]:
    """Take one gradient step of every agent from its own episodes.

    Args:
        state: parameters, optimiser slots and scores before.
        trajectories: tensors `[T, P, B, ...]`.
        hyper: hyperparameters in force.
        optimizer: key of `maths.OPTIMIZERS`, fixed for a run.
        threshold: mean return that counts as solved, or None.

    Returns:
        The state after, and what was measured.
    """
    mask, step = trajectories.mask, state.step + 1
    returns = estimate_returns(trajectories, hyper)
    critic = _learn_values(state.value, trajectories, returns, hyper)
    estimate = estimate_weights(returns, critic.values, mask, hyper)
    actor = _policy_gradients(state.policy, trajectories, estimate.weights, hyper)
    batch = {name: tf.reduce_mean(g, axis=1) for name, g in actor.gradients.items()}
    # An agent that has solved its environment is left as it is.
    learns = is_unsolved(state.scores) | ~hyper.stop_when_solved
    policy, policy_slots = _step(state.policy, batch, state.policy_slots, step, hyper, optimizer, learns)
    value, value_slots = _step(state.value, critic.gradients, state.value_slots, step, hyper, optimizer, learns)
    lengths = tf.reduce_sum(mask, axis=0)
    scores = add_episodes(state.scores, tf.reduce_sum(trajectories.rewards, axis=0), lengths, threshold)
    metrics = Metrics(
        episodic_returns=tf.reduce_sum(trajectories.rewards, axis=0),
        episodic_lengths=tf.cast(lengths, tf.int32),
        policy_loss=actor.loss.policy_loss,
        value_loss=critic.loss,
        entropy_loss=actor.loss.entropy_loss,
        entropy=maths.masked_mean(actor.entropies, mask),
        grad_norm=maths.gradient_norm(list(batch.values())),
        grad_snr=maths.gradient_snr(list(actor.gradients.values())),
        approx_kl=_approx_kl(policy, trajectories, actor.log_probs, hyper.activation),
        explained_variance=maths.explained_variance(estimate.baseline, returns, mask),
        mean_return=mean_return(scores),
        env_steps=scores.env_steps,
        env_steps_to_solve=scores.env_steps_to_solve,
        is_finite=_is_finite({**{f"gradient of {name}": g for name, g in batch.items()}, **policy}),
    )
    return State(policy, value, policy_slots, value_slots, step, scores), metrics


class _Actor(NamedTuple):
    gradients: Params  # each episode's own, [P, B, ...]
    loss: maths.PolicyGradientLoss
    log_probs: tf.Tensor  # [T, P, B], as the next
    entropies: tf.Tensor


class _Critic(NamedTuple):
    gradients: Params  # [P, ...]
    loss: tf.Tensor  # [P]
    values: tf.Tensor  # [T, P, B]


def _policy_gradients(policy: Params, trajectories: Trajectories, weights: tf.Tensor, hyper: Hyperparameters) -> _Actor:
    """Differentiate the loss for every episode by itself: the mean is the batch's gradient, the spread its noise."""

    def part(agent: Any, rows: Any) -> tuple[Any, Any]:
        (params, scale, ent_coef), (observations, actions, weights, mask) = agent, rows
        layers = forward(params, observations, hyper.activation)
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
        return (backward(params, layers, delta, hyper.activation) | own, alone), (log_probs, entropies)

    mask, num_episodes = trajectories.mask, weights.shape[2]
    agents = log_odds_policy(policy), maths.reduction_scale(mask, hyper.reduction == 1), hyper.ent_coef
    rows = tuple(map(_rows, (trajectories.observations, trajectories.actions, weights, mask)))
    (gradients, loss), values = sweep(part, agents, rows, tf.reduce_sum(mask, axis=0))
    gradients = {name: num_episodes * g for name, g in logits_gradients(gradients, policy).items()}
    return _Actor(gradients, loss, *map(_per_step, values))


def _learn_values(value: Params, trajectories: Trajectories, returns: tf.Tensor, hyper: Hyperparameters) -> _Critic:
    """Differentiate the value network's loss; without one its values are 0 and its loss is undefined."""
    if not value:
        return _Critic({}, tf.fill([returns.shape[1]], float("nan")), tf.zeros_like(returns))

    def part(agent: Any, rows: Any) -> tuple[Any, Any]:
        (params, num_steps), (observations, targets, mask) = agent, rows
        layers = forward(params, observations, hyper.activation)
        outputs = layers[-1].outputs
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            values = outputs[..., 0]
            loss = maths.value_loss(_time_major(values), _time_major(targets), _time_major(mask), num_steps)[0]
        return (backward(params, layers, tape.gradient(loss, outputs), hyper.activation), loss), values

    mask = trajectories.mask
    rows = tuple(map(_rows, (trajectories.observations, returns, mask)))
    (gradients, loss), values = sweep(
        part, (value, tf.reduce_sum(mask, axis=(0, 2))), rows, tf.reduce_sum(mask, axis=0)
    )
    return _Critic({name: tf.reduce_sum(g, axis=1) for name, g in gradients.items()}, loss, _per_step(values))


def _approx_kl(policy: Params, trajectories: Trajectories, log_probs: tf.Tensor, activation: tf.Tensor) -> tf.Tensor:
    """Estimate how far the step has moved the policies, `[P]`, from the first quarter of the episodes.

    All of them would take a fifth of the time of an update, for a metric that needs no more.
    """
    count = math.ceil(log_probs.shape[2] / 4)
    observations, actions, mask = (
        x[:, :, :count] for x in (trajectories.observations, trajectories.actions, trajectories.mask)
    )

    def part(params: Any, rows: Any) -> tuple[Any, Any]:
        observations, actions = rows
        said = distribution(forward(params, observations, activation)[-1].outputs, params.get("log_std"))
        return (), said.log_prob(actions)

    rows = _rows(observations), _rows(actions)
    new = _per_step(sweep(part, log_odds_policy(policy), rows, tf.reduce_sum(mask, axis=0))[1])
    return maths.approx_kl(log_probs[:, :, :count], new, mask)


def _step(
    params: Params, gradients: Params, slots: dict[str, Slots], step: tf.Tensor, hyper: Hyperparameters, optimizer: str,
    learns: tf.Tensor,
) -> tuple[Params, dict[str, Slots]]:  # fmt: skip
    """Limit each agent's gradient norm and take the optimiser's step, where the agent learns."""
    if not params:
        return {}, {}
    norm, limit = maths.gradient_norm(list(gradients.values())), hyper.max_grad_norm
    scale = tf.where((limit > 0) & (norm > limit), limit / norm, 1)  # [P]
    new_params, new_slots = {}, {}
    for name, value in params.items():
        shape = [-1] + [1] * (value.shape.rank - 1)  # [P] against [P, ...]
        factor, rate, momentum, moves = (
            tf.reshape(x, shape) for x in (scale, hyper.learning_rate, hyper.momentum, learns)
        )
        delta, moved = maths.OPTIMIZERS[optimizer](factor * gradients[name], slots[name], step, rate, momentum)
        new_params[name] = tf.where(moves, value + delta, value)
        new_slots[name] = Slots(*(tf.where(moves, new, old) for new, old in zip(moved, slots[name], strict=True)))
    return new_params, new_slots


def _is_finite(params: Params) -> tf.Tensor:
    """Return for which agents all numbers are finite, bool `[P]`."""
    each = [tf.reduce_all(tf.math.is_finite(x), axis=range(1, x.shape.rank)) for x in params.values()]
    return tf.reduce_all(tf.stack(each), axis=0)


def _rows(array: tf.Tensor) -> tf.Tensor:
    """Turn time-major `[T, P, B, ...]` into `[P, B, T, ...]`, the rows of each episode's matrix product."""
    return tf.transpose(array, [1, 2, 0, *range(3, array.shape.rank)])


def _time_major(array: tf.Tensor) -> tf.Tensor:
    """Turn one agent's `[B, C]` into `[C, 1, B]`."""
    return tf.transpose(array)[:, None]


def _per_step(array: tf.Tensor) -> tf.Tensor:
    """Turn `[P, B, T]` back into time-major `[T, P, B]`."""
    return tf.transpose(array, [2, 0, 1])
