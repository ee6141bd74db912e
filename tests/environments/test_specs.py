"""What the trainer is told of environments, and how observations and actions cross the border."""

import re
from types import SimpleNamespace
from typing import ClassVar

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.classic_control.cartpole import CartPoleEnv

from pg_core.environments import EnvironmentFault, UnsupportedEnvironmentError, describe, make, make_vector
from pg_core.environments.making import FALLBACK_EPISODE_STEPS


def test_cartpole():
    spec = describe("CartPole-v1")
    assert (spec.observation_size, spec.action_size, spec.choices, spec.action_shape) == (4, 2, (2,), ())
    assert (spec.max_episode_steps, spec.reward_threshold) == (500, 475)
    assert spec.decode(np.array([0, 1], np.int32)).tolist() == [0, 1]


class OtherPole(CartPoleEnv):
    """Whatever a subclass changes, the compiled engine does not know it."""


@pytest.mark.parametrize(
    ("entry_point", "options", "compiled"),
    [
        (CartPoleEnv, {}, "cart_pole"),
        (CartPoleEnv, {"max_episode_steps": 30, "reward_threshold": 22.0}, "cart_pole"),
        (CartPoleEnv, {"kwargs": {"sutton_barto_reward": True}}, ""),
        (CartPoleEnv, {"additional_wrappers": (gym.wrappers.NormalizeReward.wrapper_spec(),)}, ""),
        (OtherPole, {}, ""),
    ],
    ids=["itself", "other limits", "other reward", "wrapped", "subclass"],
)
def test_cart_pole_is_known_whatever_it_is_called(register, entry_point, options, compiled):
    register("Lab/Pole-v0", entry_point, **options)
    assert describe("Lab/Pole-v0").compiled == compiled
    assert describe("CartPole-v0").compiled == "cart_pole"
    assert not describe("Acrobot-v1").compiled


def test_cart_poles_other_reward():
    spec = describe("CartPole-v1", sutton_barto_reward=True)
    assert (spec.env_kwargs, spec.reward_threshold) == ({"sutton_barto_reward": True}, None)
    assert (describe("CartPole-v1").env_kwargs, describe("CartPole-v1").reward_threshold) == ({}, 475)
    envs, env = make_vector("CartPole-v1", 2, **spec.options), make("CartPole-v1", **spec.options)
    for reset, step in ((envs.reset, lambda: envs.step(np.array([1, 1]))), (env.reset, lambda: env.step(1))):
        reset(seed=0)
        ended = False
        while not np.any(ended):
            _, rewards, ended, _, _ = step()
            np.testing.assert_array_equal(rewards, -np.asarray(ended, float))


def test_discrete_observations_are_one_hot():
    spec = describe("FrozenLake-v1", is_slippery=False)
    assert (spec.observation_size, spec.action_size) == (16, 4)
    env, envs = make("FrozenLake-v1", **spec.options), make_vector("FrozenLake-v1", 2, **spec.options)
    np.testing.assert_array_equal(env.reset(seed=0)[0], np.eye(16)[0])
    np.testing.assert_array_equal(env.step(2)[0], np.eye(16)[1])
    np.testing.assert_array_equal(envs.reset(seed=0)[0], np.eye(16)[[0, 0]])


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
    assert (spec.max_episode_steps, spec.reward_threshold) == (7, 0.5)
    actions = spec.decode(np.array([0, 1, 2], np.int32))
    assert actions.tolist() == [-1, 0, 1]
    env = make("Lab/Odd-v0")
    assert env.reset(seed=0)[0].tolist() == [1, 0, 0, 0, 0]
    assert env.step(actions[0])[0].tolist() == [0, 0, 0, 0, 1]


def test_unbounded_boxes_take_the_policys_units(register):
    register("Lab/Unbounded-v0", Unbounded)
    spec = describe("Lab/Unbounded-v0")
    actions = spec.decode(np.float32([[0, 0, 0], [1, 1, 1], [-1, -1, -1], [9, 9, 9]]))
    np.testing.assert_array_equal(actions, [[3, 1, 0], [5, 2, 1], [1, 0, -1], [5, 10, 9]])
    assert all(Unbounded.action_space.contains(action) for action in actions)


def test_an_environment_without_a_time_limit_gets_one():
    assert gym.spec("CliffWalking-v1").max_episode_steps is None
    assert describe("CliffWalking-v1").max_episode_steps == FALLBACK_EPISODE_STEPS
    env = make("CliffWalking-v1")
    env.reset(seed=0)
    up = 0
    ends = [env.step(up)[2:4] for _ in range(FALLBACK_EPISODE_STEPS)]
    assert "episodes are cut after 10,000 steps; `max_episode_steps`" in describe("CliffWalking-v1").limit_note
    assert describe("CartPole-v1").limit_note == ""
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


class Odd2(gym.Env):
    """Ends after three steps; pays the action, which must be whole."""

    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Box(0, 4, (2,), np.int64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        return np.zeros(1, np.float32), float(action.sum()), False, False, {}


def test_a_box_of_whole_numbers_gets_whole_numbers(register):
    register("Lab/Whole-v0", Odd2, max_episode_steps=3)
    actions = describe("Lab/Whole-v0").decode(np.float32([[0, 0.3], [1, -1], [9, -9]]))  # 2 + 2a, rounded
    assert actions.dtype == np.int64 and actions.tolist() == [[2, 3], [4, 0], [4, 0]]
    envs = make_vector("Lab/Whole-v0", 3)
    envs.reset(seed=0)
    assert envs.step(actions)[1].tolist() == [5, 4, 4]


class OwnVector(gym.vector.VectorEnv):
    """A vector version that counts how often it was made."""

    metadata: ClassVar = {"autoreset_mode": gym.vector.AutoresetMode.DISABLED}
    made = 0

    def __init__(self, num_envs, max_episode_steps=None):
        type(self).made += 1
        self.num_envs = num_envs
        self.single_observation_space, self.single_action_space = Odd2.observation_space, Odd2.action_space


class Stubborn(OwnVector):
    def __init__(self, num_envs):
        super().__init__(num_envs)


def test_a_vector_version_that_does_not_serve_is_not_used(register):
    register("Lab/NeverResets-v0", Odd2, vector_entry_point=OwnVector, max_episode_steps=3)
    register("Lab/NoLimit-v0", Odd2, vector_entry_point=Stubborn, max_episode_steps=3)
    for env_id in ("Lab/NeverResets-v0", "Lab/NoLimit-v0"):
        assert isinstance(make_vector(env_id, 2), gym.vector.SyncVectorEnv)
    assert OwnVector.made == 1
    assert not isinstance(make_vector("CartPole-v1", 2), gym.vector.SyncVectorEnv)


def test_no_limit_by_a_negative_number(register):
    register("Lab/Endless-v0", Odd2, max_episode_steps=-1)
    assert describe("Lab/Endless-v0").max_episode_steps == FALLBACK_EPISODE_STEPS


def test_an_id_that_is_registered_anew_is_described_anew(register):
    register("Lab/Again-v0", Odd2, max_episode_steps=3)
    assert describe("Lab/Again-v0").max_episode_steps == 3
    del gym.registry["Lab/Again-v0"]
    with pytest.raises(UnsupportedEnvironmentError, match="must be a registered Gymnasium environment"):
        describe("Lab/Again-v0")
    gym.register("Lab/Again-v0", Odd2, max_episode_steps=5)
    assert describe("Lab/Again-v0").max_episode_steps == 5


def test_one_of_somebodys_own_that_fails_is_not_asked_again_all_the_time(register, monkeypatch):
    register("Lab/Ill-v0", "ill:Ill", max_episode_steps=5)
    asked, clock = [], [0.0]

    def takes_two_seconds(*_):
        clock[0] += 2
        asked.append(clock[0])
        raise EnvironmentFault("It is ill.")

    monkeypatch.setattr("pg_core.environments.isolation.apart", takes_two_seconds)
    monkeypatch.setattr("pg_core.environments.specs.time", SimpleNamespace(monotonic=lambda: clock[0]))
    for now, times in ((0, 1), (2, 1), (21.5, 1), (22, 2)):  # it has failed at 2, and is asked again 10 × 2 later
        clock[0] = now
        with pytest.raises(EnvironmentFault, match=r"^It is ill\.$"):
            describe("Lab/Ill-v0")
        assert len(asked) == times


def test_another_time_limit_is_that_of_copies_too():
    spec = describe("CartPole-v1", max_episode_steps=3)
    assert (spec.max_episode_steps, spec.reward_threshold) == (3, 475)
    envs, env = make_vector("CartPole-v1", 2, **spec.options), make("CartPole-v1", **spec.options)
    for reset, step in ((envs.reset, lambda: envs.step(np.array([1, 0]))), (env.reset, lambda: env.step(1))):
        reset(seed=0)
        assert [bool(np.all(step()[3])) for _ in range(3)] == [False, False, True]


TEN = "tests.own.ten_environments"


@pytest.mark.parametrize(
    ("name", "size", "choices", "action_size", "action", "taken"),
    [
        ("Ten/Corridor-v0", 7 + 1, (2,), 2, 1, 6),
        ("Ten/Switches-v0", 4, (2, 2, 2, 2), 8, [0, 1, 1, 0], [[0, 1], [1, 0]]),
        ("Ten/Dials-v0", 3 + 4 + 4, (3, 4), 7, [2, 0], [1, 10]),
        ("Ten/Long-v0", 1, (), 2, [0.5, -9], [[0.5, -1]]),
    ],
)
def test_spaces_of_every_kind_are_flattened(name, size, choices, action_size, action, taken):
    spec = describe(f"{TEN}:{name}")
    assert (spec.observation_size, spec.choices, spec.action_size) == (size, choices, action_size)
    actions = np.array([action] * 3, np.int32 if choices else np.float32)
    assert spec.decode(actions).tolist() == [taken] * 3
    assert spec.decode(actions).dtype == spec.action_dtype
    envs, env = make_vector(spec.env_id, 3), make(spec.env_id)
    assert envs.reset(seed=0)[0].shape == (3, size) and env.reset(seed=0)[0].shape == (size,)
    assert envs.step(spec.decode(actions))[0].shape == (3, size)
    assert env.step(spec.decode(actions[0]))[0].shape == (size,)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        *[({"metadata": {"render_fps": fps}}, words) for fps, words in [
            (np.nan, "`render_fps` is in [0.01, 10000]"), (-5, "`render_fps`"), (1e-9, "`render_fps`"),
            (np.inf, "`render_fps`"), ("fast", "could not convert string to float"), (10**400, "OverflowError"),
        ]],
        *[({"reward_threshold": threshold}, words) for threshold, words in [
            (np.nan, "`reward_threshold` is in [-1e+30, 1e+30]"), ("high", "could not convert"), ([1], "TypeError"),
        ]],
        ({"max_episode_steps": "x"}, "TypeError"), ({"observation_space": None}, "NoneType, of no fixed size"),
    ],
    ids=str,
)  # fmt: skip
def test_what_an_environment_says_of_itself_is_not_believed(register, told, words):
    registered = {name: told[name] for name in ("reward_threshold", "max_episode_steps") if name in told}
    register("Liar-v0", type("Liar", (CartPoleEnv,), {"__init__": _tells(told), "metadata": {}}), **registered)
    with pytest.raises(UnsupportedEnvironmentError, match=re.escape(words)):
        describe("Liar-v0")


def _tells(told):
    def tell(self, render_mode=None):
        CartPoleEnv.__init__(self)
        vars(self).update(told)

    return tell
