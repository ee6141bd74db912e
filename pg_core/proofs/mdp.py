"""Small Markov decision processes, in which every expectation is a finite sum.

All that can happen is enumerated in the trainer's own layout `[T, P, B]`: where it has P agents, there are N batches
here, every one that can be drawn, and the probability of each. States are numbered, policies are tables of logits
θ `[S, A]`, and all numbers are float64. Dynamic programming is for many tables `[..., S, A]` at once: in NumPy if they
are an array, which is faster on few numbers; in TensorFlow if they are a tensor, so that a tape can record it.
See Sutton & Barto, "Reinforcement Learning", 2nd ed., chapter 3.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Comparison, exact

ACTIONS = 2

Array = npt.NDArray[Any]
Numbers = Any  # an array; or a tensor, where a tape records what is done with it


class Mdp(NamedTuple):
    """A process whose episodes end by themselves, or at a time limit."""

    start: Array  # [S] ρ₀, the distribution of the first state
    transitions: Array  # [S, A, S+1] P(s'|s,a); the last s' is the end of the episode
    rewards: Array  # [S, A] r(s,a)


class Batches(NamedTuple):
    """Every batch of B episodes that can be drawn; rows after an episode's end are 0."""

    states: Array  # [T, N, B] int32
    actions: Array  # [T, N, B] int32
    rewards: Array  # [T, N, B]
    mask: Array  # [T, N, B] 1 on played steps
    dynamics: Array  # [N] the product of ρ₀ and P over all steps of all B episodes: what does not depend on θ


def library(numbers: Numbers) -> Any:
    """Return TensorFlow for tensors, NumPy for arrays."""
    return tf if tf.is_tensor(numbers) else np


def softmax(logits: Numbers) -> Numbers:
    """Calculate πₐ = exp zₐ / Σₖ exp zₖ, `[..., A]`: what training is held against."""
    if tf.is_tensor(logits):
        return tf.nn.softmax(logits)
    powers = np.exp(logits)
    return powers / powers.sum(axis=-1, keepdims=True)


def random_mdp(states: int, seed: int) -> Mdp:
    """Draw a process in which every transition, and the end, is possible from everywhere."""
    rng = np.random.default_rng([seed, states])
    start = rng.dirichlet(np.ones(states))
    transitions = rng.dirichlet(np.ones(states + 1), size=(states, ACTIONS))
    return Mdp(start, transitions, rng.normal(1.0, 1.0, size=(states, ACTIONS)))


def random_policy(states: int, seed: int) -> Array:
    """Draw logits θ `[S, A]`."""
    return np.random.default_rng([seed, states, 1]).normal(size=(states, ACTIONS))


def every_batch(mdp: Mdp, horizon: int, num_episodes: int = 1) -> Batches:
    """Enumerate all batches of `num_episodes` independent episodes of at most `horizon` steps, short ones first."""
    lengths = [_of_length(mdp, length, horizon) for length in range(1, horizon + 1)]
    states, actions, rewards, mask = (np.concatenate(column, axis=1) for column in list(zip(*lengths, strict=True))[:4])
    episodes = np.concatenate([each.dynamics for each in lengths])
    chosen = np.indices([len(episodes)] * num_episodes).reshape(num_episodes, -1).T  # [N, B]
    dynamics = episodes[chosen].prod(axis=1)
    return Batches(states[:, chosen], actions[:, chosen], rewards[:, chosen], mask[:, chosen], dynamics)


def _of_length(mdp: Mdp, length: int, horizon: int) -> Batches:
    """Return the episodes of one length that can be, `[T, E]`, each by itself.

    Where the last step before the time limit leads does not matter: these episodes are one.
    """
    steps = np.indices(mdp.rewards.shape * length).reshape(length, 2, -1)  # s₀, a₀, s₁, a₁, …
    states, actions = steps[:, 0], steps[:, 1]
    onward = mdp.transitions[states[:-1], actions[:-1], states[1:]].prod(axis=0)
    end = mdp.transitions[states[-1], actions[-1], -1] if length < horizon else 1.0
    dynamics = mdp.start[states[0]] * onward * end
    possible = dynamics > 0
    rows = np.zeros((2, horizon, int(possible.sum())), np.int32)
    rows[:, :length] = states[:, possible], actions[:, possible]
    mask = np.zeros(rows.shape[1:])
    mask[:length] = 1.0
    return Batches(rows[0], rows[1], mdp.rewards[rows[0], rows[1]] * mask, mask, dynamics[possible])


def hide(batches: Batches) -> Batches:
    """Return what a policy plays that sees the same in every state: an observation, numbered 0."""
    return batches._replace(states=np.zeros_like(batches.states))


def log_probs(theta: Numbers, batches: Batches) -> tf.Tensor:
    """Calculate log π(aₜ|sₜ), `[T, N, B]`, 0 where not played; the tape may record it."""
    chosen = tf.stack([batches.states, batches.actions], axis=-1)
    return tf.gather_nd(tf.nn.log_softmax(theta), chosen) * batches.mask


def probabilities(theta: Array, batches: Batches) -> Array:
    """Calculate the probability of each batch, P = ρ₀ ∏ₜ π(aₜ|sₜ) P(sₜ₊₁|sₜ,aₜ) over its episodes, `[N]`."""
    chosen = np.where(batches.mask > 0, softmax(theta)[batches.states, batches.actions], 1.0)
    result: Array = batches.dynamics * chosen.prod(axis=(0, 2))
    return result


def expectation(theta: Array, batches: Batches, values: npt.ArrayLike) -> Array:
    """Calculate E[X] = Σ P(τ) X(τ) for values `[N, ...]`."""
    return np.tensordot(probabilities(theta, batches), np.asarray(values), 1)


def total_variance(theta: Array, batches: Batches, values: npt.ArrayLike) -> float:
    """Calculate tr Cov[X] = E‖X - E[X]‖² for vectors `[N, ...]`."""
    return moments(theta, batches, values)[1]


def moments(theta: Array, batches: Batches, values: npt.ArrayLike) -> tuple[Array, float]:
    """Calculate E[X] and tr Cov[X] for vectors `[N, ...]`."""
    chances, vectors = probabilities(theta, batches), np.asarray(values)
    mean = np.tensordot(chances, vectors, 1)
    squares = ((vectors - mean) ** 2).reshape(len(vectors), -1).sum(axis=1)
    return mean, float(chances @ squares)


def scores(theta: Array, batches: Batches) -> Array:
    """Calculate ∇θ log π(aₜ|sₜ) of every step, `[T, N, B, S, A]`, 0 where not played."""
    policy = softmax(theta)
    rows = np.eye(policy.shape[1])[batches.actions] - policy[batches.states]  # one_hot(a) - π(·|s), for θ[s]
    visited = np.eye(len(policy))[batches.states] * batches.mask[..., None]
    result: Array = visited[..., :, None] * rows[..., None, :]
    return result


def estimates(theta: Array, batches: Batches, weights: npt.ArrayLike) -> Array:
    """Calculate ĝ = 1/B Σᵦ Σₜ wₜᵦ ∇log π(aₜᵦ|sₜᵦ) of every batch, `[N, S, A]`, for weights `[T, N, B]`."""
    found: Array = np.einsum("tnb,tnbsa->nsa", np.asarray(weights), scores(theta, batches)) / batches.mask.shape[2]
    return found


def compare(
    claim: str, theta: Array, batches: Batches, weights: npt.ArrayLike, right: npt.ArrayLike, *,
    wrong: float = False,
) -> Comparison:  # fmt: skip
    """Compare the mean of an estimator with what it should estimate, and calculate its variance.

    Args:
        claim: the equation in Unicode.
        theta: the policy's logits, `[S, A]`.
        batches: all that can be drawn.
        weights: what the estimator multiplies each score with, `[T, N, B]`.
        right: `[S, A]`.
        wrong: whether, or by which factor, the equation is false.
    """
    found, variance = moments(theta, batches, estimates(theta, batches, weights))
    return exact(claim, found, right, wrong=wrong, variance=variance)


def values(mdp: Mdp, theta: Numbers, gamma: float, horizon: int) -> Numbers:
    """Calculate Vₜ(s), `[T+1, ..., S]`, backwards: V_T = 0, Vₜ = Σₐ π(a|s) (r + γ Σ P(s'|s,a) Vₜ₊₁(s')).

    No score and no trajectory is in it, so that its gradient checks those that have them.
    """
    policy = softmax(theta)
    result = [0 * policy[..., 0]]
    for _ in range(horizon):
        result.append((policy[..., None, :] @ worth(mdp, result[-1], gamma)[..., None])[..., 0, 0])
    return library(theta).stack(result[::-1])


def worth(mdp: Mdp, following: Numbers, gamma: float) -> Numbers:
    """Calculate r(s,a) + γ Σ P(s'|s,a) V(s'), `[..., S, A]`, for V `[..., S]`."""
    return mdp.rewards + gamma * (mdp.transitions[..., :-1] @ following[..., None, :, None])[..., 0]


def objective(mdp: Mdp, theta: Numbers, gamma: float, horizon: int) -> Numbers:
    """Calculate J(θ) = Σₛ ρ₀(s) V₀(s), `[...]`."""
    return (values(mdp, theta, gamma, horizon)[0][..., None, :] @ mdp.start[:, None])[..., 0, 0]


def action_values(mdp: Mdp, theta: Numbers, gamma: float, horizon: int) -> Numbers:
    """Calculate Qₜ(s,a) = r(s,a) + γ Σ P(s'|s,a) Vₜ₊₁(s'), `[T, ..., S, A]`."""
    return worth(mdp, values(mdp, theta, gamma, horizon)[1:], gamma)


def onward(mdp: Mdp, theta: Numbers) -> Numbers:
    """Calculate P_π(s'|s) = Σₐ π(a|s) P(s'|s,a), `[..., S, S]`: its rows lack the probability of the end."""
    return (softmax(theta)[..., None, :] @ mdp.transitions[..., :-1])[..., 0, :]


def state_distributions(mdp: Mdp, theta: Numbers, horizon: int) -> Numbers:
    """Calculate dₜ(s) = P(sₜ = s), `[T, ..., S]`, forwards: d₀ = ρ₀, dₜ₊₁(s') = Σₛ dₜ(s) P_π(s'|s)."""
    step = onward(mdp, theta)
    result = [mdp.start + 0 * step[..., 0]]
    for _ in range(horizon - 1):
        result.append((result[-1][..., None, :] @ step)[..., 0, :])
    return library(theta).stack(result)


def gradient(function: Callable[[tf.Tensor], tf.Tensor], theta: Numbers) -> Numbers:
    """Differentiate a number with respect to θ by TensorFlow's own rules; a tensor, if θ is one."""
    with tf.GradientTape() as tape:
        table = tf.convert_to_tensor(theta)
        tape.watch(table)
        result = function(table)
    slope = tf.convert_to_tensor(tape.gradient(result, table))
    return slope if tf.is_tensor(theta) else slope.numpy()


def jacobian(function: Callable[[tf.Tensor], tf.Tensor], theta: tf.Tensor) -> tf.Tensor:
    """Differentiate as many numbers as θ has, `[SA, SA]`.

    Each is taken from a copy of θ of its own, `[SA, S, A]`, so that one gradient has the slopes of all.
    """
    size = tf.size(theta)

    def own_numbers(copies: tf.Tensor) -> tf.Tensor:
        return tf.linalg.trace(tf.reshape(function(copies), [size, size]))

    return tf.reshape(gradient(own_numbers, tf.repeat(theta[None], size, axis=0)), [size, size])


def objective_gradient(mdp: Mdp, theta: Array, gamma: float, horizon: int) -> Array:
    """Calculate ∇J(θ), `[S, A]`, by differentiating the recursion of V."""
    slope: Array = compute(_objective_gradient, mdp, theta, gamma, horizon=horizon)
    return slope


def _objective_gradient(mdp: Mdp, theta: tf.Tensor, gamma: tf.Tensor, horizon: int) -> tf.Tensor:
    return gradient(lambda table: objective(mdp, table, gamma, horizon), theta)


def hidden_gradient(mdp: Mdp, theta: Array, gamma: float, horizon: int) -> Array:
    """Calculate ∇J of a policy that sees the same in every state, `[1, A]`, from its logits θ `[1, A]`."""
    slope: Array = compute(_hidden_gradient, mdp, theta, gamma, horizon=horizon)
    return slope


def _hidden_gradient(mdp: Mdp, theta: tf.Tensor, gamma: tf.Tensor, horizon: int) -> tf.Tensor:
    return gradient(lambda row: objective(mdp, tf.repeat(row, tf.size(mdp.start), axis=0), gamma, horizon), theta)
