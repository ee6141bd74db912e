"""A process of its own: what happens there does not happen here, and what ended it is told."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from pg_core.environments import EnvironmentFault, sandbox
from pg_core.environments.sandbox import Sandbox, SandboxEnded
from pg_core.runs.paths import ROOT


class Target:
    """What is sent there."""

    def __init__(self) -> None:
        self.sum = 0

    def add(self, number):
        self.sum += number
        return self.sum

    def pid(self):
        return os.getpid()

    def tell(self):
        raise EnvironmentFault("It is ill.")

    def err(self):
        raise KeyError("not ours")

    def hoard(self):
        bytearray(10**11)

    def exit(self):
        sandbox.note("step 7")
        os._exit(3)

    def hang(self):
        threading.Event().wait()

    def crash(self):
        ctypes.string_at(0)

    def shout(self):
        while True:
            os.write(1, bytes(2**16))

    def hang_without_python(self):
        ctypes.PyDLL(None).sleep(1000)  # no other thread of it gets on

    def start(self):
        """Start what leaves the group and the session, and its parent."""
        return int(subprocess.check_output(["sh", "-c", "setsid sleep 1000 >&- 2>&- & echo $!"]))

    def be_killed(self):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def target(monkeypatch):
    monkeypatch.setenv("PG_LAB_ENVIRONMENT_SECONDS", "1")
    monkeypatch.syspath_prepend(ROOT)
    with contextlib.closing(Sandbox(Target())) as process:
        yield process


def test_an_object_lives_there_and_is_called_from_here(target):
    assert [target.call("add", number) for number in (1, 2, 3)] == [1, 3, 6]
    assert target.call("pid") != os.getpid()
    with pytest.raises(EnvironmentFault, match=r"^It is ill\.$"):
        target.call("tell")
    with pytest.raises(RuntimeError, match="KeyError") as unexpected:
        target.call("err")
    assert "in err" in unexpected.value.__notes__[0]
    with pytest.raises(MemoryError):
        target.call("hoard")
    assert target.call("add", 4) == 10  # it goes on


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("exit", "ended its process with exit status 3"),
        ("hang", "did not come back within 1 seconds"),
        ("crash", "crashed with 'Segmentation fault'"),
        ("shout", "printed more than 1 MiB"),
        ("be_killed", "was ended by signal 9"),
    ],
)
def test_what_ended_it_is_told(target, method, reason):
    with pytest.raises(SandboxEnded) as ended:
        target.call(method)
    assert ended.value.reason == reason
    assert ended.value.place == ("step 7" if method == "exit" else "")
    here = [path for path, _ in ended.value.lines if path == __file__]
    assert bool(here) == (method in ("hang", "crash", "shout"))


def test_it_ends_where_the_signal_is_missed(target, monkeypatch):
    monkeypatch.setattr(target._process, "terminate", lambda: None)
    target.close()
    assert target._process.returncode is not None


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="There are no groups here.")
def test_where_it_is_ended_by_its_group_it_may_have_ended_before(target, monkeypatch):
    def kill(*_):
        raise PermissionError("as macOS says of a group in which nobody lives")

    monkeypatch.setattr(sandbox, "IS_REAPED", False)
    monkeypatch.setattr(os, "killpg", kill)
    with pytest.raises(SandboxEnded):
        target.call("exit")
    target.close()


def test_it_ends_with_its_parent():
    """Even amid a call, and however the parent ends."""
    code = (
        "import threading; from pg_core.environments.sandbox import Sandbox\n"
        "from tests.environments.test_sandbox import Target\n"
        "sandbox = Sandbox(Target()); print(sandbox.call('pid'), flush=True); sandbox.call('hang')"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    psutil.wait_procs([child])


@pytest.mark.skipif(not sandbox.IS_REAPED, reason="Only Linux finds what has left its group.")
@pytest.mark.parametrize("end", ["close", "exit", "be_killed", "hang"])
def test_what_was_started_there_ends_with_it(target, end):
    started = psutil.Process(target.call("start"))
    assert started.name() in ("sh", "setsid", "sleep")
    if end == "close":
        target.close()
    else:
        with pytest.raises(SandboxEnded):
            target.call(end)
    psutil.wait_procs([started])


@pytest.mark.skipif(not sandbox.IS_REAPED, reason="Only Linux finds what has left its group.")
def test_what_was_started_there_ends_with_its_parent():
    """Even where the process itself hears of nothing."""
    code = (
        "from pg_core.environments.sandbox import Sandbox; from tests.environments.test_sandbox import Target\n"
        "sandbox = Sandbox(Target()); print(sandbox.call('pid'), sandbox.call('start'), flush=True)\n"
        "sandbox.call('hang_without_python')"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    processes = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    parent.kill()
    parent.communicate()
    psutil.wait_procs(processes)


@pytest.mark.parametrize(("text", "value"), [("", 30.0), ("2.5", 2.5)])
def test_limits_come_from_the_environment(monkeypatch, text, value):
    monkeypatch.setenv("PG_LAB_ENVIRONMENT_SECONDS", text)
    assert sandbox.limit("PG_LAB_ENVIRONMENT_SECONDS") == value


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon", "1e300"])
def test_a_limit_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv("PG_LAB_ENVIRONMENT_GB", text)
    with pytest.raises(
        ValueError, match=f"^`PG_LAB_ENVIRONMENT_GB` must be a number above 0, at most 1e.09, got '{text}'.$"
    ):
        sandbox.limit("PG_LAB_ENVIRONMENT_GB")
