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
from pg_core.gradients import approx_kl, policy_gradients, value_gradients
from pg_core.maths import Slots
from pg_core.policies import Params, choice
from pg_core.scores import Scores, add_episodes, initial_scores, is_unsolved, mean_return


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
    critic = value_gradients(state.value, trajectories, returns, hyper.activation)
    estimate = estimate_weights(returns, critic.values, mask, hyper)
    scale = maths.reduction_scale(mask, hyper.reduction == 1)
    actor = policy_gradients(state.policy, trajectories, estimate.weights, scale, hyper.ent_coef, hyper.activation)
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
        approx_kl=approx_kl(policy, trajectories, actor.log_probs, hyper.activation),
        explained_variance=maths.explained_variance(estimate.baseline, returns, mask),
        mean_return=mean_return(scores),
        env_steps=scores.env_steps,
        env_steps_to_solve=scores.env_steps_to_solve,
        is_finite=_is_finite({**{f"gradient of {name}": g for name, g in batch.items()}, **policy}),
    )
    return State(policy, value, policy_slots, value_slots, step, scores), metrics


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
