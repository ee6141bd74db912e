"""An iterator of immutable `Update` records: each step plays a batch of episodes and learns from it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import tensorflow as tf

from pg_core import maths, runtime
from pg_core.config import Config
from pg_core.engines import Trajectories
from pg_core.environments import Array
from pg_core.learning import reinforce
from pg_core.learning.episode_statistics import SOLVED_WINDOW, EpisodeStatistics
from pg_core.learning.learners import TrainingError, make_learner
from pg_core.learning.reinforce import Metrics, State
from pg_core.maths import Slots


@dataclass(frozen=True, eq=False)
class Update:
    """What one update played, learned and measured, for P agents of B episodes each.

    Two records are equal if all but their durations are, bit for bit.
    """

    index: int
    config: Config  # in force during this update
    episodic_returns: Array  # [P, B] undiscounted
    episodic_lengths: Array  # [P, B]
    policy_loss: Array  # [P], as all that follow; no measure of performance
    value_loss: Array  # NaN without a value network
    entropy_loss: Array
    entropy: Array  # nats
    grad_norm: Array
    grad_snr: Array  # NaN for one episode per update
    approx_kl: Array
    explained_variance: Array  # NaN if all returns are the same
    cut: Array  # share of the episodes that the environment did not end: the time limit did
    at_bounds: Array  # share of the actions' components at an edge of their box, or beyond; NaN for choices
    max_reward: Array  # of a single step
    mean_return: Array  # of the last (at most) 100 training episodes
    iqm: Array  # [3] interquartile mean of mean_return over agents, and its 95 % bootstrap interval
    env_steps: Array  # [P] since the start of the run
    env_steps_to_solve: Array  # [P], -1 where not solved
    seconds: float  # of wall-clock time, for playing and learning

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Update):
            return NotImplemented
        names = [field.name for field in fields(self) if field.name != "seconds"]
        return all(_identical(getattr(self, name), getattr(other, name)) for name in names)

    def __post_init__(self) -> None:
        for array in vars(self).values():
            if isinstance(array, np.ndarray):
                array.setflags(write=False)

    __hash__ = None  # type: ignore[assignment]


class Trainer:
    """Trains a population, one `Update` an iteration, until `num_updates` are done or all agents have solved.

    Args:
        config: what to train.
        checkpoint: of a run with this config, to continue it exactly.

    Raises:
        TrainingError: while iterating, when a loss or a reward is no longer finite.
    """

    def __init__(self, config: Config, checkpoint: Mapping[str, Array] | None = None) -> None:
        self.config = config
        state = reinforce.initial_state(config, config.environment)
        self._update, state = (0, state) if checkpoint is None else _restored(checkpoint, state)
        self._env_steps_to_solve = state.statistics.env_steps_to_solve.numpy()
        self._learner = make_learner(config, state)

    def change(self, config: Config) -> None:
        """Put a config made by `self.config.changed(...)` into force for the next update."""
        self.config = self.config.changed(**self.config.differences(config))

    def compile(self) -> None:
        """Have the first update's program compiled now; without this, the first update takes seconds longer."""
        self._learner.compile(self.config)
        runtime.note_programs()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Update:
        updates = self.advance(1)
        if not updates:
            raise StopIteration
        return updates[0]

    def advance(self, num_updates: int) -> list[Update]:
        """Do 1 to `num_updates` updates at once, as many as the engine can take; none when training is over.

        However the updates of a run are divided, their records are the same.
        """
        num_updates = min(num_updates, self.config.num_updates - self._update)
        if num_updates <= 0 or self._is_over(self._env_steps_to_solve):
            return []
        start = time.perf_counter()
        metrics, self._policies = self._learner.learn(self.config, self._update, num_updates)
        usable = self._usable(metrics)
        if usable < len(metrics.grad_norm):  # the others lie beyond the end, or are not finite
            self._learner.rewind()
            if usable == 0:
                raise TrainingError(
                    f"Training diverged at update {self._update}: the policy or its gradient is no longer finite; "
                    "lower the learning rate or set a gradient-norm limit."
                )
            metrics, self._policies = self._learner.learn(self.config, self._update, usable)
        return self._records(metrics, time.perf_counter() - start)

    @property
    def state(self) -> State:
        """All that the next update learns from but its episodes, tensors of the whole population."""
        return self._learner.state

    def play(self) -> Trajectories:
        """Play the episodes that the next update will learn from; it will play the same ones again."""
        return self._learner.play(self.config, self._update)

    def checkpoint(self) -> dict[str, Array]:
        """Return all that the next update depends on, as flat arrays."""
        state = self._learner.state
        statistics, learned = state.statistics, _learned(state)
        leaves = zip(tf.nest.flatten(_paths(learned)), tf.nest.flatten(learned), strict=True)
        return {
            "update": np.int64(self._update),
            "env_steps": statistics.env_steps.numpy(),
            "env_steps_to_solve": statistics.env_steps_to_solve.numpy(),
            "recent_returns": statistics.recent_returns.numpy()[:, SOLVED_WINDOW - int(statistics.num_recent) :],
            **{path: leaf.numpy() for path, leaf in leaves},
        }

    def policy(self) -> dict[str, Array]:
        """Return the policies' parameters, each with the population axis first."""
        return {name: value.numpy() for name, value in self._learner.state.policy.items()}

    def policy_after(self, index: int) -> dict[str, Array]:
        """Return the policies' parameters after one of the updates that `advance` did last, `index` counted from 0."""
        return {name: array[index] for name, array in self._policies.items()}

    def close(self) -> None:
        """Free what the engine holds."""
        self._learner.close()

    def _is_over(self, env_steps_to_solve: Array) -> bool:
        return self.config.stop_when_solved and bool((env_steps_to_solve >= 0).all())

    def _usable(self, metrics: Metrics) -> int:
        """Return how many updates there are before the first that has diverged, or up to the one that ends training."""
        for done, (finite, solved) in enumerate(zip(metrics.is_finite, metrics.env_steps_to_solve, strict=True)):
            if not finite.all():
                return done
            if self._is_over(solved):
                break
        return done + 1

    def _records(self, metrics: Metrics, seconds: float) -> list[Update]:
        first, count = self._update, len(metrics.grad_norm)
        intervals = _population_iqm(metrics.mean_return)
        measured = {name: values for name, values in metrics._asdict().items() if name != "is_finite"}
        self._update += count
        self._env_steps_to_solve = metrics.env_steps_to_solve[-1]

        def record(i: int) -> Update:
            mine = {name: values[i] for name, values in measured.items()}
            return Update(first + i, self.config, **mine, iqm=intervals[i], seconds=seconds / count)

        return [record(i) for i in range(count)]


def _restored(checkpoint: Mapping[str, Array], like: State) -> tuple[int, State]:
    """Return the number of updates done and the state in a checkpoint, of the same structure as `like`."""
    recent = checkpoint["recent_returns"]
    padded = np.pad(recent, [(0, 0), (SOLVED_WINDOW - recent.shape[1], 0)])
    arrays = padded, np.int32(recent.shape[1]), checkpoint["env_steps"], checkpoint["env_steps_to_solve"]
    learned = tf.nest.map_structure(lambda path: tf.constant(checkpoint[path]), _paths(_learned(like)))
    return int(checkpoint["update"]), State(**learned, statistics=EpisodeStatistics(*map(tf.constant, arrays)))


def _learned(state: State) -> dict[str, Any]:
    """Return a state without the statistics of its episodes."""
    return {name: part for name, part in state._asdict().items() if name != "statistics"}


def _paths(tree: Any, path: str = "") -> Any:
    """Return the same structure with the path of each leaf in its place, such as `policy_slots/kernel_0/first`."""
    if isinstance(tree, Mapping):
        return {name: _paths(branch, f"{path}{name}/") for name, branch in tree.items()}
    if isinstance(tree, Slots):
        return Slots(*(f"{path}{slot}" for slot in Slots._fields))
    return path.removesuffix("/")


def _population_iqm(scores: Array) -> Array:
    """Return the interquartile mean over agents `[K, P]` and both ends of its bootstrap interval, `[K, 3]`."""
    tensor = tf.constant(scores)
    interval: Array = tf.stack([maths.interquartile_mean(tensor), *maths.bootstrap_interval(tensor)], axis=-1).numpy()
    return interval


def _identical(ours: object, theirs: object) -> bool:
    if isinstance(ours, np.ndarray) and isinstance(theirs, np.ndarray):
        return ours.shape == theirs.shape and ours.tobytes() == theirs.tobytes()
    return ours == theirs
