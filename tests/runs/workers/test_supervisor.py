import signal
import uuid
from datetime import UTC, datetime

import psutil
import pytest

from pg_core.config import Config
from pg_core.learning.trainer import Trainer
from pg_core.runs.store import sweeps
from pg_core.runs.store.processes import process_name
from pg_core.runs.store.records import SweepRow
from pg_core.runs.store.schema import ARRAYS, StoreError
from pg_core.runs.store.store import Store
from pg_core.runs.store.sweeps import NewRun
from pg_core.runs.workers import logs
from pg_core.runs.workers import supervisor as module
from pg_core.runs.workers.supervisor import Supervisor
from pg_core.runs.workers.worker import NICENESS
from tests.workers import workers


@pytest.fixture(scope="module", params=["sqlite"])
def lab(request, tmp_path_factory):
    """A store and a supervisor that trains one run at a time, as in a server, which has set no flags and no cache."""
    trained(Config(num_updates=1), 1, {})  # so that XLA has read the flags of this process
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XLA_FLAGS", "TF_XLA_FLAGS"):
            patch.delenv(variable, raising=False)
        url = None
        if request.param == "postgresql":
            url = request.getfixturevalue("postgresql").empty()
            patch.setenv("PG_LAB_DATABASE_URL", url.render_as_string(hide_password=False))
        store = Store(tmp_path_factory.mktemp("lab"), url)
        supervisor = Supervisor(store, max_training=1)
        supervisor.start()
        yield store, supervisor
        supervisor.shutdown()  # the last test has done so, unless it failed


@pytest.fixture
def small():
    """A run of the default sizes, whose program a spare has ready."""
    return Config(num_updates=40, pace=0, stop_when_solved=False)


@pytest.fixture
def slow(small):
    """A run that does not end before the test ends it."""
    return small.changed(pace=30, num_updates=100_000)


@pytest.fixture
def begin(lab, wait):
    """Start a run and wait until it trains; it is stopped after the test."""
    store, supervisor = lab
    begun = []

    def start(config):
        begun.append(store.create(config))
        supervisor.wake()
        wait(lambda: store.run(begun[-1]).updates > 0)
        return begun[-1]

    yield start
    for run_id in begun:
        store.transition(run_id, ["queued"], state="stopped")
        store.transition(run_id, ["starting", "running", "paused"], target="stop")
        wait(lambda run_id=run_id: not store.run(run_id).active)


def process_of(store, run_id):
    return next(psutil.Process(int(name.split("@")[0])) for found, _, name in store.worked_on() if found == run_id)


def trained(config, num_updates, changes):
    trainer, rows = Trainer(config), []
    for index in range(num_updates):
        trainer.change(trainer.config.changed(**changes.get(index, {})))
        update = next(trainer)
        rows.append(tuple(getattr(update, name).astype(dtype).tobytes() for name, dtype in ARRAYS.items()))
    return rows


def stored(store, run_id):
    return [tuple(row)[2:] for row in store.updates(run_id, list(ARRAYS), 0, 100_000)]


def test_a_run_obeys_while_it_trains(lab, begin, slow, wait):
    store, _ = lab
    run_id = begin(slow)
    assert store.run(run_id).state == "running"
    nicest = min(psutil.Process().nice() + NICENESS, 19)
    wait(lambda: process_of(store, run_id).nice() == nicest)  # pages come first

    store.request(run_id, {"learning_rate": 0.125})
    request = wait(lambda: next((r for r in store.requests(run_id) if r.update is not None), None))
    assert store.run(run_id).updates > request.update

    store.transition(run_id, ["running"], target="pause")
    wait(lambda: store.run(run_id).state == "paused")
    paused_at = store.run(run_id).updates
    assert store.policies(run_id)[-1] == paused_at
    store.transition(run_id, ["paused"], until=paused_at + 1)
    wait(lambda: store.policies(run_id)[-1] == paused_at + 1)
    assert (store.run(run_id).state, store.run(run_id).updates) == ("paused", paused_at + 1)

    store.transition(run_id, ["paused"], target="run")
    wait(lambda: store.run(run_id).updates > paused_at + 3)
    store.transition(run_id, ["running"], target="stop")
    wait(lambda: store.run(run_id).state == "stopped")
    updates = store.run(run_id).updates
    assert stored(store, run_id) == trained(slow, updates, {request.update: {"learning_rate": 0.125}})


@pytest.fixture
def swept(lab, slow, wait):
    """Start a sweep of three settings and wait until all train; what is left of it is stopped after the test."""
    store, supervisor = lab
    settings = [slow.changed(learning_rate=rate) for rate in (0.01, 0.02, 0.04)]
    row = SweepRow(uuid.uuid4().hex, "sweep", datetime.now(UTC), "{}", "done")
    sweeps.add(store, row, [NewRun(n, f"run {n}", config) for n, config in enumerate(settings)])
    supervisor.wake()
    ids = [run.id for run in sorted(store.runs(sweep_id=row.id), key=lambda run: run.setting)]
    wait(lambda: all(store.run(run_id).updates > 0 for run_id in ids))
    yield ids, settings
    for run_id in ids:
        store.transition(run_id, ["queued"], state="stopped")
        store.transition(run_id, ["starting", "running", "paused"], target="stop")
    wait(lambda: not any(store.run(run_id).active for run_id in ids))


def test_one_worker_trains_a_sweep_whose_runs_obey_one_by_one(lab, swept, wait, slow):
    store, supervisor = lab
    ids, _ = swept
    assert len({process for _, _, process in store.worked_on()}) == 1  # though one run is trained at a time
    store.transition(ids[0], ["running"], target="pause")
    wait(lambda: store.run(ids[0]).state == "paused")
    waiting = store.create(slow)
    supervisor.wake()
    wait(lambda: store.run(waiting).reason == module.NO_WORKER)
    done = store.run(ids[1]).updates
    wait(lambda: store.run(ids[1]).updates > done + 10)
    assert [store.run(run_id).state for run_id in ids] == ["paused", "running", "running"]  # none makes room
    for run_id in ids[1:]:
        store.transition(run_id, ["running"], target="stop")
    wait(lambda: store.run(waiting).updates > 0)  # now that only a paused one is left
    assert store.run(ids[0]).reason == module.MAKE_ROOM
    store.transition(waiting, ["running"], target="stop")
    wait(lambda: not store.run(waiting).active)


def test_the_runs_of_a_killed_worker_are_all_interrupted_and_go_on_exactly(lab, swept, wait):
    store, supervisor = lab
    ids, settings = swept
    wait(lambda: all(store.policies(run_id)[1:] for run_id in ids))
    process_of(store, ids[0]).send_signal(signal.SIGKILL)
    wait(lambda: [store.run(run_id).state for run_id in ids] == 3 * ["interrupted"])
    for run_id in ids:
        store.request(run_id, {"pace": 0, "num_updates": store.run(run_id).updates + 20})
        store.enqueue(run_id, "run")
    supervisor.wake()
    wait(lambda: [store.run(run_id).state for run_id in ids] == 3 * ["finished"])
    for run_id, config in zip(ids, settings, strict=True):
        assert stored(store, run_id) == trained(config, store.run(run_id).updates, {})


def test_a_killed_worker_leaves_an_interrupted_run_that_resumes_exactly(lab, begin, slow, wait):
    store, supervisor = lab
    run_id = begin(slow)
    first_kept = wait(lambda: store.policies(run_id)[1:])[0]
    # The change comes into force after that snapshot; the kill comes before the next one, a second later.
    store.request(run_id, {"learning_rate": 0.125})
    request = wait(lambda: next((r for r in store.requests(run_id) if r.update is not None), None))
    worker = process_of(store, run_id)
    worker.send_signal(signal.SIGKILL)
    wait(lambda: store.run(run_id).state == "interrupted")
    killed = store.run(run_id)
    assert "resume the run" in killed.reason and not worker.is_running()
    assert killed.updates > request.update >= first_kept

    assert store.enqueue(run_id, "run")
    supervisor.wake()
    wait(lambda: store.run(run_id).updates > killed.updates)
    store.transition(run_id, ["running"], target="stop")
    wait(lambda: store.run(run_id).state == "stopped")
    run = store.run(run_id)
    assert run.rewinds == 1
    assert stored(store, run_id) == trained(slow, run.updates, {request.update: {"learning_rate": 0.125}})


# Workers take seconds to start, so on PostgreSQL one test does all that needs them.
@pytest.mark.parametrize("lab", ["sqlite", "postgresql"], indirect=True)
def test_runs_wait_for_a_worker_and_a_paused_run_makes_room(lab, begin, slow, small, wait):
    store, supervisor = lab
    first = begin(slow)
    second = store.create(small.changed(num_updates=5))
    third = store.create(small.changed(num_updates=5))
    supervisor.wake()
    done = store.run(first).updates
    wait(lambda: store.run(first).updates >= done + 3)
    assert (store.run(first).state, store.run(second).state) == ("running", "queued")
    wait(lambda: [store.run(run_id).reason for run_id in (second, third)] == 2 * [module.NO_WORKER])
    store.transition(third, ["queued"], state="stopped")
    store.transition(first, ["running"], target="pause")
    wait(lambda: store.run(second).state == "finished")
    assert store.run(second).reason == ""
    assert store.run(first).state == "interrupted" and "another run waited" in store.run(first).reason
    assert store.checkpoint(first)["update"] == store.run(first).updates
    assert stored(store, second) == trained(small, 5, {})


def test_a_worker_that_hangs_is_ended_when_its_run_is_to_stop(lab, begin, slow, wait, monkeypatch):
    monkeypatch.setattr(module, "STOP_SECONDS", 0.1)
    store, _ = lab
    run_id = begin(slow)
    worker = process_of(store, run_id)
    worker.suspend()
    store.transition(run_id, ["running"], target="stop")
    wait(lambda: store.run(run_id).state == "stopped")
    assert store.run(run_id).reason == module.HUNG
    wait(lambda: not worker.is_running())
    assert store.checkpoint(run_id) is not None


def test_a_run_waits_for_memory_unless_it_is_the_only_one(lab, begin, slow, small, wait, monkeypatch):
    store, supervisor = lab
    monkeypatch.setattr(supervisor, "_max_training", 2)
    monkeypatch.setattr(module.memory, "free", lambda: 0)
    first = begin(slow)
    [child] = supervisor._training
    assert child.claim == module.memory.WORKER_BYTES + module.memory.needed(slow)
    with monkeypatch.context() as patch:
        patch.setattr(child, "memory", lambda: child.claim - 300)
        assert supervisor._unclaimed() == -300  # what it may still take is not free
    second = store.create(small.changed(num_updates=5))
    wait(lambda: store.run(second).reason == module.NO_MEMORY)
    assert (store.run(first).state, store.run(second).state) == ("running", "queued")
    monkeypatch.setattr(module.memory, "free", lambda: 2**40)
    wait(lambda: store.run(second).state == "finished")
    assert store.run(first).state == "running" and store.run(second).reason == ""


def test_a_trouble_is_logged_once_however_long_it_lasts(store, caplog):
    supervisor = Supervisor(store)
    for sentence in ("full", "full", "gone", "gone"):
        supervisor._complain(StoreError(sentence))
    assert [record.message for record in caplog.records] == [f"The supervisor goes on: {s}" for s in ("full", "gone")]


def test_why_a_worker_left_is_kept_for_where_it_can_be_written(store):
    Supervisor(store)._on_answer({"gone": "1@1.00", "reason": "The disk is full."})
    assert store.gone == {"1@1.00": "The disk is full."}


def test_what_workers_print_is_bounded(lab, wait):
    log = lab[0].folder / "workers.log"
    with log.open("ab") as printed:
        printed.write(bytes(logs.MAX_BYTES + 1))
    wait(lambda: log.stat().st_size <= logs.MAX_BYTES)


def test_no_worker_is_left_a_zombie(lab, wait):
    wait(lambda: all(child.status() != psutil.STATUS_ZOMBIE for child in psutil.Process().children(recursive=True)))


def test_runs_of_a_dead_server_are_interrupted_and_those_of_a_living_one_are_not(store, small):
    queued = store.create(small)
    dead = store.create(small, process="999999999@1.00")
    alive = store.create(small, process=process_name())
    store.interrupt_dead()
    assert [store.run(run_id).state for run_id in (queued, dead, alive)] == ["queued", "interrupted", "starting"]


def test_shutdown_leaves_no_worker_and_the_run_can_be_resumed(lab, slow, wait):
    store, supervisor = lab
    run_id = store.create(slow)
    supervisor.wake()
    wait(lambda: store.run(run_id).updates > 0)
    found = workers()
    assert process_of(store, run_id) in found
    supervisor.shutdown()
    assert not any(worker.is_running() for worker in found)
    run = store.run(run_id)
    assert run.state == "interrupted" and "The server ended" in run.reason
    assert store.checkpoint(run_id)["update"] == run.updates
