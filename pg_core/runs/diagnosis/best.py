"""Which of the policies that a run has kept earned the most."""

import math
from collections.abc import Sequence

import numpy as np

from pg_core.runs.store.records import Array, Run
from pg_core.runs.store.rows import array_of
from pg_core.runs.store.store import Store

EPISODES = 20  # of each agent, by which a policy is judged


def best_kept(store: Store, run: Run, kept: Sequence[int], agent: int | None = None) -> tuple[int, float]:
    """Return the kept policy around which the mean return was highest, the first of those that tie, and that mean.

    Args and the mean: as of `mean_returns`.
    """
    means = mean_returns(store, run, kept, agent)
    best = int(np.argmax(means))
    return kept[best], float(means[best])


def milestones(store: Store, run: Run, kept: Sequence[int], agent: int | None = None, count: int = 6) -> list[int]:
    """Return at most `count` kept policies, from the first to the best, as evenly as they were learned.

    Of means that are evenly spaced between those around the first and the best policy, each is that of the first policy
    that has reached it.

    Args: as of `mean_returns`.
    """
    means = mean_returns(store, run, kept, agent)
    best = int(np.argmax(means))
    if not np.isfinite(means[0]):  # there is no update yet
        return [kept[0]]
    reached = (int(np.argmax(means >= mean)) for mean in np.linspace(means[0], means[best], count)[1:-1])
    return [kept[at] for at in sorted({0, *reached, best})]


def mean_returns(store: Store, run: Run, kept: Sequence[int], agent: int | None = None) -> Array:
    """Return the mean return around each kept policy.

    The policy after u updates plays the episodes of update u. Its mean return is that of updates u-h to u+h, as far as
    there are any, with the smallest h that gives each agent 20 episodes.

    Args:
        store: that has the run.
        run: as the store has it now.
        kept: numbers of updates after which a policy is kept, ascending, at least one.
        agent: whose returns; None: the mean over all agents.

    Returns:
        The means, one for each kept policy; -inf where no update is near enough.
    """
    shape = run.config.num_agents, run.config.episodes_per_update
    half = max(0, math.ceil((EPISODES / shape[1] - 1) / 2))
    wanted = {update for at in kept for update in range(max(0, at - half), min(at + half + 1, run.updates))}
    rows = store.updates_at(run.id, ["episodic_returns"], sorted(wanted))
    returns = array_of(rows, "episodic_returns", *shape).astype(np.float64)
    returns = (returns if agent is None else returns[:, agent : agent + 1]).mean(axis=(1, 2))
    at = np.array(kept)
    starts, ends = np.searchsorted([row.update for row in rows], [at - half, at + half + 1])
    return np.array([returns[a:b].mean() if a < b else -np.inf for a, b in zip(starts, ends, strict=True)])
