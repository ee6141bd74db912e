"""One update of REINFORCE, from trajectories to new parameters: the algorithm, written once for every engine.

See Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning", 1992, and
Sutton & Barto, "Reinforcement Learning", 2nd ed., sections 13.3 and 13.4.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.config import HYPERPARAMETERS, Config
from pg_core.engines import Trajectories
from pg_core.environments import Array, EnvironmentSpec
from pg_core.learning.episode_statistics import (
    EpisodeStatistics,
    add_episodes,
    initial_statistics,
    is_unsolved,
    mean_return,
)
from pg_core.learning.gradients import Critic, approx_kl, policy_gradients, value_gradients
from pg_core.maths import Slots
from pg_core.maths.optimizers import Optimizer
from pg_core.policies.in_numpy import MEAN, VARIANCE, initialize_policy, initialize_value
from pg_core.policies.in_tensorflow import Choices, Params, choice_index, normalized


class State(NamedTuple):
    """All that learning carries from one update to the next."""

    policy: Params  # with the statistics of observations, where these are normalised
    value: Params  # empty without a value network
    policy_slots: dict[str, Slots]
    value_slots: dict[str, Slots]
    step: tf.Tensor  # updates done, float32 scalar
    statistics: EpisodeStatistics


class Hyperparameters(NamedTuple):
    """What distinguishes runs of one shape, as tensors: changing one never traces a function again."""

    gamma: tf.Tensor  # [P]
    ent_coef: tf.Tensor  # [P]
    learning_rate: tf.Tensor  # [P]
    momentum: tf.Tensor  # [P]
    max_grad_norm: tf.Tensor  # [P], 0 for no limit
    reward_scale: tf.Tensor  # [P]
    activation: tf.Tensor  # index among the choices of `Config`, as are the next four
    weights: tf.Tensor
    baseline: tf.Tensor
    reduction: tf.Tensor
    optimizer: tf.Tensor
    gamma_t: tf.Tensor  # bool
    normalize_advantages: tf.Tensor  # bool
    stop_when_solved: tf.Tensor  # bool
    threshold: tf.Tensor  # the environment's, mean return that counts as solved; infinity if there is none


class Credit(NamedTuple):
    """What each step is given credit for, from its return to what its score is multiplied with, `[T, P, B]`."""

    share: tf.Tensor  # 1/n, of each step in the mean, [P, 1]
    returns: tf.Tensor  # G
    baseline: tf.Tensor  # b
    advantages: tf.Tensor  # A = G - b
    normalized: tf.Tensor  # Â; A, unless advantages are normalised
    weights: tf.Tensor  # w = Â, perhaps times γᵗ


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
    cut: tf.Tensor  # share of the episodes that the environment did not end
    at_bounds: tf.Tensor  # share of the actions' components outside (-1, 1)
    max_reward: tf.Tensor  # of a single step
    mean_return: tf.Tensor  # of the last (at most) 100 episodes
    env_steps: tf.Tensor  # since the start of the run
    env_steps_to_solve: tf.Tensor  # -1 where not solved
    is_finite: tf.Tensor  # whether the gradient and the new policy are


def initial_state(config: Config, spec: EnvironmentSpec) -> State:
    """Draw the parameters of a run that has not learned yet."""
    policy = initialize_policy(config, spec)
    value = initialize_value(config, spec) if config.baseline == "value" else {}

    def slots(params: dict[str, Array]) -> dict[str, Slots]:
        learned = {name: array for name, array in params.items() if name not in (MEAN, VARIANCE)}
        return {name: Slots(np.zeros_like(array), np.zeros_like(array)) for name, array in learned.items()}

    state = State(policy, value, slots(policy), slots(value), np.float32(0), initial_statistics(config.num_agents))
    tensors: State = tf.nest.map_structure(tf.convert_to_tensor, state)
    return tensors


def hyperparameters(config: Config, dtype: tf.DType = tf.float32) -> Hyperparameters:
    """Return a config's hyperparameters, and its environment's threshold, as tensors."""
    threshold = config.environment.reward_threshold
    values = {"threshold": tf.constant(np.inf if threshold is None else threshold, dtype)}
    for name in Hyperparameters._fields[:-1]:
        value = getattr(config, name)
        if isinstance(value, float):
            values[name] = tf.fill([config.num_agents], tf.constant(value, dtype))
        else:
            values[name] = tf.constant(value) if isinstance(value, bool) else choice_index(config, name)
    return Hyperparameters(**values)


def update(
    state: State, trajectories: Trajectories, hyper: Hyperparameters, choices: Choices = ()
) -> tuple[State, Metrics]:
    """Take one gradient step of every agent from its own episodes.

    ĝ = 1/n Σₜᵦ (wₜᵦ ∇log π(aₜᵦ|sₜᵦ) + c_H ∇H(π(·|sₜᵦ))), with w from `assign_credit`; plain descent makes Δθ = α ĝ

    Args:
        state: parameters, optimiser slots and statistics before.
        trajectories: tensors `[T, P, B, ...]`.
        hyper: hyperparameters in force.
        choices: between how many options each choice is, if an action is made of several.

    Returns:
        The state after, and what was measured.
    """
    mask, step, played = trajectories.mask, state.step + 1, trajectories
    trajectories = as_seen(state.policy, played)
    credit, critic = assign_credit(state, trajectories, hyper)
    share, returns, weights, per_step = credit.share, credit.returns, credit.weights, maths.step_share(mask)
    ent_coefs = share * hyper.ent_coef[:, None] * mask
    actor = policy_gradients(state.policy, trajectories, share * weights, ent_coefs, hyper.activation, choices)
    gradients = {name: tf.reduce_sum(g, axis=1) for name, g in actor.gradients.items()}
    # An agent that has solved its environment is left as it is.
    learns = is_unsolved(state.statistics) | ~hyper.stop_when_solved
    policy, policy_slots = _step(state.policy, gradients, state.policy_slots, step, hyper, learns)
    policy = _with_statistics(policy, state, played, learns)
    value, value_slots = _step(state.value, critic.gradients, state.value_slots, step, hyper, learns)
    episodic_returns, lengths = tf.reduce_sum(trajectories.rewards, axis=0), tf.reduce_sum(mask, axis=0)
    statistics = add_episodes(state.statistics, episodic_returns, lengths, hyper.threshold)
    metrics = Metrics(
        episodic_returns=episodic_returns,
        episodic_lengths=tf.cast(lengths, tf.int32),
        policy_loss=-tf.reduce_sum(share * weights * actor.log_probs, axis=(0, 2)),
        value_loss=_value_loss(state.value, critic.values, returns, per_step * mask),
        entropy_loss=-tf.reduce_sum(share * mask * actor.entropies, axis=(0, 2)),
        entropy=maths.masked_mean(actor.entropies, mask),
        grad_norm=maths.gradient_norm(list(gradients.values())),
        grad_snr=maths.gradient_snr(list(actor.gradients.values())),
        approx_kl=approx_kl(policy, trajectories, actor.log_probs, hyper.activation, choices),
        explained_variance=maths.explained_variance(credit.baseline, returns, mask),
        cut=tf.reduce_mean(tf.cast(~trajectories.terminated, mask.dtype), axis=1),
        at_bounds=_at_bounds(trajectories.actions, mask),
        max_reward=tf.reduce_max(tf.where(mask > 0, trajectories.rewards, -np.inf), axis=(0, 2)),
        mean_return=mean_return(statistics),
        env_steps=statistics.env_steps,
        env_steps_to_solve=statistics.env_steps_to_solve,
        is_finite=_is_finite({**{f"gradient of {name}": g for name, g in gradients.items()}, **policy}),
    )
    return State(policy, value, policy_slots, value_slots, step, statistics), metrics


def assign_credit(state: State, trajectories: Trajectories, hyper: Hyperparameters) -> tuple[Credit, Critic]:
    """Calculate what each step is given credit for, and the gradients of the value networks, if there are any.

    Args:
        state: before the update.
        trajectories: with the observations that the networks were given, see `as_seen`.
        hyper: hyperparameters in force.
    """
    mask = trajectories.mask
    per_episode, per_step = maths.episode_share(mask), maths.step_share(mask)
    share = tf.where(_is(hyper.reduction, "reduction", "step"), per_step, per_episode)
    returns = estimate_returns(trajectories, hyper)
    critic = value_gradients(state.value, trajectories, returns, per_step * mask, hyper.activation)
    return Credit(share, returns, *estimate_weights(returns, critic.values, mask, hyper)), critic


def estimate_returns(trajectories: Trajectories, hyper: Hyperparameters) -> tf.Tensor:
    """Calculate the return that each step gets credit for, `[T, P, B]`: the whole episode's, or what follows."""
    rewards, gamma = trajectories.rewards * hyper.reward_scale[:, None], hyper.gamma[:, None]
    branches = {
        "episode_return": lambda: maths.episode_returns(rewards, gamma),
        "reward_to_go": lambda: maths.discounted_returns(rewards, gamma),
    }
    return _switch(hyper.weights, "weights", branches) * trajectories.mask


def estimate_weights(
    returns: tf.Tensor, values: tf.Tensor, mask: tf.Tensor, hyper: Hyperparameters
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Calculate what each score is multiplied with: return, minus baseline, perhaps normalised, perhaps times γᵗ.

    Args:
        returns: from `estimate_returns`.
        values: the value network's V(sₜ), `[T, P, B]`; zeros without one.
        mask: 1 on played steps, `[T, P, B]`.
        hyper: hyperparameters in force.

    Returns:
        The last four of `Credit`: baseline, advantages, these normalised if they are to be, and weights.
    """
    branches = {
        "none": lambda: tf.zeros_like(returns),
        "batch_mean": lambda: maths.batch_mean(returns, mask),
        "step_mean": lambda: maths.step_mean(returns, mask),
        "leave_one_out": lambda: maths.leave_one_out(returns, mask),
        "value": lambda: values,
    }
    baseline = _switch(hyper.baseline, "baseline", branches)
    advantages = (returns - baseline) * mask
    normalized = tf.where(hyper.normalize_advantages, maths.normalize(advantages, mask), advantages)
    # The whole-episode return counts its discount from the start of the episode: a second γᵗ would be one too many.
    discounted = hyper.gamma_t & _is(hyper.weights, "weights", "reward_to_go")

    def discount() -> tf.Tensor:
        return maths.discounts(returns, hyper.gamma[:, None]) * normalized

    return baseline, advantages, normalized, tf.cond(discounted, discount, lambda: normalized)


def as_seen(policy: Params, played: Trajectories) -> Trajectories:
    """Return trajectories with the observations that the networks were given."""
    if MEAN not in policy:
        return played
    return played._replace(observations=normalized(policy, played.observations) * played.mask[..., None])


def _with_statistics(policy: Params, before: State, played: Trajectories, learns: tf.Tensor) -> Params:
    """Add what was played to the statistics of the observations of agents that learn; nothing without these.

    The policy acted, and its gradient was taken, with those before.
    """
    if MEAN not in policy:
        return policy
    mean, variance = maths.running_moments(
        policy[MEAN], policy[VARIANCE], before.statistics.env_steps, played.observations, played.mask
    )
    moves = learns[:, None, None]
    moved = {name: tf.where(moves, new, policy[name]) for name, new in ((MEAN, mean), (VARIANCE, variance))}
    return {**policy, **moved}


def _switch(index: tf.Tensor, name: str, branches: Mapping[str, Callable[[], Any]]) -> Any:
    """Return the result of the branch that the hyperparameter chooses."""
    return tf.switch_case(index, [branches[choice] for choice in HYPERPARAMETERS[name].choices])


def _is(index: tf.Tensor, name: str, choice: str) -> tf.Tensor:
    """Return whether the hyperparameter's choice is this one."""
    return index == list(HYPERPARAMETERS[name].choices).index(choice)


def _value_loss(value: Params, values: tf.Tensor, returns: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
    """Calculate half the mean squared error, `[P]`; undefined without value networks."""
    loss = 0.5 * tf.reduce_sum(shares * (values - returns) ** 2, axis=(0, 2))
    return loss if value else tf.fill(tf.shape(loss), tf.constant(float("nan"), loss.dtype))


def _at_bounds(actions: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Calculate which share of the components of actions `[T, P, B, A]` the action box cuts, `[P]`; NaN for choices."""
    if actions.dtype.is_integer:
        return tf.fill(tf.shape(mask)[1:2], tf.constant(float("nan"), mask.dtype))
    return maths.masked_mean(tf.reduce_mean(tf.cast(tf.abs(actions) >= 1, mask.dtype), axis=-1), mask)


def _step(
    params: Params, gradients: Params, slots: dict[str, Slots], step: tf.Tensor, hyper: Hyperparameters,
    learns: tf.Tensor,
) -> tuple[Params, dict[str, Slots]]:  # fmt: skip
    """Limit each agent's gradient norm and take the optimiser's step, where the agent learns."""
    if not params:
        return {}, {}
    norm, limit = maths.gradient_norm(list(gradients.values())), hyper.max_grad_norm
    scale = tf.where((limit > 0) & (norm > limit), limit / norm, 1)
    of_agents = scale, hyper.learning_rate, hyper.momentum, learns
    factor, rate, momentum, moves = (x[:, None, None] for x in of_agents)  # as all parameters are, [P, ., .]

    def moved(optimizer: Optimizer) -> tuple[Params, dict[str, Slots]]:
        new_params, new_slots = dict(params), {}
        for name in gradients:
            delta, means = optimizer(factor * gradients[name], slots[name], step, rate, momentum)
            new_params[name] = tf.where(moves, params[name] + delta, params[name])
            new_slots[name] = Slots(*(tf.where(moves, new, old) for new, old in zip(means, slots[name], strict=True)))
        return new_params, new_slots

    branches = {name: functools.partial(moved, optimizer) for name, optimizer in maths.OPTIMIZERS.items()}
    taken: tuple[Params, dict[str, Slots]] = _switch(hyper.optimizer, "optimizer", branches)
    return taken


def _is_finite(params: Params) -> tf.Tensor:
    """Return for which agents all numbers are finite, bool `[P]`."""
    each = [tf.reduce_all(tf.math.is_finite(x), axis=list(range(1, x.shape.rank))) for x in params.values()]
    return tf.reduce_all(tf.stack(each), axis=0)
