"""See runs: what they learn, and what their policies do."""

import math
import reprlib
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from pg_core.config import Config
from pg_core.lab import access, state
from pg_core.learning import episodes, evaluation, memory
from pg_core.learning.evaluation import Evaluation
from pg_core.learning.robustness import PARAMETERS
from pg_core.runs.curves.progress import Progress, changes_of, seconds_left
from pg_core.runs.diagnosis.best import best_kept
from pg_core.runs.store.records import Run, UnknownRun

if TYPE_CHECKING:
    from pg_core.runs.workers.replay import Replay

# What the episodes of untrained policies depend on: configs that agree in it begin alike.
BEGINNING = frozenset(
    {"env_id", "env_kwargs", "max_episode_steps", "seed", "num_agents", "hidden_layers", "activation"}
)
MIN_BATCHES, DEFAULT_BATCHES, MAX_BATCHES = 8, 64, 256  # on which estimators are compared
MAX_SEED = 2**31 - 1  # of an episode
DEFAULT_EPISODES, MAX_EPISODES = 100, 1_000  # at each value, where robustness is measured
CANDIDATES, VALIDATION_EPISODES = 5, 50  # agents, and episodes of each, among which the one to evaluate is found


def runs(deleted: bool = False) -> list[Run]:
    """Return all runs, newest first, the visitor's deleted ones if asked for.

    One whose process died is read as interrupted.
    """
    store = state.store()
    store.note_dead()
    return [run for run in store.runs(deleted) if not run.deleted or access.may_control(run)]


def unreadable() -> list[str]:
    """Return why runs are not among `runs`, a sentence for each: their environments are not here, or not allowed."""
    return state.store().unreadable()


def queue() -> list[str]:
    """Return the ids of the runs that wait for a worker, next one first."""
    return state.store().queue()


def run(run_id: str) -> Run:
    """Return one run's state and summary; of the deleted ones, those of the visitor."""
    return access.visible(run_id)


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


def stamp(run_id: str) -> tuple[Hashable, ...]:
    """Return what changes whenever anything changes that a page shows of a run; it takes a single short read."""
    return state.store().stamp(run_id)


def episode(
    subject: str | Config, update: int, agent: int | None = None, frames: bool = False,
    seed: int | None = None, greedy: int = False,
) -> Future[bytes]:  # fmt: skip
    """Have episodes played with the policies after `update` updates; return at once.

    All agents begin in the same state and act by chance, as in training; with a seed, so does every policy of every run
    of that environment, and by the same random numbers. Whoever asks for the same gets the same.

    Args:
        subject: id of a run, or a config: then the policies with which it begins.
        update: in [0, updates of the run]; 0 for a config.
        agent: for CartPole, shown beside the others; else the only one shown, None: the median.
        frames: pictures of CartPole too, which otherwise comes as numbers.
        seed: of first state and actions, in [0, 2³¹ - 1]; None: one of the run's at this update.
        greedy: 1 for the most probable actions, 0 for sampled ones.

    Returns:
        A future of the bytes of a JSON object, see `episodes.to_json`, or of an EpisodeError.

    Raises:
        LookupError: there is no such agent or update, or `seed` or `greedy` is out of bounds.
    """
    key, question, config, ask = _policies_of(subject, update)
    _check_bounds("agent", agent or 0, config.num_agents - 1)
    _check_bounds("seed", seed or 0, MAX_SEED)
    _check_bounds("greedy", greedy, 1)
    shown = {"agent": agent, "frames": frames, "seed": seed, "greedy": bool(greedy)}
    return state.seen(state.store(), "episode").get(
        (*key, *shown.values()), lambda: ask({"episode": {**question, **shown}})
    )


_Ask = Callable[[dict[str, Any]], Future[Mapping[str, Any]]]


def _policies_of(subject: str | Config, update: int) -> tuple[tuple[Any, ...], dict[str, Any], Config, _Ask]:
    """Return a key of policies, with what to ask for them, their config, and whom to ask.

    Raises:
        LookupError: there is no such update.
    """
    if not isinstance(subject, Config) and update == 0:  # as it begins, whether it has or not
        subject = state.store().run(subject).config
    if isinstance(subject, Config):
        _check_bounds("update", update, 0)
        key = subject.model_dump_json(include=set(BEGINNING)), 0, update
        question: dict[str, Any] = {"run_id": None, "config": subject.model_dump(mode="json"), "update": update}
        return key, question, subject, state.studio().ask
    found = state.store().run(subject)
    _check_bounds("update", update, found.updates)
    question = {"run_id": subject, "config": None, "update": update}
    return (subject, found.rewinds, update), question, found.config, _who_has(subject, update)


def _who_has(run_id: str, update: int) -> _Ask:
    """Return whom to ask what needs a policy: what is not kept is trained again, by the prover."""
    return state.studio().ask if state.store().keeps(run_id, update) else state.prover().question


def weights(subject: str | Config, update: int, agent: int) -> Future[bytes]:
    """Have the parameters of one agent's policy found; return at once.

    Args:
        subject: id of a run, or a config: then the policies with which it begins.
        update: number of updates done, in [0, updates of the run]; 0 for a config.
        agent: in [0, P-1].

    Returns:
        A future of the bytes of a JSON object, see `episodes.weights_to_json`, or of an EpisodeError.

    Raises:
        LookupError: there is no such update or agent.
    """
    key, question, config, ask = _policies_of(subject, update)
    _check_bounds("agent", agent, config.num_agents - 1)
    asked = {"policy": {**question, "agent": agent}}
    return state.seen(state.store(), "policy").get((*key, agent), lambda: ask(asked))


def value_weights(run_id: str, update: int, agent: int) -> Future[bytes]:
    """Have the parameters of one agent's value network found, as `weights`; between checkpoints it is trained again.

    Raises:
        LookupError: there is no such update or agent.
    """
    found = state.store().run(run_id)
    _check_bounds("update", update, found.updates)
    _check_bounds("agent", agent, found.config.num_agents - 1)
    asked = {"value": {"run_id": run_id, "update": update, "agent": agent}}
    key = run_id, found.rewinds, update, agent
    return state.seen(state.store(), "value").get(key, lambda: state.prover().question(asked))


def dissection(run_id: str, update: int, agent: int = 0, episode: int = 0) -> Future[bytes]:
    """Have an update taken apart; return at once.

    The run is trained again up to there, and the update is done once more with the very episodes it learned from.

    Args:
        run_id: of the run.
        update: index of the update, in [0, updates of the run - 1].
        agent: in [0, P-1].
        episode: of that agent, in [0, B-1].

    Returns:
        A future of the bytes of a JSON object, see `dissection.to_json`, or of an EpisodeError.

    Raises:
        LookupError: there is no such update, agent or episode.
    """
    found = state.store().run(run_id)
    _check_bounds("update", update, found.updates - 1)
    _check_bounds("agent", agent, found.config.num_agents - 1)
    _check_bounds("episode", episode, found.config.episodes_per_update - 1)
    asked = {"dissection": {"run_id": run_id, "update": update, "agent": agent, "episode": episode}}
    key = run_id, found.rewinds, update, agent, episode
    return state.seen(state.store(), "dissection").get(key, lambda: state.prover().question(asked))


def estimators(run_id: str, update: int, agent: int = 0, batches: int = DEFAULT_BATCHES) -> Future[bytes]:
    """Have all estimators of the policy gradient measured on the same fresh batches of an agent; return at once.

    Args:
        run_id: of the run, which is trained again up to there.
        update: updates done by the policy that plays, in [0, updates of the run].
        agent: in [0, P-1].
        batches: N, in [8, 256].

    Returns:
        A future of the bytes of a JSON object, see `estimators.to_json`, or of an EpisodeError.

    Raises:
        LookupError: there is no such update or agent, or `batches` is out of bounds.
    """
    found = state.store().run(run_id)
    _check_bounds("update", update, found.updates)
    _check_bounds("agent", agent, found.config.num_agents - 1)
    _check_bounds("batches", batches, MAX_BATCHES, MIN_BATCHES)
    asked = {"estimators": {"run_id": run_id, "update": update, "agent": agent, "batches": batches}}
    key = run_id, found.rewinds, update, agent, batches
    return state.seen(state.store(), "estimators").get(key, lambda: state.prover("estimators").question(asked))


def spread(run_id: str, update: int, agent: int) -> Future[bytes]:
    """Have the spread of an agent's weights over training measured, of the policies that are kept; return at once.

    Args:
        run_id: of the run.
        update: number of updates done at the last of them at most, in [0, updates of the run].
        agent: in [0, P-1].

    Returns:
        A future of the bytes of a JSON object, see `spread.to_json`, or of an EpisodeError.

    Raises:
        LookupError: there is no such update or agent.
    """
    found = state.store().run(run_id)
    _check_bounds("update", update, found.updates)
    _check_bounds("agent", agent, found.config.num_agents - 1)
    asked = {"spread": {"run_id": run_id, "update": update, "agent": agent}}
    key = run_id, found.rewinds, update, agent
    return state.seen(state.store(), "spread").get(key, lambda: state.studio().ask(asked))


def robustness(
    run_id: str, update: int, agent: int, parameter: str, episodes: int = DEFAULT_EPISODES, greedy: int = 0
) -> Future[bytes]:
    """Have a policy's mean length measured over the values of something of CartPole; return at once.

    Args:
        run_id: of the run.
        update: number of updates done, in [0, updates of the run].
        agent: in [0, P-1].
        parameter: key of `PARAMETERS`: all others are as in training.
        episodes: N at each value, in [2, 1000].
        greedy: 1 for the most probable actions, 0 for sampled ones.

    Returns:
        A future of the bytes of a JSON object, see `robustness.to_json`, or of an EpisodeError.

    Raises:
        LookupError: there is no such update, agent or parameter, something is out of bounds, or it is not CartPole.
    """
    found = state.store().run(run_id)
    if found.config.environment.compiled != "cart_pole":
        raise LookupError(f"Robustness is measured of CartPole alone, and this is a run of {found.config.env_id}.")
    _check_bounds("update", update, found.updates)
    _check_bounds("agent", agent, found.config.num_agents - 1)
    _check_bounds("episodes", episodes, MAX_EPISODES, 2)
    _check_bounds("greedy", greedy, 1)
    if parameter not in PARAMETERS:
        raise LookupError(f"`parameter` must be one of {', '.join(PARAMETERS)}, got {reprlib.repr(parameter)}.")
    asked = {"update": update, "agent": agent, "parameter": parameter, "episodes": episodes, "greedy": bool(greedy)}
    question = {"robustness": {"run_id": run_id, **asked}}
    key = run_id, found.rewinds, *asked.values()
    return state.seen(state.store(), "robustness").get(key, lambda: _who_has(run_id, update)(question))


def _check_bounds(name: str, value: int, high: int, low: int = 0) -> None:
    if not low <= value <= high:
        raise LookupError(f"`{name}` must be in [{low}, {high}], got {value}.")


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
