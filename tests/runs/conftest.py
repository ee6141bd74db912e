import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from pg_core.config import Config
from pg_core.runs.store.records import Batch
from pg_core.runs.store.schema import ARRAYS
from pg_core.runs.store.store import Store
from tests.postgresql import empty_database


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> sa.URL:
    """Where an empty database is, SQLite's; `on_both` has a test run on PostgreSQL, too."""
    return empty_database(request, tmp_path)


@pytest.fixture
def store(tmp_path: Path, database: sa.URL) -> Iterator[Store]:
    store = Store(tmp_path, database)
    yield store
    store.close()


@pytest.fixture
def small() -> Config:
    return Config(
        num_agents=2, episodes_per_update=3, hidden_layers=(8,), num_updates=40, pace=0, stop_when_solved=False
    )


@pytest.fixture
def make_update() -> Callable[..., Any]:
    """Make records with the fields of an Update, 2 agents of 3 episodes, without importing TensorFlow."""

    def make(index: int, episodic_returns: Any = None, agents: int = 2, episodes: int = 3) -> Any:
        rng = np.random.default_rng(index)
        shapes = {"episodic_returns": (agents, episodes), "episodic_lengths": (agents, episodes), "iqm": (3,)}
        arrays = {name: rng.integers(1, 50, shapes.get(name, (agents,))).astype(t) for name, t in ARRAYS.items()}
        arrays["episodic_lengths"][:] = 10
        arrays["env_steps"][:] = (index + 1) * 10 * episodes
        arrays["grad_snr"][:] = np.nan
        if episodic_returns is not None:
            arrays["episodic_returns"][:] = episodic_returns
        return SimpleNamespace(index=index, seconds=0.75, **arrays)

    return make


@pytest.fixture
def keep() -> Callable[..., None]:
    """Commit updates to a run that `process` works on."""

    def commit(store: Store, run_id: str, updates: list[Any], process: str = "me", **more: Any) -> None:
        timed = [(update, float(update.index + 1)) for update in updates]
        summary = {"updates": updates[-1].index + 1} if updates else {}
        store.commit(
            run_id,
            process,
            Batch(**{"updates": timed, "summary": summary, "in_force": {}, "snapshots": []} | more),
        )

    return commit


@pytest.fixture(scope="session")
def wait() -> Callable[[Callable[[], Any]], Any]:
    """Wait for a condition, and return what it returned."""

    def until(condition: Callable[[], Any]) -> Any:
        while not (value := condition()):
            time.sleep(0.01)
        return value

    return until
