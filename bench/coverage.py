"""Measures how often intervals hold what they are of, and how wide they are: `python -m bench.coverage`.

Of robustness: mean lengths of 100 episodes, at most 500 steps, beside the percentiles of a bootstrap. Of estimators:
variance and component along ∇J, of N batches in 20 dimensions that have noise of their own and point along one of them.
"""

import numpy as np

from bench.measure import say
from pg_core.environments import Array
from pg_core.learning import noise, robustness

TRIALS, EPISODES, LIMIT, RESAMPLED = 1_000, 100, 500, 1_000
DIMENSIONS = 20
LENGTHS = {  # what fails when: shares, and the steps at which these fall; all others reach the limit
    "2 % fall at 250 steps": (0.02, 250),
    "1 % fall at 100 steps": (0.01, 100),
    "half fall at 250 steps": (0.5, 250),
}
NOISE = ((64, 3.0), (8, 0.5))  # batches, and the standard deviation of each number


def lengths(random: np.random.Generator) -> dict[str, tuple[Array, float]]:
    """Draw lengths of episodes, `[TRIALS, EPISODES]`, of each kind, with their mean."""
    found = {}
    for name, (share, steps) in LENGTHS.items():
        falls = random.random((TRIALS, EPISODES)) < share
        found[name] = np.where(falls, steps, LIMIT), share * steps + (1 - share) * LIMIT
    chance = 1 / 180
    geometric = np.minimum(random.geometric(chance, (TRIALS, EPISODES)), LIMIT)
    return found | {"geometric": (geometric, (1 - (1 - chance) ** LIMIT) / chance)}


def bootstrap(random: np.random.Generator, played: Array) -> tuple[Array, Array]:
    """Return the 95 % percentile interval of each trial's mean."""
    again = random.integers(EPISODES, size=(RESAMPLED, EPISODES))
    low, high = np.quantile(played[:, again].mean(axis=2), [0.025, 0.975], axis=1)
    return low, high


def told(low: Array, high: Array, exact: float) -> str:
    """Say how often the exact value is held, and how wide intervals are on average."""
    return f"held in {100 * ((low <= exact) & (exact <= high)).mean():.1f} %, {(high - low).mean():.1f} wide"


def ratios(random: np.random.Generator, batches: int, sigma: float) -> str:
    """Say how often the intervals of both ratios hold what is exact: 20 σ² and 1."""
    exact, held = {"relative_variance": DIMENSIONS * sigma**2, "along": 1.0}, {"relative_variance": 0, "along": 0}
    for _ in range(TRIALS):
        own, reference = random.normal(np.eye(DIMENSIONS)[0], sigma, (2, batches, DIMENSIONS))
        found = noise.measure(own, reference)._asdict()
        for name, value in exact.items():
            _, low, high = found[name]
            held[name] += bool(low <= value <= high)
    shares = ", ".join(f"{name} {100 * count / TRIALS:.1f} %" for name, count in held.items())
    return f"{batches} batches, σ = {sigma:g}: held are {shares}"


def main() -> None:
    """Draw and print."""
    random = np.random.default_rng(0)
    for name, (played, exact) in lengths(random).items():
        found = robustness.interval(played, LIMIT)
        say(f"{name}: {told(found.low, found.high, exact)}; bootstrap: {told(*bootstrap(random, played), exact)}")
    always, near = np.full((1, EPISODES), LIMIT), np.round(random.normal(50, 3, (1, EPISODES)))
    for name, played in (("always 500", always), ("50 ± 3", near)):
        found = robustness.interval(played, LIMIT)
        say(f"{name}: [{found.low[0]:.0f}, {found.high[0]:.0f}]")
    for batches, sigma in NOISE:
        say(ratios(random, batches, sigma))


if __name__ == "__main__":
    main()
