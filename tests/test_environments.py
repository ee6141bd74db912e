"""What the trainer is told of environments, and how observations and actions cross the border."""

import gymnasium as gym
import numpy as np
import pytest

from pg_core.environments import FALLBACK_EPISODE_STEPS, UnsupportedEnvironmentError, describe, make, make_vector


def test_cartpole():
    spec = describe("CartPole-v1")
    assert (spec.observation_size, spec.action_size, spec.discrete, spec.one_hot) == (4, 2, True, False)
    assert (spec.max_episode_steps, spec.reward_threshold) == (500, 475)
    assert spec.action_low == spec.action_high == ()
    observations = spec.encode(np.ones((3, 4)))
    assert observations.dtype == np.float32 and observations.shape == (3, 4)
    assert spec.decode(np.array([0, 1], np.int32)).tolist() == [0, 1]


def test_discrete_observations_are_one_hot():
    spec = describe("FrozenLake-v1")
    assert (spec.observation_size, spec.action_size, spec.one_hot) == (16, 4, True)
    np.testing.assert_array_equal(spec.encode(np.array([0, 15])), np.eye(16, dtype=np.float32)[[0, 15]])
    assert spec.encode(np.int64(3)).shape == (16,)
    assert spec.encode(np.zeros((5, 2), np.int64)).shape == (5, 2, 16)


@pytest.mark.parametrize(("env_id", "edge"), [("Pendulum-v1", 2.0), ("MountainCarContinuous-v0", 1.0)])
def test_box_actions_are_scaled_to_the_box_and_clipped_to_it(env_id: str, edge: float):
    spec = describe(env_id)
    assert (spec.discrete, spec.action_size) == (False, 1)
    actions = spec.decode(np.float32([[-3], [-1], [-0.5], [0], [1], [3]]))
    assert actions.dtype == np.float32
    np.testing.assert_array_equal(actions, np.float32([[-edge], [-edge], [-edge / 2], [0], [edge], [edge]]))
    assert spec.reward_threshold == {"Pendulum-v1": None, "MountainCarContinuous-v0": 90}[env_id]


class Odd(gym.Env):
    """Five observations from 10 on, three actions from -1 on; every episode ends at once."""

    observation_space = gym.spaces.Discrete(5, start=10)
    action_space = gym.spaces.Discrete(3, start=-1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 10, {}

    def step(self, action):
        assert self.action_space.contains(action)
        return 14, 1.0, True, False, {}


class Unbounded(Odd):
    """An action vector with a lopsided interval, a half-open one, and none."""

    action_space = gym.spaces.Box(np.float32([1, 0, -np.inf]), np.float32([5, np.inf, np.inf]))


def test_discrete_spaces_that_do_not_start_at_0(register):
    register("Lab/Odd-v0", Odd, max_episode_steps=7, reward_threshold=0.5)
    spec = describe("Lab/Odd-v0")
    assert (spec.observation_start, spec.action_start, spec.max_episode_steps, spec.reward_threshold) == (
        10,
        -1,
        7,
        0.5,
    )
    assert spec.encode(np.array([10, 14])).tolist() == [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]]
    actions = spec.decode(np.array([0, 1, 2], np.int32))
    assert actions.tolist() == [-1, 0, 1]
    env = make("Lab/Odd-v0")
    env.reset(seed=0)
    assert env.step(actions[0])[0] == 14


def test_unbounded_boxes_take_the_policys_units(register):
    register("Lab/Unbounded-v0", Unbounded)
    spec = describe("Lab/Unbounded-v0")
    actions = spec.decode(np.float32([[0, 0, 0], [1, 1, 1], [-1, -1, -1], [9, 9, 9]]))
    np.testing.assert_array_equal(actions, [[3, 0, 0], [5, 1, 1], [1, 0, -1], [5, 9, 9]])
    assert all(Unbounded.action_space.contains(action) for action in actions)


def test_an_environment_without_a_time_limit_gets_one():
    assert gym.spec("CliffWalking-v1").max_episode_steps is None
    assert describe("CliffWalking-v1").max_episode_steps == FALLBACK_EPISODE_STEPS
    env = make("CliffWalking-v1")
    env.reset(seed=0)
    up = 0
    ends = [env.step(up)[2:4] for _ in range(FALLBACK_EPISODE_STEPS)]
    assert ends == [(False, False)] * (FALLBACK_EPISODE_STEPS - 1) + [(False, True)]


def test_copies_that_step_together_have_the_same_time_limit():
    envs = make_vector("CliffWalking-v1", 2)
    envs.reset(seed=0)
    truncations = [envs.step(np.array([0, 0]))[3] for _ in range(FALLBACK_EPISODE_STEPS)]
    assert np.argwhere(truncations).tolist() == [[FALLBACK_EPISODE_STEPS - 1, 0], [FALLBACK_EPISODE_STEPS - 1, 1]]


@pytest.mark.parametrize("env_id", ["CartPole-v1", "FrozenLake-v1"])
def test_copies_that_step_together_have_the_spaces_of_one(env_id: str):
    envs, env = make_vector(env_id, 3), make(env_id)
    assert envs.num_envs == 3
    assert envs.single_observation_space == env.observation_space
    assert envs.single_action_space == env.action_space


def test_an_unknown_id_is_refused():
    with pytest.raises(UnsupportedEnvironmentError, match=r"got 'Pendulun-v1'; did you mean 'Pendulum-v1'\?$"):
        make("Pendulun-v1")
    with pytest.raises(UnsupportedEnvironmentError, match=r"got '🦊'; install the package that registers it"):
        make_vector("🦊", 2)
