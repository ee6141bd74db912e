"""Sweeps in the store: runs that belong together, kept, copied and forgotten with them."""

import numpy as np
import pytest
import sqlalchemy as sa

from pg_core.runs.store import library, maintenance, quotas, sweeps
from pg_core.runs.store.records import Snapshot, SweepRow
from pg_core.runs.store.schema import write
from pg_core.runs.store.store import Store
from pg_core.runs.store.sweeps import NewRun, UnknownSweep
from tests.runs.store.conftest import forget_leases


def forget_sweeps(connection: sa.Connection) -> None:
    """Have a store know of sweeps as little as one of version 9 did."""
    connection.exec_driver_sql("DROP TABLE sweeps")
    connection.exec_driver_sql("DROP INDEX ix_runs_sweep_id")
    for column in ("sweep_id", "setting"):
        connection.exec_driver_sql(f"ALTER TABLE runs DROP COLUMN {column}")


def row(sweep_id: str = "a" * 32, **values) -> SweepRow:
    return SweepRow(
        **{"id": sweep_id, "name": "first", "created_at": None, "declaration": "{}", "session": "me"} | values
    )


@pytest.fixture
def runs(small) -> list[NewRun]:
    return [NewRun(number, f"run {number}", small.changed(gamma=gamma)) for number, gamma in enumerate((0.5, 0.9))]


def test_a_sweep_is_added_once_with_all_its_runs(store, runs, small):
    alone = store.create(small)
    assert sweeps.add(store, row(), runs) and not sweeps.add(store, row(name="second"), runs)
    found = store.runs(sweep_id="a" * 32)
    assert sorted((run.setting, run.name, run.config.gamma) for run in found) == [(0, "run 0", 0.5), (1, "run 1", 0.9)]
    assert (store.run(alone).sweep_id, store.run(alone).setting) == (None, None)
    assert [run.name for run in map(store.run, store.queue())] == [store.run(alone).name, "run 0", "run 1"]
    [kept] = sweeps.sweeps(store)
    assert (kept.name, kept.declaration, kept.target, kept.session) == ("first", "{}", "run", "me")
    assert kept == sweeps.sweep(store, "a" * 32) and sweeps.has(store, "a" * 32)
    assert quotas.usage(store, "me")[0] == 2  # each run counts
    for unknown in ("b" * 32, "\0"):
        with pytest.raises(UnknownSweep, match="No sweep has the id"):
            sweeps.sweep(store, unknown)


def test_of_two_that_extend_a_sweep_one_does(store, runs):
    sweeps.add(store, row(), runs)
    before = sweeps.settings_of(store, "a" * 32)
    assert before == [0, 1]
    more = [NewRun(2, "run 2", runs[0].config)]
    assert sweeps.extend(store, row(declaration="more", target="stop"), before, more)
    assert not sweeps.extend(store, row(declaration="other"), before, more)
    assert sweeps.settings_of(store, "a" * 32) == [0, 1, 2]
    assert (sweeps.sweep(store, "a" * 32).declaration, sweeps.sweep(store, "a" * 32).target) == ("more", "stop")
    assert sweeps.searching(store) == []
    sweeps.aim(store, "a" * 32, "run")
    assert [found.id for found in sweeps.searching(store)] == ["a" * 32]


def test_the_stamp_of_a_sweep_changes_with_its_runs_and_its_declaration(store, runs):
    sweeps.add(store, row(), runs)
    stamps = [sweeps.stamp(store, "a" * 32)]
    assert sweeps.stamp(store, "a" * 32) == stamps[0]
    store.transition(store.runs(sweep_id="a" * 32)[0].id, ["queued"], state="stopped")
    stamps.append(sweeps.stamp(store, "a" * 32))
    sweeps.aim(store, "a" * 32, "stop")
    stamps.append(sweeps.stamp(store, "a" * 32))
    sweeps.extend(store, row(declaration="more"), [0, 1], [NewRun(2, "run 2", runs[0].config)])
    stamps.append(sweeps.stamp(store, "a" * 32))
    assert len(set(stamps)) == 4
    for unknown in ("b" * 32, "\0"):
        with pytest.raises(UnknownSweep, match="No sweep has the id"):
            sweeps.stamp(store, unknown)


def test_fellows_wait_in_the_queue_for_the_same_sweep(store, runs, small):
    sweeps.add(store, row(), runs)
    alone = store.create(small)
    sweeps.add(store, row("b" * 32), runs)
    queue = store.queue()
    names = {run.id: (run.sweep_id or "alone")[0] + str(run.setting) for run in store.runs()}
    first = next(run_id for run_id in queue if names[run_id] == "a1")
    assert [names[run.id] for run in sweeps.fellows(store, first, queue)] == ["a1", "a0"]
    assert [names[run.id] for run in sweeps.fellows(store, first, [first])] == ["a1"]
    assert [run.id for run in sweeps.fellows(store, alone, queue)] == [alone]


def test_a_fork_leaves_its_sweep(store, runs, keep, make_update):
    sweeps.add(store, row(), runs, process="me")
    run = store.runs(sweep_id="a" * 32)[0]
    keep(
        store,
        run.id,
        [make_update(0)],
        snapshots=[Snapshot(1, {"kernel_0": np.ones(3)}, {"update": np.int64(1)})],
        summary={"updates": 1},
    )
    child = store.run(library.fork(store, run.id))
    assert (child.sweep_id, child.setting, child.parent_id) == (None, None, run.id)


def test_a_sweep_goes_when_its_last_run_is_forgotten(store, runs, monkeypatch):
    monkeypatch.setattr(library, "KEPT_SECONDS", -1.0)
    sweeps.add(store, row(), runs)
    first, second = (run.id for run in store.runs(sweep_id="a" * 32))
    for run_id in (first, second):
        store.transition(run_id, ["queued"], state="stopped")
    library.delete(store, [first])
    library.purge(store)
    assert [found.id for found in sweeps.sweeps(store)] == ["a" * 32]
    library.delete(store, [second])
    assert sweeps.sweeps(store) == [] and sweeps.has(store, "a" * 32)  # its run can be restored
    library.purge(store)
    assert not sweeps.has(store, "a" * 32)


def test_a_backup_has_sweeps(store, runs, tmp_path):
    sweeps.add(store, row(), runs)
    (tmp_path / "copy").mkdir()
    maintenance.backup(store.engine.url, tmp_path / "copy" / "lab.db")
    copy = Store(tmp_path / "copy")
    assert sweeps.sweeps(copy) == sweeps.sweeps(store)
    assert sweeps.settings_of(copy, "a" * 32) == [0, 1]
    (tmp_path / "third").mkdir()
    third = Store(tmp_path / "third")
    maintenance.restore(third.engine, tmp_path / "copy" / "lab.db")
    assert sweeps.sweeps(third) == sweeps.sweeps(store) and sweeps.settings_of(third, "a" * 32) == [0, 1]
    copy.close()
    third.close()


def test_runs_of_a_store_of_version_9_are_of_no_sweep(store, small, runs):
    run_id = store.create(small)
    with write(store.engine) as connection:
        forget_sweeps(connection)
        forget_leases(connection)
        connection.exec_driver_sql("UPDATE schema_version SET version = 9")
    again = Store(store.folder, store.engine.url)
    assert (again.run(run_id).sweep_id, again.run(run_id).setting) == (None, None)
    assert sweeps.add(again, row(), runs) and len(again.runs(sweep_id="a" * 32)) == 2
    with write(again.engine) as connection:
        connection.exec_driver_sql("DROP INDEX ix_runs_sweep_id")  # which is there
    again.close()
