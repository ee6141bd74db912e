"""Learning curves from the store, thinned to what a chart can show.

A cache keeps the curves of the last few runs, so that a page that polls reads only the updates that are new.
Of one run it holds at most 4 × 400 updates and 4 × 2,000 episodes, about 0.3 MB for 5 agents and 30 MB for 512;
so a server's memory grows neither with the length of runs nor with the number of viewers.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pg_core.runs.records import Array, Run
from pg_core.runs.schema import ARRAYS
from pg_core.runs.store import Store

_Columns = dict[str, Array]

MAX_ROWS = 400
MAX_EPISODES = 2_000
CACHED_RUNS = 8
CACHED_TIMES = 4  # what is cached, in multiples of what is shown
CHUNK = 2_000  # updates read in one transaction, which a worker's commit waits for

_PER_AGENT = (
    "mean_return", "entropy", "grad_norm", "grad_snr", "approx_kl", "explained_variance", "policy_loss", "value_loss",
)  # fmt: skip
_COLUMNS = (*_PER_AGENT, "iqm", "env_steps", "episodic_returns", "episodic_lengths")


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


class CurveCache:
    """The curves of the runs in a store, read as they grow; for any number of threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._growing: OrderedDict[str, _Growing] = OrderedDict()
        self._lock = threading.Lock()

    def curves(self, run: Run) -> Curves:
        """Return the curves of a run, with at most 400 updates and 2,000 episodes."""
        with self._lock:
            growing = self._growing.pop(run.id, None)
            if growing is None or growing.rewinds != run.rewinds:
                growing = _Growing(run)
            self._growing[run.id] = growing
            while len(self._growing) > CACHED_RUNS:
                self._growing.popitem(last=False)
            growing.read(self._store)
            return growing.curves()


class _Growing:
    """One run's updates and episodes as far as they were read."""

    def __init__(self, run: Run) -> None:
        self.rewinds = run.rewinds
        self._run_id = run.id
        self._shape = (run.config.num_agents, run.config.episodes_per_update)
        self._next = 0
        self._rows, self._episodes = _decode([], self._shape)

    def read(self, store: Store) -> None:
        """Read what the store has more."""
        while stored := store.updates(self._run_id, _COLUMNS, self._next, CHUNK):
            self._next = stored[-1].update + 1
            rows, episodes = _decode(stored, self._shape)
            self._rows = _thinned(_joined(self._rows, rows), "update", _population_mean, MAX_ROWS * CACHED_TIMES)
            joined = _joined(self._episodes, episodes)
            self._episodes = _thinned(joined, "ordinal", _episodic_return, MAX_EPISODES * CACHED_TIMES)

    def curves(self) -> Curves:
        """Return what is to be shown."""
        episodes = _thinned(self._episodes, "ordinal", _episodic_return, MAX_EPISODES)
        return Curves(
            **_thinned(self._rows, "update", _population_mean, MAX_ROWS),
            **{f"episode_{name}": values for name, values in episodes.items() if name != "ordinal"},
        )


def min_max(x: Array, y: Array, limit: int) -> Array:
    """Choose at most `limit` points that keep the outline of a curve: of each stretch of x the lowest and highest y.

    Stretches are 2ᵏ wide and begin at multiples of that, so points stay chosen while a curve grows.

    Args:
        x: `[n]` integers, ascending.
        y: `[n]`; NaN counts as the highest.
        limit: at least 6.

    Returns:
        Indices, ascending; the first and the last point are always there.
    """
    if len(x) <= limit:
        return np.arange(len(x))
    width = 1
    while x[-1] // width - x[0] // width + 1 > (limit - 2) // 2:
        width *= 2
    stretch = x // width
    order = np.lexsort((y, stretch))
    lowest = np.flatnonzero(np.diff(stretch[order], prepend=-1))
    highest = np.append(lowest[1:], len(x)) - 1
    return np.unique([0, *order[lowest], *order[highest], len(x) - 1])


def _thinned(columns: _Columns, along: str, height: Callable[[_Columns], Array], limit: int) -> _Columns:
    chosen = min_max(columns[along], height(columns), limit)
    return {name: values[chosen] for name, values in columns.items()}


def _population_mean(rows: _Columns) -> Array:
    return np.asarray(rows["mean_return"].mean(axis=1))


def _episodic_return(episodes: _Columns) -> Array:
    return episodes["return"]


def _joined(ours: _Columns, new: _Columns) -> _Columns:
    return {name: np.concatenate([ours[name], new[name]]) for name in ours}


def _decode(stored: Sequence[Any], shape: tuple[int, int]) -> tuple[_Columns, _Columns]:
    """Return n stored updates of `shape` (P, B) as rows `[n, ...]` and as n × P × B single episodes."""
    agents, batch = shape

    def array(name: str, *each: int) -> Array:
        data = b"".join(getattr(row, name) for row in stored)
        return np.frombuffer(data, ARRAYS[name]).reshape(len(stored), *each)

    update = np.array([row.update for row in stored], np.int64)  # [n]
    seconds = np.array([row.seconds for row in stored], np.float64)  # [n]
    env_steps = array("env_steps", agents)  # [n, P]
    rows = {"update": update, "episodes": (update + 1) * batch, "env_steps": env_steps.mean(axis=1), "seconds": seconds}
    rows |= {"iqm": array("iqm", 3), **{name: array(name, agents) for name in _PER_AGENT}}
    lengths = array("episodic_lengths", *shape).astype(np.int64)  # [n, P, B]
    before = env_steps - lengths.sum(axis=2)  # [n, P]
    number = update[:, None, None] * batch + np.arange(batch)  # [n, 1, B]
    episodes = {
        "ordinal": update[:, None, None] * agents * batch + np.arange(agents * batch).reshape(shape),
        "update": update[:, None, None],
        "return": array("episodic_returns", *shape),
        "agent": np.arange(agents)[:, None],
        "number": number,
        "env_steps": before[:, :, None] + lengths.cumsum(axis=2),
        "seconds": seconds[:, None, None],
    }
    return rows, {name: np.broadcast_to(values, lengths.shape).reshape(-1) for name, values in episodes.items()}
