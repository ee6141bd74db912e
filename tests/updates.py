"""Updates that nobody has trained, for runs that only have to be shown."""

import zlib
from types import SimpleNamespace
from typing import Any

import numpy as np

from pg_core.config import Config
from pg_core.runs.store.rows import totals, update_row
from pg_core.runs.store.schema import ARRAYS, RUNS, UPDATES, write
from pg_core.runs.store.store import Store


def add_updates(store: Store, run_id: str, config: Config, first: int, last: int) -> None:
    """Add the updates from index `first` up to `last` to a run, as if it had trained them: others for each config."""
    rng = np.random.default_rng([first, zlib.crc32(config.model_dump_json().encode())])
    updates = [SimpleNamespace(index=index, **arrays_of(rng, index, config)) for index in range(first, last)]
    with write(store.engine) as connection:
        connection.execute(UPDATES.insert(), [update_row(run_id, update, update.index / 100) for update in updates])
        summary = totals(last - 1, last / 100, vars(updates[-1]), 500.0)
        connection.execute(RUNS.update().where(RUNS.c.id == run_id).values(**summary))


def arrays_of(rng: np.random.Generator, index: int, config: Config) -> dict[str, np.ndarray[Any, Any]]:
    """Return arrays as an update has them, of random numbers."""
    agents, batch = config.num_agents, config.episodes_per_update
    shapes: dict[str, tuple[int, ...]] = {"iqm": (3,)}
    shapes |= dict.fromkeys(("episodic_returns", "episodic_lengths"), (agents, batch))
    arrays = {name: rng.uniform(1, 500, shapes.get(name, (agents,))).astype(kind) for name, kind in ARRAYS.items()}
    steps = np.full(agents, (index + 1) * batch * 500, np.int64)
    return arrays | {"env_steps": steps, "env_steps_to_solve": np.full(agents, -1), "iqm": np.sort(arrays["iqm"])}
