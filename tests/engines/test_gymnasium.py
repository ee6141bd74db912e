"""Whole episodes, exactly: environments that count say what must come out of the engine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from pg_core.engines import Trajectories
from pg_core.engines.gymnasium import GymnasiumEngine, IsolatedEngine, make_engine
from pg_core.environments import EnvironmentFault, describe
from pg_core.randomness import Stream

JUNK = -1e6  # reward of any step that is not part of a first episode


class Counter(gym.Env):
    """Step k of an episode shows k and rewards with 10 k + action; the episode ends after `length` steps."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, length: int = 3) -> None:
        self.length, self.ended = length, False

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is None:  # an autoreset: nothing of what follows may be seen
            self.ended = True
        else:
            self.ended = False
        self.step_number = 0
        return np.array([0], np.float32), {}

    def step(self, action):
        self.step_number += 1
        reward = JUNK if self.ended else 10 * self.step_number + action
        terminated = self.step_number >= self.length
        return np.array([self.step_number], np.float32), reward, terminated, False, {}


class UnevenCounter(gym.vector.VectorEnv):
    """Environment b ends after b + 2 steps; even ones are terminated, odd ones truncated, junk episodes conversely."""

    mode = AutoresetMode.NEXT_STEP

    def __init__(self, num_envs: int = 1, **_: Any) -> None:
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": self.mode}
        self.single_observation_space, self.single_action_space = Counter.observation_space, Counter.action_space
        self.observation_space = gym.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gym.vector.utils.batch_space(self.single_action_space, num_envs)
        self.lengths = np.arange(num_envs) + 2

    def reset(self, *, seed=None, options=None):
        self.count = np.zeros(self.num_envs, int)
        self.first, self.ended = np.ones(self.num_envs, bool), np.zeros(self.num_envs, bool)
        return self.count[:, None].astype(np.float32), {}

    def step(self, actions):
        resetting = self.ended if self.mode == AutoresetMode.NEXT_STEP else np.zeros(self.num_envs, bool)
        self.count = np.where(resetting, 0, self.count + 1)
        rewards = np.where(self.first, 10 * self.count + actions, JUNK)
        ended = self.count >= self.lengths
        even = (np.arange(self.num_envs) % 2 == 0) == self.first
        terminated, truncated = ended & even, ended & ~even
        if self.mode == AutoresetMode.SAME_STEP:
            self.count = np.where(ended, 0, self.count)
        self.first &= ~ended
        self.ended = ended
        return self.count[:, None].astype(np.float32), rewards, terminated, truncated, {}


class UnevenSameStep(UnevenCounter):
    mode = AutoresetMode.SAME_STEP


class FailsAt(Counter):
    """Fails in one step of the environment that was seeded with an odd number."""

    def reset(self, *, seed=None, options=None):
        self.odd = seed % 2
        return super().reset(seed=seed, options=options)

    def step(self, action):
        observation, reward, *ends = super().step(action)
        return observation, self.fail(reward) if self.odd and self.step_number == 2 else reward, *ends

    def fail(self, reward):
        raise KeyError("left")


class Infinite(FailsAt):
    def fail(self, reward):
        return np.inf


class FailingVector(UnevenCounter):
    def step(self, actions):
        raise KeyError("right")


class Endless(Counter):
    def __init__(self) -> None:
        super().__init__(length=10**9)


class EndlessVector(UnevenCounter):
    def __init__(self, num_envs: int = 1, **_: Any) -> None:
        super().__init__(num_envs)
        self.lengths = np.full(num_envs, 10**9)


class Position(gym.Env):
    """Discrete observations from 5 on: the state is the step number, the action is what was asked for."""

    observation_space = gym.spaces.Discrete(4, start=5)
    action_space = gym.spaces.Discrete(3, start=-1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position = 5
        return self.position, {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.position += 1
        return self.position, float(action), self.position == 8, False, {}


class Echo(gym.Env):
    """One step; the reward spells the action vector that arrived."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Box(np.array([-2, 0], np.float32), np.array([2, 10], np.float32))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action)
        return np.zeros(1, np.float32), float(action[0] + 100 * action[1]), True, False, {}


def collect(env_id: str, act: Callable, num_agents: int = 1, num_episodes: int = 1, update: int = 0) -> Trajectories:
    engine = GymnasiumEngine(describe(env_id), num_agents, num_episodes, seed=0)
    try:
        return engine.collect(act, update)
    finally:
        engine.close()


def always(action: int) -> Callable:
    return lambda observations, noise: np.full(observations.shape[:2], action, np.int32)


def test_one_whole_episode_of_each_environment(register):
    register("Three-v0", Counter, max_episode_steps=50)
    played = collect("Three-v0", always(1), num_agents=2, num_episodes=4)
    each = np.ones((1, 2, 4))
    np.testing.assert_array_equal(played.observations[..., 0], np.array([[[0]], [[1]], [[2]]]) * each)
    np.testing.assert_array_equal(played.actions, np.ones((3, 2, 4)))
    np.testing.assert_array_equal(played.rewards, np.array([[[11]], [[21]], [[31]]]) * each)
    np.testing.assert_array_equal(played.mask, np.ones((3, 2, 4)))
    assert played.terminated.all()
    assert not played.truncated.any()
    dtypes = [array.dtype for array in played]
    assert dtypes == [np.float32, np.int32, np.float32, np.float32, bool, bool]


@pytest.mark.parametrize("vector", [UnevenCounter, UnevenSameStep])
def test_episodes_of_a_vector_environment_end_at_their_own_first_end(register, vector):
    """Environments that are done early start again while others still play: none of that may be seen."""
    register(f"{vector.__name__}-v0", Counter, vector_entry_point=vector, max_episode_steps=50)
    engine = GymnasiumEngine(describe(f"{vector.__name__}-v0"), 2, 6, seed=0)
    for update in range(2):  # the second time, half of the environments stand in the middle of a junk episode
        played = engine.collect(always(1), update)
        assert played.mask.shape == (7, 2, 6)
        np.testing.assert_array_equal(played.mask.sum(axis=0), [[2, 3, 4, 5, 6, 7]] * 2)
        rewards = [sum(10 * k + 1 for k in range(1, b + 3)) for b in range(6)]
        np.testing.assert_array_equal(played.rewards.sum(axis=0), [rewards] * 2)
        np.testing.assert_array_equal(played.terminated, [[True, False] * 3] * 2)
        np.testing.assert_array_equal(played.truncated, [[False, True] * 3] * 2)
        steps = np.arange(7)[:, None, None] * played.mask
        np.testing.assert_array_equal(played.observations[..., 0], steps)
        np.testing.assert_array_equal(played.actions, played.mask)
        assert played.rewards.min() >= 0
    engine.close()


def test_a_time_limit_truncates(register):
    register("Endless-v0", Endless, max_episode_steps=7)
    played = collect("Endless-v0", always(0), num_episodes=3)
    np.testing.assert_array_equal(played.mask, np.ones((7, 1, 3)))
    np.testing.assert_array_equal(played.rewards.sum(axis=0), [[10 * (1 + 2 + 3 + 4 + 5 + 6 + 7)] * 3])
    assert played.truncated.all()
    assert not played.terminated.any()


def test_an_end_at_the_time_limit_says_both(register):
    register("Three-v1", Counter, max_episode_steps=3)
    played = collect("Three-v1", always(0))
    assert played.terminated.all()
    assert played.truncated.all()


def test_a_vector_environment_that_forgets_its_limit_is_cut_at_ours(register):
    register("EndlessVector-v0", Counter, vector_entry_point=EndlessVector, max_episode_steps=5)
    played = collect("EndlessVector-v0", always(0), num_episodes=2)
    np.testing.assert_array_equal(played.mask, np.ones((5, 1, 2)))
    assert played.truncated.all()
    assert not played.terminated.any()


def test_discrete_observations_come_one_hot_and_actions_go_from_the_space_start(register):
    register("Position-v0", Position, max_episode_steps=9)
    played = collect("Position-v0", always(2), num_episodes=2)
    np.testing.assert_array_equal(played.observations[:, 0, 1], np.eye(4)[:3])
    np.testing.assert_array_equal(played.rewards.sum(axis=0), [[3.0, 3.0]])  # action 2 of -1, 0, 1 is 1
    np.testing.assert_array_equal(played.actions, np.full((3, 1, 2), 2))  # the policy's own numbers are kept


@pytest.mark.parametrize(
    ("action", "arrived"),
    [((0, 0), (0, 5)), ((1, 1), (2, 10)), ((-1, -1), (-2, 0)), ((0.5, -0.5), (1, 2.5)), ((9, -9), (2, 0))],
)
def test_box_actions_are_scaled_to_the_box_and_clipped(register, action, arrived):
    register("Echo-v0", Echo, max_episode_steps=9)
    played = collect("Echo-v0", lambda observations, noise: np.array([[action]], np.float32))
    assert played.rewards.item() == arrived[0] + 100 * arrived[1]
    np.testing.assert_array_equal(played.actions, np.array([[[action]]], np.float32))


def test_noise_is_uniform_for_choices_and_normal_for_vectors(register):
    register("Endless-v1", Endless, max_episode_steps=500)
    drawn = []

    def act(observations, noise):
        drawn.append(noise)
        return np.zeros(observations.shape[:2], np.int32)

    collect("Endless-v1", act, num_agents=2, num_episodes=8)
    uniform = np.stack(drawn)
    assert uniform.shape == (500, 2, 8)
    assert uniform.dtype == np.float32
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert uniform.mean() == pytest.approx(0.5, abs=0.015)
    assert uniform.var() == pytest.approx(1 / 12, abs=0.005)
    assert len(np.unique(uniform)) > 0.99 * uniform.size  # no block of noise is used twice

    drawn.clear()
    played = collect("Pendulum-v1", lambda x, noise: drawn.append(noise) or noise, num_agents=2, num_episodes=4)
    normal = np.stack(drawn)
    assert normal.shape == (200, 2, 4, 1)
    assert normal.mean() == pytest.approx(0, abs=0.1)
    assert normal.std() == pytest.approx(1, abs=0.1)
    np.testing.assert_array_equal(played.actions, normal)


@pytest.mark.parametrize(
    ("action", "velocity", "angular_velocity"), [(1, 0.19512195, -0.29268293), (0, -0.19512195, 0.29268293)]
)
def test_cart_pole_moves_by_its_published_physics(action, velocity, angular_velocity):
    """The first step from s changes the velocities by about what it changes them by from rest."""
    played = collect("CartPole-v1", always(action), num_episodes=3)
    before, after = played.observations[:2, 0]
    np.testing.assert_allclose(after[:, 0], before[:, 0] + 0.02 * before[:, 1], atol=1e-7)  # positions: old velocity
    np.testing.assert_allclose(after[:, 2], before[:, 2] + 0.02 * before[:, 3], atol=1e-7)
    np.testing.assert_allclose(after[:, 1] - before[:, 1], velocity, atol=2e-3)
    np.testing.assert_allclose(after[:, 3] - before[:, 3], angular_velocity, atol=0.02)


def test_cart_pole_ends_where_it_must():
    """A policy that always pushes one way falls within 8 to 11 steps, and each step is rewarded, the last one too."""
    played = collect("CartPole-v1", always(1), num_agents=2, num_episodes=32)
    lengths = played.mask.sum(axis=0)
    assert lengths.min() >= 8
    assert lengths.max() <= 11
    np.testing.assert_array_equal(played.rewards, played.mask)
    assert played.terminated.all()
    last = np.take_along_axis(played.observations, (lengths.astype(int) - 1)[None, ..., None], axis=0)[0]
    assert (np.abs(last[..., 2]) <= 0.20943951).all()  # the last observation that was acted on is still a good one
    assert (np.abs(last[..., 2] + 0.02 * last[..., 3]) > 0.20943951).all()  # and the one after is not


def test_cart_pole_balances_to_the_time_limit_with_a_good_policy():
    def act(observations, noise):
        return (observations[..., 2] + observations[..., 3] > 0).astype(np.int32)

    played = collect("CartPole-v1", act, num_agents=2, num_episodes=4)
    long = played.mask.sum(axis=0) == 500
    assert long.any()
    np.testing.assert_array_equal(played.truncated, long)
    np.testing.assert_array_equal(played.terminated, ~long)


def random_half(observations, noise):
    return (noise >= 0.5).astype(np.int32)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Acrobot-v1", "FrozenLake-v1"])
def test_an_agent_plays_the_same_episodes_whatever_the_population(env_id):
    alone, four = (collect(env_id, random_half, num_agents, 3, update=5) for num_agents in (1, 4))
    length = len(alone.mask)
    for ours, theirs in zip(alone[:4], four[:4], strict=True):
        np.testing.assert_array_equal(ours[:, 0], theirs[:length, 0])
        assert not theirs[length:, 0].any()
    assert not np.array_equal(four.actions[:, 0], four.actions[:, 1])


def test_episodes_are_a_function_of_seed_agent_update_and_purpose():
    spec = describe("CartPole-v1")
    engine = GymnasiumEngine(spec, 1, 3, seed=1)
    first, _, again = (engine.collect(random_half, update) for update in (4, 5, 4))
    for ours, theirs in zip(first, again, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    starts = {first.observations[0].tobytes(), engine.collect(random_half, 5).observations[0].tobytes()}
    engine.close()
    for seed, stream in ((2, Stream.EPISODES), (1, Stream.EVALUATION)):
        other = GymnasiumEngine(spec, 1, 3, seed, stream)
        starts.add(other.collect(random_half, 4).observations[0].tobytes())
        other.close()
    assert len(starts) == 4
    assert len(np.unique(first.observations[0, 0, :, 0])) == 3  # the episodes of a batch differ too


@pytest.mark.parametrize(
    ("environment", "what", "line"),
    [
        (FailsAt, "raised KeyError: 'left'", FailsAt.fail.__code__.co_firstlineno + 1),
        (Infinite, "returned a reward that is not finite", FailsAt.step.__code__.co_firstlineno),
    ],
)
def test_a_fault_is_told_with_agent_update_episode_and_step(register, environment, what, line):
    register("Fails-v0", environment, max_episode_steps=5)
    engine = GymnasiumEngine(describe("Fails-v0"), 2, 3, seed=0)
    told = rf"^Fails-v0 {what} \(.*test_gymnasium\.py:{line}; agent 0, update 5, episode [12] of 3, step 2\): mend "
    with pytest.raises(EnvironmentFault, match=told):
        engine.collect(always(0), 4)
    evaluation = GymnasiumEngine(describe("Fails-v0"), 1, 3, 0, Stream.EVALUATION, 7)
    with pytest.raises(EnvironmentFault, match=r"; agent 7, evaluation, episode [12] of 3, step 2\)"):
        evaluation.collect(always(0), 0)


def test_a_fault_of_a_vector_environment_of_ones_own_is_told_without_the_episode(register):
    register("FailsTogether-v0", Counter, vector_entry_point=FailingVector, max_episode_steps=5)
    with pytest.raises(EnvironmentFault, match=r"KeyError: 'right' \(.*; agent 0, update 1, step 1\)"):
        collect("FailsTogether-v0", always(0), num_episodes=2)


def test_an_environment_of_ones_own_plays_the_same_episodes_in_a_process_of_its_own(register, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "own")
    register("Apart-v0", "faulty_environments:Plain", max_episode_steps=8)
    spec = describe("Apart-v0")
    apart, here = make_engine(spec, 2, 3, 1), GymnasiumEngine(spec, 2, 3, 1)
    assert isinstance(apart, IsolatedEngine) and isinstance(
        make_engine(describe("CartPole-v1"), 1, 1, 0), GymnasiumEngine
    )
    for update in range(2):
        for ours, theirs in zip(apart.collect(random_half, update), here.collect(random_half, update), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    apart.close()
    here.close()
