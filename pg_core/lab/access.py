"""Who acts, and which runs are theirs: every lab function that controls a run asks here, so no page can forget to."""

import contextvars
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from pg_core.lab import state
from pg_core.runs.store.records import Run, UnknownRun
from pg_core.runs.workers import helper

T = TypeVar("T")


class NotAllowed(ValueError):
    """Raised when a visitor may not do what they ask, or not now; its message says what they can do."""


@dataclass(frozen=True)
class Visitor:
    """Who acts.

    Attributes:
        id: of the log-in, the same whenever and wherever the visitor logs in; None without one.
        session: of the browser, random; None where there is none.
        admin: whether the visitor controls every run: administrators do, and where there is no log-in everyone does.
    """

    id: str | None
    session: str | None
    admin: bool


def _command_line() -> Visitor:
    # Whoever runs commands on this machine can read the database file: there is nothing to keep from them.
    return Visitor(None, None, admin=True)


_provider: Callable[[], Visitor] = _command_line


def identify(provider: Callable[[], Visitor]) -> None:
    """Have `provider` say who acts whenever the lab asks; without one it is the command line, which may do all."""
    global _provider
    _provider = provider


def visitor() -> Visitor:
    """Return who acts."""
    return _provider()


def on_behalf_of(who: str | None, ask: Callable[[], T]) -> T:
    """Have something asked: of all who ask, each has a share of the questions that wait, and a turn.

    Args:
        who: anything that tells one from another.
        ask: asks.
    """
    context = contextvars.copy_context()
    context.run(helper.asker.set, who)
    return context.run(ask)


def may_control(run: Run) -> bool:
    """Return whether the visitor may steer, describe and delete a run."""
    return controls(run.owner)


def controls(owner: str | None) -> bool:
    """Return whether the visitor may steer what belongs to somebody, None: who had no log-in."""
    return _controls(visitor(), owner)


def _controls(acting: Visitor, owner: str | None) -> bool:
    return acting.admin or (acting.id is not None and acting.id == owner)


def visible(run_id: str, asker: Visitor | None = None) -> Run:
    """Return a run; a deleted one is there for those alone who can restore it.

    Raises:
        UnknownRun: there is no such run for who asks, by default the visitor.
    """
    run = state.store().run(run_id)
    if run.deleted and not _controls(asker or visitor(), run.owner):
        raise UnknownRun(run_id)
    return run


def hidden(run_ids: Collection[str], acting: Visitor) -> set[str]:
    """Return which of some runs were deleted and are not there for somebody, who need not be the visitor."""
    return {run_id for run_id, owner in state.store().deleted(run_ids).items() if not _controls(acting, owner)}


def controlled(run_id: str) -> Run:
    """Return a run that the visitor controls.

    Raises:
        UnknownRun: there is no such run.
        NotAllowed: it is someone else's.
    """
    run = visible(run_id)
    if not may_control(run):
        whose = "belongs to someone else" if run.owner else "was started without a log-in, so it is an administrator's"
        raise NotAllowed(f"Run {run.name} {whose}; fork it to go on from it.")
    return run
