"""Where the project is, and where the lab keeps what it writes: a folder, a database, and temporary files."""

import contextlib
import importlib.util
import os
import tempfile
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from pg_core.runs.store import privacy
from pg_core.runs.store.schema import StoreError, lab_file

ROOT = Path(__file__).parents[2]  # of the project, or where the package is installed


def data_folder() -> Path:
    """Return the folder of all that the lab writes.

    It is `$PG_LAB_DATA`, else `.lab` in the project; where the package is installed without the pages, `.pg-lab` in
    the person's home.

    Raises:
        StoreError: there is no home.
    """
    if given := os.environ.get("PG_LAB_DATA"):
        return Path(given).absolute()
    if (ROOT / "app.py").exists():
        return ROOT / ".lab"
    try:
        return Path.home() / ".pg-lab"
    except RuntimeError as error:
        raise StoreError("The lab's folder cannot be found without a home: set PG_LAB_DATA to a folder.") from error


def database() -> sa.URL:
    """Return where the runs are: in the PostgreSQL of `$PG_LAB_DATABASE_URL`, else in a file of the lab's folder.

    Raises:
        StoreError: the variable holds no such URL.
    """
    given = os.environ.get("PG_LAB_DATABASE_URL")
    if not given:
        return lab_file(data_folder())
    try:
        url = sa.make_url(given)
    except (SQLAlchemyError, ValueError):
        url = sa.URL.create("nothing")
    # What follows the @ of a password would be taken for a host, which errors name.
    stray = given.count("@") > (url.username is not None)
    if stray or url.get_backend_name() not in ("postgresql", "postgres"):  # it is not quoted: it has a password
        raise StoreError(
            "`PG_LAB_DATABASE_URL` must be like postgresql://user:password@127.0.0.1/database, with %40 for @, %2F for "
            "/, %3A for : and %25 for % in user and password."
        )
    return url.set(drivername="postgresql+psycopg")


def on_cluster() -> bool:
    """Return whether runs are trained on the Ray cluster of `$PG_LAB_CLUSTER`, not on this machine.

    Raises:
        StoreError: they cannot be: Ray is not installed, or the runs are in a file that other machines do not have.
    """
    if not os.environ.get("PG_LAB_CLUSTER"):
        return False
    if importlib.util.find_spec("ray") is None:
        raise StoreError("`PG_LAB_CLUSTER` needs Ray: `pip install -r requirements-cluster.txt`.")
    if not os.environ.get("PG_LAB_DATABASE_URL"):
        raise StoreError(
            "`PG_LAB_CLUSTER` needs `PG_LAB_DATABASE_URL`: the machines of a cluster share a PostgreSQL, not a file."
        )
    return True


def place_temporary_files() -> None:
    """Have this process and those that it starts put temporary files below the lab's folder if nowhere else is room.

    Raises:
        StoreError: they cannot be written there, either.
    """
    with contextlib.suppress(FileNotFoundError):
        if tempfile.gettempdir() != os.getcwd():  # which Python takes where there is no other
            return
    folder = data_folder() / "tmp"
    try:
        privacy.make_folder(folder.parent)
        folder.mkdir(privacy.FOLDER, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise StoreError(
            f"Temporary files can be written neither in the system's folders nor in {folder} ({error}): make room or "
            "make one of them writable, or set TMPDIR to another."
        ) from error
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
