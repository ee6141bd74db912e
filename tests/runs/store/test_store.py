import contextlib
import gc
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import sqlalchemy as sa

from pg_core.config import Config, ConfigError
from pg_core.runs.paths import ROOT
from pg_core.runs.store import history as module
from pg_core.runs.store import rows
from pg_core.runs.store.processes import is_alive, process_name
from pg_core.runs.store.records import ARITHMETIC, LostRun, Snapshot, UnknownRun
from pg_core.runs.store.rows import to_bytes
from pg_core.runs.store.schema import (
    ARRAYS,
    CHECKPOINTS,
    MEASURED_LATER,
    RUNS,
    SCHEMA_VERSION,
    StoreError,
    open_engine,
    read,
    write,
)  # fmt: skip
from pg_core.runs.store.store import Store
from tests.postgresql import only_sqlite
from tests.runs.store.conftest import forget_leases
from tests.runs.store.test_sweeps import forget_sweeps


def snapshot(update, value=0.0):
    return Snapshot(update, {"kernel_0": np.full((2, 4, 2), value)}, {"update": np.int64(update), "m": np.ones(3)})


def bare(update, value=0.0):
    return replace(snapshot(update, value), checkpoint=None)


def test_run_is_read_as_it_was_created(store, small):
    run = store.run(store.create(small, "  first  "))
    assert (run.config, run.current, run.name, run.state, run.active) == (small, small, "first", "queued", True)
    assert (run.updates, run.mean_return, run.env_steps_to_solve) == (0, None, (None, None))
    assert run.reward_threshold == 475.0
    assert run.created_at.utcoffset().total_seconds() == 0


def test_runs_are_listed_newest_first_and_have_names_of_their_own(store, small):
    ids = [store.create(small) for _ in range(3)]
    assert [run.id for run in store.runs()] == ids[::-1]
    assert all(run.name.count("-") == 2 for run in store.runs())


def test_a_config_that_cannot_be_read_hides_only_its_own_run(store, small):
    good, bad = store.create(small), store.create(small)
    assert store.transition(bad, ["queued"], config='{"env_id": "Gone-v0"}')
    assert [run.id for run in store.runs()] == [good]
    with pytest.raises(ConfigError, match="Gone-v0"):
        store.run(bad)


@pytest.mark.parametrize("name", ["", "   ", "x" * 81])
def test_name_out_of_bounds_is_refused(store, small, name):
    with pytest.raises(ConfigError, match="`name` must have 1 to 80 characters, got"):
        store.create(small, name)


@pytest.mark.parametrize("run_id", ["", "x" * 500, "' OR 1=1 --", "../lab", "\0", "\ud800", "ü"])
def test_unknown_run_is_refused_in_a_sentence(store, run_id):
    with pytest.raises(UnknownRun):
        store.request(run_id, {})
    with pytest.raises(UnknownRun) as raised:
        store.run(run_id)
    assert str(raised.value).startswith("No run has the id") and len(str(raised.value)) < 150


def test_listing_runs_reads_each_config_and_its_changes_once(store, small):
    for number in range(5):
        run_id = store.create(small, f"run {number}")
        for gamma in (0.5, 0.25):
            store.request(run_id, {"gamma": gamma})
    assert [run.current.gamma for run in store.runs()] == [0.25] * 5
    validated = rows._configs.cache_info().misses
    store.runs()
    assert rows._configs.cache_info().misses == validated


def test_only_one_of_many_claims_a_run(tmp_path, database, small):
    stores = [Store(tmp_path, database) for _ in range(8)]
    run_id = stores[0].create(small)
    claims = together(8, lambda index: stores[index].transition(run_id, ["queued"], state="starting", process="me"))
    assert sorted(claims) == [False] * 7 + [True]


def test_transition_by_another_process_is_refused(store, small):
    run_id = store.create(small, process="me")
    assert not store.transition(run_id, ["starting"], "you", state="running")
    assert store.transition(run_id, ["starting"], "me", state="running")
    assert store.worked_on() == [(run_id, "running", "me")]


def test_queue_is_first_come_first_served_and_a_resumed_run_queues_again(store, small):
    first, second = store.create(small), store.create(small)
    assert store.queue() == [first, second]
    store.transition(first, ["queued"], state="stopped", reason="why")
    assert store.enqueue(first, "run")
    assert not store.enqueue(first, "run")
    assert store.queue() == [second, first]
    assert store.run(first).reason == ""


def test_requested_values_are_current_at_once_and_reach_the_worker_in_order(store, small):
    run_id = store.create(small)
    store.request(run_id, {"learning_rate": 0.1, "gamma": small.gamma})
    store.request(run_id, {"learning_rate": 0.2, "baseline": "none"})
    store.request(run_id, {"learning_rate": 0.2})
    assert store.run(run_id).current == small.changed(learning_rate=0.2, baseline="none")
    assert store.run(run_id).config == small
    requests = store.orders(run_id, after=0).requests
    assert [request.values for request in requests] == [
        {"learning_rate": 0.1},
        {"learning_rate": 0.2, "baseline": "none"},
    ]
    assert store.orders(run_id, after=requests[0].id).requests == requests[1:]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rate": 7}, "`learning_rate` must be in"),
        ({"num_agents": 3}, "`num_agents` is fixed"),
        ({"learning_rat": 0.1}, "did you mean"),
        ({"gamma": float("nan")}, "`gamma` must be"),
    ],
)
def test_values_that_cannot_be_in_force_are_refused_and_not_kept(store, small, values, message):
    run_id = store.create(small)
    with pytest.raises(ConfigError, match=message):
        store.request(run_id, values)
    assert store.requests(run_id) == []


def test_a_run_that_has_ended_cannot_be_changed(store, small):
    run_id = store.create(small)
    store.transition(run_id, ["queued"], state="finished")
    with pytest.raises(ConfigError, match="A run that has finished cannot be changed; start a new run"):
        store.request(run_id, {"learning_rate": 0.1})


def test_arrays_of_an_update_survive_bit_for_bit(store, small, make_update, keep):
    run_id = store.create(small, process="me")
    updates = [make_update(index) for index in range(3)]
    keep(store, run_id, updates)
    rows = store.updates(run_id, list(ARRAYS), first=1, limit=5)
    assert [(row.update, row.seconds) for row in rows] == [(1, 2.0), (2, 3.0)]
    for row, update in zip(rows, updates[1:], strict=True):
        assert all(getattr(row, name) == getattr(update, name).tobytes() for name in ARRAYS)
    assert len(store.updates(run_id, [], first=0, limit=2)) == 2


def test_single_updates_are_found_however_many(store, small, make_update, keep, monkeypatch):
    monkeypatch.setattr("pg_core.runs.store.history.MAX_ASKED", 2)
    run_id = store.create(small, process="me")
    keep(store, run_id, [make_update(index) for index in range(6)])
    assert [row.update for row in store.updates_at(run_id, ["entropy"], [0, 2, 3, 5, 9])] == [0, 2, 3, 5]
    assert store.updates_at(run_id, [], []) == []


def test_commit_of_a_process_that_lost_its_run_leaves_nothing(store, small, make_update, keep):
    run_id = store.create(small, process="me")
    with pytest.raises(LostRun):
        keep(store, run_id, [make_update(0)], process="you", snapshots=[snapshot(1)])
    assert store.updates(run_id, [], 0, 9) == [] and store.policies(run_id) == []


def test_commit_marks_requests(store, small, make_update, keep):
    run_id = store.create(small, process="me")
    store.request(run_id, {"learning_rate": 0.1})
    request = store.requests(run_id)[0]
    keep(store, run_id, [make_update(0)], in_force={request.id: 0})
    assert store.requests(run_id)[0].update == 0


def test_config_after_counts_the_changes_that_were_in_force_by_then(store, small, keep):
    run_id = store.create(small, process="me")
    store.request(run_id, {"learning_rate": 0.1})
    store.request(run_id, {"learning_rate": 0.2})
    first, second = store.requests(run_id)
    keep(store, run_id, [], in_force={first.id: 3, second.id: 7})
    rates = [store.config_after(run_id, update).learning_rate for update in (0, 3, 4, 7, 8)]
    assert rates == [small.learning_rate, small.learning_rate, 0.1, 0.1, 0.2]


def test_a_stamp_is_another_whenever_something_shown_is_another(store, small, make_update, keep):
    run_id = store.create(small, process="me")
    stamps = [store.stamp(run_id)]

    def now_another():
        stamps.append(store.stamp(run_id))
        return stamps[-1] == store.stamp(run_id) and stamps[-1] not in stamps[:-1]

    assert store.stamp(run_id) == stamps[0] and hash(stamps[0])
    for values in ({"state": "running"}, {"target": "pause"}, {"until": 3}, {"reason": "why"}, {"name": "other"}):
        assert store.transition(run_id, ["starting", "running"], **values) and now_another()
    store.request(run_id, {"gamma": 0.5})
    assert now_another()
    keep(store, run_id, [make_update(0)], in_force={store.requests(run_id)[0].id: 0})
    assert now_another()
    store.rewind(run_id, "me", 0)
    assert now_another()
    store.gone = {"me": "The disk is full."}
    assert now_another()
    for unknown in ("nobody", chr(0)):
        with pytest.raises(UnknownRun):
            store.stamp(unknown)


def test_rewind_drops_what_was_trained_later(store, small, make_update, keep):
    run_id = store.create(small, process="me")
    keep(store, run_id, [make_update(index) for index in range(5)])
    with pytest.raises(LostRun, match=f"Process you no longer works on run {run_id}"):
        store.rewind(run_id, "you", 0)
    assert store.rewind(run_id, "me", 5) == 5.0
    assert store.run(run_id).rewinds == 0
    assert store.rewind(run_id, "me", 3) == 3.0
    assert [row.update for row in store.updates(run_id, [], 0, 9)] == [0, 1, 2]
    assert (store.run(run_id).rewinds, store.run(run_id).updates) == (1, 3)
    assert store.rewind(run_id, "me", 0) == 0.0


def test_every_checkpoint_and_every_policy_are_kept(store, small, keep):
    run_id = store.create(small, process="me")
    assert store.checkpoint(run_id) is None and store.policy(run_id) is None
    for update in (0, 10, 20):
        keep(store, run_id, [], snapshots=[snapshot(update, value=update)])
    assert store.checkpoint(run_id)["update"] == 20
    assert store.policy(run_id, 15)[0] == 10
    np.testing.assert_array_equal(store.policy(run_id)[1]["kernel_0"], np.full((2, 4, 2), 20.0))
    assert store.checkpoints(run_id) == store.policies(run_id) == [0, 10, 20]


def test_checkpoints_of_a_long_run_are_spread_evenly_and_those_at_changes_go_last(store, small, keep, monkeypatch):
    monkeypatch.setattr(module, "MAX_CHECKPOINTS", 16)
    monkeypatch.setattr(module, "MAX_POLICIES", 8)
    run_id = store.create(small, process="me")
    store.request(run_id, {"gamma": 0.5})
    [request] = store.requests(run_id)
    for update in range(64):
        keep(store, run_id, [], in_force={request.id: 11}, snapshots=[snapshot(update)])
    kept = store.checkpoints(run_id)
    assert len(kept) == 16 and 11 in kept
    assert (kept[0], kept[-1]) == (0, 63)
    assert max(np.diff(kept)) <= 2 * 64 / 16
    # Of those that are none any more stay the policies after every eighth update: 64 updates in 8 policies.
    assert store.policies(run_id) == sorted({*kept, *range(0, 64, 8)})


def test_checkpoints_at_changes_go_if_there_are_no_others():
    assert module._surplus([0, 2, 3, 7, 9], changed=[3, 7], most=3) == [2, 7]  # 2 alone is at no change; 3–9 is least
    assert module._surplus([0, 1, 2], changed=[], most=3) == []


def test_every_policy_of_a_short_run_is_kept_and_every_nth_of_a_long_one(store, small, keep, monkeypatch):
    monkeypatch.setattr(module, "MAX_POLICIES", 8)
    run_id = store.create(small, process="me")
    keep(store, run_id, [], snapshots=[snapshot(0)])
    for update in range(1, 40):
        keep(store, run_id, [], snapshots=[bare(update, value=update)])
        stride = next(s for s in (1, 2, 4, 8) if update // s + 1 <= 8)
        assert module.policy_stride(update, 1) == stride
        assert store.policies(run_id) == sorted({*range(0, update + 1, stride), update})
    assert store.checkpoints(run_id) == [0]
    assert store.policies(run_id) == [0, 8, 16, 24, 32, 39] and store.keeps(run_id, 8) and not store.keeps(run_id, 9)
    np.testing.assert_array_equal(store.policy(run_id, 24)[1]["kernel_0"], np.full((2, 4, 2), 24.0))


def test_large_policies_are_fewer(monkeypatch):
    monkeypatch.setattr(module, "MAX_KEPT_BYTES", 1800)
    # Of 300 bytes 6 fit, 3 of them the newest of three commits: 0, 1, 2; then 0, 2, 4; then 0, 4, 8.
    assert module.recent_policies(300) == 3
    assert [module.policy_stride(update, 300) for update in (2, 3, 5, 6, 11)] == [1, 2, 2, 4, 4]
    assert module.recent_policies(5000) == 2
    assert module.policy_stride(7, 5000) == 8, "the first one stays, beside the newest"


def test_the_newest_policies_of_the_last_commits_stay_whatever_the_stride(store, small, keep):
    run_id, commits = store.create(small, process="me"), list(range(2001, 4001, 50))
    keep(store, run_id, [], snapshots=[snapshot(0)])
    for number, update in enumerate(commits):
        strided = [bare(at) for at in range(update - update % 8 - 40, update, 8)]
        keep(
            store,
            run_id,
            [],
            snapshots=[*strided, bare(update)],
            recent=commits[max(0, number - module.RECENT) : number],
        )
        assert set(commits[max(0, number + 1 - module.RECENT) : number + 1]) <= set(store.policies(run_id))
    # The stride is 8: of the commits before stay those whose number it divides, and none of these is odd.
    assert [update for update in store.policies(run_id) if update % 8] == commits[-module.RECENT :]


def test_large_policies_of_the_last_commits_stay_as_far_as_bytes_allow(store, small, keep, monkeypatch):
    run_id, commits = store.create(small, process="me"), list(range(101, 901, 50))
    size = len(to_bytes(bare(0).policy))
    for budget, recent in ((8 * size, 4), (size, 2)):
        monkeypatch.setattr(module, "MAX_KEPT_BYTES", budget)
        for number, update in enumerate(commits):
            keep(store, run_id, [], snapshots=[bare(update)], recent=commits[:number])
        assert store.policies(run_id) == commits[-recent:]


def test_several_snapshots_of_one_commit_are_kept_and_replace_what_was_there(store, small, keep):
    run_id = store.create(small, process="me")
    keep(store, run_id, [], snapshots=[snapshot(0), bare(1), bare(2)])
    keep(store, run_id, [], snapshots=[snapshot(2, value=5.0), bare(3)])
    assert (store.policies(run_id), store.checkpoints(run_id)) == ([0, 1, 2, 3], [0, 2])
    assert store.policy(run_id, 2)[1]["kernel_0"][0, 0, 0] == 5.0
    store.rewind(run_id, "me", 1)
    assert store.policies(run_id) == [0, 1], "what was learned after it is learned again"


def test_pickled_objects_are_never_loaded(store, small, keep):
    run_id = store.create(small, process="me")
    keep(store, run_id, [], snapshots=[snapshot(0)])
    buffer = io.BytesIO()
    np.savez(buffer, kernel_0=np.array([object()], dtype=object))
    with write(store.engine) as connection:
        connection.execute(CHECKPOINTS.update().values(policy=buffer.getvalue(), checkpoint=buffer.getvalue()))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        store.policy(run_id)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        store.checkpoint(run_id)


def test_agents_are_ranked_by_their_last_mean_return(store, small, make_update, keep):
    run_id = store.create(small, process="me")
    assert store.ranking(run_id) == store.ranking(run_id, 0) == [0, 1]
    update = make_update(0)
    update.mean_return[:] = [3, 5]
    keep(store, run_id, [update])
    assert store.ranking(run_id) == [1, 0]


@only_sqlite
def test_connections_use_the_rollback_journal_and_hold_foreign_keys(store, small):
    with write(store.engine) as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 5000


@only_sqlite
def test_full_disk_is_reported_and_what_was_kept_stays(store, small, make_update, keep):
    run_id = store.create(small, process="me")
    keep(store, run_id, [make_update(0)])
    pages = os.path.getsize(store.folder / "lab.db") // 4096
    sa.event.listen(store.engine, "checkout", lambda raw, *_: raw.execute(f"PRAGMA max_page_count={pages}"))
    with pytest.raises(StoreError, match="the disk is full; free some space and resume the run"):
        keep(store, run_id, [make_update(index, agents=2000) for index in range(1, 9)])
    assert [row.update for row in store.updates(run_id, [], 0, 99)] == [0]
    assert store.run(run_id).state == "starting"


def test_folder_that_cannot_be_used_is_reported(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="set PG_LAB_DATA to another"):
        Store(tmp_path / "file")


def modes(folder):
    return {path.name: f"{path.stat().st_mode & 0o777:o}" for path in (folder, *folder.iterdir())}


def test_the_labs_folder_is_for_its_user_alone(tmp_path, small):
    store = Store(tmp_path / "lab")
    run_id = store.create(small)
    with write(store.engine) as connection:
        connection.execute(RUNS.update().where(RUNS.c.id == run_id).values(note="so that there is a journal"))
        assert modes(store.folder) == {"lab": "700", "lab.db": "600", "lab.db-journal": "600"}


def test_a_folder_that_is_the_labs_own_is_closed_and_no_other(tmp_path):
    for other in ([], ["thesis.txt"]):
        folder = tmp_path / f"lab{len(other)}"
        folder.mkdir(0o755)
        for name in ["lab.db", *other]:
            (folder / name).touch(0o644)
        Store(folder).close()
        wanted = ("755", "644") if other else ("700", "600")
        assert modes(folder) == {folder.name: wanted[0], **dict.fromkeys(["lab.db", *other], wanted[1])}
    Store(tmp_path / "lab1" / "new").close()
    assert modes(tmp_path / "lab1" / "new") == {"new": "700", "lab.db": "600"}


def test_file_that_is_no_database_is_reported(tmp_path):
    (tmp_path / "lab.db").write_bytes(b"no database " * 100)
    with pytest.raises(StoreError, match=r"The lab's store cannot be used \(file is not a database\)"):
        Store(tmp_path)


def test_store_of_another_version_is_refused(store):
    with write(store.engine) as connection:
        connection.exec_driver_sql("UPDATE schema_version SET version = 99")
    with pytest.raises(StoreError, match=f"has version 99, this lab reads version {SCHEMA_VERSION}"):
        Store(store.folder, store.engine.url)


# As the lab of version 1 made it.
VERSION_1 = """
CREATE TABLE schema_version (version INTEGER NOT NULL, PRIMARY KEY (version));
CREATE TABLE runs (
    id VARCHAR(32) NOT NULL, name VARCHAR(80) NOT NULL, created_at {double} NOT NULL, config TEXT NOT NULL,
    state VARCHAR(16) NOT NULL, reason TEXT NOT NULL, queued_at {double} NOT NULL, process VARCHAR(64),
    target VARCHAR(8) NOT NULL, steps INTEGER NOT NULL, rewinds INTEGER NOT NULL, updates INTEGER NOT NULL,
    episodes BIGINT NOT NULL, env_steps BIGINT NOT NULL, wall_seconds {double} NOT NULL,
    steps_per_second {double} NOT NULL, mean_return {double}, best_return {double}, env_steps_to_solve TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX ix_runs_state ON runs (state);
CREATE TABLE updates (
    run_id VARCHAR(32) NOT NULL, "update" INTEGER NOT NULL, seconds {double} NOT NULL,
    collect_seconds {double} NOT NULL, gradient_seconds {double} NOT NULL, {arrays}, PRIMARY KEY (run_id, "update"),
    FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE TABLE changes (
    id {number} NOT NULL, run_id VARCHAR(32) NOT NULL, "values" TEXT NOT NULL, requested_at {double} NOT NULL,
    "update" INTEGER, PRIMARY KEY (id), FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE INDEX ix_changes_run_id ON changes (run_id);
CREATE TABLE checkpoints (
    run_id VARCHAR(32) NOT NULL, "update" INTEGER NOT NULL, policy {bytes} NOT NULL, checkpoint {bytes},
    PRIMARY KEY (run_id, "update"), FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO schema_version VALUES (1);
"""


TYPES = {
    "sqlite": {"double": "DOUBLE", "bytes": "BLOB", "number": "INTEGER"},
    "postgresql": {"double": "DOUBLE PRECISION", "bytes": "BYTEA", "number": "SERIAL"},
}


@pytest.fixture
def old(database, small, make_update):
    """A database of version 1, with a run of two updates and a change, and one that cannot be read."""
    new = ("engine", "env_kwargs", "max_episode_steps", "normalize_observations", "reward_scale")
    config = {name: value for name, value in small.model_dump().items() if name not in new}
    engine = open_engine(database)
    types = TYPES[engine.dialect.name]
    measured = [name for name in ARRAYS if name not in MEASURED_LATER]
    script = VERSION_1.format(arrays=", ".join(f"{name} {types['bytes']} NOT NULL" for name in measured), **types)
    with write(engine) as connection:
        for statement in filter(str.strip, script.split(";")):
            connection.exec_driver_sql(statement)
        for run_id, text in (("good", json.dumps(config)), ("bad", '{"env_id": "Gone-v0"}')):
            row = {"id": run_id, "name": run_id, "created_at": 1.0, "config": text, "state": "interrupted"}
            row |= {"queued_at": 1.0, "updates": 2, "env_steps_to_solve": "[null, null]"}
            insert(connection, "runs", row | REST)
        for update in map(make_update, range(2)):
            row = {"run_id": "good", "update": update.index, "seconds": update.index + 1.0}
            row |= {"collect_seconds": 0.25, "gradient_seconds": 0.5}
            row |= {name: getattr(update, name).tobytes() for name in measured}
            insert(connection, "updates", row)
        row = {"run_id": "good", "values": '{"learning_rate": 0.5}', "requested_at": 1.0, "update": 1}
        insert(connection, "changes", row)
        policy = {name: np.ones(2) for name in ("kernel_0", "bias_0", "kernel_1", "bias_1")}
        numbered = {"update": np.int64(2), **{f"state_{i}": np.array(i) for i in range(4 + 2 * 4 + 1)}}
        kept = {"run_id": "good", "update": 2, "policy": to_bytes(policy), "checkpoint": to_bytes(numbered)}
        insert(connection, "checkpoints", kept)
        insert(connection, "checkpoints", kept | {"update": 1, "checkpoint": b"damaged"})
        insert(connection, "checkpoints", kept | {"update": 0, "checkpoint": b""})
    engine.dispose()
    return database


REST = {"reason": "", "target": "run", "steps": 0, "rewinds": 0, "episodes": 12, "env_steps": 120}
REST |= {"wall_seconds": 2.0, "steps_per_second": 60.0}


def insert(connection, table, row):
    connection.execute(sa.table(table, *map(sa.column, row)).insert(), row)


def versions(database):
    engine = open_engine(database)
    with read(engine) as connection:
        found = connection.exec_driver_sql("SELECT version FROM schema_version").scalars().all()
    engine.dispose()
    return found


def test_a_store_of_version_7_knows_of_an_environment_only_its_id(tmp_path, small):
    new = ("env_kwargs", "max_episode_steps", "normalize_observations", "reward_scale")
    before = {name: value for name, value in small.model_dump().items() if name not in new}
    old = {"cart": {"sutton_barto_reward": True}, "cliff": {"env_id": "CliffWalking-v1"}, "gone": {"env_id": "Gone-v0"}}
    store = Store(tmp_path)
    for name, values in old.items():
        store.create(small, name)
        with write(store.engine) as connection:
            text = json.dumps({"sutton_barto_reward": False, **before, **values})
            connection.execute(RUNS.update().where(RUNS.c.name == name).values(config=text))
    with write(store.engine) as connection:
        connection.exec_driver_sql("DROP TABLE scores")
        forget_sweeps(connection)
        forget_leases(connection)
        connection.exec_driver_sql("UPDATE schema_version SET version = 7")
    store.close()
    runs = {run.name: run.config for run in Store(tmp_path).runs()}
    assert runs["cart"] == Config(**{**small.model_dump(), "env_kwargs": {"sutton_barto_reward": True}})
    # What told no limit was cut at 1,000 steps then.
    assert runs["cliff"] == Config(**{**small.model_dump(), "env_id": "CliffWalking-v1", "max_episode_steps": 1000})
    assert "gone" not in runs


def test_store_of_version_1_is_brought_to_this_version(old, tmp_path, small, make_update, keep):
    store = Store(tmp_path, old)
    [run] = store.runs()
    assert run.config == Config(**{**small.model_dump(), "engine": "gymnasium"})
    assert not run.config.compiled and not run.config.env_kwargs
    assert run.current.learning_rate == 0.5 and run.updates == 2
    assert (run.note, run.tags, run.pinned, run.parent_id, run.owner) == ("", (), False, None, None)
    assert (run.until, run.wall_seconds, run.elapsed_seconds) == (0, 2.0, 2.0)
    assert run.arithmetic == 1 and store.run(store.create(small)).arithmetic == ARITHMETIC
    checkpoint = store.checkpoint("good")
    names = ("bias_0", "bias_1", "kernel_0", "kernel_1")
    slots = [f"policy_slots/{name}/{slot}" for name in names for slot in ("first", "second")]
    paths = [*(f"policy/{name}" for name in names), *slots, "step"]
    assert {path: int(checkpoint[path]) for path in paths} == dict(zip(paths, range(13), strict=True))
    with pytest.raises(ValueError, match="allow_pickle"):  # what was damaged is as it was
        store.checkpoint("good", 1)
    with pytest.raises(ConfigError, match="Gone-v0"):
        store.run("bad")
    rows = store.updates("good", list(ARRAYS), 0, 9)
    assert [(row.update, row.seconds) for row in rows] == [(0, 1.0), (1, 2.0)]
    for row, update in zip(rows, map(make_update, range(2)), strict=True):
        undefined = np.full(2, np.nan, "<f4").tobytes()
        known = {name: getattr(update, name).tobytes() for name in ARRAYS} | dict.fromkeys(MEASURED_LATER, undefined)
        assert {name: getattr(row, name) for name in ARRAYS} == known
    assert store.transition("good", ["interrupted"], state="running", process="me")
    keep(store, "good", [make_update(2)])  # the columns that are gone are asked for no more
    store.close()
    assert Store(tmp_path, old).run("good").config == run.config  # and it is done once
    assert versions(old) == [SCHEMA_VERSION]


def together(number, work):
    """Do something in several threads at once; return what they returned."""
    barrier = threading.Barrier(number)
    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(lambda index: (barrier.wait(), work(index))[1], range(number)))


def test_an_empty_database_is_made_a_store_by_several_at_once(tmp_path, database, small):
    stores = together(4, lambda _: Store(tmp_path, database))
    ids = {store.create(small) for store in stores}
    assert {run.id for run in stores[0].runs()} == ids and versions(database) == [SCHEMA_VERSION]


def test_an_old_store_is_brought_to_this_version_by_several_at_once(old, tmp_path):
    stores = together(4, lambda _: Store(tmp_path, old))
    assert [run.id for store in stores for run in store.runs()] == ["good"] * 4 and versions(old) == [SCHEMA_VERSION]


@pytest.fixture
def newer(database):
    """A database in which a newer lab has its tables, one of them by a name that this lab knows."""
    engine = open_engine(database)
    with write(engine) as connection:
        for statement in ("schema_version (version INTEGER)", "runs (id INTEGER)"):
            connection.exec_driver_sql(f"CREATE TABLE {statement}")
        connection.exec_driver_sql(f"INSERT INTO schema_version VALUES ({SCHEMA_VERSION + 1})")
    engine.dispose()
    return database


def test_store_of_a_newer_version_is_refused_and_left_alone(newer, tmp_path):
    for _ in range(2):
        with pytest.raises(StoreError, match=f"this lab reads version {SCHEMA_VERSION}; use the lab that made it"):
            Store(tmp_path, newer)
    engine = open_engine(newer)
    inspector = sa.inspect(engine)
    tables = {name: [column["name"] for column in inspector.get_columns(name)] for name in inspector.get_table_names()}
    assert tables == {"schema_version": ["version"], "runs": ["id"]}
    engine.dispose()


@only_sqlite
def test_the_file_of_a_newer_store_stays_as_it_is_bit_for_bit(newer, tmp_path):
    path = tmp_path / "lab.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # as a later lab may have it
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"has version {SCHEMA_VERSION + 1}"):
        Store(tmp_path)
    gc.collect()  # closes the connections
    assert path.read_bytes() == before


def test_a_database_with_tables_of_another_program_is_refused_and_left_alone(tmp_path, database):
    engine = open_engine(database)
    with write(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE updates (mine INTEGER)")
    with pytest.raises(StoreError, match=r"updates.* already exists"):
        Store(tmp_path, database)
    assert sa.inspect(engine).get_table_names() == ["updates"]
    engine.dispose()


def test_store_opens_again_with_all_runs(store, small):
    run_id = store.create(small)
    assert Store(store.folder, store.engine.url).run(run_id).config == small


def test_stored_configs_name_every_hyperparameter(store, small):
    run_id = store.create(small)
    with write(store.engine) as connection:
        text = connection.scalar(sa.select(RUNS.c.config).where(RUNS.c.id == run_id))
    assert Config.from_json(text) == small


def test_process_is_alive_until_it_ends_and_its_id_may_be_used_again():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = process_name(child.pid)
    assert is_alive(name) and is_alive(process_name())
    created = psutil.Process(child.pid).create_time()
    of_earlier_lab = f"{child.pid}@{created:.2f}"
    assert is_alive(of_earlier_lab) and not is_alive(f"{child.pid}@{created - 60:.2f}")
    assert not is_alive(f"{child.pid}@{process_name().partition('@')[2]}"), "another process had this id"
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not (is_alive(name) or is_alive(of_earlier_lab)), "a zombie does no work"
    child.wait()
    assert not (is_alive(name) or is_alive(of_earlier_lab))


def test_who_lives_does_so_whatever_the_clock_says(tmp_path):
    """Linux reckons a process's start from the time of its boot, which a step of the clock moves by as much."""
    stat = re.sub(r"btime (\d+)", lambda boot: f"btime {int(boot[1]) + 3600}", Path("/proc/stat").read_text())
    (tmp_path / "stat").write_text(stat)
    inside = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /proc/stat && exec "$@"', str(tmp_path / "stat")]
    if not shutil.which("unshare") or subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("Nothing can be mounted here.")
    look = f"from pg_core.runs.store.processes import is_alive; print(is_alive({process_name()!r}))"
    assert subprocess.check_output([*inside, sys.executable, "-c", look], cwd=ROOT, text=True) == "True\n"


def test_whoever_waits_keeps_his_place_when_the_clock_is_set_back(store, small, monkeypatch):
    waiting = [store.create(small) for _ in range(2)]
    monkeypatch.setattr(time, "time", lambda: 0.0)
    waiting += [store.create(small) for _ in range(2)]
    store.transition(waiting[0], ["queued"], state="stopped")
    store.enqueue(waiting[0], "run")
    assert store.queue() == [*waiting[1:], waiting[0]]


DAMAGES = ["tags = '}{'", f"tags = '{'[' * 200_000}'", "created_at = 1e300", "env_steps_to_solve = '5'"]


@only_sqlite  # PostgreSQL holds columns to their types, and texts no less
@pytest.mark.parametrize("damage", [*DAMAGES, None], ids=["tags", "deep", "time", "steps", "changes"])
def test_damaged_rows_of_a_run_hide_that_run_only(store, small, damage):
    whole, damaged = store.create(small), store.create(small)
    store.request(damaged, {"gamma": 0.5})
    with write(store.engine) as connection:
        statement = f"UPDATE runs SET {damage} WHERE id = ?" if damage else 'UPDATE changes SET "values" = ? '
        connection.exec_driver_sql(statement, (damaged if damage else "[" * 200_000,))
    assert [run.id for run in store.runs()] == [whole]
    assert store.unreadable()[0].startswith(f"The rows of run {damaged} are damaged")
    with pytest.raises(ConfigError, match=damaged):
        store.run(damaged)
