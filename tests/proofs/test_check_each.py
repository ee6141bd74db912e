"""Checks run side by side, and their processes end with the one that asked."""

import subprocess
import sys
import types

import psutil
import pytest

from pg_core import proofs
from pg_core.proofs import processes
from tests.programs import unoptimized

WRONG = "objective"
QUESTIONS = {"returns": {"gamma": 0.5}, WRONG: {"gamma": 2.0}, "trajectory": {}, "expected_score": {"states": 3}}


@pytest.fixture(autouse=True)
def main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no script as the main module: a spawned process would run it, and `AppTest` leaves its own behind."""
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))


def test_checks_come_in_order_with_what_they_give_anywhere_and_what_cannot_be_checked_is_raised():
    answers = [answer.exception() or answer.result() for answer in processes.check_each(QUESTIONS)]
    found = dict(zip(QUESTIONS, answers, strict=True))
    with pytest.raises(ValueError, match="`gamma` must be in"):
        raise found.pop(WRONG)
    with unoptimized():
        assert found == {name: proofs.run(name, **QUESTIONS[name]) for name in found}
    assert found["trajectory"].passed


def test_no_process_is_left_by_one_that_was_killed():
    command = [sys.executable, "-m", "pg_core", "check", "trajectory", "surrogate_loss", "cart_pole"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as asking:
        assert asking.stdout
        asking.stdout.readline()  # they are at work
        started = psutil.Process(asking.pid).children(recursive=True)
        asking.kill()
    assert len(started) >= 2
    psutil.wait_procs(started)
