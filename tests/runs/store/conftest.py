from pathlib import Path

import pytest
import sqlalchemy as sa

from pg_core.runs.store.schema import MIGRATIONS, _add_leases
from tests.postgresql import empty_database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> sa.URL:
    """Where an empty database is; `only_sqlite` has a test run on that alone."""
    return empty_database(request, tmp_path)


def forget_leases(connection: sa.Connection) -> None:
    """Have a store be as it was before leases."""
    for column in ("lease_until", "taken_up", "processors"):
        connection.exec_driver_sql(f"ALTER TABLE runs DROP COLUMN {column}")
    connection.exec_driver_sql(f"UPDATE schema_version SET version = {MIGRATIONS.index(_add_leases) + 1}")
