"""Numbers and sentences as people read them."""

import html
import math
import re
import string

from pg_core import lab
from pg_core.config import ConfigError

MAX_LEGEND = 24  # characters; a longer name would leave no room for the chart
NOT_YOURS = "This run is someone else's: fork it on the Runs page to go on from it."
REFUSALS = (ConfigError, LookupError, lab.NotAllowed, lab.StoreError)  # errors whose message is for who asked
STATES = {  # of a run, each with its colour and icon
    "queued": ("gray", "hourglass_empty"),
    "starting": ("blue", "hourglass_top"),
    "running": ("blue", "play_arrow"),
    "paused": ("orange", "pause"),
    "solved": ("green", "check"),
    "finished": ("green", "flag"),
    "stopped": ("gray", "stop"),
    "failed": ("red", "error"),
    "interrupted": ("orange", "link_off"),
}
FORMULA = tuple("=+-@\t\r＝＋－＠")  # with what begins with these, spreadsheets calculate
# Gymnasium's documentation names these actions; their spaces do not.
ACTIONS = {
    "CartPole": ("left", "right"),
    "MountainCar": ("push left", "coast", "push right"),
    "Acrobot": ("torque −1", "torque 0", "torque +1"),
    "Taxi": ("south", "north", "east", "west", "pick up", "drop off"),
    "CliffWalking": ("up", "right", "down", "left"),
    "FrozenLake": ("left", "down", "right", "up"),
    "FrozenLake8x8": ("left", "down", "right", "up"),
}


def big(number: float) -> str:
    """Return a count in at most four characters and a unit: `950`, `12.4 k`, `1.9 M`."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.3g} {unit}"
    return f"{number:.0f}"


def number(value: float | None) -> str:
    """Return a measured number in at most four significant digits, with a proper minus; a dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.4g}".replace("-", "−")


def duration(seconds: float) -> str:
    """Return a duration as `0:06`, `12:30` or `2:05:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def plain(text: str) -> str:
    """Return text in which Markdown sees nothing but text: no link, picture, formula or icon."""
    # Addresses become links even where each character is escaped, unless something unseen, a word joiner, parts them.
    parted = re.sub("(https?|www|@)", "\\1\u2060", text, flags=re.IGNORECASE)
    return re.sub(f"([{re.escape(string.punctuation)}])", r"\\\1", parted)


def cell(text: str) -> str:
    """Return text for a table that can be downloaded as CSV, in which a spreadsheet sees no formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def legend(text: str) -> str:
    """Return text, cut short if it is long, in which Plotly sees nothing but text: no tag, link or line break."""
    return html.escape(text if len(text) <= MAX_LEGEND else f"{text[: MAX_LEGEND - 1]}…", quote=False)
