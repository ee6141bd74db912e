"""Every random number is a function of seed, purpose, agent and update, and of nothing else."""

import itertools

import numpy as np

from pg_core.randomness import Stream, generator


def draw(*arguments) -> bytes:
    return generator(*arguments).random(16).tobytes()


def test_the_same_counter_gives_the_same_numbers():
    assert draw(3, Stream.ACTIONS, 2, 7) == draw(3, Stream.ACTIONS, 2, 7)


def test_each_part_of_the_counter_gives_other_numbers():
    counters = list(itertools.product((0, 1, 2**31 - 1), Stream, (0, 1, 511), (0, 1, 999_999)))
    assert len({draw(*counter) for counter in counters}) == len(counters)


def test_streams_do_not_run_into_each_other():
    """A million numbers of one update reach none of the next update's."""
    long = generator(0, Stream.ACTIONS, 0, 0).random(1_000_000, np.float32)
    start = generator(0, Stream.ACTIONS, 0, 1).random(8, np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(long, 8)
    assert not (windows == start).all(axis=1).any()


def test_numbers_of_neighbouring_agents_and_updates_are_uncorrelated():
    rows = np.stack(
        [generator(0, Stream.ACTIONS, agent, update).random(4096) for agent in range(6) for update in range(6)]
    )
    correlations = np.corrcoef(rows)[np.triu_indices(36, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(4096)
