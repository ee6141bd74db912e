"""See runs: what they are, what they learn, and how well."""

import math
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from pg_core.config import Config
from pg_core.lab import access, state
from pg_core.learning import episodes, evaluation, memory
from pg_core.learning.evaluation import Evaluation
from pg_core.runs.curves.progress import Progress, changes_of, seconds_left
from pg_core.runs.diagnosis.best import best_kept
from pg_core.runs.store.records import Run, UnknownRun

if TYPE_CHECKING:
    from pg_core.runs.workers.replay import Replay

CANDIDATES, VALIDATION_EPISODES = 5, 50  # agents, and episodes of each, among which the one to evaluate is found


def runs(deleted: bool = False, settled: bool = False) -> list[Run]:
    """Return all runs, newest first, the visitor's deleted ones if asked for.

    One whose process died is read as interrupted; whether one of another machine did takes some seconds to be known.

    Args:
        deleted: whether to return these, too.
        settled: whether to wait until that is known.
    """
    store = state.store()
    if settled:
        store.settle()
    store.note_dead()
    return [run for run in store.runs(deleted) if not run.deleted or access.may_control(run)]


def unreadable() -> list[str]:
    """Return why runs are not among `runs`, a sentence for each: their environments are not here, or not allowed."""
    return state.store().unreadable()


def queue() -> list[str]:
    """Return the ids of the runs that wait for a worker, next one first."""
    return state.store().queue()


def run(run_id: str, asker: access.Visitor | None = None) -> Run:
    """Return one run's state and summary; of the deleted ones, those of who asks, by default the visitor."""
    return access.visible(run_id, asker)


def name_of(run_id: str) -> str:
    """Return what a run is called now, or that it is gone."""
    try:
        return run(run_id).name
    except UnknownRun:
        return f"a run that is gone ({run_id[:8]})"


def progress(run_id: str, seconds: float = math.inf) -> Progress:
    """Return all that a page shows of a run while it learns.

    Args:
        run_id: of the run.
        seconds: for which updates may be read; of a very long run the next call then reads more.
    """
    store = state.store()
    found = store.run(run_id)
    curves = state.curve_cache(store).curves(found, seconds)
    queue = store.queue() if found.state == "queued" else []
    return Progress(
        run=found,
        curves=curves,
        changes=changes_of(found, store.requests(run_id)),
        seconds_left=seconds_left(found, curves),
        queue_position=queue.index(run_id) + 1 if run_id in queue else None,
    )


def checkpoints(run_id: str) -> list[int]:
    """Return the numbers of updates from which a run can be forked."""
    return state.store().checkpoints(run(run_id).id)


def policies(run_id: str) -> list[int]:
    """Return the numbers of updates after which the policy is kept, ascending."""
    kept = state.store().policies(run_id)
    if not kept:
        state.store().run(run_id)  # there must be one
    return kept


def policy_at(run_id: str, update: int) -> dict[str, npt.NDArray[Any]]:
    """Return the policy after `update` updates, bit for bit; one that is not kept is trained again, in this process.

    Raises:
        LookupError: the run has not come so far.
    """
    from pg_core.runs.workers.replay import policy_at as again

    return again(state.store(), run_id, update)


def changes_in_force(run_id: str) -> int:
    """Return how many changes of a run have come into force; others still wait for its next update."""
    return sum(request.update is not None for request in state.store().requests(run_id))


def stamp(run_id: str) -> tuple[Hashable, ...]:
    """Return what changes whenever anything changes that a page shows of a run; it takes a single short read."""
    return state.store().stamp(run_id)


def best(run_id: str, agent: int | None = None) -> int:
    """Return after how many updates the best policy was kept, see `best_kept`; of all agents together, or of one."""
    found, store = run(run_id), state.store()
    if agent is not None:
        chosen_agent(found, agent)
    return best_kept(store, found, policies(run_id) or [0], agent)[0]


def evaluate(
    run_id: str, episodes: int, agent: int | None = None, greedy: bool = True, update: int | None = None
) -> Evaluation:
    """Play fresh episodes with the policy of one agent: its most probable actions, or sampled ones as in training.

    By default, of the five agents with the highest mean return, the one that acts so best in other episodes; with the
    last policy kept at or before `update` updates, by default the newest.
    """
    config, policy, chosen = _kept_policy(run_id, agent, greedy, update)
    return evaluation.evaluate(config, policy, chosen, episodes, greedy=greedy)


def render(run_id: str, path: Path, agent: int | None = None, update: int | None = None) -> None:
    """Write an episode of the greedy policy of one agent, both chosen as by `evaluate`, as .webp, .gif or .mp4.

    Raises:
        ValueError: another suffix.
    """
    config, policy, chosen = _kept_policy(run_id, agent, update=update)
    episodes.save(config, policy, chosen, path)


def replay(run_id: str) -> "Iterator[Replay]":
    """Train a run again in this process and yield how far it is the same, bit for bit; the last one is the result.

    Raises:
        ConfigError: this lab cannot train it, or training does not fit into the free memory.
    """
    from pg_core.runs.workers.replay import compare

    memory.check(run(run_id).config)
    return compare(state.store(), run_id)


def chosen_agent(found: Run, agent: int | None, update: int | None = None) -> int:
    """Return an agent of a run; None: that with the highest mean return after `update` updates, now by default.

    Raises:
        ValueError: there is no such agent.
    """
    if agent is None:
        return state.store().ranking(found.id, update)[0]
    if not 0 <= agent < found.config.num_agents:
        raise ValueError(f"`agent` must be in [0, {found.config.num_agents - 1}], got {agent}.")
    return agent


def _kept_policy(
    run_id: str, agent: int | None, greedy: bool = True, update: int | None = None
) -> tuple[Config, dict[str, npt.NDArray[Any]], int]:
    found, kept = run(run_id), state.store().policy(run_id, update)
    if kept is None:
        raise LookupError(f"No policy of run {run_id!r} is kept yet; wait until it has begun.")
    at, policy = kept
    config = state.store().config_after(run_id, at)
    if agent is not None:
        return config, policy, chosen_agent(found, agent)
    candidates = state.store().ranking(run_id, None if update is None else at)[:CANDIDATES]
    return config, policy, evaluation.best_agent(config, policy, candidates, VALIDATION_EPISODES, greedy)
