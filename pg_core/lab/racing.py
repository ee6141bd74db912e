"""Race estimators: forks of a run from one of its updates, which differ in how they estimate the gradient alone."""

import reprlib
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from pg_core.config import HYPERPARAMETERS, Config, ConfigError
from pg_core.lab import access, control, limits, state
from pg_core.runs.store import quotas
from pg_core.runs.store.schema import MAX_NAME
from pg_core.runs.workers.helper import NoAnswer

RACED = ("weights", "gamma_t", "baseline", "normalize_advantages", "reduction")
FEWEST, MOST = 2, 3


class Race(NamedTuple):
    """Forks that are being made."""

    forked: Future[Mapping[str, Any]]  # done when they are there
    settings: Mapping[str, Mapping[str, Any]]  # what each is to learn with, by its id


def race(run_id: str, update: int, settings: Sequence[Mapping[str, Any]]) -> Race:
    """Have a run forked from an update for each of some estimators; return at once.

    What the run was then is trained again, exactly, by the process that compares estimators: a checkpoint need not have
    been kept. The forks are stopped until `begin_race`.

    Args:
        run_id: of the run, anyone's that is not deleted.
        update: number of updates done, in [0, updates of the run - 1].
        settings: two or three that differ, each of `weights`, `gamma_t`, `baseline`, `normalize_advantages` and
            `reduction`.

    Raises:
        LookupError: there is no such run or update.
        ConfigError: the settings are others, or those of another kind of run.
        NotAllowed: the visitor, or the lab, has as many runs as are allowed.
    """
    found = access.visible(run_id)
    if not 0 <= update < found.updates:
        raise LookupError(f"`update` must be in [0, {found.updates - 1}], got {update}: a race needs one to follow.")
    following = state.store().config_after(run_id, update + 1)  # with what was changed in that very update
    racing = [_valid(following, each) for each in settings]
    different = [each for i, each in enumerate(racing) if each not in racing[:i]]
    if not FEWEST <= len(different) == len(racing) <= MOST:
        raise ConfigError(f"`settings` of a race must be {FEWEST} or {MOST} that differ, got {len(racing)}.")
    children = {uuid.uuid4().hex: each for each in racing}
    with limits.admission(len(children), len(children) * quotas.shared(state.store(), found, update)) as visitor:
        pass
    forks = {child: {"name": _name(each, racing), "settings": each} for child, each in children.items()}
    by = {"owner": visitor.id, "session": visitor.session}
    asked = {"forks": {"run_id": run_id, "update": update, "forks": forks, **by}}
    return Race(state.prover("estimators").question(asked), children)


def begin_race(begun: Race) -> None:
    """Have the forks of a race, once they are there, learn; they are queued like all runs.

    Raises:
        NotAllowed: as `race`, or the forks could not be made.
    """
    try:
        begun.forked.result()
    except NoAnswer as error:
        raise access.NotAllowed(str(error)) from error
    for child in begun.settings:
        control.resume(child)


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
