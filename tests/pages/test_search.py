"""The search of the Runs page: words, conditions, and what it says to nonsense."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pages.widgets import search
from pg_core.config import HYPERPARAMETERS, Config, ConfigError
from pg_core.lab import Run


def run(name: str = "brisk-otter-42", note: str = "", mean_return: float | None = None, **settings: object) -> Run:
    config = Config(**settings)
    return Run(
        id="0a1b", name=name, state="stopped", reason="", created_at=datetime.now(UTC), config=Config(),
        current=config, updates=30, episodes=450, env_steps=9_000, wall_seconds=1.0, steps_per_second=1.0,
        mean_return=mean_return, best_return=None, env_steps_to_solve=(None,), target="run", rewinds=0,
        elapsed_seconds=0, until=0, note=note,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", True),
        ("otter BRISK", True),  # every word, in any order
        ("otter gecko", False),
        ("0a1b", True),
        ("learning_rate=0.01", True),
        ("learning_rate = 0.01 otter", True),
        ("learning_rate==1e-2", True),
        ("learning_rate!=0.01", False),
        ("ent_coef=0.3", True),  # as a slider counts it: 3 times 0.1
        ("gamma>=0.99 gamma<1", True),
        ("gamma>0.99", False),
        ("baseline=none", False),
        ("baseline!=none", True),
        ("hidden_layers=64, 32", True),
        ("hidden_layers=64,32 gecko", False),
        ("stop_when_solved=true", True),
        ("env_id=CartPole-v1 updates>=30", True),
        ("mean_return>10", False),  # there is none
    ],
)
def test_words_and_conditions(text: str, found: bool) -> None:
    settings = {"learning_rate": 0.01, "gamma": 0.99, "ent_coef": 0.1 * 3, "hidden_layers": (64, 32)}
    assert search.parse(text).finds(run(**settings)) is found


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("gamma>7", "`gamma` must be in [0, 1], got 7.0"),
        ("gamma=", "`gamma` must be in [0, 1], got ''"),
        ("lerning_rate=1", "`lerning_rate` is not a hyperparameter; did you mean `learning_rate`?"),
        ("baseline<none", "`baseline` can only be compared by = and !=, got <"),
        ("baseline=nothing", "`baseline` must be one of none"),
        ("mean_return>high", "`mean_return` must be a number, got 'high'"),
    ],
)
def test_a_condition_that_can_never_hold_gets_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        search.parse(text)
    assert sentence in str(caught.value)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.text() | st.from_regex(rf"({'|'.join(HYPERPARAMETERS)}) ?(=|!=|<=|>) ?\S*"))
def test_any_text_is_a_search_or_gets_a_sentence(text: str) -> None:
    try:
        assert search.parse(text).finds(run()) in (True, False)
    except ConfigError as error:
        assert "`" in str(error)


def test_what_is_no_condition_takes_time_as_it_is_long():
    """In a process of its own: what takes the square of the length would take hours, and stop for nobody."""
    script = "from pages.widgets.search import parse; print(len(parse('a' * 1_000_000).words))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert found.stdout == "1\n"
