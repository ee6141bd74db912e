"""The controls that declare a sweep: what its settings have in common, in what they differ, how many seeds each has."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.widgets import axes, controls
from pages.widgets.command import command
from pages.widgets.text import plain
from pg_core import lab
from pg_core.config import HYPERPARAMETERS, Config, ConfigError
from pg_core.hyperparameters import GROUPS
from pg_core.presets import PRESETS

NO_AXES = ("seed", *lab.OF_A_SWEEP)
BASE = "base_"  # with which the key of a control of the base begins
SAMPLERS = {"grid": "every combination", "random": "random", "tpe": "adaptive (TPE)"}
SAMPLER_HELP = (
    "**Every combination** of the values.  \n**Random**: trials drawn from the ranges.  \n**Adaptive**: Optuna’s "
    "tree-structured Parzen estimator draws more trials near those that turned out well."
)
# What a link has that says nothing of it.
DEFAULTS: dict[str, str | list[str]] = {
    "axis": ["learning_rate=0.003:0.1:log:4", "gamma=0.9:1:3"], "seeds": "10", "sampler": "grid", "trials": "20",
    "prune": "false",
}  # fmt: skip


def begin(texts: Mapping[str, Any]) -> list[str]:
    """Put on the controls what a link declares; return a sentence for each part of it that cannot be.

    The base begins as the settings of the Train page, on which a link's settings are, too.
    """
    show_base({name: controls.value(name) for name in HYPERPARAMETERS})
    found, complaints = {}, []
    for text in texts["axis"][: len(HYPERPARAMETERS)]:
        try:
            axis = lab.SweepAxis.of(text)
            found[axis.name] = axes.drawn_of(axis)
        except ConfigError as error:
            complaints.append(f"The link asked for what cannot be: {str(error).rstrip('.')}.")
    _show_axes(found)
    st.session_state.update(
        seeds=_whole(texts["seeds"], lab.MAX_SEEDS), trials=_whole(texts["trials"], lab.MAX_SETTINGS),
        sampler=texts["sampler"], prune=texts["prune"] == "true",
    )  # fmt: skip
    return complaints


def _whole(text: str, most: int) -> int:
    return min(max(1, int(text)), most) if text.isascii() and text.isdecimal() and len(text) < 6 else 1


def show(sweep: lab.Sweep) -> None:
    """Put a declaration on the controls, before they are drawn."""
    show_base(dict(sweep.base))
    _show_axes({axis.name: axes.drawn_of(axis) for axis in sweep.axes})
    trials = sweep.trials or int(str(DEFAULTS["trials"]))
    st.session_state.update(seeds=sweep.seeds, sampler=sweep.sampler, trials=trials, prune=sweep.prune)


def show_base(values: Mapping[str, Any]) -> None:
    """Set controls of the base to values, before they are drawn."""
    for name, value in values.items():
        st.session_state[BASE + name] = controls.shown(value)


def _show_axes(found: Mapping[str, axes.Drawn]) -> None:
    """Show axes on new widgets: a run of the script under way still carries what the old ones held."""
    st.session_state.axes, st.session_state.drawn = dict(found), st.session_state.get("drawn", 0) + 1


def link() -> dict[str, str | list[str]]:
    """Return what the controls say as a link has it, but for what is at its default."""
    state, found = st.session_state, _base()
    base = {name: str(held) for name, held in found.items() if held != controls.shown(HYPERPARAMETERS[name].default)}
    own = {
        "axis": [text for name, drawn in state.axes.items() if (text := axes.text_of(name, drawn))],
        "seeds": str(state.seeds), "sampler": state.sampler,
    }  # fmt: skip
    if state.sampler != "grid":
        own |= {"trials": str(state.trials), "prune": str(state.prune).lower()}
    return base | {name: text for name, text in own.items() if text != DEFAULTS[name]}


def _base() -> dict[str, Any]:
    """Return what the controls of the base hold."""
    return {name: st.session_state[BASE + name] for name in HYPERPARAMETERS if name not in lab.OF_A_SWEEP}


def declared() -> lab.Sweep:
    """Return what the controls declare.

    Raises:
        ConfigError: they do not fit together.
    """
    state = st.session_state
    found = tuple(axes.axis_of(name, drawn) for name, drawn in state.axes.items())
    if not found:
        raise ConfigError("Choose at least one hyperparameter to vary.")
    chosen = {} if state.sampler == "grid" else {"trials": state.trials, "prune": state.prune}
    return lab.Sweep(base=Config(**_base()), axes=found, seeds=state.seeds, sampler=state.sampler, **chosen)


def declaration() -> None:
    """Draw all controls."""
    _base_menu()
    names = st.multiselect(
        "Vary", [name for name in HYPERPARAMETERS if name not in NO_AXES], list(st.session_state.axes),
        format_func=axes.label, key=f"vary_{st.session_state.drawn}", on_change=_vary, max_selections=lab.MAX_AXES,
        help="One or two make a heat map; more are seen side by side as lines.", placeholder="Choose hyperparameters",
    )  # fmt: skip
    for name in names:
        with st.container(key=f"axis_{name}", border=True, gap="small"):
            st.session_state.axes[name] = axes.controls_of_axis(
                HYPERPARAMETERS[name], st.session_state.axes[name], f"{name}_{st.session_state.drawn}"
            )
    _seeds_and_sampler()
    with st.expander("Base settings", key="base_settings"):
        st.caption("What all settings have in common, but for what is varied.")
        for name in sorted(_base(), key=lambda name: GROUPS.index(HYPERPARAMETERS[name].group)):
            if name not in names:
                controls.control(name, key=BASE + name, on_change=None, args=None)


def _base_menu() -> None:
    held = _base()
    preset = controls.preset_of(held)
    options = {"train": "As on the Train page", **{name: preset.label for name, preset in PRESETS.items()}}
    st.menu_button(
        f"Base: {PRESETS[preset].label if preset else 'your own settings'}", options, key="base", width="stretch",
        format_func=options.__getitem__, on_click=_choose_base,
        help="What all settings begin with: a preset, or the settings of the Train page, which are those of its run.",
    )  # fmt: skip
    st.caption(plain(f"{held['env_id']}, at most {held['num_updates']:,} updates."))


@command
def _choose_base() -> None:
    chosen = st.session_state.base
    train = {name: controls.value(name) for name in HYPERPARAMETERS}
    show_base(train if chosen == "train" else PRESETS[chosen].values)


def _vary() -> None:
    """Take up which hyperparameters are varied; one that is new begins around the value of the base."""
    names, known = st.session_state[f"vary_{st.session_state.drawn}"], st.session_state.axes
    st.session_state.axes = {
        name: known.get(name) or axes.proposed(HYPERPARAMETERS[name], st.session_state[BASE + name]) for name in names
    }


def _seeds_and_sampler() -> None:
    st.number_input(
        "Seeds of each setting", 1, lab.MAX_SEEDS, key="seeds", persist_state="session",
        help="Agents that train each setting. Seed k draws the same random numbers in every setting.",
    )  # fmt: skip
    st.selectbox(
        "Try", list(SAMPLERS), format_func=SAMPLERS.__getitem__, key="sampler", help=SAMPLER_HELP,
        persist_state="session",
    )  # fmt: skip
    if st.session_state.sampler != "grid":
        st.number_input("Trials", 1, lab.MAX_SETTINGS, key="trials", persist_state="session")
        st.toggle(
            "Stop what is hopeless", key="prune", persist_state="session",
            help="A setting that is worse than the median of those that have ended, at the same share of its updates.",
        )  # fmt: skip
