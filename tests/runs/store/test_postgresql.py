"""What is PostgreSQL's own: locks, errors in sentences, a server that goes and comes back."""

import signal
import threading

import pytest
import sqlalchemy as sa

from pg_core import cli
from pg_core.runs.paths import database as configured
from pg_core.runs.store.schema import CHANGES, RUNS, StoreError, read, write
from pg_core.runs.store.store import Store
from tests.postgresql import PASSWORD

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@pytest.fixture
def impatient(tmp_path, database):
    """Another process's store, which waits for a lock for a moment only."""
    store = Store(tmp_path, database, lock_seconds=0.05)
    yield store
    store.close()


def test_writers_of_different_runs_work_at_once_and_those_of_one_run_or_of_all_wait(store, impatient, small):
    one, other = store.create(small), store.create(small)
    with write(store.engine, one):
        impatient.request(other, {"gamma": 0.5})
        for change in (lambda: impatient.request(one, {"gamma": 0.5}), lambda: impatient.create(small)):
            with pytest.raises(StoreError, match="another program holds it; wait until that has ended"):
                change()
        assert len(impatient.runs()) == 2  # readers wait for no one
    impatient.request(one, {"gamma": 0.5})
    with write(store.engine), pytest.raises(StoreError, match="another program holds it"):
        impatient.request(other, {"gamma": 0.25})


def test_a_writer_that_is_suspended_has_its_lock_for_so_long_and_has_written_nothing(store, small):
    run_id = store.create(small)
    with (
        pytest.raises(StoreError, match="it waited amid a transaction for too long; try again or resume the run"),
        write(store.engine, run_id) as connection,
    ):
        assert connection.scalar(sa.text("SHOW idle_in_transaction_session_timeout")) == "5min"
        connection.execute(RUNS.update().values(reason="half"))
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
        store.request(run_id, {"gamma": 0.5})  # waits for the lock
        connection.execute(RUNS.update().values(reason="all"))
    assert store.run(run_id).reason == "" and len(store.requests(run_id)) == 1


def test_a_writer_who_waited_sees_what_was_written_meanwhile(store, small):
    run_id, seen, inside = store.create(small), [], threading.Event()

    def wait_and_read():
        inside.wait()
        with write(store.engine, run_id) as connection:
            seen.append(connection.scalar(sa.select(RUNS.c.reason)))

    thread = threading.Thread(target=wait_and_read)
    thread.start()
    with write(store.engine, run_id) as connection:
        inside.set()
        waiting = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        while not connection.scalar(waiting):
            pass
        connection.execute(RUNS.update().values(reason="meanwhile"))
    thread.join()
    assert seen == ["meanwhile"]


def test_a_reader_sees_one_moment(store, small):
    run_id = store.create(small)
    with read(store.engine) as connection:
        assert connection.scalar(sa.select(RUNS.c.state)) == "queued"
        store.request(run_id, {"gamma": 0.5})
        assert connection.execute(sa.select(CHANGES)).all() == []
    assert len(store.requests(run_id)) == 1


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"])
def test_the_variable_takes_plain_urls(database, monkeypatch, tmp_path, scheme):
    monkeypatch.setenv("PG_LAB_DATABASE_URL", database.set(drivername=scheme).render_as_string(hide_password=False))
    assert configured() == database
    Store(tmp_path, configured()).close()


NO_URLS = [f"mysql://lab:{PASSWORD}@127.0.0.1/lab", PASSWORD, "postgresql://lab@127.0.0.1:x/lab", "postgresql:secret"]
NO_URLS += [f"postgresql://lab:{password}@127.0.0.1:1/lab" for password in ("a@secret", "a@secret/b", "a@secret?b=c")]
NO_URLS += ["postgresql://l/ab:secret@127.0.0.1:1/lab", "postgresql:///lab?user=a@secret"]


@pytest.mark.parametrize("text", NO_URLS)
def test_what_is_no_url_of_postgresql_is_refused_without_its_password(database, monkeypatch, tmp_path, text):
    monkeypatch.setenv("PG_LAB_DATABASE_URL", text)
    with pytest.raises(StoreError) as raised:
        Store(tmp_path, configured())
    assert str(raised.value).startswith("`PG_LAB_DATABASE_URL` must be like postgresql://user:password@127.0.0.1/")
    assert not any(secret in str(raised.value) for secret in (PASSWORD, "secret"))


WRONG = {
    "the right user and password": {"password": "not this one"},
    "a database that exists": {"database": "nothing"},
    "start PostgreSQL if it does not run": {"port": 1},
    "look whether PG_LAB_DATABASE_URL is right": {"query": {"unheard_of": PASSWORD}},
}


@pytest.mark.parametrize("remedy", WRONG)
def test_a_database_that_cannot_be_reached_gets_a_sentence(database, tmp_path, remedy):
    with pytest.raises(StoreError, match=remedy) as raised:
        Store(tmp_path, database.set(**WRONG[remedy]))
    assert not any(text in str(raised.value) for text in (PASSWORD, "not this one", "\n"))


STATES = {"53100": "free some space there and resume", "53300": "too many connections", "25006": "it is read-only"}
STATES |= {"57014": "it took too long; try again", "42501": "make it the owner"}


@pytest.mark.parametrize("state", STATES)
def test_what_the_server_refuses_gets_a_sentence(store, state):
    with pytest.raises(StoreError, match=STATES[state]), read(store.engine) as connection:
        connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'No.' USING ERRCODE = '{state}'; END $$")


def test_a_database_that_can_only_be_read_is_read(store, small, database, tmp_path):
    run_id = store.create(small)
    options = f"{database.query['options']} -cdefault_transaction_read_only=on"
    reader = Store(tmp_path, database.update_query_dict({"options": options}))
    assert reader.run(run_id) == store.run(run_id)
    with pytest.raises(StoreError, match="it is read-only; set PG_LAB_DATABASE_URL to a server that can be written"):
        reader.request(run_id, {"gamma": 0.5})
    reader.close()


def test_deleted_tables_get_a_sentence(store):
    with write(store.engine) as connection:
        connection.exec_driver_sql("DROP TABLE runs CASCADE")
    with pytest.raises(StoreError, match="its tables were deleted while the lab ran; restart the lab"):
        store.runs()


def test_a_server_that_dies_gets_a_sentence_and_is_used_again_when_it_is_back(
    postgresql, store, small, make_update, keep
):
    run_id = store.create(small, process="me")
    keep(store, run_id, [make_update(0)])
    postgresql.stop(signal.SIGKILL)
    try:
        with pytest.raises(StoreError, match="start PostgreSQL if it does not run"):
            keep(store, run_id, [make_update(1)])
    finally:
        postgresql.start()
    keep(store, run_id, [make_update(1)])
    assert [row.update for row in store.updates(run_id, [], 0, 9)] == [0, 1]


def test_a_command_without_its_database_ends_with_a_sentence(database, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PG_LAB_DATA", str(tmp_path))
    url = database.set(port=1)
    monkeypatch.setenv("PG_LAB_DATABASE_URL", url.render_as_string(hide_password=False))
    assert cli.main(["runs"]) == 2
    assert "start PostgreSQL" in capsys.readouterr().err
