"""The lab at home elsewhere: where there is nothing of POSIX, and where only its own folder can be written."""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from pg_core.config import Config
from pg_core.runs.paths import ROOT
from pg_core.runs.store.store import Store
from tests.serving import serve, start
from tests.workers import roles

ELSEWHERE = Path(__file__).with_name("surroundings.py")
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro / && ! touch /read-only 2>&- && exec "$@"'


def train(data: Path, *, inside: Sequence[str] = (), **environment: str) -> set[str]:
    """Serve the lab in these surroundings, and have it train a run; return the roles of its processes."""
    seen: set[str] = set()
    with serve(data, inside=inside, **environment) as server:
        store = Store(data)
        run = store.create(Config(num_updates=2, pace=0))  # of the sizes whose program a spare has ready
        while store.run(run).state in ("queued", "starting", "running"):
            seen.update(roles(server.process.pid).values())
            time.sleep(0.05)
        assert (store.run(run).state, store.run(run).updates) == ("finished", 2), store.run(run).reason
    assert "Traceback" not in (data / "server.log").read_text() + (data / "workers.log").read_text()
    return seen


def test_without_posix(tmp_path: Path) -> None:
    shutil.copy(ELSEWHERE, tmp_path / "sitecustomize.py")
    assert train(tmp_path, PYTHONPATH=str(tmp_path), PG_LAB_ROOT=str(ROOT)) == {"train", "studio"}


@pytest.fixture
def inside(tmp_path: Path) -> list[str]:
    """What runs a command where this test's folder alone can be written: no other is there for temporary files."""
    inside = ["unshare", "--mount", "sh", "-c", READ_ONLY, str(tmp_path)]
    try:
        tried = subprocess.run([*inside, "true"], capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"The disk cannot be made read-only here: {error}.")
    if tried.returncode:
        pytest.skip(f"The disk cannot be made read-only here: {tried.stderr.strip()}")
    return inside


def test_on_a_read_only_disk(tmp_path: Path, inside: list[str]) -> None:
    programs = f"{os.environ['TF_XLA_FLAGS']} --tf_xla_persistent_cache_read_only=true"  # those of the tests
    assert train(tmp_path, inside=inside, TF_XLA_FLAGS=programs) == {
        "forkserver",
        "forked",
        "studio",
    }


def test_a_start_that_finds_no_place_for_temporary_files_says_so(tmp_path: Path, inside: list[str]) -> None:
    (tmp_path / "lab").touch()  # no folder
    with pytest.raises(RuntimeError, match=r"\nTemporary files can be written neither .* set TMPDIR to another\.\n"):
        start(tmp_path, inside=inside, PG_LAB_DATA=str(tmp_path / "lab"))
