"""Race estimators: forks of a run from one of its updates, which differ in how they estimate the gradient alone."""

import reprlib
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from pg_core.config import HYPERPARAMETERS, Config, ConfigError
from pg_core.lab import access, limits, state
from pg_core.runs.store import quotas
from pg_core.runs.store.schema import MAX_NAME

RACED = ("weights", "gamma_t", "baseline", "normalize_advantages", "reduction")
FEWEST, MOST = 2, 3


class Race(NamedTuple):
    """Forks that are being made."""

    made: Future[Mapping[str, Any]]  # done when they are there and queued; its error is a sentence
    forks: list[str]  # their ids


def race(run_id: str, update: int, settings: Sequence[Mapping[str, Any]]) -> Race:
    """Have a run forked from an update for each of some estimators; return at once.

    What the run was then is trained again, exactly, by the process that compares estimators: a checkpoint need not have
    been kept. That process queues the forks, whoever still waits for them.

    Args:
        run_id: of the run, anyone's that is not deleted.
        update: number of updates done, in [0, updates of the run - 1].
        settings: two or three that differ, each of `weights`, `gamma_t`, `baseline`, `normalize_advantages` and
            `reduction`.

    Raises:
        LookupError: there is no such run or update.
        ConfigError: the settings are others, or those of another kind of run.
        NotAllowed: the visitor, or the lab, has as many runs as are allowed, or waits for the forks of another race.
    """
    found = access.visible(run_id)
    if not 0 <= update < found.updates:
        raise LookupError(f"`update` must be in [0, {found.updates - 1}], got {update}: a race needs one to follow.")
    following = state.store().config_after(run_id, update + 1)  # with what was changed in that very update
    racing = [_valid(following, each) for each in settings]
    different = [each for i, each in enumerate(racing) if each not in racing[:i]]
    if not FEWEST <= len(different) == len(racing) <= MOST:
        raise ConfigError(f"`settings` of a race must be {FEWEST} or {MOST} that differ, got {len(racing)}.")
    state.supervisor()  # which finds in the queue what other processes put there
    forks = {uuid.uuid4().hex: {"name": _name(each, racing), "settings": each} for each in racing}
    with limits.admission(len(forks), len(forks) * quotas.shared(state.store(), found, update)) as visitor:
        key = visitor.id or visitor.session
        if key in limits.coming:
            raise access.NotAllowed("The forks of another race of yours are being made: ask again when they are there.")
        limits.coming[key] = len(forks)
    by = {"owner": visitor.id, "session": visitor.session}
    asked = {"forks": {"run_id": run_id, "update": update, "forks": forks, **by}}
    try:
        made = access.on_behalf_of(key, lambda: state.laboratory().question(asked))
    except BaseException:
        del limits.coming[key]
        raise
    made.add_done_callback(lambda _: limits.coming.pop(key))
    return Race(made, list(forks))


def _valid(config: Config, settings: Mapping[str, Any]) -> dict[str, Any]:
    if set(settings) != set(RACED):
        raise ConfigError(f"`settings` of a race must be {', '.join(RACED)}, got {reprlib.repr(list(settings))}.")
    changed = config.changed(**settings)
    return {name: getattr(changed, name) for name in RACED}


def _name(settings: Mapping[str, Any], racing: Sequence[Mapping[str, Any]]) -> str:
    """Return what a fork is called: that in which it differs from the others."""
    differ = [name for name in RACED if any(each[name] != settings[name] for each in racing)]
    described = (f"{HYPERPARAMETERS[name].label}: {HYPERPARAMETERS[name].show(settings[name])}" for name in differ)
    return ", ".join(described)[:MAX_NAME]
