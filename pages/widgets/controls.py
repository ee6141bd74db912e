"""Controls of all hyperparameters, drawn from their declarations, in step with the link and with the open run."""

import contextlib
import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.widgets import ASSETS
from pages.widgets.command import command
from pages.widgets.text import plain
from pg_core import lab
from pg_core.config import HYPERPARAMETERS, Config, ConfigError
from pg_core.hyperparameters import GROUPS, Hyperparameter
from pg_core.presets import PRESETS, TUNED_FOR

ENVIRONMENTS = (
    "CartPole-v1", "CartPole-v0", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1",
    "FrozenLake-v1", "CliffWalking-v1", "Taxi-v4",
)  # fmt: skip
# What is in the formula of the gradient, and always at hand; `FORMULA` marks where each of them is.
KNOBS = ("learning_rate", "gamma", "baseline", "normalize_advantages", "ent_coef", "episodes_per_update")


def open_run(run: lab.Run | None, config: Config | None = None) -> None:
    """Make a run the one that the page shows, with its settings, or others, on the controls."""
    st.session_state.run_id = run.id if run else None
    st.session_state.known = run.current if run else None
    _show(dict(config or (run.current if run else Config())))


def open_fork(run_id: str, update: int, child: str) -> None:
    """Fork a run and show its child, which waits for what is to differ."""
    open_run(lab.run(lab.fork(run_id, update, resumed=False, child=child)))


def follow(run: lab.Run) -> None:
    """Show what somebody else has changed in the open run: a control holds what is in force, or what is to be."""
    if (known := st.session_state.known) != run.current:
        st.session_state.known = run.current
        _show(known.differences(run.current))


def link() -> dict[str, str]:
    """Return every control that is not at its default, as a link has it."""
    values = {name: value(name) for name in HYPERPARAMETERS}
    return {name: str(value) for name, value in values.items() if value != shown(HYPERPARAMETERS[name].default)}


def config() -> Config:
    """Return what the controls say.

    Raises:
        ConfigError: they do not fit together.
    """
    return Config(**{name: value(name) for name in HYPERPARAMETERS})


def valid_config() -> Config | None:
    """Return what the controls say, None where they do not fit together."""
    try:
        return config()
    except ConfigError:
        return None


def problem() -> str:
    """Return what is wrong: with the last thing done, or with what the controls say now; empty if nothing."""
    try:
        config()
    except ConfigError as error:
        return str(error)
    return str(st.session_state.complaint)


def value(name: str) -> Any:
    """Return what a control holds, by its key: that of a hyperparameter has its name."""
    return st.session_state[name]


def knobs() -> None:
    """Draw the preset, the formula of the gradient and the controls of what is in it."""
    _preset()
    st.html(ASSETS / "formula.html")
    active = _active()
    for name in KNOBS:
        control(name, active)


def more() -> None:
    """Draw the controls of everything else, in groups."""
    active = _active()
    for group in GROUPS:
        others = [p.name for p in HYPERPARAMETERS.values() if p.group == group and p.name not in (*KNOBS, "pace")]
        with st.expander(group, key=f"group_{group}"):
            for name in others:
                control(name, active)


def for_the_next_run(run: lab.Run | None) -> str:
    """Return which controls are at values that the open run cannot take any more; empty if none."""
    config = valid_config()
    if run is None or config is None:
        return ""
    labels = [HYPERPARAMETERS[name].label for name in run.current.differences(config)]
    return f"For the next run: {', '.join(labels)}." if labels else ""


def _active() -> bool:
    return st.session_state.run_id is not None and lab.run(st.session_state.run_id).active


def _preset() -> None:
    preset = preset_of({name: value(name) for name in HYPERPARAMETERS})
    st.menu_button(
        f"Preset: {PRESETS[preset].label if preset else 'your own settings'}", PRESETS, key="preset", width="stretch",
        on_click=_apply_preset, format_func=lambda name: PRESETS[name].label,
        help="  \n".join(f"**{preset.label}**: {preset.help}" for preset in PRESETS.values()),
    )  # fmt: skip
    env_id = value("env_id")
    why = PRESETS[preset].help if preset else "Presets are starting points."
    elsewhere = "" if env_id == TUNED_FOR else f", not for {env_id}: there it is only a start"
    with st.container(key="why"):
        st.caption(f"{why} Tuned for {TUNED_FOR}{plain(elsewhere)}.")


def control(name: str, active: bool = False, **more: Any) -> None:
    """Draw the control of one hyperparameter; a live one acts on the open run as soon as it is moved.

    With another `key` and `on_change` it is a control of something else that has hyperparameters.
    """
    with st.container(key=f"knob_{name}"):
        _widget(HYPERPARAMETERS[name], active, more)


def _widget(parameter: Hyperparameter, active: bool, more: dict[str, Any]) -> None:
    held = value(more.get("key", parameter.name))
    label = " ".join(filter(None, (parameter.label, parameter.symbol, "🔒" if active and not parameter.live else "")))
    hint = "" if parameter.live else " Fixed during a run: a new value is for the next one."
    proof = f" [Derivation](derivations?statement={parameter.statement})" if parameter.statement else ""
    help = parameter.help + hint + proof
    common: dict[str, Any] = {"label": label, "key": parameter.name, "help": help, "persist_state": "session"}
    common |= {"on_change": _changed, "args": (parameter.name,)} | more
    if parameter.name == "pace":
        short = {0: "∞", -1: "auto"}
        st.segmented_control(
            options=parameter.choices, format_func=lambda pace: short.get(pace, str(pace)), required=True, **common
        )
    elif parameter.name == "env_id":
        st.selectbox(options=list(dict.fromkeys((*ENVIRONMENTS, held))), accept_new_options=True, **common)
    elif parameter.choices:
        st.selectbox(options=parameter.choices, format_func=parameter.choices.__getitem__, **common)
    elif parameter.kind is bool:
        st.toggle(**common)
    elif parameter.kind in (tuple, dict):
        st.text_input(**common)
    elif parameter.scale == "log":
        st.select_slider(options=sorted({*parameter.grid(), held}), format_func=parameter.show, **common)
    elif parameter.step:
        low, high = float(parameter.low or 0), float(parameter.high or 1)
        st.slider(min_value=low, max_value=high, step=parameter.step, format="%.4g", **common)
    else:
        st.number_input(min_value=parameter.low, max_value=parameter.high, step=1, **common)


@command
def _changed(name: str) -> None:
    """Put a moved control into force in the open run, if it may change live."""
    _change({name: value(name)})


@command
def _apply_preset() -> None:
    values = PRESETS[st.session_state.preset].values
    _show(values)
    _change(values)


def _change(values: dict[str, Any]) -> None:
    """Ask the open run for those values that may change live; the others are for the next run."""
    run_id = st.session_state.run_id
    if run_id and (run := lab.run(run_id)).changeable and lab.may_control(run):
        live = {name: value for name, value in values.items() if run.current.is_live(name, value)}
        with contextlib.suppress(lab.RunEnded):  # since it was looked up: the values are for the next run
            lab.change(run_id, **live)
            st.session_state.known = st.session_state.known.changed(**live)


def preset_of(values: Mapping[str, Any]) -> str | None:
    """Return the preset that some values are at, if any."""
    return next((key for key, preset in PRESETS.items() if preset.values.items() <= values.items()), None)


def _show(values: dict[str, Any]) -> None:
    """Set controls to values, before they are drawn."""
    for name, value in values.items():
        st.session_state[name] = shown(value)


def shown(value: Any) -> Any:
    """Return a value as its control holds it: layer sizes and an environment's arguments are text there."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value
