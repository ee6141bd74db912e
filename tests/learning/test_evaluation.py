"""Judging a policy without learning."""

import gymnasium as gym
import numpy as np
import pytest

from pg_core.config import Config
from pg_core.environments import describe
from pg_core.learning.evaluation import actor, best_agent, evaluate, one_agent
from pg_core.policies import in_numpy
from pg_core.policies.in_numpy import initialize_policy


class Fragile(gym.Env):
    """Stands for 6 steps; but episodes in `fails_at`, in the order of their start, fall after 2."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)
    started = 0
    fails_at: tuple[int, ...] = ()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:  # otherwise an autoreset: junk follows
            self.number = Fragile.started
            Fragile.started += 1
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.steps += 1
        fallen = self.number in self.fails_at and self.steps == 2
        return np.zeros(1, np.float32), 2.0 + action, fallen, False, {}


@pytest.fixture
def fragile(register):
    """Register `Fragile` and return the config and a policy of two agents: agent k always takes action k."""
    register("Fragile-v0", Fragile, max_episode_steps=6)
    config = Config(env_id="Fragile-v0", num_agents=2, hidden_layers=(), episodes_per_update=1)
    policy = {"kernel_0": np.zeros((2, 1, 2), np.float32), "bias_0": np.array([[[1, 0]], [[0, 1]]], np.float32)}
    return config, policy


@pytest.mark.parametrize(
    ("fails_at", "successes"), [((), 5), ((0,), 0), ((4,), 4), ((2,), 2), ((1, 3), 1), ((0, 1, 2, 3, 4), 0)]
)
def test_successes_are_counted_from_the_first_episode_to_the_first_fall(fragile, monkeypatch, fails_at, successes):
    config, policy = fragile
    monkeypatch.setattr(Fragile, "fails_at", fails_at)
    monkeypatch.setattr(Fragile, "started", 0)
    result = evaluate(config, policy, agent=1, episodes=5)
    lengths = [2 if b in fails_at else 6 for b in range(5)]
    np.testing.assert_array_equal(result.lengths, lengths)
    np.testing.assert_array_equal(result.returns, [3.0 * length for length in lengths])
    assert result.consecutive_successes == successes


def test_each_agent_has_its_own_policy(fragile):
    config, policy = fragile
    returns = [evaluate(config, policy, agent, episodes=2).returns for agent in range(2)]
    np.testing.assert_array_equal(returns, [[12.0, 12.0], [18.0, 18.0]])
    assert all(np.array_equal(one_agent(policy, 1)[name], policy[name][1:]) for name in policy)


def test_evaluation_repeats_itself_and_follows_its_seed():
    config = Config(num_agents=2, hidden_layers=(4,))
    policy = initialize_policy(config, describe(config.env_id))
    results = [evaluate(config, policy, 1, 16, seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(results[0].lengths, results[1].lengths)
    assert not np.array_equal(results[0].lengths, results[2].lengths)
    np.testing.assert_array_equal(results[0].returns, results[0].lengths)  # CartPole rewards each step with 1


def test_a_known_controller_balances_cart_pole():
    """Push where the pole leans and turns: angle + angular velocity > 0, as one row of a linear policy."""
    config = Config(num_agents=1, hidden_layers=())
    kernel = np.zeros((1, 4, 2), np.float32)
    kernel[0, :, 1] = [0.05, 0.1, 1, 1]
    policy = {"kernel_0": kernel, "bias_0": np.zeros((1, 1, 2), np.float32)}
    result = evaluate(config, policy, agent=0, episodes=10)
    np.testing.assert_array_equal(result.lengths, np.full(10, 500))
    assert result.consecutive_successes == 10


@pytest.mark.parametrize("agent", [0, 2])
def test_an_actor_says_probabilities_and_takes_the_best_when_greedy(agent):
    config = Config(env_id="Acrobot-v1", num_agents=3, hidden_layers=(8,))
    rng = np.random.default_rng(0)
    policy = initialize_policy(config, describe(config.env_id))
    policy = {name: array + rng.normal(size=array.shape).astype(np.float32) for name, array in policy.items()}
    act = actor(config, policy, agent, greedy=True)
    for observation in rng.normal(size=(20, 6)).astype(np.float32):
        action, probabilities = act(observation)
        logits = in_numpy.apply(one_agent(policy, agent), observation[None, None], config.activation)[0, 0]
        np.testing.assert_allclose(probabilities, np.exp(logits) / np.exp(logits).sum(), rtol=1e-5)
        assert probabilities.sum() == pytest.approx(1, abs=1e-6)
        assert action == probabilities.argmax()


def test_an_actor_that_samples_takes_actions_as_often_as_it_says():
    config = Config(num_agents=1, hidden_layers=())
    policy = {"kernel_0": np.zeros((1, 4, 2), np.float32), "bias_0": np.array([[[0, 1]]], np.float32)}
    act, again = (actor(config, policy, 0, greedy=False, update=3) for _ in range(2))
    actions = [int(act(np.zeros(4, np.float32))[0]) for _ in range(2000)]
    probability = 1 / (1 + np.exp(-1))
    assert np.mean(actions) == pytest.approx(probability, abs=4 * np.sqrt(probability * (1 - probability) / 2000))
    assert actions[:50] == [int(again(np.zeros(4, np.float32))[0]) for _ in range(50)]


def test_an_actor_of_a_box_says_its_mean_and_takes_it_when_greedy():
    config = Config(env_id="Pendulum-v1", num_agents=1, hidden_layers=())
    policy = {"kernel_0": np.array([[[1], [2], [3]]], np.float32), "bias_0": np.array([[[0.5]]], np.float32),
              "log_std": np.array([[[np.log(0.1)]]], np.float32)}  # fmt: skip
    observation = np.array([1, -1, 0.5], np.float32)
    action, mean = actor(config, policy, 0, greedy=True)(observation)
    np.testing.assert_allclose(mean, [1 - 2 + 1.5 + 0.5], rtol=1e-6)
    np.testing.assert_array_equal(action, mean)
    act = actor(config, policy, 0, greedy=False)
    sampled = np.array([act(observation)[0] for _ in range(1000)])
    assert sampled.shape == (1000, 1)
    assert sampled.mean() == pytest.approx(1.0, abs=0.015)
    assert sampled.std() == pytest.approx(0.1, abs=0.01)


def test_the_best_agent_agent_is_found_whatever_the_order():
    """Agent 1 goes right when the pole leans right, which holds longer than always the same way."""
    config = Config(num_agents=3, hidden_layers=())
    kernel = np.zeros((3, 4, 2), np.float32)
    kernel[1, 2] = [-1, 1]  # the pole's angle
    bias = np.float32([[[0, 1]], [[0, 0]], [[1, 0]]])
    policy = {"kernel_0": kernel, "bias_0": bias}
    assert best_agent(config, policy, [0, 1, 2], episodes=5) == 1
    assert best_agent(config, policy, [2, 1], episodes=5) == 1
    assert best_agent(config, policy, [2], episodes=5) == 2


@pytest.mark.parametrize("env_id", ["FrozenLake-v1", "Pendulum-v1"])
def test_sampled_actions_are_the_policys_own_and_the_same_again(env_id):
    config = Config(env_id=env_id, num_agents=2)
    policy = initialize_policy(config, config.environment)
    first, again, greedy = (evaluate(config, policy, 1, 20, greedy=mode) for mode in (False, False, True))
    for ours, theirs in zip(first, again, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(first.returns + first.lengths, greedy.returns + greedy.lengths)


def test_sampled_actions_come_as_often_as_the_policy_says(fragile):
    """Of actions with equal probability, that pay 2 and 3, six steps pay 15 in the mean, with variance 6 / 4."""
    config, _ = fragile
    policy = {"kernel_0": np.zeros((1, 1, 2), np.float32), "bias_0": np.zeros((1, 1, 2), np.float32)}
    returns = evaluate(config, policy, 0, 400, greedy=False).returns
    assert returns.mean() == pytest.approx(15, abs=4 * np.sqrt(1.5 / 400))
    assert returns.var() == pytest.approx(1.5, rel=0.3)


def test_whom_or_what_cannot_be_evaluated_gets_a_sentence(fragile):
    config, policy = fragile
    with pytest.raises(ValueError, match=r"`agent` must be in \[0, 1\], got 2\."):
        evaluate(config, policy, 2, 5)
    with pytest.raises(ValueError, match=r"`episodes` must be at least 1, got 0\."):
        evaluate(config, policy, 0, 0)


def test_an_episode_that_ends_itself_after_5000_steps_is_not_cut_before():
    """Its registration tells no time limit."""
    config = Config(env_id="tests.own.ten_environments:Ten/Long-v0", num_agents=1, hidden_layers=())
    assert not config.environment.tells_limit
    result = evaluate(config, initialize_policy(config, config.environment), agent=0, episodes=2)
    np.testing.assert_array_equal(result.lengths, [5_000, 5_000])
    np.testing.assert_array_equal(result.returns, [5_000, 5_000])
