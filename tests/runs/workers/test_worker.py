import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import sqlalchemy as sa

from pg_core.config import Config
from pg_core.learning.trainer import Trainer
from pg_core.runs.store import history
from pg_core.runs.store.schema import ARRAYS, CHECKPOINTS, write
from pg_core.runs.workers import session
from pg_core.runs.workers.children import Child
from pg_core.runs.workers.replay import compare
from pg_core.runs.workers.session import Leave
from pg_core.runs.workers.worker import work
from tests.postgresql import on_both
from tests.runs.environments import Line, One

OWN = Path(__file__).parents[2] / "own"

pytestmark = pytest.mark.usefixtures("sixteen_at_once")


@pytest.fixture(autouse=True)
def _look_before_each_update(monkeypatch):
    monkeypatch.setattr(session, "AT_ONCE_SECONDS", 0)


@pytest.fixture
def dispatches(monkeypatch):
    """Do as many updates at once as there may be; return how many each time. The first is done alone."""
    monkeypatch.setattr(session, "AT_ONCE_SECONDS", 1e9)
    monkeypatch.setattr(session, "policy_stride", lambda *_: 2**20)
    sizes, advance = [], Trainer.advance

    def watched(self, num_updates):
        updates = advance(self, num_updates)
        sizes.append(len(updates))
        return updates

    monkeypatch.setattr(Trainer, "advance", watched)
    return sizes


def begin(store, config):
    return store.create(config, process="me")


def again(store, run_id):
    assert store.enqueue(run_id, "run")
    assert store.transition(run_id, ["queued"], state="starting", process="me")


def stored(store, run_id):
    return [tuple(row)[2:] for row in store.updates(run_id, list(ARRAYS), 0, 10_000)]


def trained(config, changes=()):
    """Train without store or worker, as stored rows: `changes` are live values by the update they begin with."""
    trainer, changes, rows = Trainer(config), dict(changes), []
    for index in range(config.num_updates):
        trainer.change(trainer.config.changed(**changes.get(index, {})))
        update = next(trainer)
        rows.append(tuple(getattr(update, name).astype(dtype).tobytes() for name, dtype in ARRAYS.items()))
    trainer.close()
    return rows


@pytest.fixture
def twelve(small):
    return small.changed(num_updates=12)


@on_both
def test_a_run_is_trained_to_its_end_and_kept_complete(store, twelve):
    run_id = begin(store, twelve)
    updates = list(work(store, run_id, "me", Leave()))
    run = store.run(run_id)
    assert (run.state, run.reason, run.updates, run.episodes) == ("finished", "", 12, 72)
    assert [update.index for update in updates] == list(range(12))
    assert stored(store, run_id) == trained(twelve)
    assert run.env_steps == updates[-1].env_steps.sum()
    assert run.mean_return == pytest.approx(updates[-1].mean_return.mean())
    assert run.best_return == max(update.episodic_returns.max() for update in updates)
    assert run.wall_seconds > sum(update.seconds for update in updates)
    assert run.steps_per_second > 0
    assert store.policies(run_id)[0] == 0 and store.policies(run_id)[-1] == 12


def test_a_run_whose_agents_have_all_solved_is_solved(store, small, register):
    register("Lab/Easy-v0", One, max_episode_steps=5, reward_threshold=1.0)
    config = Config(**{**small.model_dump(), "env_id": "Lab/Easy-v0", "num_updates": 500, "stop_when_solved": True})
    run_id = begin(store, config)
    list(work(store, run_id, "me", Leave()))
    run = store.run(run_id)
    assert (run.state, run.updates) == ("solved", 34), "100 episodes of each agent are judged"
    assert run.env_steps_to_solve == (102, 102)


@on_both
def test_a_run_left_and_resumed_equals_one_never_left(store, twelve):
    run_id, leave = begin(store, twelve), Leave()
    for update in work(store, run_id, "me", leave):
        if update.index == 4:
            leave.set()
    run = store.run(run_id)
    assert (run.state, run.updates) == ("interrupted", 5) and "resume the run" in run.reason
    again(store, run_id)
    list(work(store, run_id, "me", Leave()))
    assert stored(store, run_id) == trained(twelve)
    assert (store.run(run_id).updates, store.run(run_id).state) == (12, "finished")
    assert store.run(run_id).wall_seconds > run.wall_seconds


def test_a_run_left_within_a_dispatch_keeps_all_of_it(store, small, dispatches):
    run_id, leave = begin(store, small), Leave()
    for update in work(store, run_id, "me", leave):
        if update.index == 4:
            leave.set()
    assert (store.run(run_id).state, store.run(run_id).updates, dispatches) == ("interrupted", 17, [1, 16])
    again(store, run_id)
    list(work(store, run_id, "me", Leave()))
    assert dispatches == [1, 16, 1, 16, 6, 0]
    assert stored(store, run_id) == trained(small)
    assert store.run(run_id).episodes == 40 * 6


def test_as_fast_as_possible_a_change_acts_on_the_next_dispatch(store, small, dispatches):
    run_id, rates = begin(store, small), []
    for update in work(store, run_id, "me", Leave()):
        rates.append(update.config.learning_rate)
        if update.index in (0, 5):
            store.request(run_id, {"learning_rate": 0.125 * (update.index + 1)})
    assert dispatches == [1, 16, 16, 7, 0]
    assert rates == [small.learning_rate] + [0.125] * 16 + [0.75] * 23
    assert [request.update for request in store.requests(run_id)] == [1, 17]
    assert stored(store, run_id) == trained(small, {1: {"learning_rate": 0.125}, 17: {"learning_rate": 0.75}})


def test_a_slow_pace_is_kept_one_update_at_a_time(store, twelve, dispatches):
    run_id = begin(store, twelve.changed(pace=30))
    for update in work(store, run_id, "me", Leave()):
        if update.index == 4:
            store.request(run_id, {"pace": 0})
    assert dispatches == [1] * 5 + [7, 0]


def test_changes_are_replayed_in_their_own_updates_as_fast_as_possible(store, small, monkeypatch, dispatches):
    run_id = begin(store, small)
    with monkeypatch.context() as slowly:
        slowly.setattr(session, "AT_ONCE_SECONDS", 0)
        for update in work(store, run_id, "me", Leave()):
            if update.index in (4, 10):
                store.request(run_id, {"learning_rate": 0.5 / update.index})
    assert [request.update for request in store.requests(run_id)] == [5, 11]
    with write(store.engine) as connection:
        connection.execute(CHECKPOINTS.delete())
    store.transition(run_id, ["finished"], state="interrupted")
    again(store, run_id)
    dispatches.clear()
    list(work(store, run_id, "me", Leave()))
    assert dispatches == [1, 4, 6, 16, 13, 0]
    assert [request.update for request in store.requests(run_id)] == [5, 11]
    assert stored(store, run_id) == trained(small, {5: {"learning_rate": 0.125}, 11: {"learning_rate": 0.05}})


@on_both
def test_each_policy_is_kept_and_the_state_before_each_change_at_any_speed(store, small, monkeypatch):
    monkeypatch.setattr(session, "AT_ONCE_SECONDS", 1e9)
    monkeypatch.setattr(session, "CHECKPOINT_SECONDS", 1e9)
    run_id = begin(store, small)
    for update in work(store, run_id, "me", Leave()):
        if update.index == 6:
            store.request(run_id, {"learning_rate": 0.125})
    changed = store.requests(run_id)[0].update  # the first one after those that were done at once
    assert store.policies(run_id) == list(range(41))
    assert store.checkpoints(run_id) == [0, changed, 40]  # the start, the change, the end
    trainer = Trainer(small)
    for done in range(41):
        kept, policy = store.policy(run_id, done)[1], trainer.policy()
        assert all(kept[name].tobytes() == policy[name].tobytes() for name in policy), done
        if done == changed:
            trainer.change(small.changed(learning_rate=0.125))
        trainer.advance(1)
    trainer.close()
    assert int(store.checkpoint(run_id, 39)["update"]) == changed


@on_both
def test_of_a_long_run_every_nth_policy_is_kept(store, small, monkeypatch):
    for name in ("AT_ONCE_SECONDS", "CHECKPOINT_SECONDS", "COMMIT_SECONDS"):
        monkeypatch.setattr(session, name, 1e9)  # the last policy of a commit stays for a while
    monkeypatch.setattr(history, "MAX_POLICIES", 8)
    run_id = begin(store, small)
    list(work(store, run_id, "me", Leave()))
    # 40 // 8 + 1 = 6 of at most 8; every fourth would be 11.
    assert (store.policies(run_id), store.checkpoints(run_id)) == (list(range(0, 41, 8)), [0, 40])
    *_, last = compare(store, run_id)
    assert last.identical == 40


@on_both
def test_changes_beyond_the_checkpoint_come_into_force_where_they_were(store, twelve):
    run_id = begin(store, twelve)
    for update in work(store, run_id, "me", Leave()):
        if update.index == 3:
            store.request(run_id, {"learning_rate": 0.5})
        if update.index == 5:
            store.request(run_id, {"learning_rate": 0.001})
    assert [request.update for request in store.requests(run_id)] == [4, 6]
    # As after a SIGKILL, updates are ahead of the newest checkpoint; and someone has asked for more meanwhile.
    with write(store.engine) as connection:
        connection.execute(CHECKPOINTS.delete())
    store.transition(run_id, ["finished"], state="interrupted")
    store.request(run_id, {"gamma": 0.5})
    again(store, run_id)
    list(work(store, run_id, "me", Leave()))
    assert [request.update for request in store.requests(run_id)] == [4, 6, 6]
    changes = {4: {"learning_rate": 0.5}, 6: {"learning_rate": 0.001, "gamma": 0.5}}
    assert stored(store, run_id) == trained(twelve, changes)
    assert store.run(run_id).rewinds == 1


def test_a_change_acts_on_the_very_next_update(store, twelve):
    run_id, rates = begin(store, twelve), []
    for update in work(store, run_id, "me", Leave()):
        rates.append(update.config.learning_rate)
        if update.index == 6:
            store.request(run_id, {"learning_rate": 0.125})
    assert rates == [twelve.learning_rate] * 7 + [0.125] * 5
    assert store.requests(run_id)[0].update == 7
    assert stored(store, run_id) == trained(twelve, {7: {"learning_rate": 0.125}})


def test_leaving_the_loop_stops_the_run_with_all_it_has(store, twelve):
    run_id = begin(store, twelve)
    for update in work(store, run_id, "me", Leave()):
        if update.index == 2:
            break
    assert (store.run(run_id).state, store.run(run_id).updates) == ("stopped", 3)
    assert store.checkpoint(run_id)["update"] == 3


def test_control_c_stops_the_run_and_reaches_the_caller(store, twelve):
    run_id = begin(store, twelve)
    training = work(store, run_id, "me", Leave())
    next(training), next(training)
    with pytest.raises(KeyboardInterrupt):
        training.throw(KeyboardInterrupt)
    assert (store.run(run_id).state, store.run(run_id).updates) == ("stopped", 2)
    again(store, run_id)
    list(work(store, run_id, "me", Leave()))
    assert stored(store, run_id) == trained(twelve)


@pytest.mark.parametrize("seconds", [0, 1e9])
def test_pause_step_and_resume(store, twelve, wait, monkeypatch, seconds):
    monkeypatch.setattr(session, "AT_ONCE_SECONDS", seconds)
    run_id = begin(store, twelve)
    store.transition(run_id, ["starting"], target="pause")
    thread = threading.Thread(target=lambda: list(work(store, run_id, "me", Leave())))
    thread.start()
    wait(lambda: store.run(run_id).state == "paused")
    assert store.run(run_id).updates == 0
    store.transition(run_id, ["paused"], until=2), store.transition(run_id, ["paused"], until=2)
    wait(lambda: store.run(run_id).updates == 2)
    wait(lambda: store.policies(run_id)[-1] == 2)
    assert (store.run(run_id).state, store.run(run_id).updates) == ("paused", 2)
    store.transition(run_id, ["paused"], target="run")
    thread.join()
    assert store.run(run_id).state == "finished" and stored(store, run_id) == trained(twelve)


def test_a_stopped_pause_ends_the_run(store, twelve, wait):
    run_id = begin(store, twelve)
    store.transition(run_id, ["starting"], target="pause")
    thread = threading.Thread(target=lambda: list(work(store, run_id, "me", Leave())))
    thread.start()
    wait(lambda: store.run(run_id).state == "paused")
    store.transition(run_id, ["paused"], target="stop")
    thread.join()
    assert store.run(run_id).state == "stopped"


class Clock:
    """Time that passes only where something trains or waits."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


class Patient(Leave):
    """Is never set; who waits for it lets the time of a clock pass."""

    def __init__(self, clock):
        super().__init__()
        self._clock = clock

    def wait(self, timeout=None):
        self._clock.now += timeout
        return False


def test_each_update_of_a_slow_pace_is_kept_at_once_and_waiting_is_no_training(store, twelve, monkeypatch):
    clock, advance = Clock(), Trainer.advance

    def quarter(self, num_updates):
        updates = advance(self, num_updates)
        clock.now += 0.25 * len(updates)
        return updates

    monkeypatch.setattr(Trainer, "advance", quarter)
    monkeypatch.setattr(session, "time", clock)
    run_id, seen, ends = begin(store, twelve.changed(pace=1, num_updates=3)), [], []
    for update in work(store, run_id, "me", Patient(clock)):
        seen.append(store.run(run_id).updates - update.index)
        ends.append(clock.now)
    assert seen == [1, 1, 1]
    assert ends == pytest.approx([0.25, 1.25, 2.25])
    assert [row.seconds for row in store.updates(run_id, [], 0, 9)] == pytest.approx([0.25, 0.5, 0.75])
    assert store.run(run_id).elapsed_seconds == pytest.approx(2.25)  # with the waits between them


@pytest.mark.parametrize(("seconds", "commits"), [(1e9, 1), (0, 12)])
def test_updates_are_kept_in_batches(store, twelve, monkeypatch, seconds, commits):
    monkeypatch.setattr(session, "COMMIT_SECONDS", seconds)
    made = []
    sa.event.listen(store.engine, "after_cursor_execute", lambda c, cursor, text, *_: made.append(text))
    run_id = begin(store, twelve)
    list(work(store, run_id, "me", Leave()))
    assert len(stored(store, run_id)) == 12
    assert sum(text.startswith("INSERT INTO updates") for text in made) == commits


def test_a_session_keeps_the_newest_policies_of_its_last_commits(store, twelve, monkeypatch):
    monkeypatch.setattr(session, "COMMIT_SECONDS", 0)
    monkeypatch.setattr(history, "MAX_POLICIES", 2)
    monkeypatch.setattr(history, "RECENT", 4)
    run_id = begin(store, twelve)
    list(work(store, run_id, "me", Leave()))
    assert store.policies(run_id) == [0, 8, 9, 10, 11, 12]


class Infinite(Line):
    def step(self, action):
        return np.zeros(1, np.float32), float("inf"), True, False, {}


class Broken(Line):
    def step(self, action):
        raise OSError("no device")


class Leaving(Line):
    def step(self, action):
        raise GeneratorExit("no more")


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        (Infinite, "returned a reward that is not finite"),
        (Broken, "raised OSError: no device"),
        (Leaving, "raised GeneratorExit: no more"),
    ],
)
def test_a_fault_of_its_environment_ends_the_run_with_a_sentence(store, small, register, env, reason):
    register("Lab/Own-v0", env, max_episode_steps=5, reward_threshold=1.0)
    run_id = begin(store, Config(**{**small.model_dump(), "env_id": "Lab/Own-v0"}))
    assert list(work(store, run_id, "me", Leave())) == []
    run = store.run(run_id)
    assert run.state == "failed" and run.reason.startswith(f"Lab/Own-v0 {reason} (")
    assert f"test_worker.py:{env.step.__code__.co_firstlineno + (env is not Infinite)}" in run.reason
    assert "agent 0, update 1, episode 1 of 3, step 1" in run.reason
    assert not (store.folder / "errors.log").exists()


def test_an_environment_that_ends_its_process_ends_its_run_alone(store, small, register, monkeypatch):
    """It passed the doctor as it was then, and is another when its run is resumed."""
    monkeypatch.syspath_prepend(OWN)
    register("Lab/Own-v0", "faulty_environments:Plain", max_episode_steps=20)
    run_id = begin(store, Config(**{**small.model_dump(), "env_id": "Lab/Own-v0"}))
    training = work(store, run_id, "me", Leave())
    assert next(training).index == 0
    training.close()
    assert store.run(run_id).state == "stopped"
    gym.registry["Lab/Own-v0"].entry_point = "faulty_environments:Exits"
    again(store, run_id)
    assert list(work(store, run_id, "me", Leave())) == []
    run = store.run(run_id)
    assert (run.state, run.updates) == ("failed", 1)
    assert run.reason == (
        "Lab/Own-v0 ended its process with exit status 3 (agent 0, update 2, episode 1 of 3, step 7): raise an error "
        "there instead."
    )


def test_an_error_of_the_lab_ends_the_run_with_an_incident(store, small, monkeypatch):
    def broken(*_):
        raise OSError("the password is 1234")

    monkeypatch.setattr("pg_core.learning.trainer.Trainer.advance", broken)
    run_id = begin(store, small)
    assert list(work(store, run_id, "me", Leave())) == []
    run, log = store.run(run_id), store.folder / "errors.log"
    incident = run.reason.split("incident ")[1].split(" ")[0]
    assert run.state == "failed" and "1234" not in run.reason
    assert f"incident {incident}" in log.read_text() and "1234" in log.read_text()


def test_a_full_disk_keeps_what_was_committed_and_lets_the_run_resume(store, small):
    run_id = begin(store, small)
    training = work(store, run_id, "me", Leave())
    next(training)
    kept = store.run(run_id).updates
    limits = [os.path.getsize(store.folder / "lab.db") // 4096]
    sa.event.listen(store.engine, "checkout", lambda raw, *_: raw.execute(f"PRAGMA max_page_count={limits[0]}"))
    list(training)
    run = store.run(run_id)
    assert run.state == "interrupted" and "free some space and resume the run" in run.reason
    assert run.updates >= kept and len(stored(store, run_id)) == run.updates < 40
    limits[0] = 1_000_000
    again(store, run_id)
    list(work(store, run_id, "me", Leave()))
    assert stored(store, run_id) == trained(small)


@on_both
def test_a_worker_that_lost_its_run_writes_no_more(store, twelve):
    run_id = begin(store, twelve)
    training = work(store, run_id, "me", Leave())
    next(training)
    store.transition(run_id, ["running"], process="you")
    before = store.run(run_id)
    list(training)
    assert store.run(run_id) == before


def test_a_run_that_is_not_his_is_not_trained(store, twelve):
    run_id = store.create(twelve, process="you")
    assert list(work(store, run_id, "me", Leave())) == []
    assert store.run(run_id).state == "starting"


@pytest.fixture
def child(store):
    """Start workers as the supervisor does, what they say in the list; they are ended after the test."""
    started = []

    def start(role, said):
        started.append(Child(store.folder, said.append, role))
        return started[-1]

    yield start
    for child in started:
        child.kill()
        child.end()


def test_a_worker_keeps_its_programs_in_the_labs_folder_and_ends_with_its_input(store, child, wait, monkeypatch):
    monkeypatch.delenv("TF_XLA_FLAGS")  # by which these tests keep theirs
    said, run_id = [], begin(store, Config(pace=30, num_updates=10_000, stop_when_solved=False))
    worker = child("train", said)
    wait(lambda: {"ready": True} in said)
    assert list((store.folder / "programs").glob("*/*"))
    worker.send({"train": [run_id], "process": "me"})
    wait(lambda: store.run(run_id).updates > 2)
    worker.close()
    wait(lambda: not worker.is_alive())
    assert worker.status == 0
    run = store.run(run_id)
    assert run.state == "interrupted" and store.checkpoint(run_id)["update"] == run.updates
    assert said == [{"begun": worker.name}, {"ready": True}]


@pytest.fixture
def studio(store):
    """Start one as a process that only pipes lead to; it is ended after the test."""
    command = [sys.executable, "-m", "pg_core.runs.workers.worker", "studio"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen(command, env=os.environ | {"PG_LAB_DATA": str(store.folder)}, **pipes) as child:
        assert json.loads(child.stdout.readline()) == {"ready": True}
        yield child
        child.kill()


def test_studio_answers_and_ends_with_its_input(store, small, studio):
    child = studio

    def ask(run_id, config, update, frames):
        about = {"run_id": run_id, "config": config, "update": update, "agent": 1, "frames": frames}
        child.stdin.write(json.dumps({"ask": 7, "episode": about}) + "\n")
        answer = json.loads(child.stdout.readline())
        assert answer["answer"] == 7
        return answer["error"], json.loads(answer.get("episode", "null"))

    error, numbers = ask(None, small.model_dump(mode="json"), 0, frames=False)
    assert error is None and [episode["agent"] for episode in numbers["episodes"]] == [0, 1]
    error, pictures = ask(None, small.model_dump(mode="json"), 0, frames=True)
    assert error is None and pictures["episodes"][0]["length"] == numbers["episodes"][1]["length"]
    assert (
        "The policy at update 0 was thinned meanwhile; ask again." in ask(store.create(small), None, 0, frames=False)[0]
    )
    assert "No run has the id" in ask("nobody", None, 0, frames=False)[0]
    child.stdin.close()
    assert child.wait() == 0
