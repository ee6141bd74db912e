"""A PostgreSQL server of the tests' own: in a temporary folder, on the loopback address, from the system's packages."""

import glob
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import pytest
import sqlalchemy as sa

from pg_core.runs.store.schema import lab_file

PASSWORD = "se cret/@:"  # has what a URL must escape
OPTIONS = (
    "fsync=off", "full_page_writes=off", "shared_buffers=32MB",  # fast; what is committed survives a SIGKILL
    "log_min_messages=log", "log_min_error_statement=panic",  # so little that it fits into the pipe that no one reads
    "listen_addresses=127.0.0.1", "unix_socket_directories=",
)  # fmt: skip

# The store's tests run on both. Of those only for what SQLite alone has: its file.
only_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
# The others run on SQLite. Of those for what writes in another order than the store's own tests.
on_both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


def empty_database(request: pytest.FixtureRequest, folder: Path) -> sa.URL:
    """Return where an empty database is, of the kind that a fixture has for a parameter; without one, SQLite's."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return lab_file(folder)
    return request.getfixturevalue("postgresql").empty()


def _program(name: str) -> str | None:
    return shutil.which(name) or max(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), default=None)


class PostgreSQL:
    """One server, with as many empty databases as tests ask for; they are schemas, which are made in no time."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp())
        # It refuses to run as root.
        self._user = {"user": "nobody"} if os.geteuid() == 0 else {}
        if self._user:
            shutil.chown(self._folder, **self._user)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._schemas = (f"lab{number}" for number in itertools.count())
        self.url = sa.URL.create("postgresql+psycopg", "lab", PASSWORD, "127.0.0.1", self.port, "postgres")

    @staticmethod
    def missing() -> str | None:
        """Return why there can be no server, None if there can be one."""
        return None if _program("initdb") else "PostgreSQL is not installed; `.ci/postgresql` does it."

    def __enter__(self) -> Self:
        (self._folder / "password").write_text(PASSWORD)
        (self._folder / "password").chmod(0o644)
        make = [_program("initdb"), "-D", self._folder / "data", "-U", "lab", "--pwfile", self._folder / "password"]
        make += ["--auth=scram-sha-256", "--no-sync", "--no-instructions", "--locale=C", "--encoding=UTF8"]
        subprocess.run(make, cwd="/", check=True, stdout=subprocess.DEVNULL, **self._user)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGINT)
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = itertools.chain.from_iterable(("-c", option) for option in OPTIONS)
        command = [_program("postgres"), "-D", self._folder / "data", "-p", str(self.port), *options]
        self._process = subprocess.Popen(command, cwd="/", stderr=subprocess.PIPE, text=True, **self._user)
        assert self._process.stderr
        log = []
        for line in self._process.stderr:
            log.append(line)
            if "ready to accept connections" in line:
                break
        else:
            raise RuntimeError(f"PostgreSQL did not start: {''.join(log)}")

    def stop(self, signal_number: int) -> None:
        """End it: SIGINT breaks its connections, SIGKILL gives it no time for anything."""
        self._process.send_signal(signal_number)
        self._process.communicate()  # what it still writes, too: until all of its processes have ended

    def empty(self) -> sa.URL:
        """Return where an empty database is."""
        schema = next(self._schemas)
        engine = sa.create_engine(self.url)
        with engine.begin() as connection:
            connection.execute(sa.schema.CreateSchema(schema))
        engine.dispose()
        return self.url.update_query_dict({"options": f"-csearch_path={schema}"})
