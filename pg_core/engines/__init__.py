"""Who plays the episodes: each engine hands the same `Trajectories` to the same update."""

from typing import NamedTuple

from pg_core.environments import Array


class Trajectories(NamedTuple):
    """Whole episodes of a population, time-major; rows after an episode's end are all 0.

    T is the length of the longest episode, P the population, B the episodes of each agent.
    """

    observations: Array  # [T, P, B, D] float32
    actions: Array  # [T, P, B] int32, or [T, P, B, A] float32
    rewards: Array  # [T, P, B] float32
    mask: Array  # [T, P, B] float32: 1 on the steps that were played
    terminated: Array  # [P, B] bool: the environment ended the episode
    truncated: Array  # [P, B] bool: the time limit ended it
