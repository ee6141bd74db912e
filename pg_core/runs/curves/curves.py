"""Learning curves from the store, thinned to what a chart can show.

A cache keeps the curves of the last few runs, so that a page that polls reads only the updates that are new.
Of one run it holds at most 4 × 400 updates and 4 × 500 episodes, about 0.3 MB for 5 agents and 30 MB for 512;
so a server's memory grows neither with the length of runs nor with the number of viewers.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pg_core.runs.curves.thinning import NOTHING, Chosen, extremes, min_max, width
from pg_core.runs.store.records import Array, Run
from pg_core.runs.store.rows import array_of
from pg_core.runs.store.store import Store

_Columns = dict[str, Array]

MAX_ROWS = 400
MAX_EPISODES = 500  # dots of 4 pixels, on a chart 620 wide
CACHED_RUNS = 8
CACHED_TIMES = 4  # what is cached, in multiples of what is shown
CHUNK, CHUNK_EPISODES = 20_000, 2**20  # read in one transaction, which a worker's commit waits for

_PER_AGENT = (
    "mean_return", "entropy", "grad_norm", "grad_snr", "approx_kl", "explained_variance", "policy_loss", "value_loss",
)  # fmt: skip
_COLUMNS = (*_PER_AGENT, "iqm", "env_steps", "episodic_returns", "episodic_lengths")
_OUTLINE = ("mean_return", "episodic_returns")


@dataclass(frozen=True)
class Curves:
    """A run's measurements, n updates and m episodes of P agents, thinned after all smoothing.

    Of each stretch of updates the one with the lowest and the one with the highest mean return are kept, of each
    stretch of episodes the worst and the best: no collapse is thinned away.
    """

    update: Array  # [n] index
    episodes: Array  # [n] of each agent, cumulative
    env_steps: Array  # [n] mean over agents, cumulative
    seconds: Array  # [n] of training, cumulative
    mean_return: Array  # [n, P] of the last 100 episodes
    iqm: Array  # [n, 3] of mean_return over agents, with the low and the high end of its 95 % interval
    entropy: Array  # [n, P], as all that follow; nats
    grad_norm: Array
    grad_snr: Array
    approx_kl: Array
    explained_variance: Array
    policy_loss: Array
    value_loss: Array
    episode_update: Array  # [m], as all that follow
    episode_return: Array
    episode_agent: Array
    episode_number: Array  # of its agent, 0 is the first
    episode_env_steps: Array  # of its agent, cumulative at the episode's end
    episode_seconds: Array  # of training when its update was done
    shown_updates: Chosen = NOTHING
    shown_episodes: Chosen = NOTHING
    version: int = 0  # grows; when a run is read anew, too
    complete: bool = True  # whether all updates that the store has were read

    def known(self, version: int) -> tuple[int, int]:
        """Return how many updates and episodes, from the first one on, are as they were in an earlier version."""
        if version > self.version:
            return 0, 0
        return self.shown_updates.known(version), self.shown_episodes.known(version)


class CurveCache:
    """The curves of the runs in a store, read as they grow; for any number of threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._growing: OrderedDict[str, _Growing] = OrderedDict()
        self._lock = threading.Lock()  # of the line above; each run has its own

    def curves(self, run: Run, seconds: float = math.inf) -> Curves:
        """Return the curves of a run, with at most 400 updates and 500 episodes.

        Args:
            run: as the store has it now.
            seconds: after which no more is read; the next call goes on from there.
        """
        deadline = time.monotonic() + seconds
        with self._lock:
            growing = self._growing.pop(run.id, None)
            if growing is None or growing.rewinds != run.rewinds:
                growing = _Growing(run)
            self._growing[run.id] = growing
            while len(self._growing) > CACHED_RUNS:
                self._growing.popitem(last=False)
        return growing.curves(self._store, run.updates, deadline)


class _Growing:
    """One run's updates and episodes as far as they were read."""

    def __init__(self, run: Run) -> None:
        self.rewinds = run.rewinds
        self._run_id = run.id
        self._shape = (run.config.num_agents, run.config.episodes_per_update)
        self._next = 0
        self._curves: Curves | None = None
        self._lock = threading.Lock()  # of all that is read
        self._rows, self._episodes = _rows([], self._shape), _episodes([], self._shape, np.empty(0, np.int64))

    def curves(self, store: Store, updates: int, deadline: float) -> Curves:
        """Read new updates of a run, of which there are `updates`, until the deadline; return the thinned curves.

        However many viewers ask, each update is read once.
        """
        with self._lock:
            if self._curves is None or self._next < updates:
                complete = self._read(store, updates, deadline)
                self._curves = self._chosen(complete)
            return self._curves

    def _read(self, store: Store, updates: int, deadline: float) -> bool:
        limit = max(1, min(CHUNK, CHUNK_EPISODES // math.prod(self._shape)))
        while self._next < updates:
            outline = store.updates(self._run_id, _OUTLINE, self._next, limit)
            if not outline:
                break
            self._next = outline[-1].update + 1
            chosen, ordinals = _outlined(outline, self._shape, max(updates, self._next))
            stored = store.updates_at(self._run_id, _COLUMNS, chosen)
            rows = _joined(self._rows, _rows(stored, self._shape))
            self._rows = _thinned(rows, "update", _population_mean, MAX_ROWS * CACHED_TIMES)
            episodes = _joined(self._episodes, _episodes(stored, self._shape, ordinals))
            self._episodes = _thinned(episodes, "ordinal", _episodic_return, MAX_EPISODES * CACHED_TIMES)
            if time.monotonic() > deadline:
                return self._next >= updates
        return True

    def _chosen(self, complete: bool) -> Curves:
        before = self._curves
        version = max(time.time_ns() // 1000, before.version + 1 if before else 0)
        rows = _thinned(self._rows, "update", _population_mean, MAX_ROWS)
        episodes = _thinned(self._episodes, "ordinal", _episodic_return, MAX_EPISODES)
        ordinals = episodes.pop("ordinal")
        return Curves(
            **rows,
            **{f"episode_{name}": values for name, values in episodes.items()},
            shown_updates=(before.shown_updates if before else NOTHING).grown(rows["update"], version),
            shown_episodes=(before.shown_episodes if before else NOTHING).grown(ordinals, version),
            version=version,
            complete=complete,
        )


def _outlined(outline: Sequence[Any], shape: tuple[int, int], updates: int) -> tuple[list[int], Array]:
    """Return which of some updates are to be read, and which episodes of them, by ordinal, are to be shown.

    They are chosen as if all `updates` of the run were there, so that of a long run most are never read.
    """
    each = math.prod(shape)
    update = np.array([row.update for row in outline])
    mean_return = array_of(outline, "mean_return", shape[0]).mean(axis=1)
    chosen = update[extremes(update, mean_return, width(0, updates, MAX_ROWS * CACHED_TIMES))]
    ordinals = (update[:, None] * each + np.arange(each)).reshape(-1)
    returns = array_of(outline, "episodic_returns", each).reshape(-1)
    ordinals = ordinals[extremes(ordinals, returns, width(0, updates * each, MAX_EPISODES * CACHED_TIMES))]
    return np.union1d(chosen, ordinals // each).tolist(), ordinals


def _thinned(columns: _Columns, along: str, height: Callable[[_Columns], Array], limit: int) -> _Columns:
    chosen = min_max(columns[along], height(columns), limit)
    return {name: values[chosen] for name, values in columns.items()}


def _population_mean(rows: _Columns) -> Array:
    return np.asarray(rows["mean_return"].mean(axis=1))


def _episodic_return(episodes: _Columns) -> Array:
    return episodes["return"]


def _joined(ours: _Columns, new: _Columns) -> _Columns:
    return {name: np.concatenate([ours[name], new[name]]) for name in ours}


def _rows(stored: Sequence[Any], shape: tuple[int, int]) -> _Columns:
    """Return n stored updates of `shape` (P, B) as columns `[n, ...]`."""
    agents, batch = shape
    update = np.array([row.update for row in stored], np.int64)
    return {
        "update": update,
        "episodes": (update + 1) * batch,
        "env_steps": array_of(stored, "env_steps", agents).mean(axis=1),
        "seconds": np.array([row.seconds for row in stored], np.float64),
        "iqm": array_of(stored, "iqm", 3),
        **{name: array_of(stored, name, agents) for name in _PER_AGENT},
    }


def _episodes(stored: Sequence[Any], shape: tuple[int, int], ordinals: Array) -> _Columns:
    """Return m single episodes of stored updates of `shape` (P, B) as columns `[m]`.

    Args:
        stored: n updates, ascending, with all those that the episodes are of.
        shape: P agents, B episodes of each.
        ordinals: `[m]` numbers of the episodes among all of the run, in the order of updates, agents, episodes.
    """
    agents, batch = shape
    update, rest = np.divmod(ordinals, agents * batch)
    agent, episode = np.divmod(rest, batch)
    row = np.searchsorted(np.array([row.update for row in stored], np.int64), update)
    lengths = array_of(stored, "episodic_lengths", *shape).astype(np.int64)  # [n, P, B]
    before = array_of(stored, "env_steps", agents) - lengths.sum(axis=2)  # [n, P]
    return {
        "ordinal": ordinals,
        "update": update,
        "return": array_of(stored, "episodic_returns", *shape)[row, agent, episode],
        "agent": agent,
        "number": update * batch + episode,
        "env_steps": before[row, agent] + lengths.cumsum(axis=2)[row, agent, episode],
        "seconds": np.array([row.seconds for row in stored], np.float64)[row],
    }
