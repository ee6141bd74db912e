"""Numbers and sentences as people read them."""

import re
import string

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


def big(number: float) -> str:
    """Return a count in at most four characters and a unit: `950`, `12.4 k`, `1.9 M`."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.3g} {unit}"
    return f"{number:.0f}"


def duration(seconds: float) -> str:
    """Return a duration as `0:06`, `12:30` or `2:05:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def plain(text: str) -> str:
    """Return text in which Markdown sees nothing but text: no link, picture, formula or icon."""
    # Addresses become links even where their punctuation is escaped: an invisible joiner keeps them from it.
    unlinked = re.sub(r"(?i)(https?|www|@)", "\\1\u2060", text)
    return re.sub(f"([{re.escape(string.punctuation)}])", r"\\\1", unlinked)
