"""Verdicts on groups of runs: which is better, how sure that is, and the further seeds that would settle it."""

from collections.abc import Sequence

import numpy as np

from pg_core.config import Config
from pg_core.lab import control, state, sweeping
from pg_core.lab.comparing import Group
from pg_core.runs.curves.outlines import Outline, outlines
from pg_core.verdicts import Measure, Outcomes, Verdict, compare_pairs

POINTS = 32  # of a run's curve, of which one is compared
SEEDS = 2**10  # agents of a run are fewer: seed and agent are one number


def judge(groups: Sequence[Group], measure: Measure, base: int = 0) -> dict[int, Verdict]:
    """Return the verdict on each group against a base, corrected for their number, by its place.

    Returns are compared after as many updates as both groups have: an agent that has solved stays where it ended. So
    are areas under curves, over those updates.

    Args:
        groups: with different labels.
        measure: by which they are compared.
        base: its place among the groups.
    """
    found = outlines(state.store(), [run for group in groups for run in group.runs], "mean_return", POINTS)
    trained = [place for place, group in enumerate(groups) if any(run.id in found for run in group.runs)]
    others = [place for place in trained if place != base]
    if base not in trained or not others:
        return {}
    pairs = [_pair(groups[place], groups[base], found, measure) for place in others]
    return dict(zip(others, compare_pairs(pairs, measure), strict=True))


def _pair(a: Group, b: Group, found: dict[str, Outline], measure: Measure) -> tuple[Outcomes, Outcomes]:
    """Return what two groups have come to by the last update that all agents of both have done."""
    outlined = [found[run.id] for run in (*a.runs, *b.runs) if run.id in found]
    end = min(_end(a, found), _end(b, found), max(int(outline.update[-1]) for outline in outlined))
    return _outcomes(a, found, end, measure), _outcomes(b, found, end, measure)


def _end(group: Group, found: dict[str, Outline]) -> float:
    """Return the last update that all agents of a group have done; ∞ where they have solved, diverged, or not begun."""
    going = [
        run for place, agent in group.agents
        if (run := group.runs[place]).env_steps_to_solve[agent] is None and not run.diverged and run.id in found
    ]  # fmt: skip
    return float(min((found[run.id].update[-1] for run in going), default=np.inf))


def _outcomes(group: Group, found: dict[str, Outline], end: float, measure: Measure) -> Outcomes:
    rows = []
    for run, agent in ((group.runs[place], agent) for place, agent in group.agents):
        if run.id in found:
            outline, steps = found[run.id], run.env_steps_to_solve[agent]
            score = np.nan if run.diverged else _score(outline, agent, end, measure)  # worse than any that has a policy
            # In as many updates a bad agent takes fewer steps: it was watched for as many as any of its run has taken.
            watched = float(outline.env_steps[-1].max())
            rows.append((run.config.seed * SEEDS + agent, score, np.inf if steps is None else float(steps), watched))
    seeds, scores, steps_to_solve, censored_at = zip(*rows, strict=True)
    return Outcomes(group.label, seeds, np.array(scores), np.array(steps_to_solve), np.array(censored_at))


def _score(outline: Outline, agent: int, end: float, measure: Measure) -> float:
    """Return an agent's mean return at an update, or the mean of those up to it; between two that are known, a line."""
    updates = np.unique(np.linspace(0, end, POINTS).round()) if measure == "area_under_curve" else end
    return float(np.interp(updates, outline.update, outline.values[:, agent]).mean())


def can_be_extended(groups: Sequence[Group]) -> bool:
    """Return whether new runs can learn as these did: of none that is a fork, or was changed on the way."""
    runs = [group.runs[place] for group in groups for place in {place for place, _ in group.agents}]
    return not any(run.parent_id or any(request.update for request in run.requests) for run in runs)


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
