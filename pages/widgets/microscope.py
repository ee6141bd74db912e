"""The policy under the microscope: the component, and where in the run it is."""

import re
from functools import partial
from typing import Any

import orjson
import streamlit as st

from pages.widgets import game, race
from pages.widgets.addresses import address_of
from pages.widgets.figure import Json
from pages.widgets.instrument import component
from pages.widgets.link import CHOICES
from pages.widgets.text import ACTIONS
from pg_core import lab

# Names in the session and in the link.
PLACE = "update", "agent", "episode", "play", "play_seed", "versus", "versus_update", "versus_agent"
MAX_DIGITS = len(str(lab.MAX_SEED))
WORD = re.compile("[0-9a-z]{0,32}")  # a number, the id of a run, or how an episode is played

_microscope = component("microscope", "microscope.js")


def microscope(run: lab.Run) -> None:
    """Show the policies of a run, from the update, agent and episode on that the session is at."""
    spec = run.config.environment
    told: Json = {
        "address": address_of(run),
        "subject": f"{run.id} {run.rewinds}",
        "name": run.name,
        "kind": spec.compiled,
        "env_id": run.config.env_id,
        "limit": spec.max_episode_steps,
        "for_failure": bool(spec.env_kwargs.get("sutton_barto_reward")),  # what is paid, else for each step
        "updates": run.updates,
        "agents": run.config.num_agents,
        "episodes": run.config.episodes_per_update,
        "choices": spec.choices,
        "action_size": spec.action_size,
        "bounds": [spec.action_low, spec.action_high],
        "dimensions": [dimension._asdict() for dimension in spec.observed.dimensions],
        "states": spec.observed.states,
        "grid": spec.observed.grid,
        "has_value": run.config.baseline == "value",
        "actions": ACTIONS.get(run.config.env_id.rsplit("-v", 1)[0]),
        "at": _place(run),
        "game": game.told(run),
    }
    played = partial(game.keep, run.id)
    _microscope(
        key="microscope", data=orjson.dumps(told), on_at_change=_moved, on_race_change=race.ask, on_game_change=played
    )


def _place(run: lab.Run) -> Json:
    """Return where the session is in a run, within its bounds; by default at its last update."""
    if st.session_state.setdefault("looked_at", run.id) != run.id:  # where one was in another run means nothing here
        st.session_state.update({"looked_at": run.id, **dict.fromkeys(PLACE, "")})
    most = {"update": run.updates, "agent": run.config.num_agents - 1, "episode": run.config.episodes_per_update - 1}
    most["play_seed"] = lab.MAX_SEED
    default = {"update": run.updates - 1}
    numbers = {name: min(_number(st.session_state[name], default.get(name, 0)), most[name]) for name in most}
    rival = {name: _number(st.session_state[name], 0) for name in ("versus_update", "versus_agent")}  # of any run
    return {**numbers, **rival, "play": st.session_state.play, "versus": st.session_state.versus}


def _number(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS else default


def _moved() -> None:
    """Take up where the slider rests; what the component says may be anything, and what is no place is left out."""
    at = st.session_state.microscope.at
    if isinstance(at, list) and len(at) == len(PLACE):
        place = dict(zip(PLACE, map(_word, at), strict=True))
        known = place["play"] in CHOICES["play"].options
        st.session_state.update(place if known else place | {"play": ""})


def _word(sent: Any) -> str:
    return str(sent) if isinstance(sent, int | str) and WORD.fullmatch(str(sent)) else ""
