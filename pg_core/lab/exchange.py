"""Runs that leave the lab as files, and runs that come in."""

import threading
from collections.abc import Sequence
from typing import BinaryIO

from pg_core.lab import access, limits, state
from pg_core.lab.viewing import chosen_agent
from pg_core.runs.exchange import events, exports, imports, models, scripts, tables, tidy
from pg_core.runs.store.records import Run

FORMATS = {  # what follows a run's name in that of its file, and what is in it
    "csv": ("-episodes.csv", "episodes, a row each"),
    "parquet": ("-updates.parquet", "updates, a row for each agent's, with all that was measured"),
    "json": ("-config.json", "config, and changes with their updates"),
    "npz": ("-params.npz", "parameters of all agents"),
    "zip": (".zip", "the whole run, to be imported again"),
    "tensorboard": ("-tensorboard.zip", "event files for TensorBoard"),
    "keras": (".keras", "one agent's policy as a Keras model"),
    "replay": ("-replay.py", "a script that trains one agent again, or plays what it had learned, without the lab"),
}
OF_ONE_AGENT = ("keras", "replay")
TIDY = {  # of several runs: what follows a name in that of the file, and what is in it
    "agents-parquet": ("-agents.parquet", "agents, a row each, as Parquet"),
    "agents-csv": ("-agents.csv", "agents, a row each, as CSV"),
    "updates-parquet": ("-updates.parquet", "updates, a row for each agent's, as Parquet"),
    "updates-csv": ("-updates.csv", "updates, a row for each agent's, as CSV"),
}
MAX_ROWS = 500_000  # of a tidy table: it is made in memory
TABLES = {"csv": tables.write_episodes, "parquet": tables.write_updates}  # which may hold several runs

_importing = threading.Lock()  # what is free for one import is free for one


def export_formats() -> dict[str, tuple[str, str]]:
    """Return what a run can be exported as here: endings and meanings by name."""
    return {name: what for name, what in FORMATS.items() if name != "tensorboard" or events.available()}


def export(run_id: str, kind: str, file: BinaryIO, agent: int | None = None, update: int | None = None) -> None:
    """Write a run to a file.

    Args:
        run_id: of the run; it may be in training.
        kind: a key of `FORMATS`.
        file: open for writing bytes.
        agent: whose policy, for "keras" and "replay"; None: of the highest mean return then.
        update: for "npz", "keras" and "replay": the last policy kept at or before it; None: the newest.

    Raises:
        ValueError: there is no such format or agent, or the run has nothing to be exported yet.
    """
    store = state.store()
    run = access.visible(run_id)
    if kind not in FORMATS:
        raise ValueError(f"`kind` must be one of {', '.join(FORMATS)}, got {kind!r}.")
    if kind in OF_ONE_AGENT:
        write = models.write_keras if kind == "keras" else scripts.write_replay
        write(store, run, file, chosen_agent(run, agent, update), update)
    elif kind == "npz":
        exports.write_params(store, run, file, update)
    elif kind in TABLES:
        TABLES[kind](store, run, file)
    else:
        others = {"json": exports.write_config, "zip": exports.write_zip, "tensorboard": events.write_events}
        others[kind](store, run, file)


def export_together(run_ids: Sequence[str], kind: str, file: BinaryIO) -> None:
    """Write several runs to one table, whose column `run` has their ids.

    Args:
        run_ids: of at least two runs; they may be in training.
        kind: a key of `TABLES`.
        file: open for writing bytes.

    Raises:
        ValueError: there is no such table.
    """
    if kind not in TABLES:
        raise ValueError(f"Several runs go into one file as {' or '.join(TABLES)}, got {kind!r}.")
    store = state.store()
    first, *others = map(access.visible, run_ids)
    TABLES[kind](store, first, file, *others)


def too_large(runs: Sequence[Run], kind: str) -> str:
    """Return why runs are too many for one table of a kind, empty if they are not."""
    rows = sum(run.updates * run.config.num_agents for run in runs)
    if not kind.startswith("updates") or rows <= MAX_ROWS:
        return ""
    return f"These runs have {rows:,} updates of agents, and a table takes {MAX_ROWS:,}: select fewer."


def export_tidy(run_ids: Sequence[str], kind: str, file: BinaryIO) -> None:
    """Write runs to one tidy table, whose columns are names, settings and results.

    Args:
        run_ids: of the runs; they may be in training.
        kind: a key of `TIDY`.
        file: open for writing bytes.

    Raises:
        ValueError: there is no such table, or it would be too large.
    """
    if kind not in TIDY:
        raise ValueError(f"`kind` must be one of {', '.join(TIDY)}, got {kind!r}.")
    runs = list(map(access.visible, run_ids))
    if refused := too_large(runs, kind):
        raise ValueError(refused)
    rows, format = kind.split("-")
    if rows == "agents":
        tidy.write_agents(runs, file, format)
    else:
        tidy.write_updates(state.store(), runs, file, format)


def import_run(file: BinaryIO) -> str:
    """Add the run in a zip that `export` wrote, here or elsewhere; return its new id.

    Args:
        file: open for reading bytes, seekable.

    Raises:
        ConfigError: it is no exported run, or one that this lab cannot keep.
        NotAllowed: with it the visitor's runs would take more of the disk than they may, or disk or memory have too
            little room.
    """
    with _importing:
        acting = limits.check_stored()
        return imports.import_run(state.store(), file, acting.id, acting.session, limits.check_import)
