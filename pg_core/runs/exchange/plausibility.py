"""Whether what a stranger says of a run can be true: its numbers must agree with each other and its environment."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from pg_core.config import Config, ConfigError
from pg_core.environments import EnvironmentSpec
from pg_core.policies.in_numpy import VARIANCE
from pg_core.runs.exchange import derived
from pg_core.runs.store.records import Array
from pg_core.runs.store.rows import array_of

FINITE = ("seconds", "episodic_returns", "mean_return", "iqm")  # what else is measured may be undefined


def check_updates(config: Config, last: Array, recent: Array, updates: Array) -> None:
    """Check updates that follow one another.

    Args:
        config: of the run.
        last: the update before them; its index is -1 before the first.
        recent: returns of the last 100 episodes before them, `[P, 100]`, 0 for those that were not played.
        updates: `[n]` of `archive.update_type`.

    Raises:
        ConfigError: they cannot be.
    """
    spec = config.environment
    before = np.concatenate([last[None], updates[:-1]])
    threshold = np.inf if spec.reward_threshold is None else np.float32(spec.reward_threshold)
    filled = (updates["update"][:, None] + 1) * config.episodes_per_update >= derived.WINDOW
    reached = filled & (updates["mean_return"] >= threshold)
    unsolved = before["env_steps_to_solve"] == -1
    lengths, steps, solved = updates["episodic_lengths"], updates["env_steps"], updates["env_steps_to_solve"]
    _require(before, {f"`{name}` must be finite": np.isfinite(updates[name]) for name in FINITE})
    rules = {
        "`update` must count one by one": updates["update"] == before["update"] + 1,
        "`seconds` must not fall": updates["seconds"] >= before["seconds"],
        f"`episodic_lengths` must be in [1, {spec.max_episode_steps}]": (lengths > 0)
        & (lengths <= spec.max_episode_steps),
        "`episodic_returns` must be possible in the environment": _possible(spec, updates["episodic_returns"], lengths),
        "`env_steps` must count the steps of all episodes": steps
        == before["env_steps"] + lengths.sum(axis=2, dtype=np.int64),
        "`env_steps_to_solve` must be the steps at the first update in which the mean return was the environment's "
        "threshold, -1 before": solved == np.where(unsolved & reached, steps, before["env_steps_to_solve"]),
        "`mean_return` must be that of the last 100 episodes": derived.mean_return_agrees(recent, updates),
        "`iqm` must follow from `mean_return`": derived.iqm_agrees(updates),
    }
    _require(before, rules)


def _require(before: Array, rules: Mapping[str, Array]) -> None:
    for rule, holds in rules.items():
        if not holds.all():
            each = holds.reshape(len(before), -1).all(axis=1)
            raise ConfigError(f"{rule}; update {int(before['update'][0]) + 1 + int(np.argmin(each))} does not.")


def _possible(spec: EnvironmentSpec, returns: Array, lengths: Array) -> Array:
    """Return which returns episodes of these lengths may have; of other environments than CartPole nothing is known."""
    if spec.compiled != "cart_pole":
        return np.isfinite(returns)
    other_reward = spec.env_kwargs.get("sutton_barto_reward")
    possible: Array = (returns == 0) | (returns == -1) if other_reward else returns == lengths
    return possible


def check_checkpoint(
    config: Config, at: int, policy: Mapping[str, Array], checkpoint: Mapping[str, Array], before: Sequence[sa.Row[Any]]
) -> None:
    """Check a kept policy or checkpoint.

    Args:
        config: of the run.
        at: number of updates done.
        policy: its arrays, of the right types and shapes.
        checkpoint: likewise; empty if only the policy was kept.
        before: rows of the last updates done, so many that they have 100 episodes, if there are.

    Raises:
        ConfigError: training could not go on from it.
    """
    for name, array in (*policy.items(), *checkpoint.items()):
        if not np.isfinite(array).all():
            raise ConfigError(f"`{name}` must be finite.")
        if name.endswith(VARIANCE) and (array < 0).any():
            raise ConfigError(f"`{name}` must not be negative.")
    if not checkpoint:
        return
    steps = np.frombuffer(before[-1].env_steps, "<i8") if before else np.zeros(config.num_agents, "<i8")
    solved = np.frombuffer(before[-1].env_steps_to_solve, "<i8") if before else np.full_like(steps, -1)
    shape = config.num_agents, config.episodes_per_update
    returns = array_of(before, "episodic_returns", *shape).swapaxes(0, 1).reshape(config.num_agents, -1)
    expected = {f"policy/{name}": array for name, array in policy.items()}
    expected |= {"update": np.array(at), "step": np.array(at)}
    expected |= {"env_steps": steps, "env_steps_to_solve": solved, "recent_returns": returns[:, -derived.WINDOW :]}
    if not all(np.array_equal(checkpoint[name], array) for name, array in expected.items()):
        raise ConfigError(f"Its policy and its counters must be those of {at:,} updates.")
