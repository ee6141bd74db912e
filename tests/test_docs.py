"""The written pages say what the code says now."""

import pkgutil
import re
from pathlib import Path

import pytest

from docs.generate import PATH, hyperparameters
from pg_core.config import HYPERPARAMETERS

ROOT = Path(__file__).parents[1]
WRITTEN = [path for folder in ("docs", "assets/derivations") for path in sorted((ROOT / folder).glob("*.md"))]


@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_every_hyperparameter_has_a_row(name: str):
    rows = [line for line in PATH.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{name}` |")]
    assert len(rows) == 1
    assert HYPERPARAMETERS[name].help in rows[0]


def test_the_page_is_what_the_generator_writes():
    assert PATH.read_text(encoding="utf-8") == hyperparameters(), "stale: run `make docs`"


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_the_code_that_a_page_names_is_there(path: Path):
    for name in re.findall(r"`(pg_core(?:\.\w+)+)", path.read_text(encoding="utf-8")):
        pkgutil.resolve_name(name)


def test_the_tests_that_a_page_names_are_there():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "security.md").read_text(encoding="utf-8"))
    assert named
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), name
