"""Whether what a stranger says of a run can be true: its numbers must agree with each other and its environment."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import sqlalchemy as sa

from pg_core.config import Config, ConfigError
from pg_core.environments import EnvironmentSpec
from pg_core.policies.in_numpy import VARIANCE
from pg_core.runs.store.records import Array

FINITE = ("seconds", "episodic_returns", "mean_return", "iqm")  # what else is measured may be undefined


def check_updates(config: Config, last: Array, updates: Array) -> None:
    """Check updates that follow one another.

    Args:
        config: of the run.
        last: the update before them; its index is -1 before the first.
        updates: `[n]` of `archive.update_type`.

    Raises:
        ConfigError: they cannot be.
    """
    spec = config.environment
    before = np.concatenate([last[None], updates[:-1]])
    lengths, steps, solved = updates["episodic_lengths"], updates["env_steps"], updates["env_steps_to_solve"]
    rules = {
        "`update` must count one by one": updates["update"] == before["update"] + 1,
        **{f"`{name}` must be finite": np.isfinite(updates[name]) for name in FINITE},
        "`seconds` must not fall": updates["seconds"] >= before["seconds"],
        f"`episodic_lengths` must be in [1, {spec.max_episode_steps}]": (lengths > 0)
        & (lengths <= spec.max_episode_steps),
        "`episodic_returns` must be possible in the environment": _possible(spec, updates["episodic_returns"], lengths),
        "`env_steps` must count the steps of all episodes": steps
        == before["env_steps"] + lengths.sum(axis=2, dtype=np.int64),
        "`env_steps_to_solve` must be -1, or the steps at one update": (solved == before["env_steps_to_solve"])
        | ((before["env_steps_to_solve"] == -1) & (solved == steps)),
    }
    for rule, holds in rules.items():
        if not holds.all():
            each = holds.reshape(len(updates), -1).all(axis=1)
            raise ConfigError(f"{rule}; update {int(before['update'][0]) + 1 + int(np.argmin(each))} does not.")


def _possible(spec: EnvironmentSpec, returns: Array, lengths: Array) -> Array:
    """Return which returns episodes of these lengths may have; of other environments than CartPole nothing is known."""
    if spec.compiled != "cart_pole":
        return np.isfinite(returns)
    other_reward = spec.env_kwargs.get("sutton_barto_reward")
    possible: Array = (returns == 0) | (returns == -1) if other_reward else returns == lengths
    return possible


def check_checkpoint(
    config: Config, at: int, policy: Mapping[str, Array], checkpoint: Mapping[str, Array], before: sa.Row[Any] | None
) -> None:
    """Check a kept policy or checkpoint.

    Args:
        config: of the run.
        at: number of updates done.
        policy: its arrays, of the right types and shapes.
        checkpoint: likewise; empty if only the policy was kept.
        before: row of the last update done, None for none.

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
    steps = np.zeros(config.num_agents, "<i8") if before is None else np.frombuffer(before.env_steps, "<i8")
    solved = np.full_like(steps, -1) if before is None else np.frombuffer(before.env_steps_to_solve, "<i8")
    expected = {f"policy/{name}": array for name, array in policy.items()}
    expected |= {"update": np.array(at), "step": np.array(at)}
    expected |= {"env_steps": steps, "env_steps_to_solve": solved}
    if not all(np.array_equal(checkpoint[name], array) for name, array in expected.items()):
        raise ConfigError(f"Its policy and its counters must be those of {at:,} updates.")
