"""Fixtures of all tests."""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import gymnasium as gym
import pytest

from pg_core import lab, runtime
from pg_core.runs.workers.supervisor import Supervisor
from tests.postgresql import PostgreSQL
from tests.serving import Server, serve


def pytest_configure(config: pytest.Config) -> None:
    """Keep compiled programs from one run of the tests to the next, and for the processes that tests start."""
    os.environ.pop("PG_LAB_DATABASE_URL", None)  # tests never touch anybody's runs
    os.environ["PG_LAB_ENVIRONMENTS"] = "tests.own.ten_environments"
    runtime.keep_programs(config.cache.mkdir("programs"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have files that take longest come first, for a file is one process's: browsers, proofs, then workers."""
    longest = "proofs", "workers"
    items.sort(
        key=lambda item: ("browser" not in item.fixturenames, *(folder not in item.path.parts for folder in longest))
    )


def pytest_unconfigure() -> None:
    """Have the next run trust what this one compiled."""
    runtime.note_programs()


@pytest.fixture(autouse=True, scope="module")
def garbage() -> None:
    """Have nobody look for garbage in what earlier tests keep: Streamlit does after each run of a script."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a test a lab of its own without workers: what is queued stays there."""
    monkeypatch.setenv("PG_LAB_DATA", str(tmp_path))
    monkeypatch.setattr(Supervisor, "start", lambda self: None)
    yield tmp_path
    lab.shutdown()


@pytest.fixture
def sixteen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do up to 16 updates a dispatch: a known number, and one program for all tests that need one."""
    from pg_core.learning import learners

    monkeypatch.setattr(learners, "MAX_UPDATES", 16)


@pytest.fixture
def register() -> Iterator[Callable[..., None]]:
    """Register environments for one test only: `register(env_id, entry_point, **options)`."""
    ids = []

    def register_one(env_id: str, entry_point: str | type[gym.Env], **options) -> None:
        gym.register(env_id, entry_point, **options)
        ids.append(env_id)

    yield register_one
    for env_id in ids:
        del gym.registry[env_id]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve the lab as the README says, on a free port, for all tests that need no other."""
    with serve(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """Start a PostgreSQL server that ends with the tests of this process."""
    reason = PostgreSQL.missing()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    with PostgreSQL() as server:
        yield server
