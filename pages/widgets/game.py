"""The visitor against a policy: what the component is told of games, and what it tells of one."""

import streamlit as st

from pages.widgets.command import command
from pages.widgets.figure import Json
from pg_core import lab


def told(run: lab.Run) -> Json | None:
    """Return after how many steps a game ends, and the best scores; None where none can be played."""
    limit = lab.game_limit(run)
    return limit and {"limit": limit, "scores": [score._asdict() for score in lab.best_scores(run.id)]}


@command
def keep(run_id: str) -> None:
    """Keep the game that the component tells of."""
    lab.keep_game(run_id, st.session_state.microscope.game)
