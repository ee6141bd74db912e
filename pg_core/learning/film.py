"""A film of what a run has learned: its policies from the first to the best, each in the same episode."""

from collections.abc import Mapping
from pathlib import Path

from pg_core.config import Config
from pg_core.environments import filming, isolation
from pg_core.learning import evaluation
from pg_core.learning.episodes import start_seed
from pg_core.policies.in_numpy import Params


def save(config: Config, policies: Mapping[int, Params], agent: int, path: Path, in_turn: bool = False) -> list[float]:
    """Write a film of one agent's policies, and return what each earned in it.

    All begin in the same state and act by chance, as in training, with the same random numbers: those of the episode
    that is watched before the first update.

    Args:
        config: of the run.
        policies: parameters of the population, the population axis first, by the number of updates done.
        agent: in [0, P-1].
        path: see `filming.film`, which raises what this raises.
        in_turn: one after the other, else beside each other.
    """
    returns: list[float] = isolation.apart(config.env_id, _save, config, policies, agent, path, in_turn)
    return returns


def _save(config: Config, policies: Mapping[int, Params], agent: int, path: Path, in_turn: bool) -> list[float]:
    acts = {
        f"update {update:,}" if update else "untrained": evaluation.actor(config, policy, agent, greedy=False)
        for update, policy in policies.items()
    }
    return filming.film(config.environment, acts, start_seed(config, 0), path, in_turn)
