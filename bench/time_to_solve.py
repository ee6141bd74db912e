"""Trains the default config until it is solved, in a process that has compiled it, and prints the measured as JSON."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from pg_core import runtime
from pg_core.config import Config

AT_ONCE = 16  # updates that one dispatch may do


def train(num_agents: int, seed: int) -> tuple[float, list[int]]:
    """Train one population; return its seconds, and each agent's environment steps to solve, -1 if it did not."""
    from pg_core.learning.trainer import Trainer

    start = time.perf_counter()
    trainer = Trainer(Config(num_agents=num_agents, seed=seed, pace=0))
    while updates := trainer.advance(AT_ONCE):
        last = updates[-1]
    seconds = time.perf_counter() - start
    trainer.close()
    return seconds, last.env_steps_to_solve.tolist()


def main() -> None:
    """Compile the default config's shape, then this one's, then train with every seed; print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-agents", type=int, required=True)
    parser.add_argument("--seeds", type=int, required=True)
    parser.add_argument("--programs", type=Path, required=True, help="folder that keeps compiled programs")
    options = parser.parse_args()
    runtime.keep_programs(options.programs)
    train(Config().num_agents, options.seeds)
    compiling, _ = train(options.num_agents, options.seeds)
    runs = [train(options.num_agents, seed) for seed in range(options.seeds)]
    result: dict[str, Any] = {
        "num_agents": options.num_agents,
        "compiling_seconds": compiling,
        "seconds": [seconds for seconds, steps in runs if min(steps) >= 0],
        "env_steps_to_solve": [n for _, steps in runs for n in steps if n >= 0],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
