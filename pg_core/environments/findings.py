"""What is found in an environment: sentences on what came back when it was played."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from gymnasium import spaces

LARGE = 1e3  # an observation that a network can do little with, a return that a value network cannot learn

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

    @property
    def end(self) -> tuple[int, bool, bool]:
        """When and how it ended."""
        return len(self.actions), self.terminated, self.truncated

    def states(self) -> Iterator[tuple[Any, float]]:
        """Yield each observation, with the reward that led to it."""
        return zip(self.observations, [0.0, *self.rewards], strict=True)


class Numbers(NamedTuple):
    """What was seen in one box of which observations are made."""

    name: str  # of the box, as Python would write it after "observations"
    box: spaces.Box
    episodes: list[list[Any]]  # by episode and step

    def findings(self, where: Callable[[int], str]) -> Iterator[Finding]:
        """Compare what is declared with what came back; `where` names the code that returned it at a step."""
        yield self._dtypes()
        seen = np.concatenate([np.asarray(episode, np.float64) for episode in self.episodes])
        outside = np.argwhere((seen < self.box.low) | (seen > self.box.high))
        if len(outside):
            at = [(number, step) for number, episode in enumerate(self.episodes, 1) for step in range(len(episode))]
            (number, step), i = at[outside[0][0]], tuple(outside[0][1:])
            which = f"number {', '.join(map(str, i))}" if i else "it"
            value = f"{seen[tuple(outside[0])]:.4g}, outside of [{self.box.low[i]:.4g}, {self.box.high[i]:.4g}]"
            said = f"{which} is {value}, in episode {number} after {count(step, 'step')}"
            remedy = "Declare wider bounds, or clip; the network is given them as they are."
            yield Finding("warning", f"Observations{self.name} leave their space{where(step)}: {said}.", remedy)
        if (largest := np.abs(seen).max()) > LARGE:
            remedy = "Scale them to about 1, or normalise observations; else little is learned."
            yield Finding("warning", f"Observations{self.name} are as large as {largest:.3g}.", remedy)

    def _dtypes(self) -> Finding:
        seen = {str(np.asarray(observation).dtype) for episode in self.episodes for observation in episode}
        if seen == {str(self.box.dtype)}:
            return Finding("fact", f"Observations{self.name} have the dtype that is declared, {self.box.dtype}.")
        returned = f"Observations{self.name} have dtype {' and '.join(sorted(seen))}, and their space {self.box.dtype}"
        return Finding("warning", f"{returned}.", "Declare what is returned; here it is converted.")


def numbers(space: Any, episodes: list[list[Any]], name: str = "") -> Iterator[Numbers]:
    """Yield what was seen in each box of which observations, by episode and step, are made."""
    if isinstance(space, spaces.Box):
        yield Numbers(name, space, episodes)
    elif isinstance(space, spaces.Dict | spaces.Tuple):
        for key, part in space.items() if isinstance(space, spaces.Dict) else enumerate(space):
            yield from numbers(part, [[seen[key] for seen in episode] for episode in episodes], f"{name}[{key!r}]")


def ends(episodes: list[Episode], limit: int) -> Iterator[Finding]:
    """Say who ends episodes, and when."""
    cut = f"cut by the limit of {limit:,} steps"

    def way(episode: Episode) -> str:
        if episode.terminated:
            return "terminated"
        if not episode.ended:
            return "left unfinished when the time was over"
        return cut if len(episode.actions) == limit else "truncated by the environment itself"

    lengths, ways = [len(episode.actions) for episode in episodes], Counter(map(way, episodes))
    shortest, longest = min(lengths), max(lengths)
    length = f"{shortest:,} to {longest:,}" if shortest < longest else f"{longest:,}"
    ended = ", ".join(f"{times} {how}" for how, times in ways.items())
    yield Finding("fact", f"{count(len(lengths), 'episode')} of {length} steps: {ended}.")
    if set(ways) == {cut}:
        yield Finding("warning", f"Every episode was {cut}.", NO_END)


def rewards(episodes: list[Episode]) -> Iterator[Finding]:
    """Say what is earned by chance."""
    earned = [reward for episode in episodes for reward in episode.rewards]
    returns = [sum(episode.rewards) for episode in episodes]
    ranges = f"[{min(earned):.4g}, {max(earned):.4g}], returns in [{min(returns):.4g}, {max(returns):.4g}]"
    yield Finding("fact", f"Rewards by chance are in {ranges}.")
    if len(returns) > 1 and len(set(returns)) == 1:
        yield Finding("warning", f"Every episode by chance earned {returns[0]:.4g}.", NO_SIGNAL)
    if max(map(abs, returns)) > LARGE:
        yield Finding("warning", "Returns are large.", "Normalise advantages, or scale the rewards down.")


def count(number: int, noun: str) -> str:
    """Return a number of things: `1 step`, `2 steps`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
