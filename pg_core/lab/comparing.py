"""Compare runs: agents of equal settings as one group, its typical course, and what tells groups apart."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import numpy as np

from pg_core.lab import settings, state
from pg_core.runs.curves.curves import Curves
from pg_core.runs.curves.outlines import Along, Outline, outlines
from pg_core.runs.curves.pooling import members, pooled
from pg_core.runs.curves.progress import Change, changes_of
from pg_core.runs.store.records import Array, Run

Axis = Literal["episodes", "env_steps", "seconds"]  # along which one run's curves are seen

MAX_ROWS = 10  # of a run
MOST_IN_LABEL = 3  # settings
MAX_GROUPS = 30  # as many as can be told apart on one chart
MOST_POINTS, FEWEST_POINTS, POINTS_OF_ALL = 128, 16, 40_000  # of a run, and of all that are compared


@dataclass(frozen=True)
class Group:
    """Runs that learned with the same settings, but for the seed: their agents are one population.

    Attributes:
        id: the same for the same settings.
        label: the settings in which it differs from the other groups, in words; a name where there is none.
        family: those of them by which the groups are grouped.
        runs: in the order in which they were given.
        agents: each agent once, by its run's place and its number: two runs of one seed have the same agents.
    """

    id: str
    label: str
    family: str
    runs: tuple[Run, ...]
    agents: tuple[tuple[int, int], ...]

    @property
    def steps(self) -> list[int | None]:
        """Environment steps that each agent needed to solve its environment, None where it has not."""
        return [self.runs[place].env_steps_to_solve[agent] for place, agent in self.agents]

    @property
    def solved(self) -> int:
        """How many agents have solved their environment."""
        return sum(steps is not None for steps in self.steps)


@dataclass(frozen=True)
class Course:
    """The typical course of a measure in a group.

    Attributes:
        x: places on the axis, `[n]`.
        values: IQM over agents, low and high end of its 95 % interval, `[n, 3]`.
        changes: of live settings on the way, in words, each at its place on the axis.
    """

    x: Array
    values: Array
    changes: tuple[tuple[float, Change], ...]


def group(label: str, runs: Sequence[Run]) -> Group:
    """Return runs that learned with the same settings as one group."""
    return Group("", label, label, tuple(runs), _agents(runs))


def groups(runs: Sequence[Run], by: Sequence[str] = ()) -> list[Group]:
    """Return the runs in groups of equal settings, in the order of the first run of each.

    Args:
        runs: any.
        by: settings that name a group's family; none: all in which the runs differ.
    """
    together: dict[Any, list[Run]] = {}
    for run in runs:
        together.setdefault(settings.key(run), []).append(run)
    firsts = [each[0] for each in together.values()]
    different = settings.differing(firsts)
    labels = _unique(_labels(firsts, different), firsts)
    chosen = _labels(firsts, {name: paths for name, paths in different.items() if name in by}) if by else labels
    return [
        Group(hashlib.sha256(str(key).encode()).hexdigest()[:16], label, family, tuple(each), _agents(each))
        for (key, each), label, family in zip(together.items(), labels, chosen, strict=True)
    ]


def _labels(firsts: Sequence[Run], different: dict[str, list[settings.Path]]) -> list[str]:
    """Return what tells each group from the others, in words; empty where nothing does.

    Where that is more than can be read, a preset is told by its name, and others by what they differ in from Best.
    """
    if len(different) > MOST_IN_LABEL:
        return [settings.named(run, different) for run in firsts]
    return [
        settings.in_words({name: paths[place] for name, paths in different.items()}) for place in range(len(firsts))
    ]


def _unique(labels: Sequence[str], firsts: Sequence[Run]) -> list[str]:
    """Return labels of which no two are the same: what only changed at other updates is told by a run's name."""
    named = [
        label if label and labels.count(label) == 1 else " · ".join(filter(None, [label, run.name]))
        for label, run in zip(labels, firsts, strict=True)
    ]
    return [name if named.count(name) == 1 else f"{name} ({place + 1})" for place, name in enumerate(named)]


def _agents(runs: Sequence[Run]) -> tuple[tuple[int, int], ...]:
    """Return each agent once, by place of its run and number; of two runs that have it, from the longer one."""
    longest = sorted(range(len(runs)), key=lambda place: -runs[place].updates)
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for place in longest:
        for agent in range(runs[place].config.num_agents):
            found.setdefault((runs[place].config.seed, agent), (place, agent))
    return tuple(sorted(found.values()))


def courses(groups: Sequence[Group], measure: str, along: Along) -> list[Course | None]:
    """Return the typical course of a measure in each group; None where no run has an update."""
    runs = [run for group in groups for run in group.runs]
    points = max(FEWEST_POINTS, min(MOST_POINTS, POINTS_OF_ALL // max(1, len(runs))))
    found = outlines(state.store(), runs, measure, points)
    return [_course(group, found, along) for group in groups]


def _course(group: Group, found: dict[str, Outline], along: Along) -> Course | None:
    everyone = []
    for place, agents in groupby(group.agents, key=lambda agent: agent[0]):
        run, numbers = group.runs[place], [number for _, number in agents]
        if run.id in found:
            solved = [run.env_steps_to_solve[number] is not None for number in numbers]
            everyone += members(found[run.id], along, numbers, solved)
    if not everyone:
        return None
    run = next(run for run in group.runs if run.id in found)
    marks = ((_place(found[run.id], along, change.update), change) for change in changes_of(run, run.requests))
    x, values = pooled(everyone)
    return Course(x, values, tuple((place, change) for place, change in marks if place <= x[-1]))


def _place(outline: Outline, along: Along, update: int) -> float:
    """Return where on an axis an update began."""
    return float(np.interp(update, np.append(0, outline.update + 1), np.append(0, outline.along(along))))


def sparks(runs: Sequence[Run]) -> dict[str, Array]:
    """Return update and typical return of each run that has any, some evenly spread over it, `[n, 2]`."""
    return state.sparks(state.store()).of(runs)


def changes(run: Run) -> list[Change]:
    """Return what changed in how a run learns, in order."""
    return changes_of(run, run.requests)


def curve_rows(curves: Curves, axis: Axis) -> list[Array]:
    """Return n ≤ 10 rows of a run's curve, evenly spread over it.

    Returns:
        Four columns `[n]`: place on the axis; IQM of the mean return over agents, and both ends of its 95 % interval.
    """
    updates = len(curves.update)
    rows = np.unique(np.linspace(0, updates - 1, min(updates, MAX_ROWS)).round().astype(int))
    return [column[rows] for column in (getattr(curves, axis), *curves.iqm.T)]


def differences(runs: Sequence[Run]) -> dict[str, list[settings.Path]]:
    """Return the settings in which runs differ, of those that can matter: the values that each run had in turn."""
    return settings.differing(runs)
