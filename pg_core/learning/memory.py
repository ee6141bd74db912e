"""How a population is cut into shards, and how much memory its training takes."""

import contextlib
import math
import os
from collections.abc import Sequence
from pathlib import Path

import psutil

from pg_core.config import Config, ConfigError

THREADS = os.cpu_count() or 1  # on which the compiled engine trains a shard each
SHARD_EPISODES = 128  # that one program plays side by side: fewer waste its fixed costs, more overflow the caches
CGROUP = Path("/sys/fs/cgroup")  # where a container finds its limits

# Measured, see docs/performance.md.
PROGRAM_BYTES = 400 * 2**20  # what XLA takes to compile a program
WORKER_BYTES = 700 * 2**20  # what a worker has taken before it trains, most of it for TensorFlow, shared or not
COPIES = 4  # of every parameter for each episode: its gradient, and what it is made from


def shard_size(config: Config) -> int:
    """Return how many agents the compiled engine trains in one program: shards of nearly equal size."""
    return math.ceil(config.num_agents / shards(config))


def shards(config: Config) -> int:
    """Return in how many programs the compiled engine trains a population."""
    return math.ceil(config.num_agents / max(1, SHARD_EPISODES // config.episodes_per_update))


def needed(config: Config, threads: int = THREADS) -> int:
    """Estimate the memory of training, in bytes, beside TensorFlow itself.

    It grows linearly in the agents that are trained at a time × episodes × (steps × numbers of a step + parameters).

    Args:
        config: of the run.
        threads: of the machine that is to train it.
    """
    per_episode = config.environment.max_episode_steps * config.numbers_of_a_step + COPIES * config.parameters
    return PROGRAM_BYTES + 4 * (_agents_at_a_time(config, threads) * config.episodes_per_update * per_episode)


def free() -> int:
    """Return the bytes that processes can still take, of the machine or of the container that they run in."""
    left: int = psutil.virtual_memory().available
    with contextlib.suppress(OSError, ValueError):  # no container, or one without a limit: "max"
        limit, used = (int((CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        cached = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())["inactive_file"]
        left = min(left, limit - used + int(cached))
    return left


def needed_together(configs: Sequence[Config], threads: int = THREADS) -> int:
    """Estimate the memory, as `needed`, of training several in one process that share a program."""
    return PROGRAM_BYTES + sum(needed(config, threads) - PROGRAM_BYTES for config in configs)


def check(*configs: Config) -> None:
    """Refuse configs of which one alone does not fit into the memory that is free now on this machine.

    Raises:
        ConfigError: with the sizes.
    """
    left = free()
    for config in configs:
        _check(config, left)


def _check(config: Config, left: int) -> None:
    if needed(config) > left:
        raise ConfigError(
            f"Training needs {_gibibytes(needed(config))} for {_agents_at_a_time(config)} agents × "
            f"{config.episodes_per_update} episodes × ({config.environment.max_episode_steps} steps × "
            f"{config.numbers_of_a_step} numbers + {COPIES} × {config.parameters:,} parameters), and "
            f"{_gibibytes(left)} are free: make one of these smaller, or end other runs."
        )


def _agents_at_a_time(config: Config, threads: int = THREADS) -> int:
    return min(config.num_agents, shard_size(config) * threads) if config.compiled else config.num_agents


def _gibibytes(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
