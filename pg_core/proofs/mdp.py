"""Small Markov decision processes, in which every expectation is a finite sum.

All that can happen is enumerated in the trainer's own layout `[T, P, B]`: where it has P agents, there are N batches
here, every one that can be drawn, and the probability of each. States are numbered, policies are tables of logits
θ `[S, A]`, and all numbers are float64. See Sutton & Barto, "Reinforcement Learning", 2nd ed., chapter 3.
"""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pg_core.proofs.verdicts import Comparison, exact

ACTIONS = 2

Array = npt.NDArray[Any]


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


def softmax(logits: npt.ArrayLike) -> Array:
    """Calculate πₐ = exp zₐ / Σₖ exp zₖ, `[..., A]`, in NumPy: what training is held against."""
    powers = np.exp(np.asarray(logits))
    result: Array = powers / powers.sum(axis=-1, keepdims=True)
    return result


def random_mdp(states: int, seed: int) -> Mdp:
    """Draw a process in which every transition, and the end, is possible from everywhere."""
    rng = np.random.default_rng([seed, states])
    start = rng.dirichlet(np.ones(states))
    transitions = rng.dirichlet(np.ones(states + 1), size=(states, ACTIONS))
    return Mdp(start, transitions, rng.normal(1.0, 1.0, size=(states, ACTIONS)))


def random_policy(states: int, seed: int) -> tf.Tensor:
    """Draw logits θ `[S, A]`."""
    return tf.constant(np.random.default_rng([seed, states, 1]).normal(size=(states, ACTIONS)))


def every_batch(mdp: Mdp, horizon: int, num_episodes: int = 1) -> Batches:
    """Enumerate all batches of `num_episodes` independent episodes of at most `horizon` steps."""
    episodes = [_arrays(mdp, episode, horizon) for episode in _episodes(mdp, horizon)]
    states, actions, rewards, mask = (np.stack(column, axis=1) for column in list(zip(*episodes, strict=True))[:4])
    chosen = np.array(list(itertools.product(range(len(episodes)), repeat=num_episodes)))  # [N, B]
    dynamics = np.array([episode[4] for episode in episodes])[chosen].prod(axis=1)
    return Batches(states[:, chosen], actions[:, chosen], rewards[:, chosen], mask[:, chosen], dynamics)


def hide(batches: Batches) -> Batches:
    """Return what a policy plays that sees the same in every state: an observation, numbered 0."""
    return batches._replace(states=np.zeros_like(batches.states))


def log_probs(theta: tf.Tensor, batches: Batches) -> tf.Tensor:
    """Calculate log π(aₜ|sₜ), `[T, N, B]`, 0 where not played; the tape may record it."""
    chosen = np.stack([batches.states, batches.actions], axis=-1)
    return tf.gather_nd(tf.nn.log_softmax(theta), chosen) * batches.mask


def probabilities(theta: npt.ArrayLike, batches: Batches) -> Array:
    """Calculate the probability of each batch, P = ρ₀ ∏ₜ π(aₜ|sₜ) P(sₜ₊₁|sₜ,aₜ) over its episodes, `[N]`."""
    chosen = np.where(batches.mask > 0, softmax(theta)[batches.states, batches.actions], 1.0)
    result: Array = batches.dynamics * chosen.prod(axis=(0, 2))
    return result


def expectation(theta: npt.ArrayLike, batches: Batches, values: npt.ArrayLike) -> Array:
    """Calculate E[X] = Σ P(τ) X(τ) for values `[N, ...]`."""
    return np.tensordot(probabilities(theta, batches), np.asarray(values), 1)


def total_variance(theta: npt.ArrayLike, batches: Batches, values: npt.ArrayLike) -> float:
    """Calculate tr Cov[X] = E‖X - E[X]‖² for vectors `[N, ...]`."""
    return moments(theta, batches, values)[1]


def moments(theta: npt.ArrayLike, batches: Batches, values: npt.ArrayLike) -> tuple[Array, float]:
    """Calculate E[X] and tr Cov[X] for vectors `[N, ...]`."""
    chances, vectors = probabilities(theta, batches), np.asarray(values)
    mean = np.tensordot(chances, vectors, 1)
    squares = ((vectors - mean) ** 2).reshape(len(vectors), -1).sum(axis=1)
    return mean, float(chances @ squares)


def scores(theta: npt.ArrayLike, batches: Batches) -> Array:
    """Calculate ∇θ log π(aₜ|sₜ) of every step, `[T, N, B, S, A]`, 0 where not played."""
    policy = softmax(theta)
    rows = np.eye(policy.shape[1])[batches.actions] - policy[batches.states]  # one_hot(a) - π(·|s), for θ[s]
    visited = np.eye(len(policy))[batches.states] * batches.mask[..., None]
    result: Array = visited[..., :, None] * rows[..., None, :]
    return result


def estimates(theta: npt.ArrayLike, batches: Batches, weights: npt.ArrayLike) -> Array:
    """Calculate ĝ = 1/B Σᵦ Σₜ wₜᵦ ∇log π(aₜᵦ|sₜᵦ) of every batch, `[N, S, A]`, for weights `[T, N, B]`."""
    found: Array = np.einsum("tnb,tnbsa->nsa", np.asarray(weights), scores(theta, batches)) / batches.mask.shape[2]
    return found


def compare(
    claim: str, theta: npt.ArrayLike, batches: Batches, weights: npt.ArrayLike, right: npt.ArrayLike, *,
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


def values(mdp: Mdp, theta: tf.Tensor, gamma: float, horizon: int) -> list[tf.Tensor]:
    """Calculate Vₜ(s), `[S]` for t = 0 … T, backwards: V_T = 0, Vₜ = Σₐ π(a|s) (r + γ Σ P(s'|s,a) Vₜ₊₁(s')).

    No score and no trajectory is in it, so that its gradient checks those that have them.
    """
    policy, result = tf.nn.softmax(theta), [tf.zeros(theta.shape[0], tf.float64)]
    for _ in range(horizon):
        action_values = mdp.rewards + gamma * tf.linalg.matvec(mdp.transitions[..., :-1], result[0])
        result.insert(0, tf.reduce_sum(policy * action_values, axis=1))
    return result


def objective(mdp: Mdp, theta: tf.Tensor, gamma: float, horizon: int) -> tf.Tensor:
    """Calculate J(θ) = Σₛ ρ₀(s) V₀(s)."""
    return tf.tensordot(mdp.start, values(mdp, theta, gamma, horizon)[0], 1)


def action_values(mdp: Mdp, theta: tf.Tensor, gamma: float, horizon: int) -> tf.Tensor:
    """Calculate Qₜ(s,a) = r(s,a) + γ Σ P(s'|s,a) Vₜ₊₁(s'), `[T, S, A]`."""
    following = tf.stack(values(mdp, theta, gamma, horizon)[1:])
    return mdp.rewards + gamma * tf.einsum("sax,tx->tsa", mdp.transitions[..., :-1], following)


def onward(mdp: Mdp, theta: tf.Tensor) -> tf.Tensor:
    """Calculate P_π(s'|s) = Σₐ π(a|s) P(s'|s,a), `[S, S]`: its rows lack the probability of the end."""
    return tf.einsum("sa,sax->sx", tf.nn.softmax(theta), mdp.transitions[..., :-1])


def state_distributions(mdp: Mdp, theta: tf.Tensor, horizon: int) -> tf.Tensor:
    """Calculate dₜ(s) = P(sₜ = s), `[T, S]`, forwards: d₀ = ρ₀, dₜ₊₁(s') = Σₛ dₜ(s) P_π(s'|s)."""
    result = [tf.convert_to_tensor(mdp.start)]
    for _ in range(horizon - 1):
        result.append(tf.linalg.matvec(onward(mdp, theta), result[-1], transpose_a=True))
    return tf.stack(result)


def gradient(function: Callable[[tf.Tensor], tf.Tensor], theta: tf.Tensor) -> tf.Tensor:
    """Differentiate a number with respect to θ by TensorFlow's own rules."""
    with tf.GradientTape() as tape:
        tape.watch(theta)
        result = function(theta)
    return tf.convert_to_tensor(tape.gradient(result, theta))


def objective_gradient(mdp: Mdp, theta: tf.Tensor, gamma: float, horizon: int) -> tf.Tensor:
    """Calculate ∇J(θ), `[S, A]`, by differentiating the recursion of V."""
    return gradient(lambda table: objective(mdp, table, gamma, horizon), theta)


def hidden_gradient(mdp: Mdp, theta: tf.Tensor, gamma: float, horizon: int) -> tf.Tensor:
    """Calculate ∇J of a policy that sees the same in every state, `[1, A]`, from its logits θ `[1, A]`."""
    num_states = len(mdp.start)
    return gradient(lambda row: objective(mdp, tf.repeat(row, num_states, axis=0), gamma, horizon), theta)


Step = tuple[int, int]  # state, action


def _episodes(mdp: Mdp, horizon: int) -> list[tuple[list[Step], float]]:
    """Return the steps of every episode, and the product of ρ₀ and P along it.

    Where the last step before the time limit leads does not matter: these episodes are one.
    """
    num_states = len(mdp.start)
    growing: list[tuple[list[Step], int, float]] = [([], s, float(mdp.start[s])) for s in range(num_states)]
    ended: list[tuple[list[Step], float]] = []
    for t in range(horizon):
        longer = []
        for steps, state, probability in growing:
            for action in range(mdp.rewards.shape[1]):
                so_far = [*steps, (state, action)]
                if t == horizon - 1:
                    ended.append((so_far, probability))
                    continue
                *onward, end = (probability * mdp.transitions[state, action]).tolist()
                ended.append((so_far, end))
                longer += [(so_far, s, p) for s, p in enumerate(onward)]
        growing = longer
    return [(steps, probability) for steps, probability in ended if probability > 0]


def _arrays(mdp: Mdp, episode: tuple[list[Step], float], horizon: int) -> tuple[Array, Array, Array, Array, float]:
    """Return states, actions, rewards and mask of one episode, `[T]`, and its probability without the policy's part."""
    steps, probability = episode
    rows = np.zeros((2, horizon), np.int32)
    rows[:, : len(steps)] = np.transpose(steps)
    mask = (np.arange(horizon) < len(steps)).astype(np.float64)
    return rows[0], rows[1], mdp.rewards[rows[0], rows[1]] * mask, mask, probability
