"""Puts an engine and the update together: what trains a population, as many updates at a time as the engine can take.

Both learners run `reinforce.update` as XLA compiles it. With Gymnasium the episodes are played outside the program,
one update at a time; the compiled engine plays inside, and one dispatch of the program does many updates.
"""

import functools
import hashlib
import itertools
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from pg_core import runtime
from pg_core.config import Config
from pg_core.engines import CompiledEnvironment, Trajectories
from pg_core.engines.compiled import Draws, collect, compiled_environment
from pg_core.engines.gymnasium import make_engine
from pg_core.environments import Array
from pg_core.learning import reinforce
from pg_core.learning.accumulate import arrays_of
from pg_core.learning.memory import THREADS, shard_size
from pg_core.learning.reinforce import Hyperparameters, Metrics, State
from pg_core.policies import in_numpy, in_tensorflow
from pg_core.policies.in_tensorflow import Choices, Params

runtime.prepare()

MAX_UPDATES = 64  # of one dispatch
MAX_NUMBERS = 2**20  # of noise and of policies, in one dispatch


class TrainingError(RuntimeError):
    """Raised when training cannot go on; its message is a sentence for the person who trains."""


class Learner(Protocol):
    """Trains a population from `state` on."""

    @property
    def state(self) -> State:
        """Parameters, optimiser slots and statistics of the population."""
        ...

    def compile(self, config: Config) -> None:
        """Have the program compiled, which takes seconds, before it is needed."""
        ...

    def play(self, config: Config, update: int) -> Trajectories:
        """Play the episodes that an update would learn from, with the policies as they are now, `[T, P, B, ...]`."""
        ...

    def learn(self, config: Config, first_update: int, num_updates: int) -> tuple[Metrics, Params]:
        """Do 1 to `num_updates` updates; return what each measured, and the policies after it, arrays `[K, P, ...]`."""
        ...

    def rewind(self) -> None:
        """Return to the state before the last call of `learn`."""
        ...

    def close(self) -> None:
        """Free what the engine holds."""
        ...


class GymnasiumLearner:
    """Plays any environment, one update at a time."""

    def __init__(self, config: Config, state: State) -> None:
        self.state = self._before = state
        self._spec = config.environment
        self._engine = make_engine(self._spec, config.num_agents, config.episodes_per_update, config.seed)

    def compile(self, config: Config) -> None:
        """Compile by running one update on zeros and discarding it."""
        spec, shape = self._spec, (self._spec.max_episode_steps, config.num_agents, config.episodes_per_update)
        actions = tf.zeros([*shape, *spec.action_shape], tf.int32 if spec.discrete else tf.float32)
        steps, ends = tf.zeros(shape), tf.zeros(shape[1:], tf.bool)
        observations = tf.zeros([*shape, spec.observation_size])
        self._learn(config, Trajectories(observations, actions, steps, steps, ends, ends))

    def play(self, config: Config, update: int) -> Trajectories:
        """Play one batch of episodes; T is the length of the longest."""
        policy = {name: array.numpy() for name, array in self.state.policy.items()}
        act = functools.partial(in_numpy.sample, policy, activation=config.activation, choices=self._spec.choices)
        return self._engine.collect(act, update)

    def learn(self, config: Config, first_update: int, num_updates: int) -> tuple[Metrics, Params]:
        """Do one update."""
        played = self.play(config, first_update)
        self._before = self.state
        # Padded to the time limit, so that the program is compiled once; it reads no further than the longest episode.
        missing = self._spec.max_episode_steps - len(played.mask)
        steps = [np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1)) for array in played[:4]]
        self.state, metrics = self._learn(config, Trajectories(*map(tf.constant, (*steps, *played[4:]))))
        policies = {name: array.numpy()[None] for name, array in self.state.policy.items()}
        return Metrics(*(value.numpy()[None] for value in metrics)), policies

    def rewind(self) -> None:
        """Return to the state before the last update."""
        self.state = self._before

    def close(self) -> None:
        """Close the environments."""
        self._engine.close()

    def _learn(self, config: Config, trajectories: Trajectories) -> tuple[State, Metrics]:
        hyper = reinforce.hyperparameters(config)
        learned: tuple[State, Metrics] = learn_program(self.state, trajectories, hyper, self._spec.choices)
        return learned


class CompiledLearner:
    """Plays inside the program: a shard of the population at a time, on as many threads as processors.

    All shards have one size, so that one program serves them all: the last is padded with agents whose results are
    discarded.
    """

    def __init__(self, config: Config, state: State) -> None:
        self._num_agents = config.num_agents
        self._size = shard_size(config)
        self._num_shards = math.ceil(config.num_agents / self._size)
        self._shards = self._before = self._split(state)
        self._spec = config.environment
        self._environment = compiled_environment(self._spec)
        numbers = config.episodes_per_update * self._spec.max_episode_steps + config.parameters
        self._most = min(max(1, MAX_NUMBERS // (self._size * numbers)), MAX_UPDATES)
        self._threads = ThreadPoolExecutor(min(self._num_shards, THREADS))

    @property
    def state(self) -> State:
        """Parameters, optimiser slots and statistics of the population."""

        def join(*parts: tf.Tensor) -> tf.Tensor:
            return tf.concat(parts, axis=0)[: self._num_agents] if parts[0].shape.rank else parts[0]

        if self._num_shards == 1:  # as most are, and asked for after each update
            alone: State = self._shards[0]
            return alone
        state: State = tf.nest.map_structure(join, *self._shards)
        return state

    def compile(self, config: Config) -> None:
        """Compile the program, by asking it for no updates."""
        self._learn_shard(config, range(0), 0, self._shards[0], self._split(reinforce.hyperparameters(config))[0])

    def play(self, config: Config, update: int) -> Trajectories:
        """Play one batch of episodes, in a program that does nothing else; T is the time limit."""
        activation = in_tensorflow.choice_index(config, "activation")

        def of_shard(shard: int, state: State) -> Trajectories:
            draws = self._draws(config, range(update, update + 1), shard, 1)
            played: Trajectories = collect_program(
                state.policy, activation, draws.noise[0], draws.starts[0], self._environment
            )
            return played

        each = list(map(of_shard, range(self._num_shards), self._shards))
        steps = [
            np.concatenate(parts, axis=1)[:, : self._num_agents] for parts in zip(*(x[:4] for x in each), strict=True)
        ]
        ends = [np.concatenate(parts)[: self._num_agents] for parts in zip(*(x[4:] for x in each), strict=True)]
        return Trajectories(*steps, *ends)

    def learn(self, config: Config, first_update: int, num_updates: int) -> tuple[Metrics, Params]:
        """Do as many of these updates as one dispatch can take."""
        updates = range(first_update, first_update + min(num_updates, self._most))
        hypers = self._split(reinforce.hyperparameters(config))
        learn = functools.partial(self._learn_shard, config, updates)
        shards = range(self._num_shards), self._shards, hypers
        learned = list(self._threads.map(learn, *shards) if self._num_shards > 1 else map(learn, *shards))
        self._before, self._shards = self._shards, [state for state, _ in learned]

        def join(*parts: Array) -> Array:
            return np.concatenate(parts, axis=1)[:, : self._num_agents]

        joined: tuple[Metrics, Params] = tf.nest.map_structure(join, *(measured for _, measured in learned))
        return joined

    def rewind(self) -> None:
        """Return to the state before the last dispatch."""
        self._shards = self._before

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def _learn_shard(
        self, config: Config, updates: range, shard: int, state: State, hyper: Hyperparameters
    ) -> tuple[State, tuple[Metrics, Params]]:
        draws = self._draws(config, updates, shard, self._most)
        state, measured = play_program(state, hyper, draws, tf.constant(len(updates)), self._environment)
        return state, tf.nest.map_structure(lambda rows: rows.numpy()[: len(updates)], measured)

    def _draws(self, config: Config, updates: range, shard: int, num_rows: int) -> Draws:
        agents = range(shard * self._size, (shard + 1) * self._size)
        sizes = num_rows, config.episodes_per_update, self._spec.max_episode_steps
        return Draws(*map(tf.constant, Draws.of(self._environment, config.seed, agents, updates, *sizes)))

    def _split(self, tensors: Any) -> list[Any]:
        """Cut a structure of tensors `[P, ...]` into shards."""
        agents = np.minimum(np.arange(self._num_shards * self._size), self._num_agents - 1)

        def shard(mine: Array) -> Any:
            return tf.nest.map_structure(lambda x: tf.gather(x, mine) if x.shape.rank else x, tensors)

        return [shard(mine) for mine in agents.reshape(self._num_shards, -1)] if self._num_shards > 1 else [tensors]


def make_learner(config: Config, state: State) -> Learner:
    """Return the learner that a config asks for."""
    return CompiledLearner(config, state) if config.compiled else GymnasiumLearner(config, state)


class Program:
    """A function that XLA compiles for each kind of arguments, and that any other process finds compiled."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = tf.function(function, jit_compile=True, autograph=False)

    def __call__(self, *arguments: Any) -> Any:
        """Run the program for these, tensors and what is fixed in it, and compile it before if it is the first time."""
        with runtime.numbering(self._numbers(arguments)):
            return self.function(*arguments)

    def _numbers(self, arguments: tuple[Any, ...]) -> Iterator[int]:
        """Count from a number that only the kind of arguments decides; nothing is calculated unless one is traced."""

        def kind(argument: Any) -> Any:
            if callable(argument):
                return argument.__module__, argument.__qualname__
            return (argument.dtype, argument.shape) if tf.is_tensor(argument) else argument

        name = self.function.python_function.__name__, tf.nest.map_structure(kind, arguments)
        yield from itertools.count(int(hashlib.sha256(repr(name).encode()).hexdigest()[:12], 16))


@Program
def learn_program(
    state: State, trajectories: Trajectories, hyper: Hyperparameters, choices: Choices = ()
) -> tuple[State, Metrics]:
    """Do one update with trajectories that were played elsewhere."""
    return reinforce.update(state, trajectories, hyper, choices)


@Program
def collect_program(
    policy: Params, activation: tf.Tensor, noise: tf.Tensor, starts: tf.Tensor, environment: CompiledEnvironment
) -> Trajectories:
    """Play one batch of episodes, and learn nothing."""
    return collect(environment, policy, activation, noise, starts)


@Program
def play_program(
    state: State, hyper: Hyperparameters, draws: Draws, num_updates: tf.Tensor, environment: CompiledEnvironment
) -> tuple[State, tuple[Metrics, Params]]:
    """Play and learn, as many updates as asked for; metrics and policies are `[K, P, ...]`, K as long as the draws."""

    def one_update(state: State, noise: tf.Tensor, starts: tf.Tensor) -> tuple[State, tuple[Metrics, Params]]:
        trajectories = collect(environment, state.policy, hyper.activation, noise, starts)
        state, metrics = reinforce.update(state, trajectories, hyper)
        return state, (metrics, state.policy)

    traced = tf.function(one_update, autograph=False).get_concrete_function(state, draws.noise[0], draws.starts[0])

    def body(index: tf.Tensor, state: State, rows: Any) -> tuple[tf.Tensor, State, Any]:
        state, measured = traced(state, draws.noise[index], draws.starts[index])
        return index + 1, state, tf.nest.map_structure(lambda row, value: row.write(index, value), rows, measured)

    rows = tf.nest.map_structure(lambda x: arrays_of(x, draws.noise.shape[0]), traced.structured_outputs[1])
    _, state, rows = tf.while_loop(lambda index, *_: index < num_updates, body, (tf.constant(0), state, rows))
    return state, tf.nest.map_structure(tf.TensorArray.stack, rows)
