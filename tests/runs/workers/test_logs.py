"""However much is printed, logs stay small, and what is kept is the newest."""

import os
import subprocess
import sys

import pytest

from pg_core.runs.workers import logs
from pg_core.runs.workers.children import Child

ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Take 100 bytes for much."""
    monkeypatch.setattr(logs, "MAX_BYTES", 100)


def test_who_prints_goes_on_in_a_log_that_is_cut(tmp_path, wait):
    path = tmp_path / "workers.log"
    with logs.for_workers(tmp_path) as log:
        child = subprocess.Popen([sys.executable, "-c", ECHO], stdin=subprocess.PIPE, stdout=log, text=True, bufsize=1)
    lines = [f"line {number:04}\n" for number in range(25)]  # of 10 bytes
    child.stdin.writelines(lines[:20])
    wait(lambda: path.stat().st_size == 200)
    logs.cut(path)
    child.stdin.writelines(lines[20:])
    child.communicate()
    assert path.read_text().splitlines(keepends=True) == lines[20:]
    assert (tmp_path / "workers.log.old").read_text().splitlines(keepends=True) == lines[10:20]
    logs.cut(path)
    assert path.read_text().splitlines(keepends=True) == lines[20:], "it is short enough"


def test_of_two_that_cut_a_log_the_second_keeps_what_the_first_has_kept(tmp_path, monkeypatch):
    path, stat = tmp_path / "workers.log", os.stat
    path.write_bytes(bytes(101))

    def overtaken(file):
        size = stat(file)
        monkeypatch.undo()
        monkeypatch.setattr(logs, "MAX_BYTES", 100)
        logs.cut(path)
        return size

    monkeypatch.setattr(os, "stat", overtaken)
    logs.cut(path)
    assert (tmp_path / "workers.log.old").read_bytes() == bytes(100)


def test_a_log_that_is_too_long_is_cut_when_a_worker_starts(tmp_path):
    path = tmp_path / "workers.log"
    path.write_bytes(bytes(101))
    child = Child(tmp_path, lambda _: None, "studio")
    assert path.stat().st_size == 0 and (tmp_path / "workers.log.old").stat().st_size == 100
    child.close()
    child.end()


def test_errors_are_bounded_however_long_their_message(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "MAX_ENTRY", 150)
    numbers = [logs.note(tmp_path, ValueError("long" * 100)) for _ in range(3)]
    old, newest = (tmp_path / name for name in ("errors.log.old", "errors.log"))
    assert newest.read_text() == f"incident {numbers[2]}\nValueError: {'long' * 100}"[:168] + "\n"
    assert old.stat().st_size == 100
    assert {os.stat(path).st_mode & 0o777 for path in (old, newest)} == {0o600}


def test_where_nothing_can_be_written_nobody_is_told(tmp_path):
    with logs.for_workers(tmp_path / "not there") as log:
        log.write(b"heard by nobody")
    logs.note(tmp_path / "not there", ValueError("unheard"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
def test_a_pipe_in_a_logs_place_is_waited_for_by_nobody(tmp_path):
    for name in ("errors.log", "workers.log"):
        os.mkfifo(tmp_path / name)
    script = (
        "import sys; from pathlib import Path; from pg_core.runs.workers import logs; folder = Path(sys.argv[1])\n"
        "print(len(logs.note(folder, ValueError())), logs.for_workers(folder).name)"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, timeout=30)
    assert done.stdout == f"8 {os.devnull}\n"
