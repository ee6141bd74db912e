from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.postgresql import empty_database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> sa.URL:
    """Where an empty database is; `only_sqlite` has a test run on that alone."""
    return empty_database(request, tmp_path)
