"""Sets what was measured beside what the engine is to reach."""

import statistics
from collections.abc import Iterator, Mapping

from bench.markdown import number, ratio, significant, table
from bench.measure import Result, Row
from bench.rows import A2C, COMPILED, GYMNASIUM, GYMNASIUM_UPDATES, JAX, TF_EXAMPLE, TF_FASTEST
from bench.startup import SEEDS

C_STEPS_PER_SECOND = {1: 8.9e6, 64: 16e6}  # hand-written C on the reference machine, by number of agents, B = 16

Target = tuple[str, str, str]  # what, measured, what is asked for


def targets(results: Mapping[Row, Result], one_agent: Result) -> str:
    """Return the table of ratios and of the best preset's numbers.

    Args:
        results: of the rows of the first table.
        one_agent: one agent with the best preset, trained until it solves with each of twenty seeds.
    """
    rates = {(row.label, row.num_agents): result.median("steps_per_second") for row, result in results.items()}
    rows = [*_ratios(rates), *_fractions_of_c(rates), *_solving(one_agent)]
    return table(["", "measured", "to reach"], rows)


def _ratios(rates: Mapping[tuple[str, int], float | None]) -> Iterator[Target]:
    pairs = [
        ((COMPILED, 64), (TF_EXAMPLE, 1), "≥ 1,000"),
        ((COMPILED, 64), (TF_FASTEST, 1), ""),
        ((COMPILED, 64), (A2C, 1), "≥ 300"),
        ((COMPILED, 1), (JAX, 1), "> 1"),
        ((COMPILED, 64), (JAX, 64), "≥ 1.5"),
    ]
    for agents in GYMNASIUM_UPDATES:
        pairs += [((GYMNASIUM, agents), (TF_EXAMPLE, 1), "≥ 10"), ((GYMNASIUM, agents), (TF_FASTEST, 1), "")]
    for ours, theirs, asked in pairs:
        measured = ratio(rates[ours], rates[theirs])
        size = f" ({theirs[1]}, 16)" if theirs[0] == JAX else ""
        yield f"{ours[0]} ({ours[1]}, 16) / {theirs[0]}{size}", _times(measured), asked


def _times(measured: float | None) -> str:
    return "–" if measured is None else f"{measured:.2f} ×" if measured < 10 else f"{measured:,.0f} ×"


def _fractions_of_c(rates: Mapping[tuple[str, int], float | None]) -> Iterator[Target]:
    for agents, c in C_STEPS_PER_SECOND.items():
        fraction = ratio(rates[COMPILED, agents], c)
        percent = "–" if fraction is None else f"{fraction:.0%}"
        what = f"{COMPILED} ({agents}, 16) / hand-written C on the reference machine, {c / 1e6:g} million steps/s"
        yield what, percent, "as near as can be"


def _solving(one_agent: Result) -> Iterator[Target]:
    found = one_agent.repeats[0] if one_agent.repeats else {"env_steps_to_solve": [], "seconds": []}
    steps, seconds = found["env_steps_to_solve"], found["seconds"]
    yield "seeds that solve with the best preset, one agent", f"{len(steps)} of {SEEDS}", f"{SEEDS} of {SEEDS}"
    yield "environment steps to solve, median", number(statistics.median(steps) if steps else None), "≤ 60,000"
    yield (
        "seconds to solve in a warm worker, median",
        significant(statistics.median(seconds) if seconds else None),
        "≤ 0.5",
    )
