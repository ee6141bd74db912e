"""Ask what the policies of runs do, and what their updates learned from: answers come from other processes."""

import reprlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from pg_core.config import Config
from pg_core.lab import state
from pg_core.learning.robustness import PARAMETERS
from pg_core.runs.store.records import Run

# What the episodes of untrained policies depend on: configs that agree in it begin alike.
BEGINNING = frozenset(
    {"env_id", "env_kwargs", "max_episode_steps", "seed", "num_agents", "hidden_layers", "activation"}
)
MIN_BATCHES, DEFAULT_BATCHES, MAX_BATCHES = 8, 64, 256  # on which estimators are compared
MAX_SEED = 2**31 - 1  # of an episode
DEFAULT_EPISODES, MAX_EPISODES = 100, 1_000  # at each value, where robustness is measured

_Ask = Callable[[dict[str, Any]], Future[Mapping[str, Any]]]


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
    found = _run_at(run_id, update, agent)
    return _asked("value", found, state.prover().question, update=update, agent=agent)


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
    found = _run_at(run_id, update, agent, following=1)
    _check_bounds("episode", episode, found.config.episodes_per_update - 1)
    return _asked("dissection", found, state.prover().question, update=update, agent=agent, episode=episode)


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
    found = _run_at(run_id, update, agent)
    _check_bounds("batches", batches, MAX_BATCHES, MIN_BATCHES)
    # At the newest policy a change may still come into force, which changes the answer.
    following = state.store().config_after(run_id, update + 1).model_dump_json()
    ask = state.laboratory().question
    return _asked("estimators", found, ask, following, update=update, agent=agent, batches=batches)


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
    found = _run_at(run_id, update, agent)
    return _asked("spread", found, state.studio().ask, update=update, agent=agent)


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
    found = _run_at(run_id, update, agent)
    if found.config.environment.compiled != "cart_pole":
        raise LookupError(f"Robustness is measured of CartPole alone, and this is a run of {found.config.env_id}.")
    _check_bounds("episodes", episodes, MAX_EPISODES, 2)
    _check_bounds("greedy", greedy, 1)
    if parameter not in PARAMETERS:
        raise LookupError(f"`parameter` must be one of {', '.join(PARAMETERS)}, got {reprlib.repr(parameter)}.")
    asked = {"update": update, "agent": agent, "parameter": parameter, "episodes": episodes, "greedy": bool(greedy)}
    return _asked("robustness", found, state.laboratory().question, **asked)


def _run_at(run_id: str, update: int, agent: int, following: int = 0) -> Run:
    """Return a run that has such an agent, and has done so many updates and some `following` ones."""
    found = state.store().run(run_id)
    _check_bounds("update", update, found.updates - following)
    _check_bounds("agent", agent, found.config.num_agents - 1)
    return found


def _asked(kind: str, found: Run, ask: _Ask, *known: str, **asked: Any) -> Future[bytes]:
    """Have a question about a run asked, unless somebody has; each past of it, with what is known, has its own."""
    key = found.id, found.rewinds, *known, *asked.values()
    return state.seen(state.store(), kind).get(key, lambda: ask({kind: {"run_id": found.id, **asked}}))


def _check_bounds(name: str, value: int, high: int, low: int = 0) -> None:
    if not low <= value <= high:
        raise LookupError(f"`{name}` must be in [{low}, {high}], got {value}.")
