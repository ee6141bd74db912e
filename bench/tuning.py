"""Looks for the settings that solve CartPole-v1 in the fewest steps: `python -m bench.tuning`, some minutes.

A grid with 128 seeds a point, then the best of it with 512 other seeds: few seeds, or the seeds that chose it, would
flatter it. An agent that has not solved after as many episodes as 600 updates of one play counts as infinitely slow.
"""

import itertools

import numpy as np

from pg_core.config import Config
from pg_core.environments import Array
from pg_core.learning.trainer import Trainer

EPISODES = 600
GRID = {
    "episodes_per_update": (2, 3, 4, 6),
    "learning_rate": (0.02, 0.025, 0.03, 0.04),
    "reduction": ("episode", "step"),
}


def steps_to_solve(seed: int, num_agents: int, **values: object) -> Array:
    """Train a population until all have solved; return the environment steps that each needed, `[P]`."""
    config = Config(seed=seed, num_agents=num_agents, **values)
    trainer = Trainer(config.changed(num_updates=EPISODES // config.episodes_per_update))
    while updates := trainer.advance(16):
        needed = updates[-1].env_steps_to_solve
    trainer.close()
    return np.where(needed < 0, np.inf, needed)


def row(seed: int, num_agents: int, **values: object) -> tuple[float, str]:
    """Return the 95th percentile, by which settings are chosen, and a row of the table."""
    steps = steps_to_solve(seed, num_agents, **values)
    # A percentile that is a number of the sample: between two infinite ones nothing can be interpolated.
    median, most = (np.percentile(steps, q, method="higher") for q in (50, 95))
    cells = [*map(str, values.values()), f"{np.isfinite(steps).sum()} of {num_agents}"]
    return most, f"| {' | '.join([*cells, f'{median:,.0f}', f'{most:,.0f}', f'{steps.max():,.0f}'])} |"


def main() -> None:
    """Print the grid, and the three settings whose slowest agents were fastest with more seeds."""
    names = [*GRID, "solved", "median steps", "95 % needed at most", "slowest"]
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    found = []
    for point in itertools.product(*GRID.values()):
        values = dict(zip(GRID, point, strict=True))
        most, line = row(4242, 128, **values)
        found.append((most, point))
        print(line, flush=True)
    print("\nWith 512 other seeds:\n")
    for _, point in sorted(found)[:3]:
        print(row(77, 512, **dict(zip(GRID, point, strict=True)))[1], flush=True)


if __name__ == "__main__":
    main()
