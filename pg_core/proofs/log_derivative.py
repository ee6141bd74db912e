"""The log-derivative trick: ∇p = p ∇log p makes the gradient of an expectation an expectation."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pg_core import maths
from pg_core.proofs import mdp
from pg_core.proofs.mdp import Array, Batches, softmax
from pg_core.proofs.verdicts import Check, exact

TINY = 1e-30


def probability(theta: Array, batches: Batches) -> Array:
    """Multiply P(τ) = ρ₀ ∏ₜ π(aₜ|sₜ) P(sₜ₊₁|sₜ,aₜ) out without a logarithm, `[N]`; θ may be complex."""
    chosen = np.where(batches.mask > 0, softmax(theta)[batches.states, batches.actions], 1.0)
    result: Array = batches.dynamics * chosen.prod(axis=(0, 2))
    return result


def complex_step(function: Callable[[Array], Array], theta: Array) -> Array:
    """Differentiate `[N]` numbers by ∂f/∂θ = Im f(θ + ih) / h, `[N, S, A]`: nothing cancels, so that h may be tiny.

    See Squire & Trapp, "Using complex variables to estimate derivatives of real functions", 1998.
    """
    directions = np.eye(theta.size).reshape(-1, *theta.shape)
    partial = [function(theta + 1j * TINY * direction).imag / TINY for direction in directions]
    return np.stack(partial, axis=-1).reshape(-1, *theta.shape)


def trajectory_scores(theta: Array, batches: Batches) -> Array:
    """Calculate ∇log P(τ), `[N, S, A]`, with a tape through the whole of P(τ); each trajectory has a copy of θ."""
    states, actions, mask = (np.swapaxes(rows[..., 0], 0, 1) for rows in batches[:2] + batches[3:4])  # [N, T]

    def total(copies: tf.Tensor) -> tf.Tensor:
        log_probs = maths.Categorical(tf.gather(copies, states, batch_dims=1)).log_prob(actions) * mask
        return tf.reduce_sum(tf.math.log(batches.dynamics * tf.exp(tf.reduce_sum(log_probs, axis=1))))

    scores: Array = mdp.gradient(total, np.repeat(theta[None], len(batches.dynamics), axis=0))
    return scores


def drawn_at_an_edge(p: float, f: npt.ArrayLike) -> float:
    """Calculate E[f(a) ∇log π(a)] for π(1) = p, π(0) = 1 - p and p itself the parameter, over what is ever drawn."""
    policy, slopes = np.array([1 - p, p]), np.array([-1.0, 1.0])
    drawn = policy > 0
    return float(np.sum((policy * np.asarray(f))[drawn] * slopes[drawn] / policy[drawn]))


def check(horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare ∇P with P ∇log P, and ∇E[f] with E[f ∇log P], where f is the sum of the rewards."""
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    batches = mdp.every_batch(process, horizon)
    p, scores = mdp.probabilities(theta, batches)[:, None, None], trajectory_scores(theta, batches)
    slopes = complex_step(lambda table: probability(table, batches), theta)
    f = batches.rewards.sum(axis=(0, 2))[:, None, None]
    right = mdp.objective_gradient(process, theta, 1.0, horizon)
    rewards = process.rewards[0]
    slope = rewards[1] - rewards[0]  # of (1 - p) f(0) + p f(1)

    def mean(values: Array) -> Array:
        return mdp.expectation(theta, batches, values)

    return Check(
        (
            exact("∇P(τ) = P(τ) ∇log P(τ)", slopes, p * scores),
            exact("episodes of another policy, -θ: E[f ∇log P]", mdp.expectation(-theta, batches, f * scores), right,
                  wrong=True),
            exact("∇E[f] = Σ f(τ) ∇P(τ)", (f * slopes).sum(axis=0), right),
            exact(
                "∇E[f] = E[f ∇log P]", mean(f * scores), right,
                variance=mdp.total_variance(theta, batches, f * scores),
            ),
            exact("f = 1: E[∇log P] = ∇1 = 0", mean(scores), 0.0),
            exact("every trajectory alike: 1/N Σ f(τ) ∇log P(τ)", (f * scores).mean(axis=0), right,
                  wrong=True),
            exact("without the logarithm: E[f ∇P]", mean(f * slopes), right, wrong=True),
            exact("π(1) = θ = ½: E[f ∇log π] = f(1) - f(0)", drawn_at_an_edge(0.5, rewards), slope),
            exact("π(1) = θ = 0, never drawn: E[f ∇log π] = f(1) - f(0)", drawn_at_an_edge(0.0, rewards), slope,
                  wrong=True),
        )
    )  # fmt: skip
