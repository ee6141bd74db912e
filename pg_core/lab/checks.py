"""Check the proofs in another process, which the pages share."""

from pg_core import proofs
from pg_core.lab import access, state
from pg_core.runs.workers.prover import Answer


def prepare_checks() -> None:
    """Start the process that checks proofs for pages, so that the first check need not wait for it."""
    state.prover().prepare()


def ask_check(name: str, **parameters: int | float) -> None:
    """Have a proof checked in another process; `checked` has the answer.

    Raises:
        ValueError: there is no such statement or parameter, or a value is out of bounds.
    """
    valid, visitor = proofs.validated(name, parameters), access.visitor()
    access.on_behalf_of(visitor.id or visitor.session, lambda: state.prover().ask(name, valid))


def checked(name: str, **parameters: int | float) -> tuple[Answer | None, bool]:
    """Return the answer to what `ask_check` asked, None if there is none, and whether one is on its way."""
    return state.prover().answer(name, proofs.validated(name, parameters))
