"""REINFORCE on CartPole, on one page.

    python -m pg_core.reference

An agent plays whole episodes and remembers what it saw, did and earned. Then it changes its policy π, a small neural
network with parameters θ, so that actions that were followed by more than usual become more probable:

    θ ← θ + α ĝ,   ĝ = 1/n Σₜ (Gₜ - bₜ) ∇log π(aₜ|sₜ)

The sum runs over all n steps of the last few episodes. Gₜ is the return, what was earned from step t on; bₜ, the
baseline, is what other episodes earned from there on. Two things help in practice: the weights Gₜ - bₜ are brought to
mean 0 and standard deviation 1, and Adam turns ĝ into a step.

This is the algorithm of the whole lab: `pg_core.learning.reinforce` does the same for many agents at once, with each
choice on a slider; an exported run takes functions of this page along (`pg_core.standalone`). Tests hold all three
together.

See Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning", 1992.
"""

from collections import deque
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import tensorflow as tf

Array = npt.NDArray[Any]
Params = dict[str, tf.Variable]

SIZES = 4, 64, 2  # the numbers of an observation, hidden units, actions
EPISODES, GAMMA, LEARNING_RATE = 3, 1.0, 0.025
SOLVED, WINDOW = 475, 100  # CartPole-v1 is solved when the mean return of the last 100 episodes reaches 475


class Episode(NamedTuple):
    """What happened at steps 0 … T-1: the reward of step t came after its action."""

    observations: Array  # [T, 4]
    actions: Array  # [T]
    rewards: Array  # [T]


def initial_network(rng: np.random.Generator, sizes: tuple[int, ...], last_scale: float = 0.01) -> Params:
    """Draw a network whose last layer is so small that all actions are about equally probable at first."""
    params = {}
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        scale = np.float32((last_scale if i == len(sizes) - 2 else 1) / np.sqrt(fan_in))
        params[f"kernel_{i}"] = tf.Variable(scale * rng.standard_normal((fan_in, fan_out), np.float32))
        params[f"bias_{i}"] = tf.Variable(tf.zeros((1, fan_out)))
    return params


def network(params: Params, inputs: Array, activation: Callable[[Any], Any] = tf.tanh) -> tf.Tensor:
    """Calculate what a network says of each input, `[n, outputs]`."""
    hidden_layers = len(params) // 2 - 1
    for i in range(hidden_layers):
        inputs = activation(inputs @ params[f"kernel_{i}"] + params[f"bias_{i}"])
    return inputs @ params[f"kernel_{hidden_layers}"] + params[f"bias_{hidden_layers}"]


def log_policy(
    params: Params, observations: Array, activation: Callable[[Any], Any] = tf.tanh, log_sum: Any = tf.reduce_logsumexp
) -> tf.Tensor:
    """Calculate log π(a|s) of every action, `[n, actions]`: a softmax over what the network says, in logarithms."""
    said = network(params, observations, activation)
    return said - log_sum(said, axis=-1, keepdims=True)


def play(env: gym.Env[Array, np.int64], params: Params, rng: np.random.Generator) -> Episode:
    """Play one episode, every action drawn with its probability."""
    arrays = {name: variable.numpy() for name, variable in params.items()}  # NumPy is faster for a single observation
    observation, _ = env.reset(seed=int(rng.integers(2**31)))
    steps, done = [], False
    while not done:
        right = np.exp(log_policy(arrays, observation[None], np.tanh, np.logaddexp.reduce))[0, 1]
        action = np.int64(rng.random() < right)
        following, reward, terminated, truncated, _ = env.step(action)
        steps.append((observation, action, reward))
        observation, done = following, terminated or truncated
    return Episode(*(np.array(column) for column in zip(*steps, strict=True)))


def returns_to_go(rewards: Array, gamma: float) -> Array:
    """Calculate Gₜ = rₜ + γ Gₜ₊₁ of every step, from the last one back: an action is no cause of earlier rewards."""
    returns = np.zeros(len(rewards) + 1)
    for t in reversed(range(len(rewards))):
        returns[t] = rewards[t] + gamma * returns[t + 1]
    return returns[:-1]


def leave_one_out(returns: list[Array]) -> list[Array]:
    """Calculate bₜ, the mean return from step t on of the other episodes that got so far, 0 if none did.

    It depends on no action of the episode's own: so it changes the noise of the sum n ĝ, and not its mean.
    """
    total, count = np.zeros((2, max(map(len, returns))))
    for own in returns:
        total[: len(own)] += own
        count[: len(own)] += 1
    return [(total[: len(own)] - own) / np.maximum(count[: len(own)] - 1, 1) for own in returns]


def normalize(weights: Array) -> Array:
    """Give the weights mean 0 and standard deviation 1, so that α means the same whatever the returns are."""
    normalized: Array = (weights - weights.mean()) / (weights.std() + 1e-8)
    return normalized


def policy_loss(log_probs: tf.Tensor, weights: Array) -> tf.Tensor:
    """Calculate L = -1/n Σₜ wₜ log π(aₜ|sₜ), of which ∇L = -ĝ: the weights are numbers, no gradient flows through."""
    return -tf.reduce_mean(tf.constant(weights, log_probs.dtype) * log_probs)


def estimate_gradient(params: Params, episodes: list[Episode]) -> Any:
    """Estimate -ĝ from some episodes, which are laid one after the other: `[n]` steps."""
    returns = [returns_to_go(episode.rewards, GAMMA) for episode in episodes]
    weights = normalize(np.concatenate(returns) - np.concatenate(leave_one_out(returns)))
    observations, actions, _ = (np.concatenate(column) for column in zip(*episodes, strict=True))
    with tf.GradientTape() as tape:
        log_probs = tf.gather(log_policy(params, observations), actions, batch_dims=1)  # [n]
        loss = policy_loss(log_probs, weights)
    return tape.gradient(loss, params)


def train(seed: int = 0) -> int:
    """Train until CartPole is solved, and print how it goes; return the environment steps that it took."""
    rng, env = np.random.default_rng(seed), gym.make("CartPole-v1")
    params, recent, env_steps = initial_network(rng, SIZES), deque[float](maxlen=WINDOW), 0
    adam = tf.keras.optimizers.Adam(LEARNING_RATE, epsilon=1e-8)
    while len(recent) < WINDOW or np.mean(recent) < SOLVED:
        episodes = [play(env, params, rng) for _ in range(EPISODES)]
        gradients = estimate_gradient(params, episodes)
        adam.apply_gradients([(gradients[name], params[name]) for name in params])
        recent.extend(float(episode.rewards.sum()) for episode in episodes)
        env_steps += sum(len(episode.rewards) for episode in episodes)
        print(f"mean return {np.mean(recent):.1f} after {env_steps:,} steps", flush=True)
    return env_steps


if __name__ == "__main__":
    train()
