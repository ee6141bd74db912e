"""Trains CartPole-v1 with TF-Agents' REINFORCE and prints what it measured as JSON.

With one environment it plays and learns as the library's own example, `agents/reinforce/examples/v2/train_eval.py`,
with as many episodes an update and hidden units as the lab; with more, as fast as the library can.
"""
# ruff: noqa: E402  (the clock starts before the imports, which take seconds)

import time

START = time.perf_counter()

import argparse
import json
import math
import resource
from collections import deque
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from tf_agents.agents.reinforce.reinforce_agent import ReinforceAgent
from tf_agents.drivers.dynamic_episode_driver import DynamicEpisodeDriver
from tf_agents.environments import suite_gym
from tf_agents.environments.batched_py_environment import BatchedPyEnvironment
from tf_agents.environments.tf_py_environment import TFPyEnvironment
from tf_agents.networks.actor_distribution_network import ActorDistributionNetwork
from tf_agents.replay_buffers.tf_uniform_replay_buffer import TFUniformReplayBuffer
from tf_agents.utils import common

HIDDEN_LAYERS = (64,)
MAX_STEPS, SOLVED_RETURN, SOLVED_WINDOW = 500, 475, 100


def make_update(
    num_envs: int, num_episodes: int, learning_rate: float, seed: int
) -> Callable[[], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    """Make a function that plays, learns, and returns rewards, episodes' ends and mask, `[environments, steps]`."""
    # Kept because it was fastest. In steps/s: a batch of 16 environments 12,900, a thread for each of them 9,300, a
    # process for each 5,800, one environment 3,600; playing and learning traced apart as fast as in one function.
    # A batch plays on until `num_episodes` have ended in all, so that short episodes are seen more often. Steps of
    # episodes that have not ended by then are counted, although nothing is learned from them.
    tf.random.set_seed(seed)
    envs = [suite_gym.load("CartPole-v1") for _ in range(num_envs)]
    for index, env in enumerate(envs):
        env.seed(seed * num_envs + index)
    batch = TFPyEnvironment(BatchedPyEnvironment(envs, multithreading=False))
    agent = make_agent(batch, learning_rate)
    longest = math.ceil(num_episodes / num_envs) * (MAX_STEPS + 1) + 1
    buffer = TFUniformReplayBuffer(agent.collect_data_spec, batch_size=num_envs, max_length=longest)
    driver = DynamicEpisodeDriver(batch, agent.collect_policy, [buffer.add_batch], num_episodes=num_episodes)

    @common.function
    def update() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        driver.run()
        experience = buffer.gather_all()
        agent.train(experience)
        buffer.clear()
        return experience.reward, experience.is_last(), ~experience.is_boundary()

    return update


def make_agent(env: TFPyEnvironment, learning_rate: float) -> ReinforceAgent:
    """Make the example's agent, with as many hidden units as the lab's."""
    network = ActorDistributionNetwork(env.observation_spec(), env.action_spec(), fc_layer_params=HIDDEN_LAYERS)
    agent = ReinforceAgent(
        env.time_step_spec(),
        env.action_spec(),
        actor_network=network,
        optimizer=tf.keras.optimizers.Adam(learning_rate),
        normalize_returns=True,
        train_step_counter=tf.Variable(0),
    )
    agent.initialize()
    return agent


def episodic_returns(rewards: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the returns of the episodes that ended, from rewards and ends `[environments, steps]`."""
    sums = rewards.cumsum(axis=1)
    return np.concatenate([np.diff(row[end], prepend=0) for row, end in zip(sums, ends, strict=True)])


def main() -> None:
    """Train once and print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--environments", type=int, default=16, help="in one batch")
    parser.add_argument("--episodes-per-update", type=int, default=16)
    parser.add_argument("--updates", type=int, required=True, help="updates at most, two at least")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="default: the example's")
    parser.add_argument("--solve", action="store_true", help="stop when solved")
    options = parser.parse_args()
    update = make_update(options.environments, options.episodes_per_update, options.learning_rate, options.seed)
    recent: deque[float] = deque(maxlen=SOLVED_WINDOW)
    steps, steps_to_solve, seconds_to_solve = 0, None, None
    for index in range(options.updates):
        rewards, ends, mask = (tensor.numpy() for tensor in update())
        steps += int(mask.sum())
        recent.extend(episodic_returns(rewards, ends))
        if index == 0:  # it traced the function: neither its time nor its steps count
            first_update, first_steps = time.perf_counter(), steps
        if steps_to_solve is None and len(recent) == SOLVED_WINDOW and np.mean(recent) >= SOLVED_RETURN:
            steps_to_solve, seconds_to_solve = steps, time.perf_counter() - first_update
        if options.solve and steps_to_solve is not None:
            break
    result = {
        "peer": "TF-Agents REINFORCE",
        "num_agents": 1,
        "episodes_per_update": options.episodes_per_update,
        "steps_per_second": (steps - first_steps) / (time.perf_counter() - first_update),
        "env_steps_to_solve": [steps_to_solve],
        "seconds_to_solve": seconds_to_solve,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "first_update_seconds": first_update - START,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
