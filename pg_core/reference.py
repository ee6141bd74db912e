"""REINFORCE on CartPole, on one page.

    python -m pg_core.reference

An agent plays whole episodes and remembers what it saw, did and earned. Then it changes its policy π, a small neural
network with parameters θ, so that actions that were followed by more than usual become more probable:

    θ ← θ + α ĝ,   ĝ = 1/n Σₜ (Gₜ - bₜ) ∇log π(aₜ|sₜ)

The sum runs over all n steps of the last few episodes. Gₜ is the return, what was earned from step t on; bₜ, the
baseline, is what other episodes earned from there on. Two things help in practice: the weights Gₜ - bₜ are brought to
mean 0 and standard deviation 1, and Adam turns ĝ into a step.

This is the algorithm of the whole lab: `pg_core.learning.reinforce` does the same for many agents at once, with each
choice on a slider, and tests hold the two together.

See Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning", 1992.
"""

from collections import deque
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import tensorflow as tf

Array = npt.NDArray[Any]
Params = dict[str, tf.Variable]

HIDDEN, EPISODES, GAMMA, LEARNING_RATE = 64, 3, 1.0, 0.025
SOLVED, WINDOW = 475, 100  # CartPole-v1 is solved when the mean return of the last 100 episodes reaches 475


class Episode(NamedTuple):
    """What happened at steps 0 … T-1: the reward of step t came after its action."""

    observations: Array  # [T, 4]
    actions: Array  # [T]
    rewards: Array  # [T]


def initial_policy(rng: np.random.Generator) -> Params:
    """Draw a network whose last layer is so small that both actions are about equally probable at first."""
    arrays = {
        "kernel_0": rng.normal(0, 0.5, (4, HIDDEN)), "bias_0": np.zeros((1, HIDDEN)),
        "kernel_1": rng.normal(0, 0.001, (HIDDEN, 2)), "bias_1": np.zeros((1, 2)),
    }  # fmt: skip
    return {name: tf.Variable(array, dtype=tf.float32) for name, array in arrays.items()}


def log_policy(params: Params, observations: Array) -> tf.Tensor:
    """Calculate log π(a|s) of both actions, `[T, 2]`: a softmax over what the network says, in logarithms."""
    hidden = tf.tanh(observations @ params["kernel_0"] + params["bias_0"])
    return tf.nn.log_softmax(hidden @ params["kernel_1"] + params["bias_1"])


def play(env: gym.Env[Array, np.int64], params: Params, rng: np.random.Generator) -> Episode:
    """Play one episode, every action drawn with its probability."""
    observation, _ = env.reset(seed=int(rng.integers(2**31)))
    steps, done = [], False
    while not done:
        right = np.exp(log_policy(params, observation[None])[0, 1])
        action = np.int64(rng.random() < right)
        following, reward, terminated, truncated, _ = env.step(action)
        steps.append((observation, action, reward))
        observation, done = following, terminated or truncated
    return Episode(*(np.array(column) for column in zip(*steps, strict=True)))


def returns_to_go(rewards: Array, gamma: float) -> Array:
    """Calculate Gₜ = rₜ + γ Gₜ₊₁ of every step, from the last one back: an action is no cause of earlier rewards."""
    returns, ahead = np.zeros(len(rewards)), 0.0
    for t in reversed(range(len(rewards))):
        returns[t] = ahead = rewards[t] + gamma * ahead
    return returns


def leave_one_out(returns: list[Array]) -> list[Array]:
    """Calculate bₜ, the mean return from step t on of the other episodes that got so far, 0 if none did.

    It depends on no action of the episode's own: so it changes the noise of the sum n ĝ, and not its mean.
    """

    def baseline(own: int, t: int) -> float:
        others = [other[t] for i, other in enumerate(returns) if i != own and t < len(other)]
        return float(np.mean(others)) if others else 0.0

    return [np.array([baseline(i, t) for t in range(len(own))]) for i, own in enumerate(returns)]


def estimate_weights(
    episodes: list[Episode], gamma: float = GAMMA, to_go: bool = True, baseline: bool = True, normalize: bool = True
) -> Array:
    """Calculate what the score ∇log π(aₜ|sₜ) of each step is multiplied with, one episode after the other, `[n]`.

    Args:
        episodes: of one batch.
        gamma: γ in [0, 1].
        to_go: Gₜ of each step; else G₀, the whole episode's return, which is as right and noisier.
        baseline: subtract what the other episodes earned.
        normalize: give the weights mean 0 and standard deviation 1, so that α means the same whatever the returns are.
    """
    returns = [returns_to_go(episode.rewards, gamma) for episode in episodes]
    if not to_go:
        returns = [np.full_like(own, own[0]) for own in returns]
    weights = np.concatenate(returns)
    if baseline:
        weights = weights - np.concatenate(leave_one_out(returns))
    if normalize:
        weights = (weights - weights.mean()) / (weights.std() + 1e-8)
    return weights


def estimate_gradient(params: Params, episodes: list[Episode], weights: Array) -> dict[str, tf.Tensor]:
    """Differentiate L = -1/n Σₜ wₜ log π(aₜ|sₜ): minus ĝ. The weights are numbers: no gradient flows through them."""
    observations, actions = (np.concatenate([episode[i] for episode in episodes]) for i in (0, 1))
    with tf.GradientTape() as tape:
        log_probs = tf.gather(log_policy(params, observations), actions, batch_dims=1)  # [n]
        loss = -tf.reduce_mean(tf.constant(weights, log_probs.dtype) * log_probs)
    gradients: dict[str, tf.Tensor] = tape.gradient(loss, params)
    return gradients


def train(seed: int = 0, max_updates: int = 500) -> int | None:
    """Train until CartPole is solved, and print how it goes; return the environment steps it took, None if unsolved."""
    rng, env = np.random.default_rng(seed), gym.make("CartPole-v1")
    params, recent, env_steps = initial_policy(rng), deque[float](maxlen=WINDOW), 0
    adam = tf.keras.optimizers.Adam(LEARNING_RATE, epsilon=1e-8)
    for update in range(max_updates):
        episodes = [play(env, params, rng) for _ in range(EPISODES)]
        gradients = estimate_gradient(params, episodes, estimate_weights(episodes))
        adam.apply_gradients([(gradients[name], params[name]) for name in params])
        recent.extend(float(episode.rewards.sum()) for episode in episodes)
        env_steps += sum(len(episode.rewards) for episode in episodes)
        print(f"update {update}: mean return {np.mean(recent):.1f} after {env_steps:,} steps", flush=True)
        if len(recent) == WINDOW and np.mean(recent) >= SOLVED:
            print("solved")
            return env_steps
    return None


if __name__ == "__main__":
    train()
