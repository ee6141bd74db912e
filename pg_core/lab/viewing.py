"""See runs: what they learn, and what their policies do."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from pg_core import evaluation, memory, rendering
from pg_core.config import Config
from pg_core.evaluation import Evaluation
from pg_core.lab import state
from pg_core.runs import clips
from pg_core.runs.clips import LabeledClip
from pg_core.runs.progress import Progress, changes_of, seconds_left
from pg_core.runs.records import Run, UnknownRun
from pg_core.runs.schema import StoreError

if TYPE_CHECKING:
    from pg_core.runs.replay import Replay

CLIP_SECONDS = 4.0  # between the clips of a run, while it learns; players show each for as long
CANDIDATES, VALIDATION_EPISODES = 5, 50  # from which the agent to be evaluated is chosen, in which it shows itself


def runs(deleted: bool = False) -> list[Run]:
    """Return all runs, newest first, deleted ones if asked for; one whose process died is interrupted by now."""
    with contextlib.suppress(StoreError):  # they are read as interrupted, if this cannot be written
        state.store().interrupt_dead()
    return state.store().runs(deleted)


def queue() -> list[str]:
    """Return the ids of the runs that wait for a worker, next one first."""
    return state.store().queue()


def run(run_id: str) -> Run:
    """Return one run's state and summary."""
    return state.store().run(run_id)


def name_of(run_id: str) -> str:
    """Return what a run is called now, or a few words that it is gone."""
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


def policy_at(run_id: str, update: int | None = None) -> tuple[int, dict[str, npt.NDArray[Any]]]:
    """Return the last policy kept at or before `update` (None: the newest), and how many updates it had done.

    Raises:
        LookupError: the run has not begun; no policy is kept.
    """
    found = state.store().policy(run(run_id).id, update)
    if found is None:
        raise LookupError(f"No policy of run {run_id!r} is kept yet; wait until it has begun.")
    return found


def clip(found: Run, agent: int | None = None) -> tuple[LabeledClip | None, bool]:
    """Return a run's newest clip, and whether a newer one is on its way; it is, if the policy has moved on.

    Args:
        found: the run.
        agent: whose policy; None: that of the agent with the highest mean return now.

    Returns:
        The clip, None until the first is made, and whether to look again.
    """
    store, run_id = state.store(), found.id
    snapshots = store.snapshots(run_id)
    if not snapshots:
        return None, found.active
    shown = chosen_agent(found, agent)
    key, pending = clips.trained_key(run_id, snapshots[-1], shown), False
    if not clips.exists(store.folder, key):
        newest = clips.newest(store.folder, run_id, agent)
        pending = clips.age(store.folder, newest) < CLIP_SECONDS or state.supervisor().ask(
            f"{run_id}-{shown}", key, {"run_id": run_id, "agent": shown}
        )
        key = newest or key
    return clips.load(store.folder, key), pending


def clip_of(key: str) -> LabeledClip | None:
    """Return the clip with a key; None if it was never made or is deleted by now."""
    return clips.load(state.store().folder, key)


def untrained_clip(config: Config) -> tuple[LabeledClip | None, bool]:
    """Return the clip of a policy before its first update, None until it is made, and whether it is on its way."""
    store, key = state.store(), clips.untrained_key(config)
    pending = not clips.exists(store.folder, key)
    if pending:
        pending = state.supervisor().ask(key, key, {"config": config.model_dump(mode="json")})
    return clips.load(store.folder, key), pending


def evaluate(run_id: str, episodes: int, agent: int | None = None) -> Evaluation:
    """Play fresh episodes with the greedy policy of one agent.

    By default of the one that does best, greedily, in other episodes, among the five with the highest mean return.
    """
    config, policy, chosen = _newest_policy(run_id, agent)
    return evaluation.evaluate(config, policy, chosen, episodes)


def render(run_id: str, path: Path, agent: int | None = None) -> None:
    """Write an episode of the greedy policy of one agent, chosen as by `evaluate`, as .webp, .gif or .mp4.

    Raises:
        ValueError: another suffix.
    """
    config, policy, chosen = _newest_policy(run_id, agent)
    act = evaluation.actor(config, policy, chosen, greedy=True)
    rendering.save(path, *rendering.record(config.env_id, act, seed=config.seed))


def replay(run_id: str) -> "Iterator[Replay]":
    """Train a run again in this process and yield how far it is the same, bit for bit; the last one is the result.

    Raises:
        ConfigError: this lab cannot train it, or training does not fit into the free memory.
    """
    from pg_core.runs.replay import compare

    memory.check(run(run_id).config)
    return compare(state.store(), run_id)


def chosen_agent(found: Run, agent: int | None) -> int:
    """Return an agent of a run; None: that with the highest mean return now.

    Raises:
        ValueError: there is no such agent.
    """
    if agent is None:
        return state.store().ranking(found.id)[0]
    if not 0 <= agent < found.config.num_agents:
        raise ValueError(f"`agent` must be in [0, {found.config.num_agents - 1}], got {agent}.")
    return agent


def _newest_policy(run_id: str, agent: int | None) -> tuple[Config, dict[str, npt.NDArray[Any]], int]:
    found = run(run_id)
    update, policy = policy_at(run_id)
    config = state.store().config_after(run_id, update)
    if agent is not None:
        return config, policy, chosen_agent(found, agent)
    candidates = state.store().ranking(run_id)[:CANDIDATES]
    return config, policy, evaluation.best_greedy(config, policy, candidates, VALIDATION_EPISODES)
