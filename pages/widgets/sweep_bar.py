"""The bar of the Sweeps page: start a sweep, stop it, have it go on, extend it, take it along, and open another one."""

import re
import uuid
from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.widgets import axes, declaration, uploads
from pages.widgets.command import command
from pages.widgets.sweep_view import mine
from pages.widgets.text import duration
from pg_core import lab
from pg_core.config import HYPERPARAMETERS, ConfigError

NOT_YOURS = "This sweep is someone else's: start one of your own with its declaration."
NO_SWEEP = "There is no sweep yet."


def next_sweep() -> str:
    """Return the id of the sweep that is started next: a press that comes twice starts the same."""
    if st.session_state.get("next_sweep") in (None, st.session_state.sweep):
        st.session_state.next_sweep = uuid.uuid4().hex
    return str(st.session_state.next_sweep)


def bar(view: lab.SweepView | None, sweep: lab.Sweep | None) -> None:
    """Draw the buttons.

    Args:
        view: the open sweep.
        sweep: what the controls declare, None where they do not fit together.
    """
    refused = NO_SWEEP if view is None else None if mine(view) else NOT_YOURS
    is_active = view is not None and view.state == "training"
    with st.container(key="sweep_bar", horizontal=True, vertical_alignment="center"):
        _start_button(sweep)
        _button("Stop", "stop", refused or "End all its runs, which are kept.", not is_active, lab.stop_sweep, view)
        halted = view is not None and view.state == "stopped"
        _button("Resume", "resume", refused or "Go on with what was stopped.", not halted, lab.resume_sweep, view)
        with st.popover("Extend", icon=":material/add:", key="extend", disabled=bool(refused), help=refused):
            if view and not refused:
                _extend(view)
        with st.popover("Share", icon=":material/share:", key="share"):
            _share(view, sweep)
        _earlier()


def _start_button(sweep: lab.Sweep | None) -> None:
    label, takes = "Train", "Choose what to vary"
    if sweep:
        estimate = lab.estimate_sweep(sweep)
        label = f"Train {estimate.runs:,} run{'s' * (estimate.runs > 1)}"
        takes = f"× {sweep.seeds} seeds = {estimate.agents:,} agents, about {_time(estimate.seconds)}"
    st.button(
        label, type="primary", icon=":material/play_arrow:", key="start_sweep", on_click=_start, args=(next_sweep(),),
        help="Start a sweep as declared: a run for each setting.", disabled=sweep is None,
    )  # fmt: skip
    st.caption(takes)


def _time(seconds: float) -> str:
    return "a second" if seconds < 1.5 else duration(seconds)


def _button(
    label: str, icon: str, help: str, disabled: bool, order: Callable[[str], None], view: lab.SweepView | None
) -> None:  # fmt: skip
    st.button(
        label, icon=f":material/{icon}:", key=f"{icon}_sweep", help=help,
        disabled=disabled or help in (NO_SWEEP, NOT_YOURS), on_click=command(order), args=(view.id if view else "",),
    )  # fmt: skip


@command
def _start(sweep_id: str) -> None:
    """Start the sweep with this id as the controls say, and open it; not what is open and being trained already."""
    sweep, is_open = declaration.declared(), st.session_state.sweep
    if is_open and (view := lab.sweep(is_open)).state == "training" and view.sweep == sweep:
        return  # the second click of a double one, say: the same seeds would come to the same
    lab.start_sweep(sweep, None, sweep_id)
    st.session_state.update(sweep=sweep_id, sweep_at=None)


def _extend(view: lab.SweepView) -> None:
    """Draw what may be added: seeds, values of an axis, or trials."""
    count, at = len(view.settings), st.session_state.get("sweep_at")
    seeds = st.number_input(
        "Further seeds of each setting", 1, lab.MAX_SEEDS, view.sweep.seeds, key=f"more_seeds_{view.id}"
    )
    shown = at in {setting.number for setting in view.settings}
    only = shown and st.toggle(f"Only of setting {at + 1}, which is shown", key=f"more_of_{view.id}_{at}")
    label = f"Train further seeds of {f'setting {at + 1}' if only else f'all {count}'}"
    _press(label, "seeds", view, seeds=int(seeds), settings=(at,) if only else None)
    if view.sweep.sampler != "grid":
        trials = st.number_input("Further trials", 1, lab.MAX_SETTINGS, 8, key=f"more_trials_{view.id}")
        _press("Try further settings", "trials", view, trials=int(trials))
        return
    names = [axis.name for axis in view.sweep.axes]
    name = st.selectbox("Further values of", names, format_func=axes.label, key=f"more_axis_{view.id}")
    text = st.text_input("Values", key=f"more_values_{view.id}_{name}", placeholder=_shown(view, name))
    _press("Train further values", "values", view, text=f"{name}={text}")


def _shown(view: lab.SweepView, name: str) -> str:
    axis = next(axis for axis in view.sweep.axes if axis.name == name)
    return f"besides {', '.join(map(HYPERPARAMETERS[name].show, axis.values[:4]))}"


def _press(label: str, what: str, view: lab.SweepView, **more: Any) -> None:
    state = st.session_state
    if state.get("next_extension") in (None, state.get("extended")):
        state.next_extension = uuid.uuid4().hex
    args = view.id, state.next_extension
    st.button(label, key=f"extend_{what}", on_click=_add, args=args, kwargs=more, width="stretch")


@command
def _add(sweep_id: str, extension: str, text: str = "", **more: Any) -> None:
    """Extend a sweep; a press that comes twice does so once."""
    if extension == st.session_state.get("extended"):
        return
    if text:
        axis = lab.SweepAxis.of(text)
        more["values"] = {axis.name: axis.values}
    lab.extend_sweep(sweep_id, **more)
    st.session_state.extended = extension
    declaration.show(lab.sweep(sweep_id).sweep)


def _share(view: lab.SweepView | None, sweep: lab.Sweep | None) -> None:
    """Draw the declaration as a file, and where one comes in."""
    st.caption("The address of this page is a link to what the controls declare, and to the open sweep.")
    if sweep:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", view.name if view else "sweep").strip("-.") or "sweep"
        st.download_button(
            "The declaration as JSON", sweep.to_json(), f"{stem}.json", "application/json", on_click="ignore",
            icon=":material/download:", key="export_sweep",
        )  # fmt: skip
    with st.form("import_sweep", clear_on_submit=True, border=False):
        help = "It is put on the controls; nothing is started."
        file = st.file_uploader("A declaration as JSON", "json", key="declaration", help=help)
        if st.form_submit_button("Import", on_click=_import) and file:
            uploads.free(file)  # which the callback has read: only now is it Streamlit's no more


@command
def _import() -> None:
    if (file := st.session_state.declaration) is None:
        raise ConfigError("Choose a file first.")
    declaration.show(lab.Sweep.from_json(file.getvalue()))


def _earlier() -> None:
    """Draw the list of all sweeps; the one that is open is chosen."""
    rows = {row.id: f"{row.name} · {row.created_at:%Y-%m-%d %H:%M}" for row in lab.sweeps()}
    if not rows:
        return
    st.session_state.earlier = st.session_state.sweep if st.session_state.sweep in rows else None
    st.selectbox(
        "Open a sweep", list(rows), index=None, format_func=rows.__getitem__, key="earlier", on_change=_open,
        label_visibility="collapsed", placeholder="Open an earlier sweep",
    )  # fmt: skip


@command
def _open() -> None:
    if sweep_id := st.session_state.earlier:
        declaration.show(lab.sweep(sweep_id).sweep)
        st.session_state.update(sweep=sweep_id, sweep_at=None)
