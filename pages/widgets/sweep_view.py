"""The moving part of the Sweeps page: the component, and what a person does in it."""

import itertools
from typing import Any

import orjson
import streamlit as st

from pages.widgets.addresses import address_of_sweep
from pages.widgets.command import command
from pages.widgets.figure import Json
from pages.widgets.instrument import component
from pages.widgets.link import CHOICES
from pages.widgets.sweep_news import MEANINGS, axes_of, measures, token
from pg_core import lab
from pg_core.config import ConfigError

KEY = "sweep_moving"
_calls = itertools.count()  # of the component: each is told, even where it has nothing else to tell
_sweep = component("sweep", "sweep.js")


def moving(view: lab.SweepView) -> None:
    """Show a sweep: the browser asks what is new, by itself, until nothing more comes."""
    offered = measures(view)
    chosen = st.session_state.sweep_by
    told: Json = {
        "call": next(_calls),
        "address": address_of_sweep(view.id),
        "subject": f"{view.id} {[len(axis.values) for axis in view.sweep.axes]}",
        "token": token(view),
        "axes": axes_of(view.sweep),
        "most": view.sweep.most,
        "measures": {
            name: {"name": lab.TITLES[name], "more": lab.BETTER[name] > 0, "meaning": MEANINGS[name]}
            for name in offered
        },
        "measure": chosen if chosen in offered else offered[0],
        "mine": mine(view),
    }
    _sweep(
        key=KEY, data=orjson.dumps(told), on_measure_change=_measure, on_halt_change=_halt, on_at_change=_at,
        on_stale_change=lambda: None,
    )  # fmt: skip


def mine(view: lab.SweepView) -> bool:
    """Return whether the visitor controls a sweep: who controls its runs does."""
    return all(lab.may_control(run) for setting in view.settings for run in setting.runs)


def _sent(name: str) -> Any:
    return st.session_state[KEY].get(name)


def _measure() -> None:
    if (sent := _sent("measure")) in CHOICES["sweep_by"].options:
        st.session_state.sweep_by = sent


def _at() -> None:
    """Take up which setting was picked; what the component says may be anything."""
    sent = _sent("at")
    st.session_state.sweep_at = sent if type(sent) is int else None


@command
def _halt() -> None:
    setting = _sent("halt")
    if type(setting) is not int:
        raise ConfigError("A setting is stopped by its number: reload the page.")
    lab.stop_setting(st.session_state.sweep, setting)
