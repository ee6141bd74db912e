"""The page of statements: every one is there, and the table of contents leads to it."""

import re
from pathlib import Path

from streamlit.testing.v1 import AppTest

from pg_core.config import HYPERPARAMETERS

ROOT = Path(__file__).parents[2]


def test_contents_statements_and_symbols():
    page = AppTest.from_file(ROOT / "pages" / "derivations.py", default_timeout=60).run()
    assert not page.exception
    texts = [element.value for element in page.markdown]
    contents = dict(re.findall(r"\[(.+?)\]\(#(.+?)\)", texts[1]))
    files = sorted((ROOT / "assets" / "derivations").glob("*.md"))
    headers = {header.value: header.anchor for header in page.header if header.anchor != "symbols"}
    assert headers == contents
    assert len(contents) == len(files) > 0
    for path in files:
        assert path.read_text(encoding="utf-8").split("\n", 1)[1].strip() in texts
    for parameter in HYPERPARAMETERS.values():
        assert not parameter.symbol or any(f"| `{parameter.name}` |" in text for text in texts)
