"""Writes measurements as Markdown; what was not measured is a dash."""

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with one line for each row."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with a fixed number of decimal places."""
    return "–" if value is None else f"{value:,.{digits}f}"


def significant(value: float | None) -> str:
    """Return a number with two significant digits at least, and no decimal places from 10 on."""
    if value is None or value >= 10:
        return number(value)
    return f"{value:.2g}" if value < 1 else f"{value:.1f}"


def ratio(value: float | None, other: float | None) -> float | None:
    """Return how many times as large a number is as the other."""
    return value / other if value is not None and other else None
