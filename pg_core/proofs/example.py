"""The running example: an episode that is small enough for all of it to stand in one table.

One state, two actions, at most two steps, γ = 1. Action 0 stays and earns 1; action 1 ends the episode and earns 2. The
policy has one parameter, z, the log-odds of action 0, so that a score is 1 - π(0) or -π(0).
"""

from typing import NamedTuple

REWARDS = (1.0, 2.0)
EPISODES = ((1,), (0, 0), (0, 1))


class Episode(NamedTuple):
    """One of the three episodes that there are.

    Attributes:
        actions: that were taken.
        probability: P(τ).
        returns: Gₜ of each step.
        scores: ∇log π(aₜ|sₜ) of each step.
        estimates: of dJ/dz, by the weight of a score: G₀, Gₜ and Gₜ - V.
    """

    actions: tuple[int, ...]
    probability: float
    returns: tuple[float, ...]
    scores: tuple[float, ...]
    estimates: tuple[float, float, float]


def values(stay: float) -> tuple[float, float]:
    """Calculate Vₜ = π(0) (1 + Vₜ₊₁) + π(1) 2, the expected return from each step on; V₀ is J.

    Args:
        stay: π(0), in (0, 1).
    """
    last = stay * REWARDS[0] + (1 - stay) * REWARDS[1]
    return stay * (REWARDS[0] + last) + (1 - stay) * REWARDS[1], last


def episodes(stay: float) -> list[Episode]:
    """Calculate everything of every episode; `stay` as in `values`."""
    return [_episode(actions, stay) for actions in EPISODES]


def gradient(stay: float) -> float:
    """Calculate dJ/dz by calculus: J = 2 + π(0) (1 - π(0)), and dπ(0)/dz = π(0) (1 - π(0))."""
    return stay * (1 - stay) * (1 - 2 * stay)


def moments(stay: float) -> list[tuple[float, float]]:
    """Calculate the mean and the variance of each estimate over the three episodes; `stay` as in `values`."""
    played = episodes(stay)
    means = [sum(e.probability * e.estimates[k] for e in played) for k in range(3)]
    squares = [sum(e.probability * e.estimates[k] ** 2 for e in played) for k in range(3)]
    return [(mean, square - mean**2) for mean, square in zip(means, squares, strict=True)]


def _episode(actions: tuple[int, ...], stay: float) -> Episode:
    probability = 1.0
    for action in actions:
        probability *= (stay, 1 - stay)[action]
    returns = tuple(sum(REWARDS[a] for a in actions[t:]) for t in range(len(actions)))
    scores = tuple((1 - stay, -stay)[action] for action in actions)
    weights = ([returns[0]] * len(actions), returns, [g - v for g, v in zip(returns, values(stay), strict=False)])
    whole, to_go, advantage = (sum(w * score for w, score in zip(row, scores, strict=True)) for row in weights)
    return Episode(actions, probability, returns, scores, (whole, to_go, advantage))
