"""Addresses at which a page asks about runs: whom a page has given one may ask there; nobody else can make one."""

import secrets
from dataclasses import asdict

from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from pages.widgets import visitor
from pages.widgets.figure import Shown
from pg_core import lab

ROUTE, SWEEPS_ROUTE = "lab/live", "lab/sweeps"
PERIOD = 43_200  # seconds, for which a view has the same address; it ends with the next period


class _Signer(TimestampSigner):
    def get_timestamp(self) -> int:
        return super().get_timestamp() // PERIOD * PERIOD


_secret = secrets.token_bytes(32)
_addresses = URLSafeTimedSerializer(_secret, signer=_Signer)
_sweeps = URLSafeTimedSerializer(_secret, salt="sweeps", signer=_Signer)  # what one takes, the other refuses


def address(shown: Shown, asker: lab.Visitor | None = None) -> str:
    """Return where a view is, under the route, for who asks, by default who looks at the page that is being drawn."""
    return str(_addresses.dumps([asdict(shown), (asker or visitor.present()).id]))


def address_of(run: lab.Run, asker: lab.Visitor | None = None) -> str:
    """Return where a page can ask about a run.

    Browsers keep answers, so each past of a run has its own address, and so has each change that came into force:
    estimators at the newest policy are those of the next update.
    """
    return f"{ROUTE}/{address(Shown(run.id), asker)}?of={run.rewinds}.{lab.changes_in_force(run.id)}"


def address_of_sweep(sweep_id: str) -> str:
    """Return where the page that is being drawn can ask about a sweep."""
    return f"{SWEEPS_ROUTE}/{_sweeps.dumps([sweep_id, visitor.present().id])}"


def read_sweep(address: str) -> tuple[str, str | None]:
    """Return the id of the sweep at an address, and the log-in to which it was given.

    Raises:
        BadSignature: no page has given it, or it has ended.
    """
    sweep_id, given_to = _sweeps.loads(address, max_age=PERIOD)
    return sweep_id, given_to


def read(address: str) -> tuple[Shown, str | None]:
    """Return the view at an address, and the log-in to which it was given.

    Raises:
        BadSignature: no page has given it, or it has ended.
    """
    view, given_to = _addresses.loads(address, max_age=PERIOD)
    return Shown(**{name: tuple(value) if isinstance(value, list) else value for name, value in view.items()}), given_to
