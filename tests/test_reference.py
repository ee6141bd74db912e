"""The page that one reads first, the script that takes its functions and the code that trains take the same step."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from pg_core import reference, standalone
from pg_core.config import Config
from pg_core.engines import Trajectories
from pg_core.environments import EnvironmentSpec
from pg_core.learning import reinforce
from tests.programs import unoptimized

LENGTHS = [7, 3, 5]
T, B = max(LENGTHS), len(LENGTHS)
BATCH = {"num_agents": 1, "episodes_per_update": B}
DESCENT = {"optimizer": "sgd", "learning_rate": 1.0, "momentum": 0.0}
SETTINGS = [  # every one but those of the weights
    {"activation": "relu", "hidden_layers": (8, 6), "optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9},
    {"activation": "silu", "hidden_layers": (8, 6), "ent_coef": 0.3, "reduction": "episode", "optimizer": "rmsprop"},
    {"ent_coef": 0.1, "max_grad_norm": 0.05, "baseline": "value", "optimizer": "adam", "reward_scale": 0.3},
]

update = tf.function(reinforce.update, autograph=False)  # traced only: XLA takes seconds to compile each shape


@pytest.fixture(autouse=True)
def _unoptimized():
    with unoptimized():
        yield


def played(spec: EnvironmentSpec) -> list[reference.Episode]:
    """Episodes of any numbers."""
    rng = np.random.default_rng(3)

    def episode(n: int) -> reference.Episode:
        observations, vectors, rewards = (
            rng.normal(size=shape).astype(np.float32)
            for shape in ((n, spec.observation_size), (n, spec.action_size), n)
        )
        choices = [rng.integers(size, size=n) for size in spec.choices]
        actions = choices[0] if len(choices) == 1 else np.stack(choices, axis=-1) if choices else vectors
        return reference.Episode(observations, actions, rewards)

    return [episode(n) for n in LENGTHS]


def as_trajectories(episodes: list[reference.Episode]) -> Trajectories:
    def padded(arrays):  # [T, 1, B, ...]
        columns = [np.pad(array, [(0, T - len(array))] + [(0, 0)] * (array.ndim - 1)) for array in arrays]
        return np.stack(columns, axis=1)[:, None]

    observations, actions, rewards = (padded(column) for column in zip(*episodes, strict=True))
    actions = actions.astype(np.int32) if actions.dtype.kind == "i" else actions
    mask = padded([np.ones(n, np.float32) for n in LENGTHS])
    ends = np.ones((1, B), bool)
    return Trajectories(*map(tf.constant, (observations, actions, rewards, mask, ends, ~ends)))


def initial_state(config: Config) -> reinforce.State:
    """A policy that prefers some actions, as it does after learning."""
    rng = np.random.default_rng(4)
    state = reinforce.initial_state(config, config.environment)
    return state._replace(policy={name: p + rng.normal(0, 0.3, p.shape) for name, p in state.policy.items()})


def variables(params) -> reference.Params:
    return {name: tf.Variable(array[0]) for name, array in params.items()}


@pytest.mark.parametrize("gamma", [1.0, 0.9])
def test_its_step_is_the_trainers(gamma, monkeypatch):
    monkeypatch.setattr(reference, "GAMMA", gamma)
    config = Config(**BATCH, **DESCENT, gamma=gamma)
    episodes, state = played(config.environment), initial_state(config)
    gradients = reference.estimate_gradient(variables(state.policy), episodes)
    after, _ = update(state, as_trajectories(episodes), reinforce.hyperparameters(config))
    assert max(np.abs(gradient).max() for gradient in gradients.values()) > 0.01
    for name, gradient in gradients.items():
        np.testing.assert_allclose(after.policy[name][0] - state.policy[name][0], -gradient, atol=2e-6)


def assert_the_scripts_steps_are_the_trainers(config: Config):
    """Take two steps, so that the second has running means to go on with."""
    spec = config.environment
    standalone.RUN["environment"] = {"choices": spec.choices}
    episodes, state = played(spec), initial_state(config)
    policy, value, slots = variables(state.policy), variables(state.value), {}
    before = {name: variable.numpy() for name, variable in policy.items()}
    for number in (1, 2):
        hyper = reinforce.hyperparameters(config)
        state, _ = update(state, as_trajectories(episodes), hyper, spec.choices)
        standalone.learn(config.model_dump(), policy, value, slots, number, episodes)
    assert max(np.abs(policy[name] - array).max() for name, array in before.items()) > 0.01
    for ours, theirs in ((policy, state.policy), (value, state.value)):
        assert ours.keys() == theirs.keys()
        for name, variable in ours.items():
            np.testing.assert_allclose(variable, theirs[name][0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("baseline", ["none", "batch_mean", "step_mean", "leave_one_out", "value"])
@pytest.mark.parametrize("weights", ["reward_to_go", "episode_return"])
def test_every_weight_of_the_script_is_the_trainers(weights, baseline):
    for normalize, gamma, gamma_t in itertools.product([True, False], [1.0, 0.9], [True, False]):
        assert_the_scripts_steps_are_the_trainers(
            Config(
                **BATCH, **DESCENT | {"learning_rate": 0.1}, weights=weights, baseline=baseline,
                normalize_advantages=normalize, gamma=gamma, gamma_t=gamma_t,
            )
        )  # fmt: skip


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "tests.own.ten_environments:Ten/Dials-v0"])
@pytest.mark.parametrize("values", SETTINGS, ids=lambda values: values["optimizer"])
def test_every_other_setting_of_the_script_is_the_trainers(env_id, values):
    assert_the_scripts_steps_are_the_trainers(Config(env_id=env_id, **BATCH, **values))


def test_its_settings_are_the_labs_defaults():
    config = Config()
    sizes = (config.environment.observation_size, *config.hidden_layers, config.environment.action_size)
    assert sizes == reference.SIZES and config.activation == "tanh" and config.optimizer == "adam"
    assert (config.episodes_per_update, config.gamma) == (reference.EPISODES, reference.GAMMA)
    assert config.learning_rate == reference.LEARNING_RATE and config.reduction == "step"
    assert config.baseline == "leave_one_out" and config.normalize_advantages and not config.gamma_t
    assert config.environment.reward_threshold == reference.SOLVED


def test_returns_and_baselines_by_hand():
    np.testing.assert_allclose(reference.returns_to_go(np.array([1.0, 2.0, 4.0]), 0.5), [1 + 0.5 * (2 + 0.5 * 4), 4, 4])
    baselines = reference.leave_one_out([np.array([1.0, 5.0]), np.array([3.0]), np.array([8.0, 2.0, 9.0])])
    expected = [[(3 + 8) / 2, 2], [(1 + 8) / 2], [(1 + 3) / 2, 5, 0]]
    for ours, theirs in zip(baselines, expected, strict=True):
        np.testing.assert_allclose(ours, theirs)


@pytest.mark.slow
def test_it_solves_cart_pole():
    command = [sys.executable, "-m", "pg_core.reference"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1200)
    last = result.stdout.splitlines()[-1]
    assert float(last.split()[2]) >= reference.SOLVED
