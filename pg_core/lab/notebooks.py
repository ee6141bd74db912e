"""Sweeps from programs and notebooks, in one call."""

from collections.abc import Mapping, Sequence
from typing import Any

from pg_core.config import Config
from pg_core.lab import sweeping
from pg_core.lab.training import train_sweep
from pg_core.sweeps.declaration import Axis, Sampler, Sweep
from pg_core.sweeps.view import View


def sweep(
    base: Config, vary: Mapping[str, str | Sequence[Any]], seeds: int = 10, *,
    sampler: Sampler = "grid", trials: int = 0, prune: bool = False, name: str | None = None,
) -> View:  # fmt: skip
    """Train all settings of a sweep in this process, keep them, and return what each has come to.

    Args:
        base: what the settings have in common.
        vary: by the name of a hyperparameter its values: a list, or text as in a shell, such as `0.003:0.03:log:5`.
        seeds: agents of each setting; agent k draws the same random numbers in each.
        sampler: `grid`: all combinations. `random`, `tpe`: so many trials, which Optuna chooses.
        trials: how many.
        prune: whether settings below the median are stopped early.
        name: of the sweep; None: one is invented.

    Raises:
        SweepError: an axis or a number is not valid; the message is a sentence.
        ConfigError: a setting cannot be trained.
    """
    axes = tuple(_axis(each, values) for each, values in vary.items())
    declared = Sweep(base=base, axes=axes, seeds=seeds, sampler=sampler, trials=trials, prune=prune)
    training = train_sweep(declared, name)
    for _ in training:
        pass
    return sweeping.sweep(training.sweep_id)


def _axis(name: str, values: str | Sequence[Any]) -> Axis:
    return Axis.of(f"{name}={values}") if isinstance(values, str) else Axis(name=name, values=values)
