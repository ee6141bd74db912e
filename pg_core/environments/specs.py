"""What the trainer must know of an environment before it plays: sizes, limits, threshold.

Observations come flat (`spaces`), Box actions are scaled from the policy's units (0 is the middle of the box, ±1 its
edges) to the environment's.
"""

import contextlib
import json
import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from gymnasium.envs.registration import EnvSpec

from pg_core.environments import isolation, spaces
from pg_core.environments.faults import EnvironmentFault
from pg_core.environments.making import make_watched, one_sentence, time_limit
from pg_core.environments.observed import Observed, observed
from pg_core.environments.registration import UnsupportedEnvironmentError, permit, registered
from pg_core.environments.spaces import Array

FALLBACK_FPS = 30
FPS, RETURNS = (0.01, 10_000), (-1e30, 1e30)  # that an environment may tell: a picture, a curve has room for them
HELD = 10  # times as long as it took to fail, an environment that has failed is not asked again
COMPILED: dict[type, str] = {CartPoleEnv: "cart_pole"}  # what `engines.compiled` plays too, by class
MAX_REMEMBERED = 256  # descriptions: after as many, all are forgotten, for links may ask for any arguments


@dataclass(frozen=True)
class EnvironmentSpec:
    """Sizes and limits of one environment.

    Attributes:
        env_id: registered Gymnasium id, perhaps with the module that registers it.
        options: keyword arguments with which `make` and `make_vector` make it.
        observation_size: D, length of the network's input.
        choices: between how many options each choice of an action is (softmax policies); none for vectors (Gaussian).
        action_size: A, the number of the network's outputs: options of all choices, or the size of an action vector.
        action_start: first option of each choice, as the environment counts; empty for vectors.
        action_low, action_high: bounds of a vector, each of length A; empty for choices.
        taken_shape, action_dtype: of an action as the environment takes it.
        max_episode_steps: T, the time limit.
        tells_limit: whether the environment, or who made it, says so; else T is the lab's own.
        reward_threshold: mean return that counts as solved, or None.
        steps_per_second: in the environment's own time.
        compiled: name of the compiled environment that is the same; empty: there is none.
        observed: what an observation tells, for who draws it.
    """

    env_id: str
    options: dict[str, Any] = field(hash=False)
    observation_size: int
    choices: tuple[int, ...]
    action_size: int
    action_start: tuple[int, ...]
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    taken_shape: tuple[int, ...]
    action_dtype: str
    max_episode_steps: int
    tells_limit: bool
    reward_threshold: float | None
    steps_per_second: float
    compiled: str
    observed: Observed

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """The environment's own arguments."""
        return {name: value for name, value in self.options.items() if name != "max_episode_steps"}

    @property
    def discrete(self) -> bool:
        """Whether actions are choices."""
        return bool(self.choices)

    @property
    def action_shape(self) -> tuple[int, ...]:
        """Shape of a policy's action: one choice is a number, several, or a vector, are a row of them."""
        return () if len(self.choices) == 1 else (len(self.choices) or self.action_size,)

    @property
    def limit_note(self) -> str:
        """A sentence for whoever trains, where the time limit is the lab's own; else empty."""
        cut = f"{self.env_id} tells no time limit: episodes are cut after {self.max_episode_steps:,} steps; "
        return "" if self.tells_limit else f"{cut}`max_episode_steps` sets another limit."

    def decode(self, actions: Array) -> Array:
        """Return policy actions `[..., *action_shape]` (int or float) as the environment takes them."""
        if self.discrete:
            decoded = actions + np.array(self.action_start).reshape(self.action_shape)
        else:
            decoded = spaces.scaled(actions, np.array(self.action_low), np.array(self.action_high))
            decoded = np.rint(decoded) if np.dtype(self.action_dtype).kind in "iu" else decoded
        batch = actions.shape[: actions.ndim - len(self.action_shape)]
        taken: Array = decoded.astype(self.action_dtype).reshape((*batch, *self.taken_shape))[()]  # one is no array
        return taken


def describe(env_id: str, /, max_episode_steps: int = 0, **env_kwargs: Any) -> EnvironmentSpec:
    """Return what the trainer must know of an environment.

    Args:
        env_id: a Gymnasium id, or `module:id`.
        max_episode_steps: the time limit; 0: the environment's own.
        env_kwargs: with which it is made.

    Raises:
        UnsupportedEnvironmentError: with one sentence that names the remedy.
        EnvironmentFault: it fails.
    """
    permit(env_id)
    known = isolation.is_known(env_id)
    # A module is imported where its environment is played, which may be another process.
    registration = registered(env_id) if known or ":" not in env_id else None
    key = env_id, max_episode_steps, json.dumps(env_kwargs, sort_keys=True)
    described = _described.get(key)
    if described is None or described[0] is not registration:
        _forget_if_many(_described)
        spec = _describe(env_id, max_episode_steps, env_kwargs) if known else _described_apart(key, env_kwargs)
        described = _described[key] = registration, spec
    return described[1]


Key = tuple[str, int, str]
# By what was asked for: what was registered then, and its description, which takes making the environment once.
_described: dict[Key, tuple[EnvSpec | None, EnvironmentSpec]] = {}


def _described_apart(key: Key, env_kwargs: dict[str, Any]) -> EnvironmentSpec:
    """Describe an environment in a process of its own; one that fails is not asked again all the time.

    A page asks several times whenever anything on it changes, and one that hangs takes half a minute.
    """
    start = time.monotonic()
    until, failure = _failed.get(key, (-math.inf, UnsupportedEnvironmentError()))
    if start < until:
        raise type(failure)(*failure.args)
    env_id, max_episode_steps, _ = key
    try:
        spec: EnvironmentSpec = isolation.apart(env_id, _describe, env_id, max_episode_steps, env_kwargs)
    except (UnsupportedEnvironmentError, EnvironmentFault) as error:
        now = time.monotonic()
        _forget_if_many(_failed)
        _failed[key] = now + HELD * (now - start), error
        raise
    return spec


_failed: dict[Key, tuple[float, Exception]] = {}  # until when the environment is not asked, and how it failed


def _forget_if_many(remembered: dict[Key, Any]) -> None:
    if len(remembered) >= MAX_REMEMBERED:
        remembered.clear()


def _describe(env_id: str, max_episode_steps: int, env_kwargs: dict[str, Any]) -> EnvironmentSpec:
    registration = registered(env_id)
    with (
        one_sentence(env_id, env_kwargs),
        contextlib.closing(make_watched(env_id, max_episode_steps, **env_kwargs)) as env,
    ):
        limit, tells_limit = time_limit(registration, max_episode_steps)
        observation_size = spaces.observation_size(env_id, env.observation_space)
        choices = spaces.choices_of(env_id, env.action_space)
        low, high, start = spaces.limits(env.action_space)
        plain = not (registration.kwargs or registration.additional_wrappers)
        compiled = COMPILED.get(type(env.unwrapped), "") if plain else ""
        drawn_anew = env_kwargs.get("map_name", "") is None and not env_kwargs.get("desc")  # FrozenLake's random map
        # The returns of CartPole's other reward, 0 or -1, have nothing to do with the threshold that is registered.
        threshold = None if compiled and env_kwargs.get("sutton_barto_reward") else registration.reward_threshold
        return EnvironmentSpec(
            env_id=env_id,
            options={**env_kwargs, "max_episode_steps": max_episode_steps},
            observation_size=observation_size,
            choices=choices,
            action_size=sum(choices) or len(low),
            action_start=start,
            action_low=low,
            action_high=high,
            taken_shape=env.action_space.shape or (),
            action_dtype=str(env.action_space.dtype),
            max_episode_steps=limit,
            tells_limit=tells_limit,
            reward_threshold=None if threshold is None else _told(env_id, "reward_threshold", threshold, RETURNS),
            steps_per_second=_told(env_id, "render_fps", env.metadata.get("render_fps") or FALLBACK_FPS, FPS),
            compiled=compiled,
            observed=observed(registration.name, env, drawn_anew),
        )


def _told(env_id: str, name: str, value: Any, bounds: tuple[float, float]) -> float:
    """Return a number that an environment tells of itself."""
    low, high = bounds
    if not low <= (number := float(value)) <= high:
        raise UnsupportedEnvironmentError(
            f"`env_id` must name an environment whose `{name}` is in [{low:g}, {high:g}], got {env_id!r} with {number}."
        )
    return number
