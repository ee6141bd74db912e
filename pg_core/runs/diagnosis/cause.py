"""A cause, and the words and remedies that the rules share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pg_core.config import HYPERPARAMETERS, Config
from pg_core.runs.diagnosis.measured import Measured
from pg_core.runs.store.records import Array


@dataclass(frozen=True)
class Cause:
    """Why a run does not learn.

    Attributes:
        name: of the rule.
        sentence: what is the matter, and what follows.
        evidence: the numbers that show it.
        statement: the derivation that says why it follows.
        advice: what the remedy does; or what else to do, where no hyperparameter helps.
        remedy: hyperparameters to be set; empty where none helps.
        until: updates of the run, at most, with which a fork that has the remedy begins; None: all.
    """

    name: str
    sentence: str
    evidence: str
    statement: str
    advice: str
    remedy: Mapping[str, Any] = field(default_factory=dict)
    until: int | None = None


def most(agents: Array) -> bool:
    """Return whether something holds for half of the agents at least, bool `[P]`."""
    return bool(agents.mean() >= 0.5)


def mean_of(agents: Array) -> str:
    """Return of how many agents this is the mean, if there are several."""
    return f", the mean of {agents.sum()} agents" if agents.sum() > 1 else ""


def done_at_last(seen: Measured, rows: Array) -> int:
    """Return the updates done at the last of some rows before the last window, 0 if there is none."""
    found = np.flatnonzero(rows[: -seen.window])
    return int(seen.update[found[-1]]) if len(found) else 0


def shorter_steps(config: Config, factor: float) -> dict[str, Any]:
    """Return a learning rate that is so many times smaller."""
    return {"learning_rate": rounded(max(1e-6, config.learning_rate / factor))}


def longer_steps(config: Config, factor: float) -> dict[str, Any]:
    """Return a learning rate that is so many times larger."""
    return {"learning_rate": rounded(min(1.0, config.learning_rate * factor))}


def more_entropy(config: Config) -> float:
    """Return a larger entropy bonus than that in force."""
    return min(1.0, rounded(5 * config.ent_coef)) if config.ent_coef else 0.01


def rounded(value: float) -> float:
    """Return a number with one significant digit, which is easy to read and to type."""
    return float(f"{value:.1g}")


def setting(config: Config, name: str) -> str:
    """Return a hyperparameter as the page shows it: `baseline none`."""
    parameter = HYPERPARAMETERS[name]
    return f"{parameter.label.lower()} {parameter.show(getattr(config, name))}"


def count(number: int, what: str) -> str:
    """Return `3 episodes`."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def percent(share: float) -> str:
    """Return `80 %`."""
    return f"{share:.0%}".replace("%", " %")


def digits(value: float) -> str:
    """Return a number with three digits, thousands apart and a true minus sign."""
    size = abs(value)
    return ("−" if value < 0 else "") + (f"{size:,.0f}" if size >= 1000 else f"{size:.3g}")
