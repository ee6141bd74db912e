"""The surrogate loss: its gradient is minus the estimate of ∇J, its value measures nothing."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.engines import Trajectories
from pg_core.gradients import policy_gradients
from pg_core.proofs import mdp
from pg_core.proofs.mdp import Array, Batches, Mdp, softmax
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact

ENT_COEF = 0.3
CONSTANT = 2.0  # a baseline
JUNK = 1e3  # in rows that were not played
BANDIT = Mdp(np.ones(1), np.array([[[0.0, 1.0], [0.0, 1.0]]]), np.array([[1.0, 0.0]]))  # one step, one good action
CHANCES = np.linspace(0.1, 0.9, 9)

Losses = Callable[[tf.Tensor], tf.Tensor]


def loss(
    theta: tf.Tensor,
    batches: Batches,
    weights: tf.Tensor,
    ent_coef: float = 0.0,
    per_step: bool = False,
    junk: float = 0,
) -> tf.Tensor:
    """Calculate L = -1/n Σₜᵦ (wₜᵦ log π(aₜᵦ|sₜᵦ) + c_H H(sₜᵦ)) of every batch as training does, `[N]`."""
    logits, mask, dirt = tf.gather(theta, batches.states), tf.constant(batches.mask), junk * (1 - batches.mask)
    log_probs = maths.categorical_log_prob(logits, batches.actions) + dirt
    entropies = maths.categorical_entropy(logits) + dirt
    scale = maths.reduction_scale(mask, tf.constant(per_step))
    weight = tf.constant(ent_coef, tf.float64)
    return maths.policy_gradient_loss(log_probs, weights + dirt, entropies, mask, weight, scale).total


def unstopped_loss(theta: tf.Tensor, batches: Batches, weights: tf.Tensor) -> tf.Tensor:
    """Calculate -1/B Σₜᵦ wₜᵦ log π(aₜᵦ|sₜᵦ), `[N]`, forgetting that the weights are constants."""
    return -tf.reduce_sum(mdp.log_probs(theta, batches) * weights, axis=(0, 2)) / batches.mask.shape[2]


def each_gradient(theta: tf.Tensor, function: Losses) -> tf.Tensor:
    """Calculate ∇L of every batch by the tape, `[N, S, A]`."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(theta)
        parts = tf.unstack(function(theta))
    return tf.stack([tape.gradient(part, theta) for part in parts])


def mean_gradient(theta: tf.Tensor, batches: Batches, function: Losses) -> tf.Tensor:
    """Calculate E[∇L] = Σ P(τ) ∇L(τ), `[S, A]`: the probabilities are not differentiated."""
    chances = mdp.probabilities(theta, batches)
    return mdp.gradient(lambda table: tf.tensordot(chances, function(table), 1), theta)


def trainers_gradients(theta: tf.Tensor, episodes: Batches, weights: Array) -> tf.Tensor:
    """Let the trainer differentiate its loss for every episode by itself, `[N, S, A]`.

    One-hot observations and no hidden layer make its policy this table.
    """
    states, actions, rewards, mask, weights = (np.swapaxes(x, 1, 2) for x in (*episodes[:4], weights))  # [T, 1, N]
    observations = np.eye(theta.shape[0])[states] * mask[..., None]
    played = Trajectories(observations, actions, rewards, mask, mask[-1] == 0, mask[-1] > 0)
    policy = {"kernel_0": theta[None], "bias_0": tf.zeros((1, 1, mdp.ACTIONS), tf.float64)}
    played, weights = tf.nest.map_structure(tf.constant, (played, weights))
    scale = maths.reduction_scale(played.mask, tf.constant(False))
    ent_coef = tf.constant([ENT_COEF], tf.float64)
    return policy_gradients(policy, played, weights, scale, ent_coef, tf.constant(0)).gradients["kernel_0"][0]


def entropy_gradients(theta: tf.Tensor, batches: Batches) -> tf.Tensor:
    """Calculate 1/B Σₜᵦ ∇H(sₜᵦ) with ∂H/∂θ(s,a) = -π(a|s) (log π(a|s) + H(s)), `[N, S, A]`."""
    policy = softmax(theta)
    entropy = -(policy * np.log(policy)).sum(axis=1, keepdims=True)
    visits = (np.eye(len(policy))[batches.states] * batches.mask[..., None]).mean(axis=2).sum(axis=0)  # [N, S]
    return tf.constant(visits[..., None] * -policy * (np.log(policy) + entropy))


def summed_entropy(process: Mdp, theta: tf.Tensor, horizon: int) -> tf.Tensor:
    """Calculate E[Σₜ H(sₜ)] as the value of a process that pays the entropy of each state."""
    pay = tf.repeat(maths.categorical_entropy(theta)[:, None], mdp.ACTIONS, axis=1)
    return mdp.objective(process._replace(rewards=pay), theta, 1.0, horizon)


def value_loss(theta: tf.Tensor, batches: Batches, returns: Array, junk: float = 0) -> tf.Tensor:
    """Calculate the value loss of every batch, `[N]`: V is the first column of θ, and the second shifts the targets."""
    values, shift = (tf.gather(theta[:, column], batches.states) for column in (0, 1))
    dirt, num_steps = junk * (1 - batches.mask), tf.constant(batches.mask.sum(axis=(0, 2)))
    return maths.value_loss(values + dirt, returns + shift - dirt, tf.constant(batches.mask), num_steps)


def explicit_value_loss(theta: Array, batches: Batches, returns: Array) -> tuple[Array, Array]:
    """Calculate ½ Σ (V - G)² / ΣT, `[N]`, and Σ (V - G) ∇V / ΣT, `[N, S, A]`, 0 for the column of the targets."""
    errors = ((theta[:, 0] - theta[:, 1])[batches.states] - returns) * batches.mask
    num_steps = batches.mask.sum(axis=(0, 2))
    by_value = np.einsum("tnb,tnbs->ns", errors, np.eye(len(theta))[batches.states]) / num_steps[:, None]
    return 0.5 * (errors**2).sum(axis=(0, 2)) / num_steps, np.stack([by_value, 0 * by_value], axis=-1)


def bandit_loss(p: float) -> float:
    """Calculate E[L] of a single choice: the action that is paid 1 has probability p, the other is paid 0."""
    theta, episodes = tf.constant(np.log([[p, 1 - p]])), mdp.every_batch(BANDIT, horizon=1)
    return float(mdp.expectation(theta, episodes, loss(theta, episodes, episodes.rewards)))


def check(gamma: float = 0.9, horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare the loss's gradient, the tape's and the trainer's, with -∇J; and its value with what it is taken for."""
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    episodes = mdp.every_batch(process, horizon)
    rewards = tf.constant(episodes.rewards)
    discounts = maths.discounts(rewards, gamma).numpy()
    weights = discounts * maths.discounted_returns(rewards, gamma).numpy()
    # Four batches of three episodes, the shortest and the longest among them.
    chosen = np.linspace(0, weights.shape[1] - 1, 12).astype(int).reshape(3, 4).T
    batches = Batches._make([*(x[:, chosen, 0] for x in episodes[:4]), episodes.dynamics[chosen].prod(axis=1)])
    right = mdp.objective_gradient(process, theta, gamma, horizon)
    bandit = [bandit_loss(p) for p in CHANCES]
    rows = (
        *_gradient_rows(theta, batches, weights[:, chosen, 0]),
        *_trainer_rows(process, theta, episodes, weights, right),
        *_mean_rows(theta, episodes, weights, discounts, right),
        _value_row(process, theta, episodes, weights),
        exact("a choice that pays 1 with probability p: E[L] = -p ln p", bandit, -CHANCES * np.log(CHANCES)),
        exact("the loss falls where J = p rises from 0.1 to 0.3", np.sign(bandit[2] - bandit[0]), -1.0, wrong=True),
    )
    x = tuple(CHANCES.tolist())
    series = Series("J = p", x, x), Series("E[L] = -p ln p", x, tuple(bandit))
    return Check(rows, (Picture("A choice that pays 1 with probability p", "p", "J and E[L]", series),))


def _gradient_rows(theta: tf.Tensor, batches: Batches, weights: Array) -> tuple[Comparison, ...]:
    """Compare what holds in every batch, not only on average."""

    def tape(per_step: bool) -> tf.Tensor:
        return each_gradient(theta, lambda table: loss(table, batches, weights, ENT_COEF, per_step))

    ascent = mdp.estimates(theta, batches, weights) + ENT_COEF * entropy_gradients(theta, batches)
    by_tape = each_gradient(theta, lambda table: value_loss(table, batches, weights))
    value, by_hand = explicit_value_loss(theta.numpy(), batches, weights)
    clean, dirty = (
        [loss(theta, batches, weights, ENT_COEF, junk=junk), value_loss(theta, batches, weights, junk)]
        for junk in (0, JUNK)
    )
    lengths = batches.mask.sum(axis=0).mean(axis=1)[:, None, None]
    return (
        exact("per episode: ∇L = -ĝ - c_H ∇H, whatever the batch", tape(per_step=False), -ascent),
        exact("per step: the same, over the batch's mean length", tape(per_step=True), -ascent / lengths),
        exact("junk in rows that were not played changes no loss", dirty, clean),
        exact("L_V = ½ Σ (V - G)² / ΣT", clean[1], value),
        exact("∇L_V = Σ (V - G) ∇V / ΣT, the targets held constant", by_tape, by_hand),
    )


def _trainer_rows(
    process: Mdp, theta: tf.Tensor, episodes: Batches, weights: Array, right: tf.Tensor
) -> tuple[Comparison, ...]:
    """Compare the gradients that training computes, with a bonus for entropy."""
    by_hand = trainers_gradients(theta, episodes, weights)
    entropies = ENT_COEF * entropy_gradients(theta, episodes)
    mean, bonus = (mdp.expectation(theta, episodes, x) for x in (by_hand, entropies))
    whole = mdp.gradient(lambda table: ENT_COEF * summed_entropy(process, table, len(weights)), theta)
    return (
        exact(
            "the trainer's own backward pass: the same, every episode",
            by_hand, -mdp.estimates(theta, episodes, weights) - entropies,
        ),
        exact("and its mean: E[∇L] = -∇J - c_H E[Σₜ ∇H(sₜ)]", mean, -right - bonus),
        # How the policy changes which states come is left out.
        exact("the whole bonus: E[∇L] = -∇(J + c_H E[Σₜ H(sₜ)])", mean, -right - whole, wrong=len(weights) > 1),
    )  # fmt: skip


def _mean_rows(
    theta: tf.Tensor, episodes: Batches, weights: Array, discounts: Array, right: tf.Tensor
) -> tuple[Comparison, ...]:
    """Compare E[∇L] with -∇J."""

    def mean(function: Losses) -> tf.Tensor:
        return mean_gradient(theta, episodes, function)

    def shared(table: tf.Tensor) -> tf.Tensor:
        baseline = tf.reduce_logsumexp(table, axis=1)  # b(s), made of the policy's own parameters
        return weights - discounts * tf.gather(baseline, episodes.states)

    return (
        exact("E[∇L] = -∇J", mean(lambda table: loss(table, episodes, weights)), -right),
        exact("with a constant baseline", mean(lambda table: loss(table, episodes, weights - CONSTANT)), -right),
        exact(
            "with a baseline of the same parameters, held constant",
            mean(lambda table: loss(table, episodes, shared(table))), -right,
        ),
        exact(
            "with a gradient through that baseline",
            mean(lambda table: unstopped_loss(table, episodes, shared(table))), -right, wrong=True,
        ),
        exact(
            "the mean over steps: E[∇L] = -∇J",
            mean(lambda table: loss(table, episodes, weights, per_step=True)), -right, wrong=len(weights) > 1,
        ),
        exact("without its minus sign", mean(lambda table: -loss(table, episodes, weights)), -right, wrong=True),
    )  # fmt: skip


def _value_row(process: Mdp, theta: tf.Tensor, episodes: Batches, weights: Array) -> Comparison:
    """Compare the mean of the loss itself, with and without a baseline that changes no gradient."""
    change = loss(theta, episodes, weights) - loss(theta, episodes, weights - CONSTANT)
    fall = mdp.expectation(theta, episodes, change)
    entropy = summed_entropy(process, theta, len(weights))
    return exact("a constant baseline c lowers E[L] by c E[Σₜ H(sₜ)]", fall, CONSTANT * entropy)
