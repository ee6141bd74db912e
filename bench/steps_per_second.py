"""Measures the trainer's environment steps a second, learning included: `python -m bench.steps_per_second`.

Every repeat trains the same config from the start, so all repeats of a row do the same work, bit for bit. The first
update, which traces the TensorFlow functions, is not timed.
"""

import os
import statistics
import time
from itertools import islice

from pg_core.config import Config
from pg_core.trainer import Trainer

REPEATS = 5
UPDATES = 10
SIZES = [(1, 16), (8, 16)]


def steps_per_second(config: Config) -> float:
    """Train a new population and return its environment steps, of all agents, per second of wall-clock time."""
    trainer = Trainer(config)
    before = next(trainer).env_steps.sum()
    start = time.perf_counter()
    *_, last = islice(trainer, UPDATES)
    seconds = time.perf_counter() - start
    trainer.close()
    return float((last.env_steps.sum() - before) / seconds)


def main() -> None:
    """Print one row for each population, with the median and the range of its repeats."""
    print(f"CartPole-v1, {UPDATES} updates, {REPEATS} repeats, {os.cpu_count()} cores; environment steps/s\n")
    print("| engine | P | B | median | lowest | highest |\n|---|---|---|---|---|---|")
    for num_agents, episodes in SIZES:
        config = Config(num_agents=num_agents, episodes_per_update=episodes, stop_when_solved=False, pace=0)
        rates = [steps_per_second(config) for _ in range(REPEATS)]
        numbers = " | ".join(f"{rate:,.0f}" for rate in (statistics.median(rates), min(rates), max(rates)))
        print(f"| Gymnasium | {num_agents} | {episodes} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
