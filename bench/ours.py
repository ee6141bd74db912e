"""Trains CartPole-v1 with one of the lab's engines and prints what it measured as JSON, as the peers' scripts do.

`bench.measure` runs it in a process of its own. It trains what `peers/run_jax.py` trains, whatever the lab's defaults
become, and times the same updates.
"""
# ruff: noqa: E402  (the clock starts before the imports, which take seconds)

import time

START = time.perf_counter()

import argparse
import json
import resource
from pathlib import Path
from typing import Any

from pg_core import runtime
from pg_core.config import Config

AT_ONCE = 64  # updates that one dispatch may do
UNTIMED = {"compiled": 10, "gymnasium": 1}  # first updates: those of the JAX peer's first call; Gymnasium plays few
SETTINGS = {
    "weights": "reward_to_go", "gamma": 1.0, "baseline": "leave_one_out", "normalize_advantages": True,
    "reduction": "episode", "ent_coef": 0.0, "max_grad_norm": 0.0, "optimizer": "adam", "learning_rate": 0.03,
    "activation": "tanh", "stop_when_solved": False, "pace": 0,
}  # fmt: skip


def compile_programs(config: Config) -> float:
    """Train another population for nothing, so that all is traced that will be timed; return when it first learned."""
    from pg_core.learning.trainer import Trainer

    # One more than a whole dispatch: the trainer traces again when the number of updates in a dispatch changes.
    trainer = Trainer(config.changed(num_updates=AT_ONCE + 1 if config.compiled else 1))
    trainer.compile()
    trainer.advance(AT_ONCE)
    first = time.perf_counter()
    while trainer.advance(AT_ONCE):
        pass
    trainer.close()
    return first


def train(config: Config) -> dict[str, Any]:
    """Train from scratch and return what was measured; imports and compilation are done before."""
    from pg_core.learning.trainer import Trainer

    trainer, untimed = Trainer(config), UNTIMED[config.engine]
    start, done, seconds_to_solve = time.perf_counter(), 0, None
    while updates := trainer.advance(untimed - done if done < untimed else AT_ONCE):
        now, done, last = time.perf_counter(), done + len(updates), updates[-1]
        if done == untimed:
            timed_from, untimed_steps = now, int(last.env_steps.sum())
        if seconds_to_solve is None and (last.env_steps_to_solve >= 0).all():
            seconds_to_solve = now - start
    trainer.close()
    steps = int(last.env_steps.sum())
    return {
        "steps_per_second": (steps - untimed_steps) / (now - timed_from),
        "env_steps_to_solve": [int(n) if n >= 0 else None for n in last.env_steps_to_solve],
        "seconds_to_solve": seconds_to_solve,
        "mean_episode_length": steps / (done * last.episodic_lengths.size),
    }


def main() -> None:
    """Train once and print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=UNTIMED, required=True)
    parser.add_argument("--num-agents", type=int, default=1)
    parser.add_argument("--episodes-per-update", type=int, default=16)
    parser.add_argument("--hidden-layers", default="64")
    parser.add_argument("--updates", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--programs", type=Path, required=True, help="folder that keeps compiled programs")
    options = parser.parse_args()
    runtime.keep_programs(options.programs)
    config = Config(
        engine=options.engine, num_agents=options.num_agents, episodes_per_update=options.episodes_per_update,
        hidden_layers=options.hidden_layers, num_updates=options.updates, seed=options.seed, **SETTINGS,
    )  # fmt: skip
    first_update = compile_programs(config)
    result = {
        "peer": f"the lab, {options.engine}",
        "num_agents": options.num_agents,
        "episodes_per_update": options.episodes_per_update,
        **train(config),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "first_update_seconds": first_update - START,  # the first dispatch's: up to sixteen updates
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
