"""Counter-based randomness: every number is a function of (run seed, purpose, agent, update).

So an agent draws the same numbers whatever the population around it, and a run that resumes needs no generator state.
"""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What the numbers are for: each purpose has a stream of its own."""

    POLICY = 0
    VALUE = 1
    ACTIONS = 2
    EPISODES = 3
    EVALUATION = 4
    STAGE = 5  # episodes to watch
    BATCHES = 6  # the seed of those on which estimators are compared
    FRESH = 7  # actions in episodes with a seed of their own, the same for all policies


def generator(seed: int, stream: Stream, agent: int, update: int = 0) -> np.random.Generator:
    """Return the generator of one agent's numbers for one purpose in one update.

    Args:
        seed: the run's seed, ≥ 0.
        stream: the purpose.
        agent: index in the population, ≥ 0.
        update: index of the update, ≥ 0.

    See Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
    """
    return np.random.Generator(np.random.Philox(key=[seed, agent], counter=[0, 0, update, stream]))
