"""Return: a sum of what an episode gives, by definition, by recursion, in closed form, and its bounds."""

import numpy as np

from pg_core import maths
from pg_core.proofs import mdp
from pg_core.proofs.mdp import Array
from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Check, Picture, Series, exact

TIME_LIMIT = 500  # CartPole's
LENGTHS = np.array([1, 8, 200, TIME_LIMIT])  # of four of its episodes


def definition(rewards: Array, gamma: float) -> Array:
    """Calculate Gₜ = Σₖ γᵏ⁻ᵗ rₖ over k ≥ t as one matrix of powers times the rewards, `[T, ...]`."""
    ahead = np.arange(len(rewards)) - np.arange(len(rewards))[:, None]
    return np.tensordot(np.where(ahead >= 0, gamma ** np.maximum(ahead, 0), 0.0), rewards, 1)


def recursion(rewards: Array, gamma: float) -> Array:
    """Calculate Gₜ = rₜ + γ Gₜ₊₁ backwards from G_T = 0, `[T, ...]`."""
    returns = np.zeros((len(rewards) + 1, *rewards.shape[1:]))
    for t in reversed(range(len(rewards))):
        returns[t] = rewards[t] + gamma * returns[t + 1]
    return returns[:-1]


def geometric(gamma: float, n: Array) -> Array:
    """Calculate 1 + γ + … + γⁿ⁻¹ = (1 - γⁿ) / (1 - γ), n's shape; its limit n for γ = 1.

    1 - γⁿ is -expm1(n log γ), in which nothing cancels.
    """
    if gamma in {0, 1}:
        return np.minimum(n, 1) if gamma == 0 else n
    result: Array = -np.expm1(n * np.log(gamma)) / (1 - gamma)
    return result


def excess(values: Array, bound: Array) -> Array:
    """Calculate max(0, |x| - bound): 0 where the bound holds."""
    over: Array = np.maximum(np.abs(values) - bound, 0.0)
    return over


def steps_left(lengths: Array, horizon: int) -> Array:
    """Return n, the steps that an episode still has from t on, t among them, `[T, ...]`."""
    steps = np.arange(horizon).reshape(-1, *[1] * lengths.ndim)
    return np.maximum(lengths - steps, 0)


def check(gamma: float = 0.9, horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare the trainer's returns with sums, with the recursion, with bounds, and with what is taken for them."""
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    batches = mdp.every_batch(process, horizon)
    rewards, mask = batches.rewards, batches.mask
    returns = compute(maths.discounted_returns, rewards, gamma)
    shifted = compute(maths.discounted_returns, np.concatenate([rewards[1:], 0 * rewards[:1]]), gamma)
    forwards = compute(maths.discounted_returns, rewards[::-1], gamma)[::-1]
    expected = np.take_along_axis(mdp.values(process, theta, gamma, horizon)[:-1, None], batches.states, 2)

    left, largest = steps_left(mask.sum(axis=0), horizon), np.abs(rewards).max(axis=0)
    near_0 = excess(returns - rewards, gamma * np.maximum(left - 1, 0) * largest)
    near_1 = excess(returns - definition(rewards, 1.0), (1 - gamma) * left * (left - 1) / 2 * largest)

    # Three agents, each with a discount factor of its own.
    long = np.random.default_rng([seed, 2]).normal(size=(TIME_LIMIT, 3, 1))
    gammas = np.array([[gamma], [0.0], [1.0]])
    long_returns = compute(maths.discounted_returns, long, gammas)
    whole = compute(maths.episode_returns, long, gammas)
    powers = np.cumprod(np.concatenate([np.ones((1, 3, 1)), np.broadcast_to(gammas, (TIME_LIMIT - 1, 3, 1))]), axis=0)

    left_of_500 = steps_left(LENGTHS, TIME_LIMIT)
    cart_pole = compute(maths.discounted_returns, (left_of_500 > 0).astype(np.float64), gamma)
    return Check(
        (
            exact("Gₜ = Σₖ γᵏ rₜ₊ₖ", returns, definition(rewards, gamma)),
            exact("Gₜ = rₜ + γ Gₜ₊₁, G_T = 0, over 500 steps", long_returns[:, 0], recursion(long[:, 0], gamma)),
            exact("γ = 0: Gₜ = rₜ", long_returns[:, 1], long[:, 1]),
            exact("γ = 1: Gₜ = rₜ + rₜ₊₁ + … + r_T₋₁", long_returns[:, 2], np.cumsum(long[::-1, 2], axis=0)[::-1]),
            exact("γᵗ = γ · … · γ, and γ⁰ = 1", compute(maths.discounts, long, gammas), powers),
            exact("G₀ = Σₜ γᵗ rₜ at every step", whole, np.broadcast_to((powers * long).sum(axis=0), long.shape)),
            exact("|Gₜ| ≤ (1-γⁿ)/(1-γ) max|r|: excess", excess(returns, geometric(gamma, left) * largest), 0.0),
            exact("γ → 0: |Gₜ - rₜ| ≤ γ (n-1) max|r|: excess", near_0, 0.0),
            exact("γ → 1: |Gₜ - Σₖ rₖ| ≤ (1-γ) n(n-1)/2 max|r|: excess", near_1, 0.0),
            exact("CartPole: Gₜ = (1-γⁿ)/(1-γ)", cart_pole, geometric(gamma, left_of_500)),
            exact("CartPole, as if rewards never stopped: (1-γ) Gₜ = 1", (1 - gamma) * cart_pole[:, -1], 1.0,
                  wrong=gamma),
            exact("an expectation: Gₜ = Vₜ(sₜ)", returns * mask, expected * mask, wrong=True),
            exact("the next reward for one's own: Gₜ = Σₖ γᵏ rₜ₊ₖ₊₁", shifted, returns, wrong=True),
            exact("summed forwards: Gₜ = Σₖ γᵏ rₜ₋ₖ", forwards * mask, returns * mask, wrong=gamma * (horizon > 1)),
        ),
        (_picture(gamma),),
    )  # fmt: skip


def _picture(gamma: float) -> Picture:
    lengths = np.array([1, 2, 5, 10, 20, 50, 100, 200, TIME_LIMIT])
    lines = [
        Series(f"γ = {factor:g}", tuple(lengths.tolist()), tuple(geometric(factor, lengths).tolist()))
        for factor in sorted({gamma, 0.9, 0.99, 1.0})
    ]
    return Picture("CartPole: what a long episode is worth", "Steps n", "G₀", tuple(lines), log=True)
