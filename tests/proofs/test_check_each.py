"""Checks run side by side, and their processes end with the one that asked."""

import subprocess
import sys
import types

import psutil
import pytest

from pg_core import proofs
from pg_core.proofs import processes

QUESTIONS = {"returns": {"gamma": 0.5}, "trajectory": {}, "expected_score": {"states": 3}}


@pytest.fixture(autouse=True)
def main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no script as the main module: a spawned process would run it, and `AppTest` leaves its own behind."""
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))


def test_checks_come_in_order_with_what_they_give_anywhere():
    found = [answer.result() for answer in processes.check_each(QUESTIONS)]
    assert found == [proofs.run(name, **parameters) for name, parameters in QUESTIONS.items()]


def test_what_cannot_be_checked_is_raised_and_the_others_are_checked():
    wrong, right = processes.check_each({"returns": {"gamma": 2.0}, "trajectory": {}})
    with pytest.raises(ValueError, match="`gamma` must be in"):
        wrong.result()
    assert right.result().passed


def test_no_process_is_left_by_one_that_was_killed():
    command = [sys.executable, "-m", "pg_core", "check", "trajectory", "surrogate_loss", "cart_pole"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as asking:
        assert asking.stdout
        asking.stdout.readline()  # they are at work
        started = psutil.Process(asking.pid).children(recursive=True)
        asking.kill()
    assert len(started) >= 2
    psutil.wait_procs(started)
