"""The one door to the lab, for pages and command line: start runs, steer them, see what they learn.

Nothing that this module imports imports TensorFlow: training happens in worker processes, or in this one when
`train` is called.
"""

import atexit
import functools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from pg_core import evaluation, memory, proofs, rendering
from pg_core.config import Config
from pg_core.evaluation import Evaluation
from pg_core.proofs.sources import Source, sources
from pg_core.proofs.verdicts import Check
from pg_core.runs import clips, library, maintenance
from pg_core.runs.clips import LabeledClip
from pg_core.runs.curves import CurveCache, Curves
from pg_core.runs.processes import process_name
from pg_core.runs.progress import Change, Progress, changes_of, seconds_left
from pg_core.runs.prover import Answer, Prover
from pg_core.runs.records import ACTIVE, Run, UnknownRun
from pg_core.runs.schema import StoreError
from pg_core.runs.store import Store, data_folder
from pg_core.runs.supervisor import Supervisor

if TYPE_CHECKING:
    from pg_core.runs.replay import Replay
    from pg_core.trainer import Update

__all__ = [
    "Answer", "Change", "Curves", "LabeledClip", "Progress", "Run", "Source", "StoreError", "Training",
    "UnknownRun", "ask_check", "backup", "change", "check", "check_store", "checked", "checkpoints", "clip", "delete",
    "evaluate", "fork", "label", "pause", "policy_at", "prepare_checks", "progress", "render", "replay", "restore",
    "resume", "run", "runs", "shutdown", "sources", "start", "startup", "step", "stop", "train", "untrained_clip",
]  # fmt: skip

CANDIDATES, VALIDATION_EPISODES = 5, 50  # from which the agent to be evaluated is chosen, in which it shows itself

_lock = threading.Lock()  # of the two below, which this process has only once
_supervisor: Supervisor | None = None
_prover: Prover | None = None


class Training:
    """A run that is trained in this process: iterate to train it."""

    def __init__(self, run_id: str, updates: "Iterator[Update]") -> None:
        self.run_id = run_id
        self._updates = updates

    def __iter__(self) -> "Iterator[Update]":
        # A generator of its own: it is closed when the caller leaves its loop, which stops the run.
        yield from self._updates


def startup() -> None:
    """Start this process's supervisor; it is started by need if nobody does."""
    library.purge(_store())
    _supervise()


def shutdown() -> None:
    """End all workers; runs that were active can be resumed later."""
    global _supervisor, _prover
    with _lock:
        if _prover:
            _prover.shutdown()
        if _supervisor:
            _supervisor.shutdown()
        _supervisor = _prover = None


def start(config: Config, name: str | None = None) -> str:
    """Queue a new run for the next free worker, and return its id.

    Raises:
        ConfigError: the name has no or more than 80 characters, or training does not fit into the free memory.
        StoreError: the store cannot be written; so every function here.
    """
    memory.check(config)
    run_id = _store().create(config, name)
    _supervise().wake()
    return run_id


def change(run_id: str, **live_values: Any) -> None:
    """Change live hyperparameters from the run's next update on.

    Raises:
        UnknownRun: there is no such run; so every function here that takes an id.
        ConfigError: a value is not valid, or not live, or the run has ended.
    """
    _store().request(run_id, live_values)


def pause(run_id: str) -> None:
    """Pause an active run after the update that it is in."""
    _direct(run_id, target="pause")


def resume(run_id: str) -> None:
    """Let a paused run go on, and one that was stopped or interrupted continue from its newest checkpoint."""
    if not _direct(run_id, target="run", steps=0) and _store().enqueue(run_id, target="run", steps=0):
        _supervise().wake()


def step(run_id: str) -> None:
    """Train a single update, and pause."""
    store = _store()
    run(run_id)
    if not store.add_step(run_id) and store.enqueue(run_id, target="pause", steps=1):
        _supervise().wake()


def stop(run_id: str) -> None:
    """Stop a run, keeping all it has learned; it can be resumed."""
    if not _store().transition(run_id, ["queued"], state="stopped"):
        _direct(run_id, target="stop")


def runs() -> list[Run]:
    """Return all runs, newest first; one whose process died is interrupted by now."""
    _store().interrupt_dead()
    return _store().runs()


def fork(run_id: str, update: int | None = None, name: str | None = None, **live_values: Any) -> str:
    """Queue a run that shares another's past up to `update` updates and goes on with other live values.

    Args:
        run_id: of the parent.
        update: one after which a checkpoint was kept, see `checkpoints`; None: the newest.
        name: of the child.
        live_values: in force from the child's first own update on.

    Returns:
        The child's id.

    Raises:
        ConfigError: there is no checkpoint at `update`, or a value is not valid or not live.
    """
    run(run_id).current.changed(**live_values)
    child = library.fork(_store(), run_id, update, name)
    _store().request(child, live_values)
    resume(child)
    return child


def checkpoints(run_id: str) -> list[int]:
    """Return the numbers of updates from which a run can be forked."""
    return _store().checkpoints(run(run_id).id)


def label(run_id: str, **labels: Any) -> None:
    """Set a run's `name`, `note`, `tags` or `pinned`.

    Raises:
        ConfigError: a text is too long, or has characters that cannot be printed.
    """
    library.label(_store(), run_id, **labels)


def delete(*run_ids: str) -> None:
    """Take runs out of sight; `restore` brings them back within a day.

    Raises:
        ConfigError: one of them is still trained.
    """
    library.delete(_store(), run_ids)


def restore(*run_ids: str) -> None:
    """Bring deleted runs back."""
    library.restore(_store(), run_ids)


def run(run_id: str) -> Run:
    """Return one run's state and summary."""
    return _store().run(run_id)


def progress(run_id: str) -> Progress:
    """Return all that a page shows of a run while it learns."""
    store = _store()
    found = store.run(run_id)
    curves = _curve_cache(store.folder).curves(found)
    queue = store.queue()
    return Progress(
        run=found,
        curves=curves,
        changes=changes_of(found, store.requests(run_id)),
        seconds_left=seconds_left(found, curves),
        queue_position=queue.index(run_id) + 1 if run_id in queue else None,
    )


def policy_at(run_id: str, update: int | None = None) -> tuple[int, dict[str, npt.NDArray[Any]]]:
    """Return the last policy kept at or before `update` (None: the newest), and how many updates it had done.

    Raises:
        LookupError: the run has not begun; no policy is kept.
    """
    found = _store().policy(run(run_id).id, update)
    if found is None:
        raise LookupError(f"No policy of run {run_id!r} is kept yet; wait until it has begun.")
    return found


def clip(run_id: str, agent: int | None = None) -> tuple[LabeledClip | None, bool]:
    """Return a run's newest clip, and whether a newer one is on its way; it is, if the policy has moved on.

    Args:
        run_id: of the run.
        agent: whose policy; None: that of the agent with the highest mean return now.

    Returns:
        The clip, None until the first is made, and whether to look again.
    """
    store = _store()
    found = store.run(run_id)
    shown = _agent(found, agent)
    snapshots = store.snapshots(run_id)
    if not snapshots:
        return None, found.active
    key, pending = clips.trained_key(run_id, snapshots[-1], shown), False
    if not clips.exists(store.folder, key):
        pending = _supervise().ask(f"{run_id}-{shown}", key, {"run_id": run_id, "agent": shown})
        key = clips.newest(store.folder, run_id, agent) or key
    return clips.load(store.folder, key), pending


def untrained_clip(config: Config) -> tuple[LabeledClip | None, bool]:
    """Return the clip of a policy before its first update, None until it is made, and whether it is on its way."""
    store, key = _store(), clips.untrained_key(config)
    pending = not clips.exists(store.folder, key)
    if pending:
        pending = _supervise().ask(key, key, {"config": config.model_dump(mode="json")})
    return clips.load(store.folder, key), pending


def train(config: Config, name: str | None = None) -> Training:
    """Train a new run in this process: it goes on while the caller iterates, and is stopped when he stops."""
    from pg_core.runs.worker import work

    memory.check(config)
    process = process_name()
    run_id = _store().create(config, name, process)
    return Training(run_id, work(_store(), run_id, process))


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
    return compare(_store(), run_id)


def check_store() -> Iterator[str]:
    """Yield what is wrong with the store, a sentence a problem."""
    return maintenance.problems(data_folder())


def backup(path: Path) -> None:
    """Copy the store into a new file; runs may train meanwhile.

    Raises:
        ValueError: the file exists.
    """
    maintenance.backup(data_folder(), path)


def check(name: str, **parameters: int | float) -> Check:
    """Check a proof in this process.

    Raises:
        ValueError: there is no such statement or parameter, or a value is out of bounds.
    """
    return proofs.run(name, **parameters)


def prepare_checks() -> None:
    """Start the process that checks proofs for pages, so that the first check need not wait for it."""
    _checks().prepare()


def ask_check(name: str, **parameters: int | float) -> None:
    """Have a proof checked in another process; `checked` has the answer.

    Raises:
        ValueError: as `check`.
    """
    _checks().ask(name, proofs.validated(name, parameters))


def checked(name: str, **parameters: int | float) -> tuple[Answer | None, bool]:
    """Return the answer to what `ask_check` asked, None if there is none, and whether one is on its way."""
    return _checks().answer(name, proofs.validated(name, parameters))


def _store() -> Store:
    return _open(data_folder())


@functools.cache
def _open(folder: Path) -> Store:
    return Store(folder)


@functools.cache
def _curve_cache(folder: Path) -> CurveCache:
    return CurveCache(_open(folder))


def _supervise() -> Supervisor:
    global _supervisor
    with _lock:
        if _supervisor is None:
            _supervisor = Supervisor(_store())
            _supervisor.start()
            atexit.register(shutdown)
        return _supervisor


def _checks() -> Prover:
    global _prover
    with _lock:
        if _prover is None:
            _prover = Prover(_store().folder)
            atexit.register(shutdown)
        return _prover


def _direct(run_id: str, **orders: Any) -> bool:
    """Give an active run's worker its orders; a run that has just ended needs none."""
    return _store().transition(run(run_id).id, ACTIVE, **orders)


def _agent(found: Run, agent: int | None) -> int:
    if agent is None:
        return _store().ranking(found.id)[0]
    if not 0 <= agent < found.config.num_agents:
        raise ValueError(f"`agent` must be in [0, {found.config.num_agents - 1}], got {agent}.")
    return agent


def _newest_policy(run_id: str, agent: int | None) -> tuple[Config, dict[str, npt.NDArray[Any]], int]:
    found = run(run_id)
    update, policy = policy_at(run_id)
    config = _store().config_after(run_id, update)
    if agent is not None:
        return config, policy, _agent(found, agent)
    candidates = _store().ranking(run_id)[:CANDIDATES]
    return config, policy, evaluation.best_greedy(config, policy, candidates, VALIDATION_EPISODES)
