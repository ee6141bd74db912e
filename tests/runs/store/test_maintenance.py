import contextlib
import pickle
import sqlite3
import threading
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa

from pg_core.runs.store import maintenance, privacy
from pg_core.runs.store.maintenance import RESTORED, backup, problems, restore
from pg_core.runs.store.records import Snapshot
from pg_core.runs.store.schema import ARRAYS, CHECKPOINTS, StoreError, lab_file, open_engine, write
from pg_core.runs.store.store import Store
from tests.postgresql import empty_database, only_sqlite


@pytest.fixture
def run_id(store, small, make_update, keep):
    """A run of 100 updates, with a checkpoint after the last."""
    run_id = store.create(small, process="me")
    snapshot = Snapshot(100, {"kernel_0": np.ones((2, 4, 2))}, {"update": np.int64(100), "m": np.ones(300)})
    keep(store, run_id, [make_update(index) for index in range(100)], summary={"updates": 100}, snapshots=[snapshot])
    return run_id


def edit(store, statement):
    with write(store.engine) as connection:
        assert connection.exec_driver_sql(statement).rowcount


def damage(store):
    """Overwrite the first page of the table of updates."""
    with write(store.engine) as connection:
        page = connection.exec_driver_sql("SELECT rootpage FROM sqlite_master WHERE name = 'updates'").scalar()
    store.close()
    with (store.folder / "lab.db").open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)


def test_a_sound_store_has_no_problem(store, run_id, small):
    store.create(small)
    assert list(problems(store.engine.url)) == []


@pytest.mark.parametrize("update", [0, 50, 99])
def test_a_missing_update_is_found(store, run_id, update):
    edit(store, f'DELETE FROM updates WHERE "update" = {update}')
    assert list(problems(store.engine.url)) == [f"Run {run_id} lacks update {update} of its 100."]


def test_an_update_too_many_is_found(store, run_id):
    edit(store, "UPDATE runs SET updates = 99")
    assert list(problems(store.engine.url)) == [f"Run {run_id} has an update 99 beyond its 99."]


SPOILT = {
    "truncated": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "pickle": lambda data: pickle.dumps(["never loaded"]),
    "changed": lambda data: data.replace(np.ones(1).tobytes(), np.zeros(1).tobytes(), 1),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_checkpoint_that_cannot_be_read_is_found(store, run_id, spoil):
    with write(store.engine) as connection:
        data = connection.scalar(sa.select(CHECKPOINTS.c.checkpoint))
        connection.execute(CHECKPOINTS.update().values(checkpoint=spoil(data)))
    [problem] = problems(store.engine.url)
    assert problem.startswith(f"The newest checkpoint of run {run_id} cannot be read: ") and "\n" not in problem


def test_each_problem_of_each_run_is_found(store, run_id, small, make_update, keep):
    other = store.create(small, process="me")
    keep(store, other, [make_update(1)], summary={"updates": 2})
    with write(store.engine) as connection:
        connection.execute(CHECKPOINTS.update().values(checkpoint=b"no archive"))
    edit(store, "UPDATE runs SET updates = 101 WHERE updates = 100")
    assert [other in problem for problem in problems(store.engine.url)] == [False, False, True]


@only_sqlite
def test_rows_of_a_run_that_is_gone_are_found(store, run_id):
    store.request(run_id, {"gamma": 0.5})
    store.close()
    with sqlite3.connect(store.folder / "lab.db") as connection:  # does not hold foreign keys
        connection.execute("DELETE FROM runs")
        connection.execute('DELETE FROM updates WHERE "update" > 0')
    connection.close()
    found = list(problems(store.engine.url))
    assert len(found) == 3 and "Row 1 of table changes belongs to no row of runs." in found


@only_sqlite
def test_a_damaged_database_is_found(store, run_id):
    damage(store)
    found = list(problems(store.engine.url))
    assert found[0].startswith("The database is damaged: ")
    assert all("\n" not in problem for problem in found)


@only_sqlite
def test_what_is_no_database_or_of_another_version_is_found(store, tmp_path):
    edit(store, "UPDATE schema_version SET version = 99")
    assert ["has version 99" in problem for problem in problems(store.engine.url)] == [True]
    store.close()
    (tmp_path / "lab.db").write_bytes(b"no database " * 100)
    assert ["file is not a database" in problem for problem in problems(lab_file(tmp_path))] == [True]


def test_no_store_is_neither_sound_nor_made(tmp_path):
    with pytest.raises(StoreError, match=r"There is no store in .*: set PG_LAB_DATA"):
        list(problems(lab_file(tmp_path)))
    with pytest.raises(StoreError, match="There is no store in"):
        backup(lab_file(tmp_path), tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_no_store_in_postgresql_is_neither_sound_nor_made(database, tmp_path):
    for look in (lambda: list(problems(database)), lambda: backup(database, tmp_path / "copy.db")):
        with pytest.raises(StoreError, match="There is no store in the database of PG_LAB_DATABASE_URL"):
            look()
    engine = open_engine(database)
    assert sa.inspect(engine).get_table_names() == [] and not (tmp_path / "copy.db").exists()
    engine.dispose()


def test_a_backup_is_a_store_with_all_runs(store, run_id, tmp_path):
    (tmp_path / "copy").mkdir()
    backup(store.engine.url, tmp_path / "copy" / "lab.db")
    assert (tmp_path / "copy" / "lab.db").stat().st_mode & 0o777 == 0o600
    assert list(problems(lab_file(tmp_path / "copy"))) == []
    copy = Store(tmp_path / "copy")
    assert copy.run(run_id) == store.run(run_id)
    assert copy.updates(run_id, ["entropy"], 0, 100) == store.updates(run_id, ["entropy"], 0, 100)
    copy.close()


def test_an_existing_file_is_refused_and_left_alone(store, run_id, tmp_path):
    path = tmp_path / "precious"
    path.write_text("mine")
    with pytest.raises(ValueError, match=r"`path` must be a new file, got '.*precious', which exists"):
        backup(store.engine.url, path)
    assert path.read_text() == "mine"


@only_sqlite
def test_a_file_by_a_name_that_means_something_to_sqlite_is_a_file(store, run_id, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    backup(store.engine.url, type(tmp_path)(":memory:"))
    assert (tmp_path / ":memory:").stat().st_size == (store.folder / "lab.db").stat().st_size


@only_sqlite
@pytest.mark.parametrize("content", [None, b"no database " * 100], ids=["damaged", "no database"])
def test_a_damaged_store_gives_no_backup(store, run_id, tmp_path, content):
    damage(store)
    if content:
        (store.folder / "lab.db").write_bytes(content)
    with pytest.raises(StoreError, match=r"The store .*lab.db (is damaged|cannot be copied \(file is not a data)"):
        backup(store.engine.url, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_a_store_is_copied_and_checked_while_a_writer_commits(store, small, make_update, keep, tmp_path, wait):
    run_id, done, errors = store.create(small, process="me"), threading.Event(), []

    def write_on():
        index = 0
        try:
            while not done.is_set():
                keep(store, run_id, [make_update(index)], summary={"updates": index + 1})
                index += 1
                done.wait(0.005)  # or it would let no one else in
        except StoreError as error:
            errors.append(error)

    writer = threading.Thread(target=write_on)
    writer.start()
    copies = []
    for number in range(3):
        before = store.run(run_id).updates
        wait(lambda before=before: errors or store.run(run_id).updates > before)
        copies.append(tmp_path / str(number))
        copies[-1].mkdir()
        backup(store.engine.url, copies[-1] / "lab.db")
        assert list(problems(store.engine.url)) == []
    done.set()
    writer.join()
    assert errors == []
    counts = []
    for folder in copies:
        assert list(problems(lab_file(folder))) == []
        copy = Store(folder)
        counts.append(copy.run(run_id).updates)
        copy.close()
    assert counts == sorted(set(counts)) and counts[0] > 0 and counts[-1] <= store.run(run_id).updates


@pytest.fixture
def backed_up(store, run_id, small, make_update, keep, tmp_path):
    """A backup, with a run that is being trained and one that was changed before and after."""
    for changes in ({"gamma": 0.5}, {"gamma": 0.75}):
        store.request(run_id, changes)
    store.request(store.create(small), {"learning_rate": 0.5})
    store.request(run_id, {"gamma": 0.25})
    backup(store.engine.url, tmp_path / "backup.db")
    return tmp_path / "backup.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def other(request, tmp_path):
    """Another store, which is empty."""
    folder = tmp_path / "other"
    store = Store(folder, empty_database(request, folder))
    yield store
    store.close()


def test_a_backup_is_restored_into_either_database(store, run_id, backed_up, other):
    before = backed_up.read_bytes()
    restore(other.engine, backed_up)
    assert backed_up.read_bytes() == before and list(problems(other.engine.url)) == []
    assert {run.id for run in other.runs()} == {run.id for run in store.runs()}
    run = other.run(run_id)
    assert (run.state, run.reason) == ("interrupted", RESTORED)  # whoever trained it trains the original
    assert replace(run, state="starting", reason="") == store.run(run_id)
    assert other.updates(run_id, list(ARRAYS), 0, 200) == store.updates(run_id, list(ARRAYS), 0, 200)
    assert [request.values["gamma"] for request in other.requests(run_id)] == [0.5, 0.75, 0.25]
    checkpoint = other.checkpoint(run_id)
    assert checkpoint.keys() == {"update", "m"} and checkpoint["m"].tobytes() == np.ones(300).tobytes()
    other.request(run_id, {"gamma": 0.125})  # numbers go on where they were
    assert other.run(run_id).current.gamma == 0.125


@only_sqlite  # where a backup comes from makes no difference to these
def test_a_store_with_runs_takes_no_backup_and_stays_as_it_is(backed_up, other, small):
    run_id = other.create(small)
    with pytest.raises(ValueError, match="into a store without runs only; this one has 1"):
        restore(other.engine, backed_up)
    assert [run.id for run in other.runs()] == [run_id]


@only_sqlite
@pytest.mark.parametrize("content", [None, b"", "other"], ids=["nothing", "empty", "another program's"])
def test_what_is_no_backup_is_refused(store, tmp_path, content):
    path = tmp_path / "file"
    if content == "other":
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE mine (number)")
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"`path` must be a backup of a store, got '.*file', which is none"):
        restore(store.engine, path)
    assert path.exists() == (content is not None)


@only_sqlite
@pytest.mark.parametrize("spoil", ["text", "truncated", "newer"])
def test_a_backup_that_cannot_be_read_restores_nothing(backed_up, other, spoil):
    if spoil == "newer":
        with contextlib.closing(sqlite3.connect(backed_up)) as connection:
            connection.execute("UPDATE schema_version SET version = 99")
            connection.commit()
    else:
        data = backed_up.read_bytes()
        backed_up.write_bytes(b"no database" * 100 if spoil == "text" else data[: len(data) // 2])
    with pytest.raises(StoreError, match=r"cannot be copied|is damaged|has version 99"):
        restore(other.engine, backed_up)
    assert other.runs() == []


def test_large_rows_are_copied_a_few_at_a_time(store, run_id, other, tmp_path, monkeypatch):
    monkeypatch.setattr(maintenance, "CHUNK", 3)
    backup(store.engine.url, tmp_path / "backup.db")
    inserted, execute = [], sa.Connection.execute

    def watched(self, statement, parameters=None, **options):
        inserted.append(len(parameters) if isinstance(parameters, list) else 0)
        return execute(self, statement, parameters, **options)

    monkeypatch.setattr(sa.Connection, "execute", watched)
    restore(other.engine, tmp_path / "backup.db")
    assert max(inserted) == 3 and sum(inserted) == 1 + 100 + 1  # a run, its updates, a checkpoint


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT r.* FROM r, n"


@only_sqlite
@pytest.mark.parametrize(
    ("hostile", "name"),
    [
        (f"ALTER TABLE runs RENAME TO r; CREATE VIEW runs AS {ENDLESS}", "runs"),
        ("CREATE TRIGGER mine BEFORE UPDATE ON runs BEGIN SELECT 1; END", "mine"),
        ("CREATE VIRTUAL TABLE mine USING rtree(i, a, b)", "mine"),
        ("ALTER TABLE updates ADD COLUMN mine AS (zeroblob(900000000))", "updates"),
    ],
    ids=["a view without end", "a trigger", "a virtual table", "a generated column"],
)
def test_a_backup_that_computes_what_it_holds_is_refused(backed_up, other, hostile, name):
    with contextlib.closing(sqlite3.connect(backed_up)) as connection:
        connection.executescript(hostile)
    with pytest.raises(ValueError, match=f"`path` must be a backup of a store, .* computes '{name}'"):
        restore(other.engine, backed_up)
    assert other.runs() == []


@only_sqlite
@pytest.mark.parametrize(
    "config", ["[" * 200_000, "[1]", "5", "{}", b"\xff"], ids=["deep", "list", "5", "empty", "bytes"]
)
def test_a_run_that_no_lab_can_open_is_restored_all_the_same(backed_up, other, run_id, config):
    with contextlib.closing(sqlite3.connect(backed_up)) as connection:
        connection.execute("UPDATE runs SET config = ? WHERE id != ?", (config, run_id))
        connection.commit()
    restore(other.engine, backed_up)
    assert [run.id for run in other.runs()] == [run_id] and len(other.unreadable()) == 1


def test_what_a_link_in_the_labs_folder_leads_to_keeps_its_mode(tmp_path):
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "lab"
    elsewhere.mkdir(0o755)
    folder.mkdir(0o755)
    (folder / "programs").symlink_to(elsewhere)
    privacy.make_folder(folder)
    assert (folder.stat().st_mode & 0o777, elsewhere.stat().st_mode & 0o777) == (0o700, 0o755)
