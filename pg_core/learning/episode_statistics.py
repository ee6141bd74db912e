"""What each agent of a population has earned, and whether it has solved its environment."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

SOLVED_WINDOW = 100  # training episodes whose mean return is held against the environment's threshold


class EpisodeStatistics(NamedTuple):
    """The last episodes of each agent, and the environment steps that it has played."""

    recent_returns: tf.Tensor  # [P, 100] float32, newest last
    num_recent: tf.Tensor  # how many of these have been played, int32 scalar
    env_steps: tf.Tensor  # [P] int64
    env_steps_to_solve: tf.Tensor  # [P] int64, -1 where not solved


def initial_statistics(num_agents: int) -> EpisodeStatistics:
    """Return the statistics of agents that have not played."""
    recent, steps = np.zeros((num_agents, SOLVED_WINDOW), np.float32), np.zeros(num_agents, np.int64)
    return EpisodeStatistics(*map(tf.constant, (recent, np.int32(0), steps, steps - 1)))


def is_unsolved(statistics: EpisodeStatistics) -> tf.Tensor:
    """Return which agents have not solved the environment yet, bool `[P]`."""
    return statistics.env_steps_to_solve < 0


def add_episodes(
    statistics: EpisodeStatistics, returns: tf.Tensor, lengths: tf.Tensor, threshold: tf.Tensor
) -> EpisodeStatistics:
    """Add one batch of episodes.

    Args:
        statistics: before.
        returns: undiscounted, `[P, B]`.
        lengths: in steps, `[P, B]`.
        threshold: mean return of the last 100 episodes that counts as solved.
    """
    recent = tf.concat([statistics.recent_returns, returns], axis=1)[:, -SOLVED_WINDOW:]
    num_recent = tf.minimum(statistics.num_recent + returns.shape[1], SOLVED_WINDOW)
    env_steps = statistics.env_steps + tf.reduce_sum(tf.cast(lengths, tf.int64), axis=1)
    new = EpisodeStatistics(recent, num_recent, env_steps, statistics.env_steps_to_solve)
    first = is_unsolved(statistics) & (num_recent == SOLVED_WINDOW) & (mean_return(new) >= threshold)
    return new._replace(env_steps_to_solve=tf.where(first, env_steps, statistics.env_steps_to_solve))


def mean_return(statistics: EpisodeStatistics) -> tf.Tensor:
    """Calculate each agent's mean return over its last (at most) 100 episodes, `[P]`."""
    # What has not been played is 0 and adds nothing.
    return tf.reduce_sum(statistics.recent_returns, axis=1) / tf.cast(
        tf.maximum(statistics.num_recent, 1), statistics.recent_returns.dtype
    )
