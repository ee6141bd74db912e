"""Measures what an environment's arguments and normalised observations are worth: `python -m bench.environments`.

Each row is a population of agents with random numbers of their own, and the interquartile mean (IQM) over them of the
mean return of the last 100 episodes, with its 95 % interval. It takes some minutes.
"""

from typing import Any

from pg_core.config import Config
from pg_core.learning.trainer import Trainer

SEED = 1_000
FROZEN_LAKE: dict[str, Any] = {
    "env_id": "FrozenLake-v1", "env_kwargs": {"is_slippery": False}, "num_agents": 20, "episodes_per_update": 16,
    "learning_rate": 0.05, "ent_coef": 0.01, "num_updates": 200,
}  # fmt: skip
PENDULUM: dict[str, Any] = {"num_agents": 8, "episodes_per_update": 8, "gamma": 0.9, "learning_rate": 0.01}
CONTINUOUS: list[dict[str, Any]] = [
    {"env_id": "Pendulum-v1", **PENDULUM, "num_updates": 100},
    {"env_id": "Pendulum-v1", **PENDULUM, "num_updates": 200, "activation": "relu"},
    {
        "env_id": "MountainCarContinuous-v0", "num_agents": 8, "episodes_per_update": 8, "gamma": 0.99,
        "learning_rate": 0.01, "ent_coef": 0.02, "num_updates": 40,
    },
]  # fmt: skip


def row(**values: Any) -> str:
    """Train a population; return a row of the table."""
    config = Config(**values, seed=SEED)
    trainer = Trainer(config)
    for update in trainer:
        last = update
    trainer.close()
    solved = (last.env_steps_to_solve >= 0).sum()
    middle, low, high = last.iqm
    cells = (
        config.env_id,
        config.activation,
        "on" if config.normalize_observations else "off",
        f"{solved} of {config.num_agents}",
    )
    return f"| {' | '.join(cells)} | {middle:.1f} | {low:.1f} – {high:.1f} | {last.index + 1} |"


def main() -> None:
    """Print the table."""
    print(
        "| environment | units | normalised | solved | IQM | 95 % interval | updates |\n|---|---|---|---|---|---|---|"
    )
    print(row(**FROZEN_LAKE), flush=True)
    for values in CONTINUOUS:
        for on in (False, True):
            print(row(**values, normalize_observations=on), flush=True)


if __name__ == "__main__":
    main()
