"""Who may do what with whose runs, and how many of them, whatever the pages draw."""

import io
import itertools
import threading
import tracemalloc
import uuid
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pg_core import lab
from pg_core.config import Config, ConfigError
from pg_core.runs.exchange import archive, exports
from pg_core.runs.store import library, quotas
from pg_core.runs.store.records import Batch, Snapshot
from pg_core.runs.store.store import Store
from tests.postgresql import empty_database, on_both

ANN, BOB = lab.Visitor("https://id Ann", "a", admin=False), lab.Visitor("https://id Bob", "b", admin=False)
ADMIN, STRANGER = lab.Visitor("https://id Eve", "e", admin=True), lab.Visitor(None, "s", admin=False)
TABS = [lab.Visitor(None, f"tab {number}", admin=True) for number in range(3)]  # without a log-in
COMMAND_LINE = lab.Visitor(None, None, admin=True)
CONFIG = Config(num_agents=1)


@pytest.fixture
def database(request, folder):
    return empty_database(request, folder)


@pytest.fixture(autouse=True)
def store(folder, database, monkeypatch):
    if database.get_backend_name() == "postgresql":
        monkeypatch.setenv("PG_LAB_DATABASE_URL", database.render_as_string(hide_password=False))
    store = Store(folder, database)
    yield store
    store.close()
    lab.identify(lambda: COMMAND_LINE)


def acts(visitor: lab.Visitor) -> None:
    lab.identify(lambda: visitor)


def ended(store: Store, run_id: str) -> str:
    """Stop a queued run as a worker would have left it, with a checkpoint."""
    assert store.transition(run_id, ["queued"], state="starting", process="me")
    store.commit(run_id, "me", Batch([], {}, {}, [Snapshot(0, {"k": np.ones(1)}, {"update": np.int64(0)})]))
    assert store.transition(run_id, ["starting"], state="stopped", process=None)
    return run_id


CONTROLS = {
    "change": lambda run_id: lab.change(run_id, gamma=0.5),
    "pause": lab.pause,
    "resume": lab.resume,
    "step": lambda run_id: lab.step(run_id, 1),
    "stop": lab.stop,
    "label": lambda run_id: lab.label(run_id, name="mine now"),
    "delete": lab.delete,
    "restore": lab.restore,
}


@pytest.mark.parametrize("visitor", [BOB, STRANGER], ids=["another", "not logged in"])
@pytest.mark.parametrize("control", CONTROLS.values(), ids=CONTROLS)
def test_nobody_controls_the_run_of_another(store, control, visitor):
    acts(ANN)
    runs = lab.start(CONFIG, "anns"), ended(store, lab.start(CONFIG, "anns"))
    acts(visitor)
    for run_id in runs:
        before = store.run(run_id)
        assert before.owner == ANN.id and not lab.may_control(before)
        with pytest.raises(lab.NotAllowed, match="Run anns belongs to someone else; fork it to go on from it"):
            control(run_id)
        assert store.run(run_id) == before
    assert len(lab.runs()) == 2  # looking is free to all


LOOKS = {
    "run": lab.run,
    "fork": lab.fork,
    "twin": lambda run_id: lab.twin(run_id, 0),
    "export": lambda run_id: lab.export(run_id, "json", io.BytesIO()),
    "export together": lambda run_id: lab.export_together([run_id, run_id], "csv", io.BytesIO()),
    "checkpoints": lab.checkpoints,
    "diagnose": lab.diagnose,
    "best": lab.best,
    **CONTROLS,
}


@on_both
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_deleted_run_is_there_for_who_can_restore_it_alone(store, look):
    acts(ANN)
    run_id = ended(store, lab.start(CONFIG, "anns"))
    lab.delete(run_id)
    for visitor in (BOB, STRANGER):
        acts(visitor)
        with pytest.raises(lab.UnknownRun):
            look(run_id)
        assert lab.runs(deleted=True) == []
        assert lab.name_of(run_id).startswith("a run that is gone")
    assert len(store.runs(deleted=True)) == 1
    for visitor in (ANN, ADMIN, COMMAND_LINE, *TABS):
        acts(visitor)
        assert [run.id for run in lab.runs(deleted=True)] == [run_id] and lab.run(run_id).deleted


@pytest.mark.parametrize("visitor", [ANN, ADMIN, COMMAND_LINE], ids=["owner", "administrator", "command line"])
@pytest.mark.parametrize("control", CONTROLS.values(), ids=CONTROLS)
def test_owners_administrators_and_the_command_line_control_a_run(store, control, visitor):
    acts(ANN)
    run_id = ended(store, lab.start(CONFIG))
    acts(visitor)
    control(run_id)


def test_starts_with_one_id_are_one_start_and_need_room_once(monkeypatch):
    monkeypatch.setenv("PG_LAB_MAX_ACTIVE", "1")
    acts(TABS[0])
    run_id = uuid.uuid4().hex
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda name: lab.start(CONFIG, name, run_id), "abcd")) == [run_id] * 4
    [before] = lab.runs()
    assert lab.start(CONFIG.changed(gamma=0.5), "other", run_id) == run_id
    assert lab.runs() == [before]
    lab.stop(run_id)
    assert lab.start(CONFIG, run_id=run_id) == run_id and lab.run(run_id).state == "stopped"


def test_of_several_runs_all_must_be_the_visitors(store):
    acts(ANN)
    anns = ended(store, lab.start(CONFIG))
    acts(BOB)
    bobs = ended(store, lab.start(CONFIG))
    with pytest.raises(lab.NotAllowed):
        lab.delete(bobs, anns)
    assert len(lab.runs()) == 2


def test_a_fork_belongs_to_whoever_forks(store):
    acts(ANN)
    parent = ended(store, lab.start(CONFIG))
    acts(BOB)
    child = lab.fork(parent, gamma=0.5)
    assert (lab.run(child).owner, lab.run(child).state) == (BOB.id, "queued")
    lab.stop(child)
    acts(ANN)
    with pytest.raises(lab.NotAllowed):
        lab.resume(child)


def test_a_fork_that_is_asked_for_again_changes_nothing(store):
    acts(ANN)
    parent, child = ended(store, lab.start(CONFIG)), "a" * 32
    assert lab.fork(parent, resumed=False, child=child) == child
    before = lab.run(child)
    acts(BOB)
    assert lab.fork(parent, gamma=0.5, child=child) == child
    assert lab.run(child) == before and before.owner == ANN.id and not store.requests(child)
    with pytest.raises(ValueError, match="`child` must be 32 hexadecimal digits in lower case, got 'x'"):
        lab.fork(parent, child="x")


def test_a_twin_is_as_it_was_before_the_change_and_is_made_once_for_each_visitor(store):
    acts(ANN)
    parent = ended(store, lab.start(CONFIG, "x" * 80))
    lab.change(parent, gamma=0.5)
    [request] = store.requests(parent)
    store.transition(parent, ["stopped"], state="starting", process="me")
    store.commit(parent, "me", Batch([], {}, {request.id: 0}, []))
    store.transition(parent, ["starting"], state="stopped", process=None)
    lab.change(parent, gamma=0.25)
    with ThreadPoolExecutor(4) as threads:
        [twin] = {*threads.map(lambda _: lab.twin(parent, 0), range(4))}
    run = lab.run(twin)
    assert (run.state, run.parent_id, run.parent_update, run.owner) == ("queued", parent, 0, ANN.id)
    assert run.name == "x" * 73 + " · twin" and len(run.name) == 80
    assert run.current == CONFIG.changed(pace=0)
    lab.label(twin, name="renamed")
    assert lab.twin(parent, 0) == twin and lab.run(twin).name == "renamed"
    acts(BOB)
    bobs = lab.twin(parent, 0)
    assert bobs != twin and lab.run(bobs).owner == BOB.id and lab.twin(parent, 0) == bobs
    lab.stop(bobs), lab.delete(bobs)
    second = lab.twin(parent, 0)
    assert second not in (bobs, twin) and lab.twin(parent, 0) == second
    with pytest.raises(ConfigError, match="must be one after which a checkpoint was kept"):
        lab.twin(parent, 3)


def test_a_run_from_before_the_log_in_is_an_administrators(store):
    run_id = store.create(CONFIG, "old")
    acts(ANN)
    with pytest.raises(lab.NotAllowed, match="Run old was started without a log-in, so it is an administrator's"):
        lab.stop(run_id)
    acts(ADMIN)
    lab.stop(run_id)


def test_without_a_log_in_everyone_controls_everything():
    acts(TABS[0])
    run_id = lab.start(CONFIG)
    acts(TABS[1])
    lab.stop(run_id)
    assert lab.run(run_id).state == "stopped"


def test_whoever_has_not_logged_in_starts_nothing(store):
    acts(ANN)
    run_id = ended(store, lab.start(CONFIG))
    acts(STRANGER)
    for start in (lambda: lab.start(CONFIG), lambda: lab.fork(run_id)):
        with pytest.raises(lab.NotAllowed, match="Log in to start runs"):
            start()
    assert len(lab.runs()) == 1


@pytest.mark.parametrize("visitors", [(ANN, BOB), TABS], ids=["log-in", "session"])
def test_each_visitor_has_so_many_active_runs(store, monkeypatch, visitors):
    monkeypatch.setenv("PG_LAB_MAX_ACTIVE", "2")
    first, second, *_ = visitors
    acts(first)
    stopped, _, _ = ended(store, lab.start(CONFIG)), lab.start(CONFIG), lab.start(CONFIG)
    for one_more in (lambda: lab.start(CONFIG), lambda: lab.resume(stopped), lambda: lab.fork(stopped)):
        with pytest.raises(lab.NotAllowed, match="You have 2 runs in training or in the queue, and with 1 more"):
            one_more()
    lab.step(store.queue()[0], 1)  # is active already
    assert len(lab.runs()) == 3 and lab.run(stopped).state == "stopped"
    acts(second)
    lab.start(CONFIG)
    acts(COMMAND_LINE)
    assert [lab.start(CONFIG) for _ in range(3)]


def test_the_queue_has_an_end(monkeypatch):
    monkeypatch.setenv("PG_LAB_MAX_QUEUE", "3")
    for visitor in TABS:
        acts(visitor)
        lab.start(CONFIG)
    with pytest.raises(lab.NotAllowed, match="3 runs wait in the queue, which takes 3: try again"):
        lab.start(CONFIG)


def test_a_visitor_stores_so_much_and_deleting_makes_room(store, monkeypatch):
    acts(ANN)
    run_id = ended(store, lab.start(CONFIG))
    monkeypatch.setenv("PG_LAB_MAX_STORED_GB", "1e-9")  # a byte
    with pytest.raises(
        lab.NotAllowed, match=r"Your runs take .* GB of disk, and the limit is 1e-09 GB: delete some first"
    ):
        lab.start(CONFIG)
    acts(BOB)
    lab.start(CONFIG)
    acts(ANN)
    lab.delete(run_id)
    lab.start(CONFIG)


def zipped(store: Store, config: Config) -> bytes:
    """Return an exported run that has done nothing, but for a checkpoint."""
    policy, checkpoint = archive.split(np.zeros((), archive.checkpoint_type(config, 0, full=True)))
    checkpoint["env_steps_to_solve"] = np.full(config.num_agents, -1)
    run_id, file = store.create(config, process="me", owner="https://id Eve"), io.BytesIO()
    store.commit(run_id, "me", Batch([], {}, {}, [Snapshot(0, policy, checkpoint)]))
    store.transition(run_id, ["starting"], state="stopped", process=None)
    exports.write_zip(store, store.run(run_id), file)
    return file.getvalue()


def peak(act) -> int:
    """Return how many bytes were taken at most, at a time, while something was done."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@on_both
def test_an_import_is_refused_before_anything_is_unpacked(store, monkeypatch):
    large = Config(num_agents=16, hidden_layers=(252, 252), baseline="value")
    size = archive.checkpoint_type(large, 0, full=True).itemsize  # 29 MB of zeros
    packed = zipped(store, large)
    assert len(packed) < size / 500
    acts(ANN)
    lab.import_run(io.BytesIO(zipped(store, CONFIG)))  # whose imports have been used before

    def refused(words: str) -> None:
        with pytest.raises(lab.NotAllowed, match=words):
            lab.import_run(io.BytesIO(packed))

    with monkeypatch.context() as less:
        less.setenv("PG_LAB_MAX_STORED_GB", str(size / 1e9))
        words = r"take 1\.3e-05 GB of disk, this one would take 0\.029 GB, and the limit is 0\.029 GB: delete some"
        assert peak(lambda: refused(words)) < size / 50
    with monkeypatch.context() as less:
        copies, free = {"sqlite": (3, "0.088"), "postgresql": (6, "0.18")}[store.engine.dialect.name]
        less.setattr("pg_core.learning.memory.free", lambda: copies * size)
        words = f"{free} GB of memory are free, too little for this run: try again later"
        assert peak(lambda: refused(words)) < size / 50
    assert peak(lambda: lab.import_run(io.BytesIO(packed))) < 2.5 * size  # as it comes, and as it is stored
    assert len(lab.runs()) == 4


@on_both
def test_imports_are_one_at_a_time(store):
    reads: list[int] = []

    class File(io.BytesIO):
        def read(self, *size: int) -> bytes:
            reads.append(threading.get_ident())
            return super().read(*size)

    packed = zipped(store, CONFIG)
    with ThreadPoolExecutor(8) as threads:
        assert len({*threads.map(lambda _: lab.import_run(File(packed)), range(16))}) == 16
    turns = [one for one, _ in itertools.groupby(reads)]
    assert len(turns) <= 16


@on_both
def test_others_write_while_a_run_comes_in(store, folder, database):
    other = Store(folder, database, lock_seconds=0.05)
    started: list[str] = []

    class File(io.BytesIO):
        def read(self, *size: int) -> bytes:
            started.append(other.create(CONFIG))
            return super().read(*size)

    run_id = lab.import_run(File(zipped(store, CONFIG)))
    assert {run_id, *started} < {run.id for run in lab.runs()} and len(started) > 10
    other.close()


@on_both
def test_deleting_is_no_way_around_the_limit(store, monkeypatch):
    acts(ANN)
    packed = zipped(store, CONFIG)
    first = lab.import_run(io.BytesIO(packed))
    _, size = quotas.usage(store, ANN.id)
    monkeypatch.setenv("PG_LAB_MAX_STORED_GB", str(2.5 * size / 1e9))
    for _ in range(4):
        lab.delete(lab.import_run(io.BytesIO(packed)))
        assert quotas.usage(store, ANN.id)[1] <= 2.5 * size
    assert store.has(first) and len(store.runs(deleted=True)) == 3  # with the one that was exported
    lab.import_run(io.BytesIO(packed))
    with pytest.raises(lab.NotAllowed, match="this one would take"):
        lab.import_run(io.BytesIO(packed))


def test_nobody_waits_while_room_is_made_for_another(store, monkeypatch):
    acts(ANN)
    lab.delete(ended(store, lab.start(CONFIG)))
    monkeypatch.setenv("PG_LAB_MAX_STORED_GB", "1e-9")  # a byte
    removing, started, remove = threading.Event(), threading.Event(), library.remove

    def remove_at_last(*run):
        removing.set()
        assert started.wait(10), "Bob waits for Ann's room"
        return remove(*run)

    monkeypatch.setattr(library, "remove", remove_at_last)
    with ThreadPoolExecutor(1) as elsewhere:
        anns = elsewhere.submit(lab.start, CONFIG)
        assert removing.wait(10)
        acts(BOB)
        bobs = lab.start(CONFIG)
        started.set()
        assert {anns.result(): ANN.id, bobs: BOB.id} == {run.id: run.owner for run in lab.runs()}


def test_of_many_who_start_at_once_one_gets_the_last_place(monkeypatch):
    def is_started(_) -> bool:
        try:
            return bool(lab.start(CONFIG))
        except lab.NotAllowed:
            return False

    monkeypatch.setenv("PG_LAB_MAX_ACTIVE", "1")
    acts(ANN)
    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(is_started, range(8))) == len(lab.runs()) == 1


def test_no_run_starts_on_a_disk_that_is_nearly_full(monkeypatch):
    acts(COMMAND_LINE)
    monkeypatch.setenv("PG_LAB_MIN_FREE_GB", "1e9")
    monkeypatch.setattr("pg_core.lab.limits.MIN_FREE_SHARE", 1.0)
    with pytest.raises(lab.NotAllowed, match=r"The lab's disk has only .* GB left, too little to start a run"):
        lab.start(CONFIG)
    assert lab.runs() == []


@pytest.mark.parametrize("text", ["many", "-1", "nan"])
def test_a_limit_that_is_no_number_is_named(monkeypatch, text):
    lab.check_limits()
    monkeypatch.setenv("PG_LAB_MAX_QUEUE", text)
    with pytest.raises(ConfigError, match=f"`PG_LAB_MAX_QUEUE` must be a number of at least 0, got '{text}'"):
        lab.check_limits()


def test_an_incident_is_told_in_the_log_alone(tmp_path):
    number = lab.incident(RuntimeError("the password is 1234"))
    log = tmp_path / "errors.log"
    assert f"incident {number}" in log.read_text() and "1234" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600
