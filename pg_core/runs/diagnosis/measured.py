"""What a run has measured, as far as it takes to say how it fares: evenly spread updates, and windows of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pg_core.config import Config
from pg_core.environments.spaces import UNBOUNDED
from pg_core.runs.store.records import Array, Run
from pg_core.runs.store.rows import array_of
from pg_core.runs.store.store import Store

MAX_ROWS = 400
MIN_WINDOW, MAX_WINDOW = 5, 40  # rows
CERTAIN, CERTAIN_OF_MANY = 3.0, 5.0  # standard errors that make a difference, that of the best of many windows
GONE = 0.02  # of the entropy with which choices began
NARROW = math.log(30)  # nats of each component: a Gaussian 30 times narrower than it began

_PER_AGENT = (
    "policy_loss", "entropy", "grad_norm", "grad_snr", "approx_kl", "env_steps_to_solve", "cut",
    "at_bounds", "max_reward",
)  # fmt: skip
_PER_EPISODE = ("episodic_returns", "episodic_lengths")


@dataclass(frozen=True)
class Measured:
    """Some updates of a run.

    Attributes:
        config: in force now.
        update: `[n]` indices, ascending, evenly spread; n is at least 1.
        columns: arrays of an `Update` by name, `[n, P]` or `[n, P, B]`.
    """

    config: Config
    update: Array
    columns: Mapping[str, Array]

    @classmethod
    def of(cls, store: Store, run: Run) -> "Measured":
        """Read at most 400 updates of a run that has some."""
        wanted = np.unique(np.linspace(0, run.updates - 1, min(run.updates, MAX_ROWS)).round().astype(int))
        rows = store.updates_at(run.id, [*_PER_AGENT, *_PER_EPISODE], wanted.tolist())
        agents, batch = run.config.num_agents, run.config.episodes_per_update
        columns = {name: array_of(rows, name, agents) for name in _PER_AGENT}
        columns |= {name: array_of(rows, name, agents, batch) for name in _PER_EPISODE}
        return cls(run.current, np.array([row.update for row in rows]), columns)

    def agents(self, chosen: Array) -> "Measured":
        """Return the same of some agents alone, bool `[P]`."""
        return replace(self, columns={name: array[:, chosen] for name, array in self.columns.items()})

    @property
    def num_agents(self) -> int:
        """How many agents it is of."""
        return int(self.columns["cut"].shape[1])

    @property
    def window(self) -> int:
        """Rows of a window: a quarter of all, in [5, 40]."""
        return int(np.clip(len(self.update) // 4, MIN_WINDOW, MAX_WINDOW))

    def first(self, name: str) -> Array:
        """Return the first window of a column, `[w, ...]`."""
        return self.columns[name][: self.window]

    def last(self, name: str) -> Array:
        """Return the last window of a column, `[w, ...]`."""
        return self.columns[name][-self.window :]

    @cached_property
    def returns(self) -> Array:
        """Mean return of each agent in each update, `[n, P]`."""
        return np.asarray(self.columns["episodic_returns"].mean(axis=2, dtype=np.float64))

    @cached_property
    def begun(self) -> Array:
        """Mean return in the first window, `[P]`."""
        return np.asarray(self.returns[: self.window].mean(axis=0))

    @cached_property
    def now(self) -> Array:
        """Mean return in the last window, `[P]`."""
        return np.asarray(self.returns[-self.window :].mean(axis=0))

    @property
    def solved(self) -> Array:
        """Which agents have solved the environment, or will if they go on so, bool `[P]`."""
        threshold = self.config.environment.reward_threshold
        solved = self.columns["env_steps_to_solve"][-1] >= 0
        return np.asarray(solved | (False if threshold is None else self.now >= threshold))

    @property
    def rising(self) -> Array:
        """Which agents earn more in the last window than in the one before it, beyond doubt, bool `[P]`."""
        before = self.returns[-2 * self.window : -self.window]
        return self._higher(self.returns[-self.window :], before)

    @property
    def risen(self) -> Array:
        """Which agents earn more in the last window than in the first, beyond doubt, bool `[P]`."""
        return self._higher(self.returns[-self.window :], self.returns[: self.window])

    @property
    def perfect(self) -> Array:
        """Which agents earn in all episodes of the last window as much as never before, bool `[P]`."""
        late, returns = self.last("episodic_returns"), self.columns["episodic_returns"]
        return np.asarray((late.min(axis=(0, 2)) >= returns.max(axis=(0, 2))) & (np.ptp(returns, axis=(0, 2)) > 0))

    def _higher(self, later: Array, earlier: Array) -> Array:
        variance = (later.var(axis=0) + earlier.var(axis=0)) / self.window
        return np.asarray(later.mean(axis=0) - earlier.mean(axis=0) > CERTAIN * np.sqrt(variance))

    @cached_property
    def peak(self) -> tuple[Array, Array]:
        """Middle row and mean return of the best window, `[P]` each."""
        sums = np.cumsum(np.insert(self.returns, 0, 0, axis=0), axis=0)
        means = (sums[self.window :] - sums[: -self.window]) / self.window
        return means.argmax(axis=0) + self.window // 2, means.max(axis=0)

    @property
    def collapsed(self) -> Array:
        """Which agents had learned something, beyond doubt, and have lost more than half of it again, bool `[P]`."""
        climbed = self.peak[1] - self.begun
        noise = np.sqrt((np.diff(self.returns, axis=0) ** 2).mean(axis=0) / self.window)  # of a window minus another
        return np.asarray((climbed > CERTAIN_OF_MANY * noise) & (self.peak[1] - self.now > climbed / 2))

    @property
    def certain(self) -> Array:
        """Which policies are certain of their actions in the last window, compared with how they began, bool `[P]`."""
        entropy, begun = np.median(self.last("entropy"), axis=0), self.columns["entropy"][0]
        spec = self.config.environment
        return np.asarray(entropy < (begun * GONE if spec.discrete else begun - spec.action_size * NARROW))

    @property
    def bounded(self) -> bool:
        """Whether actions are vectors in a box that has edges on all sides."""
        bounds = *self.config.environment.action_low, *self.config.environment.action_high
        return bool(bounds) and all(abs(bound) < UNBOUNDED for bound in bounds)
