"""Workers that need TensorFlow are forked where the system can, and are what spawned ones would be."""

import os
import resource
import signal

import psutil
import pytest

from pg_core.config import Config
from pg_core.runs.store.processes import is_alive
from pg_core.runs.workers import children
from pg_core.runs.workers.children import Child
from pg_core.runs.workers.helper import Helper
from tests.workers import fork_server

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="Only Linux forks workers.")

OWN = """
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv

class Mine(CartPoleEnv): pass

gymnasium.register("Mine-v0", Mine, max_episode_steps=3)
"""


@pytest.fixture
def start(tmp_path, wait):
    """Start provers, which have nothing to do; return one that has begun."""
    started = []

    def begun(*, wanted=True):
        child = Child(tmp_path, lambda _: None, "prover")
        started.append(child)
        if wanted:
            wait(lambda: child.name or child.status is not None)
        return child

    yield begun
    for child in started:
        child.close()
    for child in started:
        child.end()


def process_of(child):
    return psutil.Process(int(child.name.split("@")[0]))


def has_socket(pid):
    try:
        return any("socket" in os.readlink(file) for file in os.scandir(f"/proc/{pid}/fd"))
    except FileNotFoundError:  # one was closed meanwhile
        return True


def test_a_worker_is_forked_with_a_session_of_its_own_and_no_way_to_others(start, wait):
    first, second = start(), start()
    process = process_of(second)
    assert process.parent() == process_of(first).parent() == fork_server()
    wait(lambda: os.getsid(process.pid) == process.pid)  # it is named as soon as it is forked
    wait(lambda: not has_socket(process.pid))
    assert process.cwd() == fork_server().cwd()


def test_what_forks_has_no_second_thread_whose_locks_a_worker_would_wait_for(start):
    start()
    assert len(fork_server().threads()) == 1


def test_it_shares_the_memory_of_what_is_imported(start):
    memory = process_of(start()).memory_full_info()
    assert memory.uss < memory.rss / 2


def test_its_exit_status_is_told_and_it_leaves_no_zombie(start, wait):
    child = start()
    process = process_of(child)
    assert child.is_alive() and child.status is None
    child.kill()
    wait(lambda: not child.is_alive())
    assert child.status == -signal.SIGKILL
    assert not psutil.pid_exists(process.pid)
    child.kill()  # does nothing to whoever has its id by now
    child.end()
    assert child.memory() == 0


def test_it_finds_the_variables_and_modules_of_when_it_was_asked_for(start, tmp_path, monkeypatch):
    start()  # so the fork server has begun, without them
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "mine_of_now.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.setenv("PG_LAB_ENVIRONMENTS", "mine_of_now")
    config = Config(env_id="mine_of_now:Mine-v0", num_agents=1).model_dump(mode="json")
    prover = Helper(tmp_path, "prover")
    asked = prover.ask({"episode": {"run_id": None, "config": config, "update": 0, "agent": None, "frames": False}})
    assert '"length":3' in asked.result()["episode"].replace(" ", "")
    prover.end()


def test_a_fork_server_that_dies_is_replaced_and_its_workers_go_on(start, wait):
    child = start()
    first = fork_server()
    first.kill()
    wait(lambda: children.forkserver._server.process.returncode is not None)  # else it would be asked in vain
    unwanted = start(wanted=False)
    unwanted.close()  # before there is anything that could fork it
    unwanted.end()
    second = start()
    assert process_of(second).parent() == fork_server() != first
    assert child.is_alive() and is_alive(child.name)
    child.kill()
    wait(lambda: not child.is_alive())
    assert child.status == 255, "nobody is left who knows it"
    wait(lambda: unwanted.status is not None)
    assert unwanted.name == "" and process_of(second).parent().children() == [process_of(second)]


def test_a_fork_server_that_is_suspended_is_replaced_and_its_workers_go_on(start):
    child = start()
    first = fork_server()
    first.suspend()
    lost = start()
    assert (lost.name, lost.status) == ("", -signal.SIGKILL)
    assert process_of(start()).parent() == fork_server() != first
    assert child.is_alive() and is_alive(child.name)


def test_a_server_with_a_thousand_connections_starts_workers_and_sees_them_end(start, wait):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        child = start()
        child.close()
        wait(lambda: not child.is_alive())
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
