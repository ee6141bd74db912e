"""The objective: the expected return, what a batch tells of it, and what "solved" does not say about it."""

import math

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pg_core import maths
from pg_core.learning import episode_statistics
from pg_core.learning.episode_statistics import SOLVED_WINDOW, EpisodeStatistics
from pg_core.proofs import mdp
from pg_core.proofs.mdp import Array, Batches
from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Check, Picture, Series, exact

FULL_RETURN, THRESHOLD = 500.0, 475.0  # CartPole's
IN_A_ROW = 200  # the source text's episodes


def conditional_returns(theta: Array, batches: Batches, gamma: float) -> Array:
    """Calculate E[Gₜ | sₜ = s] from all trajectories, `[T, S]`."""
    returns = compute(maths.discounted_returns, batches.rewards, gamma)  # [T, N, 1]
    here = np.eye(len(theta))[batches.states[..., 0]] * batches.mask
    weights = mdp.probabilities(theta, batches)[:, None] * here  # [T, N, S]
    mean: Array = (weights * returns).sum(axis=1) / weights.sum(axis=1)
    return mean


def mean_return(batches: Batches, gamma: float) -> Array:
    """Calculate Ḡ = 1/B Σᵦ G₀ᵦ of every batch, `[N]`.

    G₀ is taken from each episode's first row. The others hold no number, which a missing mask would let through.
    """
    first = np.zeros_like(batches.mask)
    first[0] = 1.0
    returns = compute(maths.episode_returns, batches.rewards, gamma)
    mean: Array = compute(maths.masked_mean, np.where(first > 0, returns, np.nan), first)
    return mean


def mean_over_steps(batches: Batches, gamma: float) -> Array:
    """Calculate Σᵦ nᵦ G₀ᵦ / Σᵦ nᵦ of every batch, in which an episode of n steps counts n times, `[N]`."""
    mean: Array = compute(maths.masked_mean, compute(maths.episode_returns, batches.rewards, gamma), batches.mask)
    return mean


def passes() -> Array:
    """Return whether 100 episodes of which k earn 0, the others 500, have a mean of 475 or more, `[k = 0 … 100]`."""
    failed = np.arange(SOLVED_WINDOW) < np.arange(SOLVED_WINDOW + 1)[:, None]
    returns = np.where(failed, 0.0, FULL_RETURN)[None]  # [1, k, 100]
    passed: Array = (compute(maths.masked_mean, returns, np.ones_like(returns)) >= THRESHOLD).astype(np.float64)
    return passed


def trainers_statistics() -> EpisodeStatistics:
    """Let the trainer count 100 episodes of which k earn 0, the others 500, after 50 that earned 500, k = 0 … 100."""
    failed = np.arange(SOLVED_WINDOW) < np.arange(SOLVED_WINDOW + 1)[:, None]
    returns = tf.constant(np.where(failed, 0, FULL_RETURN), tf.float32)  # [k, 100]
    before = episode_statistics.initial_statistics(len(failed))
    before = episode_statistics.add_episodes(
        before, tf.fill([len(failed), 50], FULL_RETURN), returns[:, :50], THRESHOLD
    )
    return episode_statistics.add_episodes(before, returns, returns, THRESHOLD)


def chance_to_pass(success: npt.ArrayLike) -> Array:
    """Calculate P(mean of 100 returns ≥ 475) where an episode earns 500 with probability p, else 0, p's shape."""
    p, failed = np.asarray(success)[..., None], np.arange(SOLVED_WINDOW + 1)
    ways = np.array([math.comb(SOLVED_WINDOW, k) for k in failed], np.float64)
    chance: Array = (ways * (1 - p) ** failed * p ** (SOLVED_WINDOW - failed)) @ passes()
    return chance


def check(gamma: float = 0.9, horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare J as a sum over trajectories with the recursion of V, and with the means that batches give."""
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    single, objective = mdp.every_batch(process, horizon), mdp.objective(process, theta, gamma, horizon)
    expected = mdp.expectation(theta, single, mean_return(single, gamma))
    undiscounted = mdp.expectation(theta, single, mean_return(single, 1.0))

    limit = min(horizon, 3)  # pairs of longer episodes are too many
    pairs, ones = mdp.every_batch(process, limit, 2), process._replace(rewards=np.ones_like(process.rewards))
    alone = mean_return(mdp.every_batch(process, limit), gamma)
    means, over_steps = mean_return(pairs, gamma), mean_over_steps(pairs, gamma)
    right, variance = mdp.objective(process, theta, gamma, limit), mdp.total_variance(theta, pairs, means)
    lengths = mean_return(pairs._replace(rewards=pairs.mask), 1.0)
    two = "two episodes" if limit == horizon else f"two episodes, T = {limit}"
    trainers, earned = trainers_statistics(), FULL_RETURN * (1 - np.arange(SOLVED_WINDOW + 1) / SOLVED_WINDOW)
    return Check(
        (
            exact("Σ P(τ) G₀(τ) = Σ ρ₀(s) V₀(s)", expected, objective),
            exact(
                "E[Gₜ | sₜ = s] = Vₜ(s)",
                conditional_returns(theta, single, gamma),
                mdp.values(process, theta, gamma, horizon)[:-1],
            ),
            exact(f"{two}: E[½ (G₀ + G₀')] = J", mdp.expectation(theta, pairs, means), right, variance=variance),
            exact(
                f"{two}: Var[½ (G₀ + G₀')] = ½ Var[G₀]",
                variance, mdp.total_variance(theta, mdp.every_batch(process, limit), alone) / 2,
            ),
            exact(
                "r = 1, γ = 1: E[½ (n + n')] = J, the mean length",
                mdp.expectation(theta, pairs, lengths), mdp.objective(ones, theta, 1.0, limit),
            ),
            exact("no episode yet: a mean of 0", compute(maths.masked_mean, single.rewards, 0 * single.mask), 0.0),
            exact(
                "mean of G₀ over steps, not episodes", mdp.expectation(theta, pairs, over_steps), right,
                wrong=horizon > 1, variance=mdp.total_variance(theta, pairs, over_steps),
            ),
            exact("J without discount", undiscounted, objective, wrong=(1 - gamma) * (horizon > 1)),
            exact("mean of 100 returns ≥ 475: up to 5 may be 0", passes(), np.arange(SOLVED_WINDOW + 1) <= 5),
            exact("the trainer calls the same solved, by the last 100", trainers.env_steps_to_solve >= 0, passes()),
            exact("its mean return: of the last 100", episode_statistics.mean_return(trainers), earned),
            exact(
                "J = 475: P(mean of 100 ≥ 475) = P(200 full ones in a row)",
                chance_to_pass(0.95), 0.95**IN_A_ROW, wrong=True,
            ),
        ),
        (_picture(),),
    )  # fmt: skip


def _picture() -> Picture:
    chances: Array = np.linspace(0.9, 1.0, 41)
    x = tuple(chances.tolist())
    lines = (
        Series("mean of 100 returns ≥ 475", x, tuple(chance_to_pass(chances).tolist())),
        Series("200 full episodes in a row", x, tuple((chances**IN_A_ROW).tolist())),
    )
    return Picture("Two meanings of solved", "Share of episodes that earn 500, the others 0", "Probability", lines)
