"""Measures what each preset is worth: `python -m bench.presets`, some minutes.

Twenty agents a preset, each with random numbers of its own, on CartPole-v1 until all have solved it (mean return of the
last 100 episodes at least 475) or 300 updates are done.
"""

import statistics

from pg_core.config import Config
from pg_core.learning.evaluation import evaluate
from pg_core.learning.trainer import Trainer
from pg_core.presets import PRESETS

AGENTS, SEED, EPISODES = 20, 1_000, 200


def main() -> None:
    """Print one row for each preset: seeds that solved, steps they needed, greedy policies that never fell."""
    print(f"CartPole-v1, {AGENTS} seeds; steps: environment steps of one agent until solved\n")
    print(
        "| preset | solved | median steps | most steps | 200 of 200 episodes to the time limit |\n|---|---|---|---|---|"
    )
    for preset in PRESETS.values():
        config = Config(**{**preset.values, "num_agents": AGENTS, "num_updates": 300, "seed": SEED})
        trainer = Trainer(config)
        while updates := trainer.advance(16):
            last = updates[-1]
        steps = [int(n) for n in last.env_steps_to_solve if n >= 0]
        policy = trainer.policy()
        full = [evaluate(config, policy, agent, EPISODES).consecutive_successes for agent in range(AGENTS)]
        trainer.close()
        numbers = [f"{len(steps)} of {AGENTS}", f"{statistics.median(steps):,.0f}" if steps else "–"]
        numbers += [f"{max(steps):,}" if steps else "–", f"{full.count(EPISODES)} of {AGENTS}"]
        print(f"| {preset.label} | {' | '.join(numbers)} |", flush=True)


if __name__ == "__main__":
    main()
