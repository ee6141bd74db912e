"""What a sweep tries next: Optuna's samplers and pruner, by ask and tell.

No study is kept: it is made anew from the declaration and from what the settings have come to, so a sweep goes on after
whatever ended the process that looked after it, and the same past always gives the same next settings.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pg_core.config import HYPERPARAMETERS
from pg_core.sweeps.declaration import Axis, Sweep, rounded

if TYPE_CHECKING:  # it takes half a second
    import optuna

STARTUP = 5  # settings that must have come to their end before one is found hopeless


class Tried(NamedTuple):
    """A setting that was tried.

    Attributes:
        values: by axis.
        score: what is maximised; None while it is being trained.
        curve: the score so far by progress in percent, for the pruner.
        stopped: whether it was stopped before its end.
    """

    values: Mapping[str, Any]
    score: float | None = None
    curve: Mapping[int, float] = {}
    stopped: bool = False


def next_settings(sweep: Sweep, tried: Sequence[Tried], how_many: int) -> list[dict[str, Any]]:
    """Return the values by axis of at most so many settings that are to be tried after some others.

    Of a grid they are those that were not tried yet, in its order. A random sampler does not look at what others have
    come to; TPE does, and takes those that are being trained for bad, so that it tries something else.
    """
    how_many = min(how_many, sweep.most - len(tried))
    if sweep.sampler == "grid":
        before = [dict(each.values) for each in tried]
        return [values for values in sweep.grid() if values not in before][: max(how_many, 0)]
    if how_many <= 0:
        return []
    study = _study(sweep, () if sweep.sampler == "random" else tried, len(tried))
    skipped = len(tried) if sweep.sampler == "random" else 0
    distributions = {axis.name: _distribution(axis) for axis in sweep.axes}
    asked = [study.ask(distributions).params for _ in range(skipped + how_many)][skipped:]
    return [{axis.name: _value(axis, params[axis.name]) for axis in sweep.axes} for params in asked]


def hopeless(sweep: Sweep, tried: Sequence[Tried]) -> list[int]:
    """Return which of the settings that are being trained are worse than the median of those that have ended."""
    import optuna

    study = _study(sweep, tried, 0)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP)
    training = [(i, trial) for i, trial in enumerate(study.trials) if not trial.state.is_finished()]
    return [i for i, trial in training if trial.intermediate_values and pruner.prune(study, trial)]


def _study(sweep: Sweep, tried: Sequence[Tried], seed: int) -> "optuna.Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seeded = int(np.random.SeedSequence([sweep.base.seed, seed if sweep.sampler == "tpe" else 0]).generate_state(1)[0])
    sampler = optuna.samplers.TPESampler if sweep.sampler == "tpe" else optuna.samplers.RandomSampler
    study = optuna.create_study(direction="maximize", sampler=sampler(seed=seeded))
    for each in tried:
        study.add_trial(_trial(sweep, each))
    return study


def _trial(sweep: Sweep, tried: Tried) -> "optuna.trial.FrozenTrial":
    from optuna.trial import TrialState, create_trial

    state = TrialState.RUNNING if tried.score is None else TrialState.COMPLETE
    state = TrialState.PRUNED if tried.stopped else state
    return create_trial(
        state=state,
        value=tried.score if state == TrialState.COMPLETE else None,
        params={axis.name: _param(axis, tried.values[axis.name]) for axis in sweep.axes},
        distributions={axis.name: _distribution(axis) for axis in sweep.axes},
        intermediate_values=dict(tried.curve),
    )


def _distribution(axis: Axis) -> "optuna.distributions.BaseDistribution":
    """Return what Optuna draws an axis from: any value of a range, or the number of one in a list."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if axis.scale == "list":
        return CategoricalDistribution(range(len(axis.values)))
    kind = IntDistribution if HYPERPARAMETERS[axis.name].kind is int else FloatDistribution
    return kind(axis.values[0], axis.values[-1], log=axis.scale == "log")


def _value(axis: Axis, param: Any) -> Any:
    if axis.scale == "list":
        return axis.values[param]
    return param if isinstance(param, int) else min(max(rounded(param), axis.values[0]), axis.values[-1])


def _param(axis: Axis, value: Any) -> Any:
    return axis.values.index(value) if axis.scale == "list" else value
