"""The page that one reads first and the code that trains take the same step."""

import numpy as np
import pytest
import tensorflow as tf

from pg_core import reference
from pg_core.config import Config
from pg_core.engines import Trajectories
from pg_core.learning import reinforce
from pg_core.learning.learners import learn_program

LENGTHS = [7, 3, 5]
T, B = max(LENGTHS), len(LENGTHS)


@pytest.fixture
def episodes() -> list[reference.Episode]:
    rng = np.random.default_rng(3)
    return [
        reference.Episode(
            rng.normal(size=(n, 4)).astype(np.float32), rng.integers(2, size=n), rng.normal(size=n).astype(np.float32)
        )
        for n in LENGTHS
    ]


@pytest.fixture
def params() -> reference.Params:
    """A policy that prefers some actions, as it does after learning."""
    rng = np.random.default_rng(4)
    params = reference.initial_policy(rng)
    for variable in params.values():
        variable.assign_add(rng.normal(0, 0.3, variable.shape))
    return params


def as_trajectories(episodes: list[reference.Episode]) -> Trajectories:
    def padded(arrays):  # [T, 1, B, ...]
        columns = [np.pad(array, [(0, T - len(array))] + [(0, 0)] * (array.ndim - 1)) for array in arrays]
        return np.stack(columns, axis=1)[:, None]

    observations, actions, rewards = (padded(column) for column in zip(*episodes, strict=True))
    mask = padded([np.ones(n, np.float32) for n in LENGTHS])
    ends = np.ones((1, B), bool)
    return Trajectories(*map(tf.constant, (observations, actions.astype(np.int32), rewards, mask, ends, ~ends)))


@pytest.mark.parametrize("to_go", [True, False])
@pytest.mark.parametrize("baseline", [True, False])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("gamma", [1.0, 0.9])
def test_its_step_is_the_trainers(episodes, params, to_go, baseline, normalize, gamma):
    weights = reference.estimate_weights(episodes, gamma, to_go, baseline, normalize)
    gradients = reference.estimate_gradient(params, episodes, weights)
    config = Config(
        num_agents=1, episodes_per_update=B, gamma=gamma, weights="reward_to_go" if to_go else "episode_return",
        baseline="leave_one_out" if baseline else "none", normalize_advantages=normalize, optimizer="sgd",
        learning_rate=1.0, momentum=0.0,
    )  # fmt: skip
    policy = {name: tf.constant(variable.numpy()[None]) for name, variable in params.items()}
    state = reinforce.initial_state(config, config.environment)._replace(policy=policy)
    hyper = reinforce.hyperparameters(config)
    after, _ = learn_program(state, as_trajectories(episodes), hyper, config.optimizer, None)
    assert max(np.abs(gradient).max() for gradient in gradients.values()) > 0.01
    for name, gradient in gradients.items():
        np.testing.assert_allclose(after.policy[name][0] - policy[name][0], -gradient, atol=2e-6)


def test_its_settings_are_the_labs_defaults():
    config = Config()
    assert config.hidden_layers == (reference.HIDDEN,) and config.activation == "tanh" and config.optimizer == "adam"
    assert (config.episodes_per_update, config.gamma) == (reference.EPISODES, reference.GAMMA)
    assert config.learning_rate == reference.LEARNING_RATE and config.reduction == "step"
    assert config.baseline == "leave_one_out" and config.normalize_advantages and not config.gamma_t
    assert config.environment.reward_threshold == reference.SOLVED


def test_returns_and_baselines_by_hand(episodes):
    np.testing.assert_allclose(reference.returns_to_go(np.array([1.0, 2.0, 4.0]), 0.5), [1 + 0.5 * (2 + 0.5 * 4), 4, 4])
    baselines = reference.leave_one_out([np.array([1.0, 5.0]), np.array([3.0]), np.array([8.0, 2.0, 9.0])])
    expected = [[(3 + 8) / 2, 2], [(1 + 8) / 2], [(1 + 3) / 2, 5, 0]]
    for ours, theirs in zip(baselines, expected, strict=True):
        np.testing.assert_allclose(ours, theirs)


@pytest.mark.slow
def test_it_solves_cart_pole(capsys):
    assert reference.train(seed=0) is not None
    assert capsys.readouterr().out.endswith("solved\n")
