"""Measures the peak memory of a process that trains, for some sizes: `python -m bench.memory`.

The compiled engine trains; for the Gymnasium engine, whose environments take long, the update alone is run, on episodes
that are all as long as they can be.
"""

import argparse
import json
import resource
import sys
import tempfile
from pathlib import Path

from bench.markdown import number, table
from bench.measure import Result
from pg_core import runtime
from pg_core.config import Config

SIZES = (  # environment, P, B, hidden layers, engine
    ("CartPole-v1", 5, 3, "64", "compiled"),
    ("CartPole-v1", 64, 16, "64", "compiled"),
    ("CartPole-v1", 512, 16, "64", "compiled"),
    ("CartPole-v1", 512, 64, "64", "compiled"),
    ("CartPole-v1", 8, 16, "512, 512", "compiled"),
    ("CartPole-v1", 1, 16, "64", "gymnasium"),
    ("CartPole-v1", 64, 16, "64", "gymnasium"),
    ("CartPole-v1", 64, 64, "64", "gymnasium"),
    ("CartPole-v1", 64, 64, "512", "gymnasium"),
    ("Taxi-v4", 16, 16, "64", "gymnasium"),
)


def train(config: Config) -> None:
    """Train a few updates."""
    from pg_core.learning.trainer import Trainer

    trainer = Trainer(config)
    for updates in (1, 16, 16):
        trainer.advance(updates)
    trainer.close()


def learn(config: Config) -> None:
    """Learn twice from episodes of the greatest length."""
    import numpy as np
    import tensorflow as tf

    from pg_core.engines import Trajectories
    from pg_core.learning import learners, reinforce

    spec = config.environment
    steps = (spec.max_episode_steps, config.num_agents, config.episodes_per_update)
    actions = np.zeros(steps, np.int32) if spec.discrete else np.zeros((*steps, spec.action_size), np.float32)
    observations = np.random.default_rng(0).normal(size=(*steps, spec.observation_size)).astype(np.float32)
    ones, ends = np.ones(steps, np.float32), np.ones(steps[1:], bool)
    arrays = (observations, actions, ones, ones, ends, ~ends)
    trajectories = Trajectories(*map(tf.constant, arrays))
    state = reinforce.initial_state(config, spec)
    for _ in range(2):
        state, _ = learners.learn_program(state, trajectories, reinforce.hyperparameters(config))
    runtime.note_programs()


def measure(size: tuple[str, int, int, str, str], programs: Path) -> str:
    """Return the peak of one size, in MiB, measured in a process of its own that finds its program kept."""
    result = Result()
    for _ in range(2):  # the first one compiles
        result.add([sys.executable, "-m", "bench.memory", "--one", json.dumps(size), "--programs", programs])
    return result.reason or number(result.values("peak_mib")[-1])


def main() -> None:
    """Measure all sizes and print the table; or one, in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", type=json.loads, help="one size, as JSON; prints its peak as JSON")
    parser.add_argument("--programs", type=Path, help="folder of compiled programs")
    options = parser.parse_args()
    if options.one:
        env_id, num_agents, batch, layers, engine = options.one
        runtime.keep_programs(options.programs)
        config = Config(env_id=env_id, num_agents=num_agents, episodes_per_update=batch, hidden_layers=layers,
                        engine=engine, stop_when_solved=False)  # fmt: skip
        (train if engine == "compiled" else learn)(config)
        print(json.dumps({"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = [(engine, env_id, str(agents), str(batch), layers, measure(size, Path(folder)))
                for size in SIZES for env_id, agents, batch, layers, engine in [size]]  # fmt: skip
    print(table(("engine", "environment", "P", "B", "H", "peak MiB of the process"), rows))


if __name__ == "__main__":
    main()
