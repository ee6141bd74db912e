"""What the doctor does in the process of the environment: it plays by chance, and compares what comes back."""

import contextlib
import hashlib
import inspect
import time
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from pg_core.environments import faults
from pg_core.environments.findings import Episode, Finding, count, ends, numbers, rewards
from pg_core.environments.making import make_watched
from pg_core.environments.specs import describe

EPISODES = 3
SECONDS = 10.0  # after which no further step is done

UNSEEDED = (
    "Call `super().reset(seed=seed)` first, draw all random numbers from `self.np_random`, and let nothing outlast an "
    "episode; else no run can be repeated."
)
NO_PICTURE = "Return a picture [height, width, 3] from `render`, and name 'rgb_array' in `metadata['render_modes']`."


class Examination:
    """The parts of an examination, which are called one after the other.

    Raises:
        EnvironmentFault: the environment fails in one of them.
        UnsupportedEnvironmentError: it cannot be made or trained here.
    """

    def __init__(self, env_id: str, options: dict[str, Any]) -> None:
        self._env_id, self._options = env_id, options

    def spaces(self) -> list[Finding]:
        """Say what the spaces are, and what they become."""
        self._until = time.monotonic() + SECONDS
        self._spec = spec = describe(self._env_id, **self._options)
        self._env = make_watched(self._env_id, **self._options)
        observations, actions = self._env.observation_space, self._env.action_space
        policy = f"a softmax policy over {' and '.join(map(str, spec.choices))} choices"
        if not spec.discrete:
            policy = f"a Gaussian policy over vectors of {count(spec.action_size, 'number')}, scaled to the box"
        one_hot = ", one for each choice" if isinstance(observations, spaces.Discrete) else ""
        inputs = count(spec.observation_size, "input")
        return [
            Finding("fact", f"Observations are {observations}: {inputs} of the network{one_hot}."),
            Finding("fact", f"Actions are {actions}: {policy}."),
        ]

    def episodes(self) -> list[Finding]:
        """Play, and say what came back."""
        start = time.monotonic()
        self._played = [self._play(0)]
        self._played += [self._play(seed) for seed in range(1, EPISODES) if time.monotonic() < self._until]
        boxes = numbers(self._env.observation_space, [episode.observations for episode in self._played])
        speed = sum(len(episode.actions) for episode in self._played) / (time.monotonic() - start)
        return [
            *(finding for box in boxes for finding in box.findings(self._where)),
            *ends(self._played, self._spec.max_episode_steps), *rewards(self._played),
            Finding("fact", f"It does {speed:,.0f} steps a second."),
        ]  # fmt: skip

    def same_seed(self) -> list[Finding]:
        """Play the first episode again, and say whether it is the same."""
        first = self._played[0]
        again = self._play(0, first.actions)
        states = enumerate(zip(first.states(), again.states(), strict=False))
        out_of_time = not again.ended and len(again.actions) < len(first.actions)
        other_end = None if out_of_time or again.end == first.end else len(again.actions)
        step = next((i for i, (ours, theirs) in states if not _equal(ours, theirs)), other_end)
        if step is not None:
            said = f"The same seed gives another episode{self._where(step)}: it differs after {count(step, 'step')}."
            return [Finding("warning", said, UNSEEDED)]
        return [Finding("fact", "The same seed gives the same episode.")]

    def picture(self) -> list[Finding]:
        """Say whether it can be drawn."""
        if "rgb_array" not in (self._env.metadata.get("render_modes") or []):
            return [Finding("warning", "It cannot be drawn: its curves are all there is to see.", NO_PICTURE)]
        with contextlib.closing(make_watched(self._env_id, render_mode="rgb_array", **self._options)) as env:
            env.reset(seed=0)
            height, width = env.render().shape[:2]
        return [Finding("fact", f"It can be drawn, {width} × {height} pixels.")]

    def source(self) -> tuple[str, str]:
        """Return the file of the environment's class, and its fingerprint; nothing where it has none."""
        with contextlib.suppress(TypeError, OSError):
            path = inspect.getsourcefile(type(self._env.unwrapped)) or ""
            return path, fingerprint(path)
        return "", ""

    def close(self) -> None:
        """Close the environment, if it could be made."""
        if env := vars(self).get("_env"):
            env.close()

    def _play(self, seed: int, actions: list[Any] | None = None) -> Episode:
        """Play by chance, or as many actions as are given."""
        self._env.place = f"examination, episode {seed + 1}"
        self._env.action_space.seed(seed)
        observations = [self._seen(self._env.reset(seed=seed)[0], "reset")]
        taken: list[Any] = []
        rewards: list[float] = []
        terminated = truncated = False
        while not (terminated or truncated) and (time.monotonic() < self._until or not taken):
            if actions is not None and len(taken) == len(actions):
                break
            taken.append(self._env.action_space.sample() if actions is None else actions[len(taken)])
            observation, reward, terminated, truncated, _ = self._env.step(taken[-1])
            observations.append(self._seen(observation, "step"))
            if not np.isfinite(np.float32(reward)):
                raise faults.returned(f"a reward that is not finite, {reward}", *self._env.at("step"))
            rewards.append(reward)
        return Episode(observations, taken, rewards, terminated, truncated)

    def _seen(self, observation: Any, method: str) -> Any:
        """Return an observation, if it is finite."""
        flat = np.asarray(spaces.flatten(self._env.observation_space, observation)).ravel()
        with np.errstate(over="ignore"):
            wrong = np.flatnonzero(~np.isfinite(flat.astype(np.float32)))  # as the network is given it
        if wrong.size:
            which = f"{flat[wrong[0]]} as number {wrong[0] + 1:,} of {flat.size:,}"
            raise faults.returned(f"an observation that is not finite, {which}", *self._env.at(method))
        return observation

    def _where(self, step: int) -> str:
        return faults.in_parentheses(faults.definition(self._env.unwrapped, "step" if step else "reset"))


def fingerprint(path: str) -> str:
    """Return what tells a file's text from another.

    Raises:
        OSError: it cannot be read.
    """
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _equal(ours: Any, theirs: Any) -> bool:
    """Return whether two observations are the same, bit for bit."""
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(_equal(ours[name], theirs[name]) for name in ours)
    if isinstance(ours, tuple):
        return len(ours) == len(theirs) and all(map(_equal, ours, theirs))
    return np.array_equal(ours, theirs)
