"""Verdicts on groups of runs: which is better, how sure that is, and the further seeds that would settle it."""

from collections.abc import Sequence

import numpy as np

from pg_core.config import Config
from pg_core.lab import control, state, sweeping
from pg_core.lab.comparing import Group
from pg_core.runs.curves.outlines import Outline, outlines
from pg_core.verdicts import Measure, Outcomes, Verdict, compare_all

POINTS = 32  # of a run's curve, of which one is compared
SEEDS = 2**10  # agents of a run are fewer: seed and agent are one number


def judge(groups: Sequence[Group], measure: Measure, base: int = 0) -> dict[int, Verdict]:
    """Return the verdict on each group against a base, corrected for their number, by its place.

    Final returns are compared after as many updates as all groups have: one that has solved stays where it ended.

    Args:
        groups: with different labels.
        measure: by which they are compared.
        base: its place among the groups.
    """
    found = outlines(state.store(), [run for group in groups for run in group.runs], "mean_return", POINTS)
    horizon = min((_end(group, found) for group in groups), default=np.inf)
    outcomes = {place: _outcomes(group, found, horizon) for place, group in enumerate(groups) if _trained(group, found)}
    if base not in outcomes or len(outcomes) < 2:
        return {}
    others = [place for place in outcomes if place != base]
    verdicts = compare_all(outcomes[base], [outcomes[place] for place in others], measure)
    return dict(zip(others, verdicts, strict=True))


def _trained(group: Group, found: dict[str, Outline]) -> bool:
    return any(group.runs[place].id in found for place, _ in group.agents)


def _end(group: Group, found: dict[str, Outline]) -> float:
    """Return the last update that all agents of a group have done; ∞ where they have solved, diverged, or not begun."""
    going = [
        run for place, agent in group.agents
        if (run := group.runs[place]).env_steps_to_solve[agent] is None and not run.diverged and run.id in found
    ]  # fmt: skip
    return float(min((found[run.id].update[-1] for run in going), default=np.inf))


def _outcomes(group: Group, found: dict[str, Outline], horizon: float) -> Outcomes:
    rows = [_outcome(group, place, agent, found, horizon) for place, agent in group.agents]
    seeds, scores, steps, watched = zip(*(row for row in rows if row), strict=True)
    return Outcomes(group.label, seeds, np.array(scores), np.array(steps), np.array(watched))


def _outcome(
    group: Group, place: int, agent: int, found: dict[str, Outline], horizon: float
) -> tuple[int, float, float, float] | None:
    """Return what paired an agent, its score, its steps to solve, and for how many steps it was watched."""
    run = group.runs[place]
    if run.id not in found:
        return None
    outline, steps = found[run.id], run.env_steps_to_solve[agent]
    at = max(0, int(np.searchsorted(outline.update, horizon, "right")) - 1)
    score = np.nan if run.diverged else float(outline.values[at, agent])  # none is worse than one that has no policy
    solved = np.inf if steps is None else float(steps)
    # In as many updates a bad agent takes fewer steps: each was watched for as many as any of its run has taken.
    watched = float(outline.env_steps[-1].max())
    return run.config.seed * SEEDS + agent, score, solved, watched


def can_be_extended(groups: Sequence[Group]) -> bool:
    """Return whether further seeds of these groups can be started: of none whose settings were changed on the way."""
    return all(not any(request.update for request in run.requests) for group in groups for run in group.runs)


def further_seeds(groups: Sequence[Group], count: int, run_ids: Sequence[str]) -> None:
    """Queue `count` further agents of each group, with the same new seeds in all; of a setting of a sweep, in it.

    Args:
        groups: whose settings were not changed on the way.
        count: of agents, at most 512.
        run_ids: of the new runs, made by the caller: to ask twice is to ask once.

    Raises:
        ConfigError: training does not fit into the free memory.
        NotAllowed: the visitor, or the lab, has as many runs as are allowed.
    """
    seed = 1 + max(run.config.seed for group in groups for run in group.runs)
    for group, run_id in zip(groups, run_ids, strict=True):
        last = max(group.runs, key=lambda run: run.config.seed)
        if last.sweep_id is not None and last.setting is not None:
            sweeping.extend_sweep(last.sweep_id, seeds=count, settings={last.setting})
            continue
        values = last.current.model_dump() | {"seed": seed, "num_agents": count, "pace": 0}
        control.start(Config(**values), None, run_id)
