"""Who plays the episodes: each engine hands the same `Trajectories` to the same update."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

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


class CompiledEnvironment(NamedTuple):
    """An environment as functions, for any number of lanes: pure, so that they can be compiled.

    A state is S float64 numbers, as Gymnasium has them: float32 would end some episodes elsewhere.
    """

    state_size: int  # S
    starts: Callable[[np.random.Generator, int], Array]  # first states [S, B], from Gymnasium's random numbers
    step: Callable[[Any, Any], Any]  # states [S, ...] and actions [...] to the states after them
    terminated: Callable[[Any], Any]  # which states [S, ...] end an episode, bool [...]
    rewards: Callable[[Any, Any], Any]  # of all steps [T, P, B], from the mask and from 1 where an episode terminates
