"""Whatever the slices, the sums and the values are those of the whole."""

import numpy as np
import pytest
import tensorflow as tf

from pg_core.config import Config
from pg_core.engines import Trajectories
from pg_core.learning import accumulate, reinforce
from tests.programs import unoptimized

P, B, T, D = 2, 3, 11, 4
LENGTHS = np.array([[4, 2, 5], [11, 1, 6]])  # of agent 0, no episode is longer than 5 steps
SLICES = [(10**6, 10**6), (3, 128), (B * 4, 128), (10**6, 4), (1, 128), (10**6, T)]  # rows, steps


@pytest.fixture(params=SLICES, ids=lambda sizes: f"{sizes[0]} rows, {sizes[1]} steps")
def slices(request, monkeypatch):
    """Slices of all steps, one step, 4 steps by either limit (11 is no multiple of 4), and exactly all steps."""
    monkeypatch.setattr(accumulate, "SLICE_ROWS", request.param[0])
    monkeypatch.setattr(accumulate, "MAX_SLICE_STEPS", request.param[1])


def rows_of(rng: np.random.Generator) -> np.ndarray:
    """Rows `[P, B, T, D]`, 0 beyond the length of an episode."""
    played = np.arange(T) < LENGTHS[..., None]
    return rng.normal(size=(P, B, T, D)) * played[..., None]


def product(agent, rows):
    """Each episode's Σₜ xₜ yₜ · scale, and what each step adds to it."""
    (x, y), scale = rows, agent["scale"]
    terms = scale * tf.reduce_sum(x * y, axis=-1)
    return {"sum": tf.reduce_sum(terms, axis=1)}, (terms, terms + 1)


def test_sums_and_values_are_those_of_the_whole(slices):
    rng = np.random.default_rng(0)
    x, y, scale = rows_of(rng), rows_of(rng), np.array([2.0, -3.0])
    agents, rows = {"scale": tf.constant(scale)}, (tf.constant(x), tf.constant(y))
    sums, (terms, shifted) = tf.function(lambda: accumulate.accumulate(product, agents, rows, tf.constant(LENGTHS)))()
    expected = scale[:, None, None] * (x * y).sum(axis=-1)
    np.testing.assert_allclose(sums["sum"], expected.sum(axis=-1), rtol=1e-12)
    np.testing.assert_allclose(terms, expected, rtol=1e-12)
    played = np.arange(T) < LENGTHS[..., None]
    np.testing.assert_allclose(np.where(played, shifted, 0), np.where(played, expected + 1, 0), rtol=1e-12)


def test_no_slice_is_worked_at_beyond_the_longest_episode_of_an_agent(monkeypatch):
    monkeypatch.setattr(accumulate, "MAX_SLICE_STEPS", 4)
    ones = tf.ones([P, B, T])
    function = tf.function(lambda *arguments: accumulate.accumulate(lambda _, x: (tf.reduce_sum(x), x), *arguments))
    sums, values = function(tf.zeros(P), ones, tf.constant(LENGTHS))
    # Slices of 4 steps: agent 0 stops after two of them, agent 1 needs all three, of which one step is padding.
    np.testing.assert_array_equal(values[0, 0], [1] * 8 + [0] * 3)
    np.testing.assert_array_equal(values[1, 0], [1] * T)
    np.testing.assert_array_equal(sums, [B * 8, B * T])


@pytest.mark.parametrize("rows", [10**6, B * T, B * 4, 1])  # in one slice, three, and one for each step
def test_a_trace_for_any_number_of_agents_does_the_same_for_each(monkeypatch, rows):
    monkeypatch.setattr(accumulate, "SLICE_ROWS", rows)
    rng, lengths = np.random.default_rng(2), np.array([[4, 2, 5], [11, 1, 6], [1, 1, 1], [3, 9, 2], [2, 2, 2]])
    x, kernel = (
        rng.normal(size=(5, B, T, D)) * (np.arange(T) < lengths[..., None])[..., None],
        rng.normal(size=(5, D, 2)),
    )

    def products(kernel, x):
        return tf.reduce_sum(x @ kernel, axis=-2), tf.reduce_sum(x @ kernel, axis=-1)

    function = tf.function(lambda *arguments: accumulate.accumulate(products, *arguments), autograph=False)
    anyone = [tf.TensorSpec([None, *array.shape[1:]], array.dtype) for array in (kernel, x, lengths)]
    for sums, values in (function(kernel, x, lengths), function.get_concrete_function(*anyone)(kernel, x, lengths)):
        np.testing.assert_allclose(sums, np.einsum("pbtd,pdk->pbk", x, kernel), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(values, np.einsum("pbtd,pdk->pbt", x, kernel), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_an_update_does_not_depend_on_the_slices(monkeypatch, env_id):
    config = Config(
        env_id=env_id, num_agents=P, episodes_per_update=B, hidden_layers=(5,), baseline="value", ent_coef=0.1,
        learning_rate=1.0,
    )  # fmt: skip
    spec, rng = config.environment, np.random.default_rng(1)
    mask = (np.arange(T)[:, None, None] < LENGTHS).astype(np.float32)  # [T, P, B]
    observations = rng.normal(size=(*mask.shape, spec.observation_size)) * mask[..., None]
    actions = rng.integers(2, size=mask.shape) * mask
    if not spec.discrete:
        actions = rng.normal(size=(*mask.shape, 1)) * mask[..., None]
    numbers = observations.astype(np.float32), actions.astype(np.int32 if spec.discrete else np.float32)
    ends = np.ones((P, B), bool)
    played = Trajectories(*map(tf.constant, (*numbers, rng.normal(size=mask.shape) * mask, mask, ends, ~ends)))
    played = played._replace(rewards=tf.cast(played.rewards, tf.float32))
    state, hyper = reinforce.initial_state(config, spec), reinforce.hyperparameters(config)

    def learn():
        with unoptimized():
            return tf.function(lambda: reinforce.update(state, played, hyper), autograph=False)()

    whole = learn()
    monkeypatch.setattr(accumulate, "MAX_SLICE_STEPS", 4)
    for ours, theirs in zip(tf.nest.flatten(learn()), tf.nest.flatten(whole), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert np.abs(whole[0].policy["kernel_0"] - state.policy["kernel_0"]).max() > 1e-3
