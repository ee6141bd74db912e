"""Runs that are drawn behind the open one: its twin, of which nothing was changed, and ghosts of earlier runs."""

import uuid
from collections.abc import Callable

import streamlit as st

from pages.widgets import controls
from pages.widgets.command import command
from pg_core import lab
from pg_core.config import Config
from pg_core.presets import PRESETS

MAX_BESIDE = 3


def beside() -> list[str]:
    """Return the ids of the runs that are drawn behind."""
    return list(st.session_state.beside)


def keep(*run_ids: str) -> None:
    """Draw runs behind the open one; of more than three the newest stay."""
    kept = [run_id for run_id in st.session_state.beside if run_id not in run_ids]
    st.session_state.beside = [*kept, *run_ids][-MAX_BESIDE:]


def comparisons(progress: lab.Progress | None, start: Callable[..., None]) -> None:
    """Draw the buttons: keep a twin, keep as a ghost, plain against best, and take away what is drawn behind."""
    run = progress.run if progress else None
    changed = progress.changes[-1].update if progress and progress.changes else None
    with st.container(key="comparisons", horizontal=True, gap="small"):
        _button(
            "Keep a twin", "twin", "fork_right", changed is None, _twin, changed,
            help="Train this run without its last change beside it, with the same random numbers: a dashed line.",
        )  # fmt: skip
        _button(
            "Keep as a ghost", "ghost", "layers", run is None or not run.updates or run.id in beside(), _ghost,
            run.id if run else None, help="Leave this run's curve behind the next one; up to three stay.",
        )  # fmt: skip
        _button(
            "Plain against best", "plain_and_best", "compare_arrows", False, _versus, start, st.session_state.next_run,
            help="Train plain REINFORCE and the best preset, with the same seed, on one chart.",
        )  # fmt: skip
        _button("Clear", "clear", "layers_clear", not beside(), _clear, help="Draw nothing behind the open run.")


def _button(
    label: str, key: str, icon: str, disabled: bool, act: Callable[..., None], *args: object, help: str
) -> None:
    st.button(
        label,
        key=key,
        icon=f":material/{icon}:",
        type="tertiary",
        disabled=disabled,
        on_click=act,
        args=args,
        help=help,
    )


@command
def _twin(update: int) -> None:
    keep(lab.twin(st.session_state.run_id, update))


@command
def _ghost(run_id: str) -> None:
    keep(run_id)


@command
def _versus(start: Callable[..., None], run_id: str) -> None:
    other = uuid.uuid5(uuid.NAMESPACE_OID, run_id).hex  # a press that comes twice starts the same two
    chosen, held = {run_id: PRESETS["best"], other: PRESETS["plain"]}, dict(controls.config())
    start({one: (preset.label, Config(**held | preset.values)) for one, preset in chosen.items()})


@command
def _clear() -> None:
    st.session_state.beside = []
