"""An iterator of immutable `Update` records: each step plays a batch of episodes and learns from it."""

import functools
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import tensorflow as tf

from pg_core import acting, maths, reinforce
from pg_core.config import Config
from pg_core.engines import Trajectories
from pg_core.engines.gymnasium import GymnasiumEngine
from pg_core.environments import Array, describe

SOLVED_WINDOW = 100  # training episodes whose mean return is held against the environment's threshold


class TrainingError(RuntimeError):
    """Raised when training cannot go on; its message is a sentence for the person who trains."""


@dataclass(frozen=True, eq=False)
class Update:
    """What one update played, learned and measured, for P agents of B episodes each.

    Two records are equal if all but the two durations are, bit for bit.
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
    mean_return: Array  # of the last (at most) 100 training episodes
    iqm: Array  # [3] interquartile mean of mean_return over agents, and its 95 % bootstrap interval
    env_steps: Array  # [P] since the start of the run
    env_steps_to_solve: Array  # [P], -1 where not solved
    collect_seconds: float
    gradient_seconds: float

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Update):
            return NotImplemented
        names = [field.name for field in fields(self) if not field.name.endswith("_seconds")]
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
        self._spec = describe(config.env_id)
        self._engine = GymnasiumEngine(self._spec, config.num_agents, config.episodes_per_update, config.seed)
        self._state = reinforce.initial_state(config, self._spec)
        self._update = 0
        self._env_steps = np.zeros(config.num_agents, np.int64)
        self._env_steps_to_solve = np.full(config.num_agents, -1, np.int64)
        self._recent_returns = np.zeros((config.num_agents, 0), np.float32)  # [P, ≤ 100]
        if checkpoint is not None:
            self._restore(checkpoint)
        self._learn = _traced_update(
            config.env_id, config.num_agents, config.episodes_per_update, config.hidden_layers,
            config.baseline == "value", config.optimizer,
        )  # fmt: skip

    def change(self, config: Config) -> None:
        """Put a config made by `self.config.changed(...)` into force for the next update."""
        self.config = self.config.changed(**self.config.differences(config))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Update:
        if self._update >= self.config.num_updates or (self.config.stop_when_solved and self._solved().all()):
            raise StopIteration
        hyper = reinforce.hyperparameters(self.config, ~(self._solved() & self.config.stop_when_solved))
        start = time.perf_counter()
        policy, activation = self.policy(), self.config.activation
        trajectories = self._engine.collect(
            lambda observations, noise: acting.sample(policy, observations, noise, activation), self._update
        )
        collected = time.perf_counter()
        self._state, metrics = self._learn(self._state, Trajectories(*map(tf.constant, trajectories)), hyper)
        measured = {name: value.numpy() for name, value in metrics._asdict().items()}
        learned = time.perf_counter()
        self._check_finite(trajectories, measured["grad_norm"])
        return self._record(trajectories, measured, collected - start, learned - collected)

    def checkpoint(self) -> dict[str, Array]:
        """Return all that the next update depends on, as flat arrays."""
        leaves = tf.nest.flatten(self._state)
        return {
            "update": np.int64(self._update),
            "env_steps": self._env_steps.copy(),
            "env_steps_to_solve": self._env_steps_to_solve.copy(),
            "recent_returns": self._recent_returns.copy(),
            **{f"state_{i}": leaf.numpy() for i, leaf in enumerate(leaves)},
        }

    def policy(self) -> dict[str, Array]:
        """Return the policies' parameters, each with the population axis first."""
        return {name: value.numpy() for name, value in self._state.policy.items()}

    def close(self) -> None:
        """Close the environments."""
        self._engine.close()

    def _solved(self) -> Array:
        return self._env_steps_to_solve >= 0

    def _check_finite(self, trajectories: Trajectories, grad_norm: Array) -> None:
        acted = np.isfinite(trajectories.actions).all()  # an environment answers actions that are not with such rewards
        given = trajectories.observations, trajectories.rewards
        if acted and not all(np.isfinite(array).all() for array in given):
            raise TrainingError(
                f"{self.config.env_id} gave an observation or a reward that is not finite at update {self._update}; "
                "mend the environment or choose another."
            )
        if not (acted and all(np.isfinite(array).all() for array in (grad_norm, *self.policy().values()))):
            raise TrainingError(
                f"Training diverged at update {self._update}: the policy or its gradient is no longer finite; "
                "lower the learning rate or set a gradient-norm limit."
            )

    def _record(
        self, trajectories: Trajectories, measured: dict[str, Array], collect: float, gradient: float
    ) -> Update:
        returns = trajectories.rewards.sum(axis=0, dtype=np.float64).astype(np.float32)  # [P, B]
        lengths = trajectories.mask.sum(axis=0).astype(np.int32)  # [P, B]
        self._env_steps = self._env_steps + lengths.sum(axis=1)
        self._recent_returns = np.concatenate([self._recent_returns, returns], axis=1)[:, -SOLVED_WINDOW:]
        mean_return = self._recent_returns.mean(axis=1)
        threshold = self._spec.reward_threshold
        if threshold is not None and self._recent_returns.shape[1] == SOLVED_WINDOW:
            first = ~self._solved() & (mean_return >= threshold)
            self._env_steps_to_solve = np.where(first, self._env_steps, self._env_steps_to_solve)
        index, self._update = self._update, self._update + 1
        return Update(
            index, self.config, returns, lengths, **measured, mean_return=mean_return,
            iqm=_population_iqm(mean_return).numpy(), env_steps=self._env_steps,
            env_steps_to_solve=self._env_steps_to_solve, collect_seconds=collect, gradient_seconds=gradient,
        )  # fmt: skip

    def _restore(self, checkpoint: Mapping[str, Array]) -> None:
        self._update = int(checkpoint["update"])
        self._env_steps = np.array(checkpoint["env_steps"])
        self._env_steps_to_solve = np.array(checkpoint["env_steps_to_solve"])
        self._recent_returns = np.array(checkpoint["recent_returns"])
        count = len(tf.nest.flatten(self._state))
        leaves = [tf.constant(checkpoint[f"state_{i}"]) for i in range(count)]
        self._state = tf.nest.pack_sequence_as(self._state, leaves)


@functools.lru_cache(maxsize=8)
def _traced_update(
    env_id: str, num_agents: int, num_episodes: int, hidden_layers: tuple[int, ...], value_network: bool, optimizer: str
) -> tf.types.experimental.GenericFunction:
    """Trace the update of one shape, once for any episode length, so that nothing live ever traces again."""
    config = Config(
        env_id=env_id, num_agents=num_agents, episodes_per_update=num_episodes, hidden_layers=hidden_layers,
        num_updates=1, baseline="value" if value_network else "none",
    )  # fmt: skip
    spec = describe(env_id)
    shape = [None, num_agents, num_episodes]
    steps, ends = tf.TensorSpec(shape, tf.float32), tf.TensorSpec(shape[1:], tf.bool)
    observations = tf.TensorSpec([*shape, spec.observation_size], tf.float32)
    actions = tf.TensorSpec(shape, tf.int32) if spec.discrete else tf.TensorSpec([*shape, spec.action_size], tf.float32)
    hyper = reinforce.hyperparameters(config, np.ones(num_agents, bool))
    state, hyper = tf.nest.map_structure(tf.TensorSpec.from_tensor, (reinforce.initial_state(config, spec), hyper))
    trajectories = Trajectories(observations, actions, steps, steps, ends, ends)
    step = functools.partial(reinforce.update, optimizer=optimizer)
    return tf.function(step, input_signature=[state, trajectories, hyper])


@tf.function  # type: ignore[untyped-decorator]
def _population_iqm(scores: tf.Tensor) -> tf.Tensor:
    """Return the interquartile mean over agents `[P]` and both ends of its bootstrap interval, `[3]`."""
    return tf.stack([maths.interquartile_mean(scores), *maths.bootstrap_interval(scores)])


def _identical(ours: object, theirs: object) -> bool:
    if isinstance(ours, np.ndarray) and isinstance(theirs, np.ndarray):
        return ours.shape == theirs.shape and ours.tobytes() == theirs.tobytes()
    return ours == theirs
