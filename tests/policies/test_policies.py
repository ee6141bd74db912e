"""Acting in NumPy and learning in TensorFlow hold the same policy."""

import math

import numpy as np
import pytest
import tensorflow as tf

from pg_core import maths
from pg_core.config import HYPERPARAMETERS, Config
from pg_core.environments import describe
from pg_core.policies import in_numpy, in_tensorflow
from pg_core.policies.in_numpy import INITIAL_LOG_STD, initialize_policy, initialize_value

ACTIVATIONS = tuple(HYPERPARAMETERS["activation"].choices)


def network(config: Config, scale: float = 1.0) -> dict[str, np.ndarray]:
    """A population's parameters as far apart as after long training."""
    rng = np.random.default_rng(0)
    params = initialize_policy(config, describe(config.env_id))
    return {name: (array + scale * rng.normal(size=array.shape)).astype(np.float32) for name, array in params.items()}


def observations(config: Config) -> np.ndarray:
    return (
        np.random.default_rng(1)
        .normal(size=(config.num_agents, 200, describe(config.env_id).observation_size))
        .astype(np.float32)
    )


def tensors(params: dict[str, np.ndarray], dtype=tf.float32) -> dict[str, tf.Tensor]:
    return {name: tf.constant(array, dtype) for name, array in params.items()}


def outputs_of(config: Config, params: dict[str, np.ndarray]) -> tf.Tensor:
    activation = in_tensorflow.choice_index(config, "activation")
    return in_tensorflow.forward(tensors(params), tf.constant(observations(config)), activation)[-1].preactivations


def as_tensors(config: Config, params: dict[str, np.ndarray]) -> maths.Distribution:
    """What the policies say, as learning sees it: two actions in the form of their log-odds."""
    policy, activation = tensors(params), in_tensorflow.choice_index(config, "activation")
    networks = in_tensorflow.log_odds_networks(policy)
    return in_tensorflow.distribution(
        policy, networks, in_tensorflow.forward(networks, tf.constant(observations(config)), activation)
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_both_sides_have_the_activations_of_config(activation):
    assert list(in_numpy.ACTIVATIONS) == list(ACTIVATIONS)
    index = in_tensorflow.choice_index(Config(activation=activation), "activation")
    x = np.linspace(-20, 20, 101, dtype=np.float32)
    # In learning, x σ(x) comes from a tanh: σ(x) = (1 + tanh(x/2)) / 2 is rounded like 1, whatever is left of it.
    rounding = np.abs(x) * 2.0**-23 if activation == "silu" else 0
    ours, theirs = in_tensorflow.activate(x, index).numpy(), in_numpy.ACTIVATIONS[activation](x)
    assert (np.abs(ours - theirs) <= 1e-7 + 2e-6 * np.abs(theirs) + rounding).all()
    extreme = np.array([-1000, 1000], np.float32)
    expected = {"tanh": [-1, 1], "relu": [0, 1000], "silu": [0, 1000]}[activation]
    np.testing.assert_array_equal(in_tensorflow.activate(extreme, index), expected)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden_layers", [(), (16,), (8, 4, 8)])
def test_a_network_is_its_matrix_products_by_hand(hidden_layers, activation):
    config = Config(num_agents=2, hidden_layers=hidden_layers, activation=activation)
    params, x = network(config), observations(config)
    outputs = in_numpy.apply(params, x, activation)
    for agent in range(2):
        rows = x[agent].astype(np.float64)
        for i in range(len(hidden_layers) + 1):
            rows = rows @ params[f"kernel_{i}"][agent] + params[f"bias_{i}"][agent]
            if i < len(hidden_layers):
                rows = {"tanh": np.tanh, "relu": lambda z: z * (z > 0), "silu": lambda z: z / (1 + np.exp(-z))}[
                    activation
                ](rows)
        np.testing.assert_allclose(outputs[agent], rows, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(outputs_of(config, params), outputs, rtol=1e-5, atol=1e-5)
    log_odds = as_tensors(config, params).outputs[..., 0]
    np.testing.assert_allclose(log_odds, outputs[..., 1] - outputs[..., 0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden_layers", [(), (5,), (4, 9, 3)])
def test_backward_is_the_tapes_gradient(hidden_layers, activation):
    """Of each of three episodes by itself, where one network serves all of them; a wide layer and narrow ones."""
    config = Config(hidden_layers=hidden_layers, activation=activation)
    index, rng = in_tensorflow.choice_index(config, "activation"), np.random.default_rng(3)
    params = {name: x[0] for name, x in tensors(network(config), tf.float64).items()}
    inputs, delta = (tf.constant(rng.normal(size=(3, 20, size))) for size in (4, 2))
    ours = in_tensorflow.backward(params, in_tensorflow.forward(params, inputs, index), delta, index)
    for episode in range(3):
        with tf.GradientTape() as tape:
            tape.watch(params)
            outputs = in_tensorflow.forward(params, inputs[episode : episode + 1], index)[-1].preactivations
            loss = tf.reduce_sum(outputs * delta[episode])
        gradients = tape.gradient(loss, params)
        assert ours.keys() == gradients.keys()
        for name, gradient in gradients.items():
            np.testing.assert_allclose(ours[name][episode], gradient, rtol=1e-12, atol=1e-13)


def test_two_actions_are_one_number_and_its_gradient_that_of_both_logits():
    config = Config(num_agents=2, hidden_layers=(6,))
    params, index = tensors(network(config), tf.float64), in_tensorflow.choice_index(config, "activation")
    x = tf.constant(observations(config), tf.float64)
    outputs = in_tensorflow.forward(params, x, index)[-1].preactivations
    log_odds = in_tensorflow.log_odds_networks(params)
    np.testing.assert_allclose(
        in_tensorflow.forward(log_odds, x, index)[-1].preactivations[..., 0],
        outputs[..., 1] - outputs[..., 0],
        atol=1e-12,
    )
    with tf.GradientTape() as tape:
        tape.watch(params)
        loss = tf.reduce_sum(tf.sin(in_tensorflow.forward(params, x, index)[-1].preactivations @ [[-1.0], [1.0]]))
    expected = tape.gradient(loss, params)
    with tf.GradientTape() as tape:
        tape.watch(log_odds)
        loss = tf.reduce_sum(tf.sin(in_tensorflow.forward(log_odds, x, index)[-1].preactivations))
    ours = in_tensorflow.logits_gradients(tape.gradient(loss, log_odds), params)
    assert ours.keys() == expected.keys()
    for name, gradient in expected.items():
        np.testing.assert_allclose(ours[name], gradient, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("env_id", ["Acrobot-v1", "Pendulum-v1"])
def test_other_policies_have_no_log_odds(env_id):
    params = tensors(network(Config(env_id=env_id, num_agents=1)))
    assert in_tensorflow.log_odds_networks(params) is params
    assert in_tensorflow.logits_gradients(params, params) is params


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_same_noise_gives_the_same_choices(activation):
    config = Config(num_agents=3, hidden_layers=(16, 16), activation=activation, env_id="Acrobot-v1")
    params, x = network(config), observations(config)
    noise = np.random.default_rng(2).random((3, 200), np.float32)
    logits = as_tensors(config, params).outputs.numpy()
    sampled, greedy = in_numpy.sample(params, x, noise, activation), in_numpy.greedy(params, x, activation)
    np.testing.assert_array_equal(sampled, in_numpy.draw_choice(logits, noise))
    np.testing.assert_array_equal(greedy, tf.argmax(logits, axis=-1))
    assert sampled.dtype == greedy.dtype == np.int32
    assert len(np.unique(sampled)) == 3
    np.testing.assert_allclose(in_numpy.softmax(logits), tf.nn.softmax(logits), atol=1e-6)


def test_the_same_noise_gives_the_same_vectors():
    config = Config(num_agents=3, hidden_layers=(16,), env_id="Pendulum-v1")
    params, x = network(config), observations(config)
    noise = np.random.default_rng(2).standard_normal((3, 200, 1), np.float32)
    said = as_tensors(config, params)
    sampled = in_numpy.sample(params, x, noise, "tanh")
    np.testing.assert_allclose(
        sampled, in_numpy.draw_vector(said.mean.numpy(), said.log_std.numpy(), noise), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(in_numpy.greedy(params, x, "tanh"), said.mean, rtol=1e-5, atol=1e-5)
    assert sampled.dtype == np.float32


def test_choices_at_the_ends_of_the_noise_and_of_the_logits():
    params = {"kernel_0": np.zeros((1, 1, 3), np.float32), "bias_0": np.array([[[-1000, 0, 1000]]], np.float32)}
    row = np.zeros((1, 2, 1), np.float32)
    noise = np.array([[0, np.nextafter(np.float32(1), np.float32(0))]])
    np.testing.assert_array_equal(in_numpy.sample(params, row, noise, "tanh"), [[2, 2]])
    params["bias_0"] *= 0
    np.testing.assert_array_equal(in_numpy.sample(params, row, noise, "tanh"), [[0, 2]])


def test_a_single_action_is_always_taken():
    params = {"kernel_0": np.ones((1, 1, 1), np.float32), "bias_0": np.zeros((1, 1, 1), np.float32)}
    row, noise = np.ones((1, 2, 1), np.float32), np.array([[0, 0.999]])
    np.testing.assert_array_equal(in_numpy.sample(params, row, noise, "tanh"), [[0, 0]])
    np.testing.assert_array_equal(in_numpy.greedy(params, row, "tanh"), [[0, 0]])


@pytest.mark.parametrize(
    ("env_id", "kind"),
    [("CartPole-v1", maths.Bernoulli), ("Acrobot-v1", maths.Categorical), ("Pendulum-v1", maths.Gaussian)],
)
def test_each_kind_of_action_has_its_distribution(env_id, kind):
    config = Config(num_agents=2, hidden_layers=(4,), env_id=env_id)
    assert isinstance(as_tensors(config, network(config)), kind)


def test_a_single_action_is_a_certain_choice_and_no_log_odds():
    params = {"kernel_0": tf.ones((1, 3, 1)), "bias_0": tf.ones((1, 1, 1))}
    networks = in_tensorflow.log_odds_networks(params)
    said = in_tensorflow.distribution(
        params, networks, in_tensorflow.forward(networks, tf.ones((1, 2, 3)), tf.constant(0))
    )
    np.testing.assert_array_equal(said.entropy(), [[0, 0]])
    np.testing.assert_array_equal(said.score(tf.zeros((1, 2), tf.int32)), [[[0], [0]]])


def test_a_new_policy_has_nearly_the_same_probability_for_every_action():
    config = Config(num_agents=4)
    params = initialize_policy(config, describe(config.env_id))
    said = as_tensors(config, params)
    np.testing.assert_allclose(tf.sigmoid(said.outputs), np.full((4, 200, 1), 0.5), atol=0.05)
    assert (said.entropy().numpy() > 0.99 * math.log(2)).all()


def test_new_parameters_have_the_shapes_and_spread_that_they_claim():
    config = Config(env_id="Pendulum-v1", num_agents=3, hidden_layers=(400, 300))
    params = initialize_policy(config, describe(config.env_id))
    shapes = {"kernel_0": (3, 3, 400), "bias_0": (3, 1, 400), "kernel_1": (3, 400, 300), "bias_1": (3, 1, 300),
              "kernel_2": (3, 300, 1), "bias_2": (3, 1, 1), "log_std": (3, 1, 1)}  # fmt: skip
    assert {name: array.shape for name, array in params.items()} == shapes
    assert all(array.dtype == np.float32 for array in params.values())
    assert params["kernel_1"].std() == pytest.approx(1 / math.sqrt(400), rel=0.02)
    assert params["kernel_2"].std() == pytest.approx(0.01 / math.sqrt(300), rel=0.1)
    assert not any(params[name].any() for name in params if name.startswith("bias"))
    np.testing.assert_array_equal(params["log_std"], np.full((3, 1, 1), np.float32(INITIAL_LOG_STD)))


@pytest.mark.parametrize("initialize", [initialize_policy, initialize_value])
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_an_agent_starts_the_same_whatever_the_population(initialize, env_id):
    one, four = (initialize(Config(env_id=env_id, num_agents=n, seed=5), describe(env_id)) for n in (1, 4))
    assert one.keys() == four.keys()
    for name in one:
        np.testing.assert_array_equal(one[name][0], four[name][0])
    assert not np.array_equal(four["kernel_0"][0], four["kernel_0"][1])


def test_policy_and_value_network_start_from_different_numbers():
    config = Config(num_agents=1)
    spec = describe(config.env_id)
    policy, value = initialize_policy(config, spec), initialize_value(config, spec)
    assert value["kernel_1"].shape == (1, 64, 1)
    assert not np.array_equal(policy["kernel_0"], value["kernel_0"])
