"""What a studio or a prover is asked, by its kind, and how it is answered."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pg_core import proofs
from pg_core.config import Config, ConfigError
from pg_core.learning import episodes, robustness, spread
from pg_core.policies import in_numpy
from pg_core.runs.store import library
from pg_core.runs.store.records import Array, NoPolicy, UnknownRun
from pg_core.runs.store.schema import StoreError
from pg_core.runs.store.store import Store
from pg_core.runs.workers import logs

# What trains again imports TensorFlow, which the studio has not: each answer imports what it needs.


def answer(kind: str, store: Store, trains: bool, asked: Mapping[str, Any]) -> Any:
    """Return the answer to a question, which JSON can hold.

    Args:
        kind: of question, see below.
        store: of the runs.
        trains: whether this process may train a policy again that is not kept.
        asked: what the answer takes.
    """
    found = _OF_POLICIES[kind](store, trains, **asked) if kind in _OF_POLICIES else _ANSWERS[kind](store, **asked)
    return found.decode() if isinstance(found, bytes) else found


def ahead(store: Store, run_id: str, update: int, **_: int) -> Iterator[int]:
    """Train on from an update that was asked for, for who asks for the next ones.

    What cannot be done is said to them; what nobody foresaw is an incident, and no reason to answer nobody.
    """
    from pg_core.runs.workers.again import ahead

    try:
        with contextlib.suppress(StoreError, ConfigError, UnknownRun, NoPolicy):
            yield from ahead(store, run_id, update)
    except Exception as error:
        logs.note(store.folder, error)


def _play(store: Store, trains: bool, run_id: str | None, update: int, config: Any, **shown: Any) -> bytes:
    start, policy = _policies(store, trains, run_id, update, config)
    ranked = range(start.num_agents) if run_id is None else store.ranking(run_id, update)
    return episodes.to_json(start, policy, update, ranked, **shown)


def _policy(store: Store, trains: bool, run_id: str | None, update: int, config: Any, agent: int) -> bytes:
    start, policy = _policies(store, trains, run_id, update, config)
    return episodes.weights_to_json(policy, agent, start.activation)


def _robustness(store: Store, trains: bool, run_id: str, update: int, agent: int, **asked: Any) -> bytes:
    config, policy = _policies(store, trains, run_id, update)
    return robustness.to_json(config, policy, agent, update, **asked)


def _policies(
    store: Store, trains: bool, run_id: str | None, update: int, config: dict[str, Any] | None = None
) -> tuple[Config, Mapping[str, Array]]:
    """Return what a run had learned after `update` updates, or with what a config begins, and the config."""
    from pg_core.runs.workers.replay import kept_policy, policy_at

    if run_id is None:
        start = Config(**config or {})
        return start, in_numpy.initialize_policy(start, start.environment)
    return store.config_after(run_id, update), (policy_at if trains else kept_policy)(store, run_id, update)


def _spread(store: Store, run_id: str, update: int, agent: int) -> bytes:
    kept = spread.evenly([each for each in store.policies(run_id) if each <= update])
    return spread.to_json(filter(None, (store.policy(run_id, each) for each in kept)), agent)


def _film(store: Store, path: str, **asked: Any) -> dict[int, float]:
    from pg_core.runs.workers.films import make

    return make(store, path=Path(path), **asked)


def _value(store: Store, run_id: str, update: int, agent: int) -> bytes:
    from pg_core.runs.workers.replay import value_at

    value = value_at(store, run_id, update)
    return episodes.weights_to_json(value, agent, store.config_after(run_id, update).activation)


def _dissection(store: Store, run_id: str, update: int, agent: int, episode: int) -> bytes:
    from pg_core.learning.dissection import to_json
    from pg_core.runs.workers.replay import dissection_at

    record, played, dissection = dissection_at(store, run_id, update, agent)
    return to_json(record, agent, played, dissection, episode)


def _estimators(store: Store, **asked: Any) -> bytes:
    from pg_core.runs.workers.replay import estimators_at

    return estimators_at(store, **asked)


def _forks(store: Store, run_id: str, update: int, forks: Mapping[str, Mapping[str, Any]], **by: Any) -> None:
    """Fork a run from an update, whether a checkpoint was kept there or not: a queued child for each id.

    Each has a `name`, and `settings` with which it is to learn; in all else it goes on as the run did.
    """
    from pg_core.runs.workers.replay import snapshot_at

    snapshot = snapshot_at(store, run_id, update)
    shared, following = store.config_after(run_id, update), store.config_after(run_id, update + 1)
    for child, each in forks.items():
        values = shared.differences(following.changed(**each["settings"]))
        library.fork(store, run_id, name=each["name"], child=child, snapshot=snapshot, live_values=values, **by)


def _check(_: Store, name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return proofs.run(name, **parameters).to_json()


# Of policies that a studio has where they are kept, and a prover everywhere.
_OF_POLICIES: dict[str, Callable[..., bytes]] = {"episode": _play, "policy": _policy, "robustness": _robustness}
_ANSWERS: dict[str, Callable[..., Any]] = {
    "spread": _spread, "film": _film, "value": _value, "dissection": _dissection,
    "estimators": _estimators, "forks": _forks, "check": _check,
}  # fmt: skip
