"""CartPole as tensors, held against Gymnasium's: step by step, episode by episode, and in distribution."""

import math

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pg_core import acting, learners, reinforce
from pg_core.acting import initialize_policy
from pg_core.config import Config
from pg_core.engines import Trajectories
from pg_core.engines.compiled import MAX_ANGLE, MAX_POSITION, SECONDS, Draws, collect, has_failed, step
from pg_core.engines.gymnasium import GymnasiumEngine
from pg_core.maths import OPTIMIZERS
from pg_core.policies import choice
from pg_core.randomness import Stream
from pg_core.trainer import Trainer

# One shape for all tests that learn: XLA takes seconds to compile another.
SMALL = {"num_agents": 2, "episodes_per_update": 3, "hidden_layers": (8,), "stop_when_solved": False}

compiled_collect = tf.function(collect, jit_compile=True, autograph=False)


def play(config: Config, policy: dict[str, np.ndarray], update: int = 0) -> Trajectories:
    """Play the episodes of one update with the compiled engine."""
    spec = config.environment
    draws = Draws.of(
        config.seed, range(config.num_agents), range(update, update + 1), 1, config.episodes_per_update,
        spec.max_episode_steps,
    )  # fmt: skip
    params = {name: tf.constant(array) for name, array in policy.items()}
    activation, noise, starts = choice(config, "activation"), tf.constant(draws.noise[0]), tf.constant(draws.starts[0])
    played = compiled_collect(params, activation, noise, starts, config.sutton_barto_reward)
    return Trajectories(*(value.numpy() for value in played))


def balancing(num_agents: int) -> dict[str, np.ndarray]:
    """Policies without hidden layers that mostly push the cart under the pole: episodes of very different lengths."""
    kernel = np.zeros((num_agents, 4, 2), np.float32)
    kernel[:, :, 1] = [0.3, 0.6, 4, 1.2]
    return {"kernel_0": kernel, "bias_0": np.zeros((num_agents, 1, 2), np.float32)}


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
    after = step(tf.constant(states), tf.constant(actions == 1))
    np.testing.assert_allclose(after, env.unwrapped.state, rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(has_failed(after), terminated)
    assert 0.1 < terminated.mean() < 0.9


def test_one_step_is_that_of_gymnasiums_single_environment():
    rng = np.random.default_rng(1)
    env = gym.make("CartPole-v1").unwrapped
    for state in rng.uniform(-1, 1, (300, 4)) * [2.5, 4, 0.25, 4]:
        env.reset(seed=0)
        env.state = state
        action = int(rng.integers(2))
        _, _, terminated, _, _ = env.step(action)
        after = step(tf.constant(state), tf.constant(action == 1))
        np.testing.assert_allclose(after, env.state, rtol=1e-6, atol=1e-12)
        assert bool(has_failed(after)) == terminated


def test_a_push_from_rest():
    # u = 10/1.1, θ̈ = -u / (½ (4/3 - 0.1/1.1)) = -14.634…, ẍ = u + 0.05 · 14.634… / 1.1 = 9.756…
    rest = tf.zeros(4, tf.float64)
    np.testing.assert_allclose(step(rest, tf.constant(True)), [0, 0.19512195, 0, -0.29268293], atol=1e-8)
    np.testing.assert_allclose(step(rest, tf.constant(False)), [0, -0.19512195, 0, 0.29268293], atol=1e-8)


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
        **SMALL, env_id=env_id, sutton_barto_reward=sutton_barto_reward, gamma=0.9, activation="relu", seed=7
    )
    policy = {**initialize_policy(config, config.environment)}
    for params in (policy, balancing(2)):
        engine = GymnasiumEngine(config.environment, 2, 3, config.seed)
        theirs = engine.collect(lambda o, noise, params=params: acting.sample(params, o, noise, "relu"), 4)
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
    config = Config(**SMALL | {"episodes_per_update": 20})
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


def test_episode_lengths_have_gymnasiums_distribution():
    """Kolmogorov and Smirnov: two samples of 10,000 whose distribution functions differ by 0.0163 are one in a hundred
    (c(0.01) = 1.63 times √(2/10,000) = 0.023); these are other episodes than Gymnasium's, so it is a real test.
    """  # fmt: skip
    count = 10_000
    config = Config(num_agents=1, episodes_per_update=100, hidden_layers=())
    ours = np.concatenate([play(config, balancing(1), update).mask.sum(axis=0)[0] for update in range(count // 100)])
    spec = config.environment
    engine = GymnasiumEngine(spec, 1, count, seed=99, stream=Stream.EVALUATION)
    act = lambda o, noise: acting.sample(balancing(1), o, noise, "tanh")  # noqa: E731
    theirs = engine.collect(act, 0).mask.sum(axis=0)[0]
    engine.close()
    grid = np.arange(1, spec.max_episode_steps + 1)
    distance = np.abs((ours[:, None] <= grid).mean(axis=0) - (theirs[:, None] <= grid).mean(axis=0)).max()
    assert len(ours) == len(theirs) == count
    assert np.unique(ours).size > 100
    assert distance < 1.63 * math.sqrt(2 / count)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("baseline", ["value", "leave_one_out"])
def test_both_programs_take_the_same_step_from_the_same_episodes(optimizer, baseline):
    """`learn_program` is given what `play_program` plays; all baselines without a value network are one program."""
    names = ["value"] if baseline == "value" else ["none", "batch_mean", "step_mean", "leave_one_out"]
    for name in names:
        config = Config(**SMALL, baseline=name, optimizer=optimizer, learning_rate=0.01, gamma=0.99)
        spec, hyper = config.environment, reinforce.hyperparameters(config)
        state = reinforce.initial_state(config, spec)
        draws = Draws.of(config.seed, range(2), range(1), 16, 3, spec.max_episode_steps)
        tensors = Draws(*map(tf.constant, draws))
        together, measured = learners.play_program(state, hyper, tensors, tf.constant(1), optimizer, spec)
        episodes = compiled_collect(state.policy, hyper.activation, tensors.noise[0], tensors.starts[0], False)
        apart, also = learners.learn_program(state, episodes, hyper, optimizer, spec.reward_threshold)
        for ours, theirs in zip(tf.nest.flatten(together), tf.nest.flatten(apart), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-6)
        for field in measured._fields:
            mine, other = getattr(measured, field)[0], getattr(also, field)
            np.testing.assert_allclose(mine, other, rtol=2e-3, atol=1e-5, err_msg=f"{name} {field}")


def test_a_trainer_plays_the_same_first_episodes_with_either_engine():
    first = {}
    for engine in ("compiled", "gymnasium"):
        trainer = Trainer(Config(**SMALL, engine=engine, seed=3))
        first[engine] = next(trainer)
        trainer.close()
    ours, theirs = first["compiled"], first["gymnasium"]
    np.testing.assert_array_equal(ours.episodic_lengths, theirs.episodic_lengths)
    for name in ("policy_loss", "entropy", "grad_norm", "grad_snr", "approx_kl", "explained_variance", "mean_return"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-3, atol=1e-5, err_msg=name)
