"""Films of what runs have learned: at once, or while a page goes on."""

import tempfile
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pg_core.lab import access, state
from pg_core.lab.viewing import chosen_agent
from pg_core.runs.diagnosis.best import milestones
from pg_core.runs.store.records import NoPolicy, Run
from pg_core.runs.workers import films
from pg_core.runs.workers.episodes import EpisodeError
from pg_core.runs.workers.helper import Helper, NoAnswer

FILMS = {"webp": "image/webp", "mp4": "video/mp4", "gif": "image/gif"}  # media types by suffix
MAX_WAITING = 8

_one_at_a_time = ThreadPoolExecutor(1, "film")
_places = threading.BoundedSemaphore(MAX_WAITING)


def film(run_id: str, path: Path, agent: int | None = None, in_turn: bool = False) -> dict[int, float]:
    """Write a film, .webp, .gif or .mp4: one episode played by up to six policies, from the first to the best.

    Args:
        run_id: of the run.
        path: its suffix says what is written.
        agent: whose policies; None: that with the highest mean return.
        in_turn: one policy after the other, else beside each other.

    Returns:
        The return of each policy by the number of updates it had done.

    Raises:
        ValueError: another suffix, or there is no such agent.
        NoPolicy: none is kept yet.
    """
    updates, agent = _policies(access.visible(run_id), agent)
    return films.make(state.store(), run_id, updates, agent, path, in_turn)


def ask_film(run_id: str, kind: str, agent: int, in_turn: bool = False) -> Future[bytes]:
    """Have a film made in a process of its own, one at a time; return at once.

    Args:
        run_id: of the run.
        kind: a key of `FILMS`.
        agent: whose policies, in [0, P-1].
        in_turn: as for `film`.

    Returns:
        A future of the file's bytes, or of an EpisodeError.

    Raises:
        ValueError: there is no such kind or agent.
        NoPolicy: none is kept yet.
        EpisodeError: as many films are waited for as the lab takes.
    """
    if kind not in FILMS:
        raise ValueError(f"`kind` must be one of {', '.join(FILMS)}, got {kind!r}.")
    updates, _ = _policies(state.store().run(run_id), agent)
    if not _places.acquire(blocking=False):
        raise EpisodeError(f"{MAX_WAITING} films are being made, which is all the lab takes; ask again later.")
    asked = {"run_id": run_id, "updates": updates, "agent": agent, "in_turn": in_turn}
    made = _one_at_a_time.submit(_made, state.cinema(), kind, asked)
    made.add_done_callback(lambda _: _places.release())
    return made


def _policies(run: Run, agent: int | None) -> tuple[list[int], int]:
    """Return after which updates the policies of a film were kept, and whose they are."""
    store = state.store()
    if agent is not None:
        chosen_agent(run, agent)  # there must be one
    if not (kept := store.policies(run.id)):
        raise NoPolicy(f"No policy of run {run.id!r} is kept yet; wait until it has begun.")
    updates = milestones(store, run, kept, agent)
    return updates, chosen_agent(run, agent, updates[-1])


def _made(helper: Helper, kind: str, asked: dict[str, Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"film.{kind}")
        try:
            helper.ask({"film": {**asked, "path": str(path)}}).result()
        except NoAnswer as error:
            raise EpisodeError(str(error)) from error
        finally:
            helper.end()  # films are rare, and a process takes memory
        return path.read_bytes()
