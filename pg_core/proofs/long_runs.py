"""What many steps of ascent come to, exact and noisy, on functions whose curvature is known.

SGD of the trainer takes every step. Of noise that is one of two numbers all runs are enumerated, 2ᴷ for K steps.
"""

import numpy as np

from pg_core.proofs.landscapes import Landscape, descend, shortfall, steps
from pg_core.proofs.mdp import Array, Mdp
from pg_core.proofs.verdicts import Comparison, exact

FRACTIONS = np.array([0.1, 0.5, 1.0, 2.0])  # αL of the steps that are tried
MANY = 300
BANDIT = Mdp(np.ones(1), np.array([[[0.0, 1.0], [0.0, 1.0]]]), np.array([[1.0, -1.0]]))  # one choice, 1 or -1
BANDITS_VARIANCE = 1 / 8  # σ² = 2pq - 8p²q² is largest for pq = 1/8


def comparisons(landscape: Landscape, theta: Array, up: Array) -> tuple[Comparison, ...]:
    """Compare sums and limits over many steps with what is promised.

    Args:
        landscape: J.
        theta: where steps begin, `[S, A]`.
        up: θ₀ … θ_K of steps of 1/L along ∇J, `[K+1, S, A]`.
    """
    smooth = landscape.smoothness()
    longer = descend(theta, lambda table: -landscape.gradients(table), [1.9 / smooth] * (len(up) - 1))
    short, long = slopes_of_cosine(smooth, np.array([1.9, 2.5]))
    return (
        *_parabola(smooth),
        exact(f"min ‖∇J‖² ≤ (J_max - J₀)/(cK) for K = 1 … {len(up) - 1}, αL = 1 and 1.9",
              [beyond_the_rate(landscape, path, part) for path, part in ((up, 1.0), (longer, 1.9))], 0.0),
        exact(f"J(x) = L cos x, α = 1.9/L: ∇J = 0 after {MANY} steps", short, 0.0),
        exact(f"the same for α = 2.5/L: ∇J = 0 after {MANY} steps", long, 0.0, wrong=True),
        exact("one choice, 1 or -1: Σ αₖ E‖∇J‖² ≤ 2 (E J_K - J₀) + Lσ² Σ αₖ²", beyond_the_sum(), 0.0),
        *_noise(),
    )  # fmt: skip


def parabola(smooth: float, rates: Array) -> Array:
    """Calculate by how much one step of SGD from x = 1 raises J(x) = -½Lx², `[N]`."""
    moved = 1 + steps("sgd", np.full((1, len(rates)), smooth), rates, 0.0)[0]
    result: Array = smooth / 2 * (1 - moved**2)
    return result


def _parabola(smooth: float) -> tuple[Comparison, ...]:
    """Compare steps on the parabola J(x) = -½Lx² with what is promised: there it is all that they gain."""
    promised = smooth * FRACTIONS * (1 - FRACTIONS / 2)
    too_long = parabola(smooth, np.array([2.1]) / smooth)
    return (
        exact("not more: J(x) = -½Lx² gains exactly that", parabola(smooth, FRACTIONS / smooth), promised),
        exact("a step of 2.1/L raises this J, too", shortfall(too_long, 0.0), 0.0, wrong=True),
    )


def beyond_the_rate(landscape: Landscape, path: Array, fraction: float) -> Array:
    """Calculate by how much min ‖∇J(θₖ)‖² over k < K exceeds (J_max - J(θ₀)) / (cK), c = α (1 - αL/2), `[K]`."""
    squares = np.sum(landscape.gradients(path[:-1]) ** 2, axis=(1, 2))
    largest = np.abs(landscape.process.rewards).max() * np.sum(landscape.gamma ** np.arange(landscape.horizon))
    gained = fraction / landscape.smoothness() * (1 - fraction / 2) * np.arange(1, len(path))
    return shortfall((largest - landscape.objectives(path[0])) / gained, np.minimum.accumulate(squares))


def slopes_of_cosine(smooth: float, fractions: Array) -> Array:
    """Return J'(x) = -L sin x after many steps of `fractions` / L up J(x) = L cos x, each from x = 1."""
    x = np.ones_like(fractions)
    for _ in range(MANY):
        x = x + steps("sgd", smooth * np.sin(x)[None], fractions / smooth, 0.0)[0]
    slopes: Array = -smooth * np.sin(x)
    return slopes


def beyond_the_sum(count: int = 8) -> Array:
    """Calculate by how much Σ αₖ E‖∇J(θₖ)‖² over k < K exceeds its bound, `[K]`, where L = 1.

    Each step is along r (1[a] - π) of a drawn action; αₖ = 0.1 / (1 + k/10).
    """
    bandit, z, chances = Landscape(BANDIT, 1.0, 1), np.array([[[1.0, 0.0]]]), np.ones(1)
    first, climbed, squared, found = bandit.objectives(z)[0], 0.0, 0.0, []
    for k in range(count):
        rate, p = 0.1 / (1 + k / 10), np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
        climbed += rate * float(chances @ np.sum(bandit.gradients(z) ** 2, axis=(1, 2)))
        squared += rate**2
        estimates = np.concatenate([BANDIT.rewards[0, a] * (np.eye(2)[a] - p) for a in (0, 1)])
        z = np.tile(z, (2, 1, 1)) + steps("sgd", -estimates[None], rate, 0.0)[0]
        chances = np.concatenate([chances * p[:, 0, a] for a in (0, 1)])
        rise = float(chances @ bandit.objectives(z)) - first
        found.append(shortfall(2 * rise + BANDITS_VARIANCE * squared, climbed))
    return np.stack(found)


def noisy_parabola(rates: list[float], smooth: float, noise: float) -> float:
    """Calculate E[x²] after steps up J(x) = -½Lx² from x = 1, whose slopes are off by ±σ, each with probability ½."""
    x = np.ones(1)
    for rate in rates:
        slopes = np.concatenate([smooth * x - noise, smooth * x + noise])
        x = np.tile(x, 2) + steps("sgd", slopes[None], rate, 0.0)[0]
    return float(np.mean(x**2))


def _noise(smooth: float = 2.0, noise: float = 0.6, count: int = 9) -> tuple[Comparison, ...]:
    """Compare how far from the top of a parabola noise leaves steps that stay as long as they are, and that shrink."""
    rate = 0.75 / smooth
    constant = noisy_parabola([rate] * count, smooth, noise)
    shrinking = noisy_parabola([1 / (smooth * k) for k in range(1, count + 1)], smooth, noise)
    return (
        exact("noise ±σ and one α: -½Lx² is left at E[x²] = ασ²/(L(2-αL))", constant,
              rate * noise**2 / (smooth * (2 - rate * smooth)) + (1 - rate * smooth) ** (2 * count)
              * (1 - rate * noise**2 / (smooth * (2 - rate * smooth)))),
        exact("noise ±σ and one α: the steps come to rest, E[x²] → 0", constant, 0.0, wrong=True),
        exact("noise ±σ, αₖ = 1/(Lk): E[x²] = σ²/(L²K) after K steps", shrinking, noise**2 / (smooth**2 * count)),
    )  # fmt: skip
