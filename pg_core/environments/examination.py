"""What the doctor does in the process of the environment: it plays by chance, and compares what comes back."""

import contextlib
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from gymnasium import spaces

from pg_core.environments import faults
from pg_core.environments.making import make_watched
from pg_core.environments.specs import describe

EPISODES = 3
SECONDS = 10.0  # after which no further step is done
LARGE = 1e3  # an observation that a network can do little with, a return that a value network cannot learn

UNSEEDED = (
    "Call `super().reset(seed=seed)` first, draw all random numbers from `self.np_random`, and let nothing outlast an "
    "episode; else no run can be repeated."
)
NO_PICTURE = "Return a picture [height, width, 3] from `render`, and name 'rgb_array' in `metadata['render_modes']`."
NO_END = "That is right for a task without an end; else see that `step` returns terminated = True, or raise the limit."
NO_SIGNAL = "Where all returns are equal nothing is learned: reward what comes before success, too."


@dataclass(frozen=True)
class Finding:
    """What was found, in a sentence, and what is to be done about it; a fault makes training impossible."""

    level: Literal["fault", "warning", "fact"]
    sentence: str
    remedy: str = ""


class Episode(NamedTuple):
    """One episode, or as much of it as there was time for."""

    observations: list[Any]  # L + 1
    actions: list[Any]  # L
    rewards: list[float]  # L
    terminated: bool
    truncated: bool

    @property
    def ended(self) -> bool:
        """Whether it was played to its end."""
        return self.terminated or self.truncated


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
            policy = f"a Gaussian policy over vectors of {_count(spec.action_size, 'number')}, scaled to the box"
        one_hot = ", one for each choice" if isinstance(observations, spaces.Discrete) else ""
        inputs = _count(spec.observation_size, "input")
        return [
            Finding("fact", f"Observations are {observations}: {inputs} of the network{one_hot}."),
            Finding("fact", f"Actions are {actions}: {policy}."),
        ]

    def episodes(self) -> list[Finding]:
        """Play, and say what came back."""
        start = time.monotonic()
        self._played = [self._play(0)]
        self._played += [self._play(seed) for seed in range(1, EPISODES) if time.monotonic() < self._until]
        speed = sum(len(episode.actions) for episode in self._played) / (time.monotonic() - start)
        return [
            *self._dtypes(), *self._bounds(), *self._ends(), *self._rewards(),
            Finding("fact", f"It does {speed:,.0f} steps a second."),
        ]  # fmt: skip

    def same_seed(self) -> list[Finding]:
        """Play the first episode again, and say whether it is the same."""
        first = self._played[0]
        again = self._play(0, first.actions)
        pairs = enumerate(zip(first.observations, again.observations, strict=False))
        differs = (i for i, (a, b) in pairs if not _equal(a, b) or first.rewards[:i] != again.rewards[:i])
        ended = len(again.actions) if again.ended and len(again.actions) < len(first.actions) else None
        step = next(differs, ended)
        if step is not None:
            said = f"The same seed gives another episode{self._where(step)}: it differs after {_count(step, 'step')}."
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
        """Return an observation, if it is finite as the network is given it."""
        flat: Any = spaces.flatten(self._env.observation_space, observation)
        if not np.isfinite(np.asarray(flat, np.float32)).all():
            raise faults.returned(f"an observation that is not finite, {observation}", *self._env.at(method))
        return observation

    def _dtypes(self) -> list[Finding]:
        """Compare the type of numbers that is declared with what is returned."""
        space = self._env.observation_space
        if not isinstance(space, spaces.Box):
            return []
        seen = {str(np.asarray(observation).dtype) for episode in self._played for observation in episode.observations}
        if seen == {str(space.dtype)}:
            return [Finding("fact", f"Observations have the dtype that is declared, {space.dtype}.")]
        returned = f"Observations have dtype {' and '.join(sorted(seen))}, and their space {space.dtype}"
        return [Finding("warning", f"{returned}.", "Declare what is returned; here it is converted.")]

    def _bounds(self) -> list[Finding]:
        """Compare observations with the bounds of their box."""
        space = self._env.observation_space
        if not isinstance(space, spaces.Box):
            return []
        found = []
        seen = np.concatenate([np.asarray(episode.observations, np.float64) for episode in self._played])
        at = [(number, step) for number, e in enumerate(self._played, 1) for step in range(len(e.observations))]
        outside = np.argwhere((seen < space.low) | (seen > space.high))
        if len(outside):
            row, *index = outside[0]
            number, step = at[row]
            i = tuple(index)
            bounds = f"{seen[row][i]:.4g}, outside of [{space.low[i]:.4g}, {space.high[i]:.4g}]"
            said = f"number {', '.join(map(str, i))} is {bounds}, in episode {number} after {_count(step, 'step')}"
            remedy = "Declare wider bounds, or clip; the network is given them as they are."
            found.append(Finding("warning", f"Observations leave their space{self._where(step)}: {said}.", remedy))
        if (largest := np.abs(seen).max()) > LARGE:
            remedy = "Scale them to about 1, or little is learned."
            found.append(Finding("warning", f"Observations are as large as {largest:.3g}.", remedy))
        return found

    def _ends(self) -> list[Finding]:
        """Say who ends episodes, and when."""
        lengths = [len(episode.actions) for episode in self._played]
        ways = Counter(map(self._end, self._played))
        shortest, longest = min(lengths), max(lengths)
        length = f"{shortest:,} to {longest:,}" if shortest < longest else f"{longest:,}"
        ended = ", ".join(f"{count} {way}" for way, count in ways.items())
        found = [Finding("fact", f"{_count(len(lengths), 'episode')} of {length} steps: {ended}.")]
        if set(ways) == {self._cut}:
            found.append(Finding("warning", f"Every episode was {self._cut}.", NO_END))
        return found

    def _end(self, episode: Episode) -> str:
        if episode.terminated:
            return "terminated"
        if not episode.ended:
            return "left unfinished when the time was over"
        at_limit = len(episode.actions) == self._spec.max_episode_steps
        return self._cut if at_limit else "truncated by the environment itself"

    @property
    def _cut(self) -> str:
        return f"cut by the limit of {self._spec.max_episode_steps:,} steps"

    def _rewards(self) -> list[Finding]:
        """Say what is earned by chance."""
        rewards = [reward for episode in self._played for reward in episode.rewards]
        returns = [sum(episode.rewards) for episode in self._played]
        ranges = f"[{min(rewards):.4g}, {max(rewards):.4g}], returns in [{min(returns):.4g}, {max(returns):.4g}]"
        found = [Finding("fact", f"Rewards by chance are in {ranges}.")]
        if len(returns) > 1 and len(set(returns)) == 1:
            found.append(Finding("warning", f"Every episode by chance earned {returns[0]:.4g}.", NO_SIGNAL))
        if max(map(abs, returns)) > LARGE:
            found.append(Finding("warning", "Returns are large.", "Normalise advantages, or scale the rewards down."))
        return found

    def _where(self, step: int) -> str:
        return faults.in_parentheses(faults.definition(self._env.unwrapped, "step" if step else "reset"))


def _equal(ours: Any, theirs: Any) -> bool:
    """Return whether two observations are the same, bit for bit."""
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(_equal(ours[name], theirs[name]) for name in ours)
    if isinstance(ours, tuple):
        return len(ours) == len(theirs) and all(map(_equal, ours, theirs))
    return np.array_equal(ours, theirs)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
