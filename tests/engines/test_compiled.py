"""CartPole as tensors, held against Gymnasium's: step by step, episode by episode, and in distribution."""

import functools
import math

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
from gymnasium.envs.classic_control.cartpole import CartPoleEnv, CartPoleVectorEnv

from pg_core.config import HYPERPARAMETERS, Config
from pg_core.engines import Trajectories, cart_pole
from pg_core.engines.cart_pole import has_failed, step
from pg_core.engines.compiled import Draws, collect, compiled_environment
from pg_core.engines.gymnasium import GymnasiumEngine
from pg_core.environments.cart_pole import MAX_ANGLE, MAX_POSITION, SECONDS
from pg_core.learning import learners, reinforce
from pg_core.learning.trainer import Trainer
from pg_core.maths import OPTIMIZERS
from pg_core.policies import in_numpy
from pg_core.policies.in_numpy import initialize_policy
from pg_core.policies.in_tensorflow import choice_index
from pg_core.randomness import Stream

# One shape for all tests that learn: XLA takes seconds to compile another.
SMALL = {"num_agents": 2, "episodes_per_update": 3, "hidden_layers": (8,), "stop_when_solved": False}

compiled_collect = learners.Program(collect)

pytestmark = pytest.mark.usefixtures("sixteen_at_once")


def play(config: Config, policy: dict[str, np.ndarray], update: int = 0) -> Trajectories:
    """Play the episodes of one update with the compiled engine."""
    spec = config.environment
    environment = compiled_environment(spec)
    draws = Draws.of(
        environment, config.seed, range(config.num_agents), range(update, update + 1), 1, config.episodes_per_update,
        spec.max_episode_steps,
    )  # fmt: skip
    params = {name: tf.constant(array) for name, array in policy.items()}
    activation, noise, starts = (
        choice_index(config, "activation"),
        tf.constant(draws.noise[0]),
        tf.constant(draws.starts[0]),
    )
    played = compiled_collect(environment, params, activation, noise, starts)
    return Trajectories(*(value.numpy() for value in played))


def balancing(num_agents: int) -> dict[str, np.ndarray]:
    """Policies that mostly push the cart under the pole: episodes of very different lengths.

    They have the shape of `SMALL` and weigh x = max(x, 0) - max(-x, 0), the positive and the negative part.
    """
    parts, sides = np.hstack([np.eye(4), -np.eye(4)]), np.outer([0.3, 0.6, 4, 1.2, -0.3, -0.6, -4, -1.2], [0, 1])
    params = {"kernel_0": parts, "bias_0": np.zeros((1, 8)), "kernel_1": sides, "bias_1": np.zeros((1, 2))}
    return {name: np.tile(array, (num_agents, 1, 1)).astype(np.float32) for name, array in params.items()}


def states_near(component: int, threshold: float, distance: float, count: int, rng) -> np.ndarray:
    """States `[4, count]` whose position or angle is within `distance` of ± the threshold after one step."""
    states = rng.uniform(-1, 1, (4, count)) * [[2.4], [3], [0.21], [3]]
    ahead = rng.choice([-1, 1], count) * (threshold + rng.uniform(-distance, distance, count))
    states[component] = ahead - SECONDS * states[component + 1]
    return states


def test_one_step_is_gymnasiums_near_the_thresholds_too():
    rng = np.random.default_rng(0)
    near = [
        states_near(component, threshold, distance, 10_000, rng)
        for component, threshold in ((0, MAX_POSITION), (2, MAX_ANGLE))
        for distance in (1e-3, 1e-9)
    ]
    anywhere = rng.uniform(-1, 1, (4, 60_000)) * [[2.5], [4], [0.25], [4]]
    states = np.concatenate([anywhere, *near], axis=1)  # [4, 100000]
    actions = rng.integers(0, 2, states.shape[1])
    env = gym.make_vec("CartPole-v1", num_envs=states.shape[1], vectorization_mode="vector_entry_point")
    env.reset(seed=0)
    env.unwrapped.state = states.copy()
    *_, terminated, _, _ = env.step(actions)
    after = tf.function(step, jit_compile=True)(tf.constant(states), tf.constant(actions == 1))
    np.testing.assert_allclose(after, env.unwrapped.state, rtol=1e-6, atol=0)  # it is 3e-12
    np.testing.assert_array_equal(has_failed(after), terminated)
    assert 0.1 < terminated.mean() < 0.9


def test_one_step_is_that_of_gymnasiums_single_environment():
    rng = np.random.default_rng(1)
    env = gym.make("CartPole-v1").unwrapped
    states, actions = rng.uniform(-1, 1, (300, 4)) * [2.5, 4, 0.25, 4], rng.integers(0, 2, 300)
    after = step(tf.constant(states.T), tf.constant(actions == 1))
    for state, action, ours, failed in zip(states, actions, np.transpose(after), has_failed(after), strict=True):
        env.reset(seed=0)
        env.state = state
        _, _, terminated, _, _ = env.step(int(action))
        np.testing.assert_allclose(ours, env.state, rtol=1e-6, atol=1e-12)
        assert failed == terminated


def test_a_push_from_rest():
    # u = 10/1.1, θ̈ = -u / (½ (4/3 - 0.1/1.1)) = -14.634…, ẍ = u + 0.05 · 14.634… / 1.1 = 9.756…
    rest = tf.zeros(4, tf.float64)
    np.testing.assert_allclose(step(rest, tf.constant(True)), [0, 0.19512195, 0, -0.29268293], atol=1e-8)
    np.testing.assert_allclose(step(rest, tf.constant(False)), [0, -0.19512195, 0, 0.29268293], atol=1e-8)


def starts_of(*seeds: int) -> tf.Tensor:
    """What Gymnasium's single environment starts from, `[4, seeds]`."""
    env = gym.make("CartPole-v1").unwrapped
    return tf.constant(np.stack([env.reset(seed=seed) and env.state for seed in seeds], axis=1))


def test_the_first_steps_of_seed_42():
    states = starts_of(42)
    np.testing.assert_allclose(states[:, 0], [0.0273956, -0.00611216, 0.03585979, 0.0197368], atol=1e-8)
    states = step(states, tf.constant(True))
    np.testing.assert_allclose(states[:, 0], [0.02727336, 0.18847767, 0.03625453, -0.26141977], atol=1e-8)
    for action in (True, False, True):
        states = step(states, tf.constant(action))
    np.testing.assert_allclose(states[:, 0], [0.04245459, 0.38234788, 0.015374, -0.5264066], atol=1e-8)


@pytest.mark.parametrize(
    ("act", "lengths"),
    [
        (lambda t, s: tf.zeros(4, bool), [11, 10, 8, 10]),
        (lambda t, s: tf.ones(4, bool), [8, 9, 10, 9]),
        (lambda t, s: tf.fill(4, t % 2 == 1), [39, 48, 23, 89]),
        (lambda t, s: s[2] > 0, [41, 51, 55, 53]),
        (lambda t, s: s[2] + s[3] > 0, [334, 500, 500, 500]),
    ],
    ids=["left", "right", "in turns", "angle", "angle and its velocity"],
)
def test_fixed_policies_hold_the_pole_as_long_as_in_gymnasium(act, lengths):
    """From the starts of seeds 0, 1, 42 and 123."""
    traced_step, states = tf.function(step), starts_of(0, 1, 42, 123)
    alive, counted = np.ones(4, bool), np.zeros(4, int)
    for t in range(500):
        if not alive.any():
            break
        counted += alive
        states = traced_step(states, act(t, states))
        alive &= ~has_failed(states).numpy()
        states = tf.where(alive, states, 0)
    np.testing.assert_array_equal(counted, lengths)


def test_sine_and_cosine_hold_up_to_half_a_turn():
    angles = np.linspace(-math.pi, math.pi, 1001)
    still = np.stack([np.zeros_like(angles)] * 2 + [angles, np.zeros_like(angles)])
    after = step(tf.constant(still), tf.zeros(len(angles), tf.bool))
    sine, cosine = np.sin(angles), np.cos(angles)
    push = -10 / 1.1
    acceleration = (9.8 * sine - cosine * push) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
    np.testing.assert_allclose(after[3], SECONDS * acceleration, atol=1e-13)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "CartPole-v0"])
@pytest.mark.parametrize("sutton_barto_reward", [False, True])
def test_both_engines_play_the_same_episodes(env_id, sutton_barto_reward):
    """The same starts and the same noise; actions may part only where rounding decides, here nowhere."""
    config = Config(
        **SMALL,
        env_id=env_id,
        env_kwargs={"sutton_barto_reward": sutton_barto_reward},
        gamma=0.9,
        activation="relu",
        seed=7,
    )
    policy = {**initialize_policy(config, config.environment)}
    for params in (policy, balancing(2)):
        engine = GymnasiumEngine(config.environment, 2, 3, config.seed)
        theirs = engine.collect(lambda o, noise, params=params: in_numpy.sample(params, o, noise, "relu"), 4)
        engine.close()
        ours = play(config, params, update=4)
        length = len(theirs.mask)
        for name, array in theirs._asdict().items():
            mine = getattr(ours, name)
            if name in ("terminated", "truncated"):
                np.testing.assert_array_equal(mine, array, err_msg=name)
                continue
            np.testing.assert_allclose(mine[:length], array, rtol=1e-5, atol=1e-5, err_msg=name)
            assert not mine[length:].any()


def test_rows_after_the_end_are_zero_and_every_episode_ends_once():
    config = Config(**SMALL | {"episodes_per_update": 20}, activation="relu")
    played = play(config, balancing(2))
    lengths = played.mask.sum(axis=0).astype(int)
    assert played.mask.shape == (500, 2, 20)
    assert len(np.unique(lengths)) > 10
    for agent, episode in np.ndindex(2, 20):
        length = lengths[agent, episode]
        assert played.mask[:length, agent, episode].all()
        for array in (played.observations, played.actions, played.rewards, played.mask):
            assert not array[length:, agent, episode].any()
        assert played.terminated[agent, episode] or length == 500
        assert played.truncated[agent, episode] == (length == 500)


@pytest.mark.parametrize("sutton_barto_reward", [False, True])
def test_a_failure_at_the_time_limit_is_both_ends(register, sutton_barto_reward):
    """The limit is set to the length of an episode that fails: Gymnasium says so too."""
    config = Config(**SMALL, env_kwargs={"sutton_barto_reward": sutton_barto_reward}, gamma=0.9, activation="relu")
    lengths = play(config, balancing(2)).mask.sum(axis=0).astype(int)
    limits = sorted(set(lengths.ravel()) - {500})
    assert {limit % 2 for limit in limits} == {0, 1}
    for limit in limits:
        register(f"Limit{limit}-v0", CartPoleEnv, vector_entry_point=CartPoleVectorEnv, max_episode_steps=int(limit))
        short = Config(**{**config.model_dump(), "env_id": f"Limit{limit}-v0"})
        ours = play(short, balancing(2))
        engine = GymnasiumEngine(short.environment, 2, 3, short.seed)
        theirs = engine.collect(lambda o, noise: in_numpy.sample(balancing(2), o, noise, "relu"), 0)
        engine.close()
        np.testing.assert_array_equal(ours.terminated, lengths <= limit)
        np.testing.assert_array_equal(ours.truncated, lengths >= limit)
        assert (ours.terminated & ours.truncated).any()
        for name in ("rewards", "mask", "terminated", "truncated"):
            mine, array = getattr(ours, name), getattr(theirs, name)
            np.testing.assert_array_equal(mine[: len(array)], array, err_msg=name)
        if sutton_barto_reward:
            np.testing.assert_array_equal(ours.rewards.sum(axis=0), -1.0 * ours.terminated)


def test_draws_are_those_of_each_agent_and_update_alone():
    sizes = 2, 3, 500
    together = Draws.of(cart_pole.environment(), 5, range(3), range(4, 6), *sizes)
    assert together.noise.shape == (2, 3, 500, 3)
    assert together.starts.shape == (2, 4, 3, 3)
    for row, column in np.ndindex(2, 3):
        alone = Draws.of(cart_pole.environment(), 5, range(column, column + 1), range(4 + row, 5 + row), *sizes)
        np.testing.assert_array_equal(together.noise[row, column], alone.noise[0, 0])
        np.testing.assert_array_equal(together.starts[row, :, column], alone.starts[0, :, 0])
    assert len(np.unique(together.starts)) == together.starts.size
    assert (np.abs(together.starts) <= 0.05).all()
    other = Draws.of(cart_pole.environment(), 6, range(3), range(4, 6), *sizes)
    assert not np.isin(together.starts, other.starts).any()


def test_episode_lengths_have_gymnasiums_distribution():
    """Kolmogorov and Smirnov: two samples of 10,000 whose distribution functions differ by 0.0163 are one in a hundred
    (c(0.01) = 1.63 times √(2/10,000) = 0.023); these are other episodes than Gymnasium's, so it is a real test.
    """  # fmt: skip
    count = 10_000
    config = Config(num_agents=1, episodes_per_update=100, hidden_layers=(8,), activation="relu")
    ours = np.concatenate([play(config, balancing(1), update).mask.sum(axis=0)[0] for update in range(count // 100)])
    spec = config.environment
    engine = GymnasiumEngine(spec, 1, count, seed=99, stream=Stream.EVALUATION)
    act = functools.partial(in_numpy.sample, balancing(1), activation="relu")
    theirs = engine.collect(act, 0).mask.sum(axis=0)[0]
    engine.close()
    grid = np.arange(1, spec.max_episode_steps + 1)
    distance = np.abs((ours[:, None] <= grid).mean(axis=0) - (theirs[:, None] <= grid).mean(axis=0)).max()
    assert len(ours) == len(theirs) == count
    assert np.unique(ours).size > 100
    assert distance < 1.63 * math.sqrt(2 / count)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_both_programs_take_the_same_step_from_the_same_episodes(optimizer):
    """`learn_program` is given what `play_program` plays; one program with a value network knows every baseline."""
    settings = {"baseline": "value", "learning_rate": 0.01, "gamma": 0.99, "normalize_advantages": False}
    config = Config(**SMALL, **settings, optimizer=optimizer)
    spec, state = config.environment, reinforce.initial_state(config, config.environment)
    environment = compiled_environment(spec)
    draws = Draws.of(environment, config.seed, range(2), range(1), learners.MAX_UPDATES, 3, spec.max_episode_steps)
    draws = Draws(*map(tf.constant, draws))
    losses = set()
    for index, baseline in enumerate(HYPERPARAMETERS["baseline"].choices):
        hyper = reinforce.hyperparameters(config)._replace(baseline=tf.constant(index))
        together, (measured, _) = learners.play_program(state, hyper, draws, tf.constant(1), environment)
        episodes = compiled_collect(environment, state.policy, hyper.activation, draws.noise[0], draws.starts[0])
        apart, also = learners.learn_program(state, episodes, hyper, spec.choices)
        for ours, theirs in zip(tf.nest.flatten(together), tf.nest.flatten(apart), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
        for field in measured._fields:
            mine, other = getattr(measured, field)[0], getattr(also, field)
            np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6, err_msg=f"{baseline} {field}")
        losses.add(float(also.policy_loss[0]))
    assert len(losses) == 5


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_a_trainer_plays_the_same_first_episodes_with_either_engine(seed):
    """Later ones too, until rounding decides an action otherwise: here not in the first five updates."""
    updates = {}
    for engine in ("compiled", "gymnasium"):
        trainer = Trainer(Config(**SMALL, engine=engine, seed=seed, num_updates=5))
        updates[engine] = list(trainer)
        trainer.close()
    for ours, theirs in zip(updates["compiled"], updates["gymnasium"], strict=True):
        np.testing.assert_array_equal(ours.episodic_lengths, theirs.episodic_lengths)
        for name in ("policy_loss", "entropy", "grad_norm", "grad_snr", "approx_kl", "explained_variance", "iqm"):
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-3, atol=1e-5, err_msg=name)
