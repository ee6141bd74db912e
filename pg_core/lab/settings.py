"""The settings with which runs learned: what changed on the way, what could matter, and what tells runs apart."""

import json
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any

from pg_core.config import HYPERPARAMETERS
from pg_core.presets import PRESETS
from pg_core.runs.store.records import Run

Path = tuple[Any, ...]  # the values that a setting had, one after the other; mostly one

# A seed is what is pooled over. Neither pace nor the number of agents changes what an agent draws or learns, and the
# number of updates only how far it comes.
NEVER_MATTER = ("seed", "num_agents", "pace", "num_updates", "engine")
ELSEWHERE = ("env_id", "env_kwargs")  # of these a list has a column


def setting_paths(run: Run) -> dict[str, Path]:
    """Return the values that each setting had in turn, of those that can have mattered; the last is in force now."""
    return {name: tuple(value for _, value in steps) for name, steps in _steps(run).items()}


def key(run: Run) -> Hashable:
    """Return what runs have in common that learned with the same settings, changed at the same updates."""
    steps = {name: [(at, _plain(value)) for at, value in each] for name, each in _steps(run).items()}
    return json.dumps([run.config.compiled, steps], sort_keys=True)


def show_path(name: str, path: Path) -> str:
    """Return a setting as pages print it: `0.003`; one that was changed from its start to its end, `0.025 → 0.0007`."""
    start, end = (HYPERPARAMETERS[name].show(path[place]) for place in (0, -1))
    if len(path) == 1:
        return start
    return f"{start} → … → {end}" if start == end else f"{start} → {end}"


def in_words(settings: Mapping[str, Path]) -> str:
    """Return settings as `α 0.025 → 0.0007, baseline none`."""
    return ", ".join(f"{symbol(name)} {show_path(name, path)}" for name, path in settings.items())


def symbol(name: str) -> str:
    """Return how a setting is called where there is little room: by its symbol, else by its label."""
    label = HYPERPARAMETERS[name].label
    return HYPERPARAMETERS[name].symbol or label[0].lower() + label[1:]


def from_best(run: Run) -> dict[str, Path]:
    """Return the settings in which a run differs from the preset Best, which are the defaults; not its environment."""
    return {
        name: path for name, path in setting_paths(run).items()
        if path != (HYPERPARAMETERS[name].default,) and name not in ELSEWHERE
    }  # fmt: skip


def described(run: Run) -> str:
    """Return the preset with which a run learned, or in what it differs from Best."""
    return preset_of(run) or f"differs from Best by {in_words(from_best(run))}"


def preset_of(run: Run) -> str:
    """Return the name of the preset with which a run learned; empty if it was none."""
    different = from_best(run)
    if not different:
        return "Best"
    for preset in PRESETS.values():
        if different == {n: (v,) for n, v in preset.values.items() if v != HYPERPARAMETERS[n].default}:
            return preset.label
    return ""


def named(run: Run, different: Collection[str]) -> str:
    """Return a short name of a run among others that differ in much: `Plain REINFORCE`, `Best with α 0.003`."""
    name = preset_of(run) or f"Best with {in_words(from_best(run))}"
    held = setting_paths(run)
    return " · ".join([*(show_path(each, held[each]) for each in ELSEWHERE if each in different), name])


def search_words(run: Run) -> str:
    """Return all that a search finds of a run's settings: preset, environment, what differs from Best, and choices."""
    held = setting_paths(run)
    choices = [show_path(name, path) for name, path in held.items() if HYPERPARAMETERS[name].choices]
    switches = [HYPERPARAMETERS[name].label for name, path in held.items() if path[-1] is True]
    labels = [f"{HYPERPARAMETERS[name].label} {show_path(name, path)}" for name, path in from_best(run).items()]
    return " ".join([described(run), run.config.env_id, *labels, *choices, *switches])


def differing(runs: Sequence[Run]) -> dict[str, list[Path]]:
    """Return the settings in which runs differ, and the path of each run; what cannot matter is at its default."""
    held = [setting_paths(run) for run in runs]
    names = [name for name in HYPERPARAMETERS if any(name in each for each in held)]
    values = {name: [each.get(name, (HYPERPARAMETERS[name].default,)) for each in held] for name in names}
    return {name: each for name, each in values.items() if any(path != each[0] for path in each)}


def _steps(run: Run) -> dict[str, list[tuple[int, Any]]]:
    """Return of each setting that can have mattered the values it had, each with the first update it was in force."""
    steps = {name: [(0, value)] for name, value in run.config if name not in NEVER_MATTER}
    for request in run.requests:
        at = run.updates if request.update is None else request.update  # one that waits is in force from the next on
        for name, value in request.values.items():
            if name in steps:
                _add(steps[name], at, value)
    ever = {name: {value for _, value in steps[name]} for name in _DECIDE}
    ignored = [name for name, matters in _MATTERS.items() if not matters(ever)]
    return {name: each for name, each in steps.items() if name not in ignored}


def _add(steps: list[tuple[int, Any]], at: int, value: Any) -> None:
    """Have a setting be something else from an update on; nothing was learned with what it was only there."""
    if steps[-1][0] == at:
        steps.pop()
    if not steps or steps[-1][1] != value:
        steps.append((at, value))


# Of settings that do not always matter: whether one can have, by the values that others ever had.
_MATTERS: dict[str, Callable[[dict[str, set[Any]]], bool]] = {
    "momentum": lambda ever: "sgd" in ever["optimizer"],
    "activation": lambda ever: () not in ever["hidden_layers"],
    "gamma_t": lambda ever: "reward_to_go" in ever["weights"] and ever["gamma"] != {1.0},
    # Normalised advantages do not depend on it, unless a value network learns it.
    "reward_scale": lambda ever: False in ever["normalize_advantages"] or "value" in ever["baseline"],
}
_DECIDE = ("optimizer", "hidden_layers", "weights", "gamma", "normalize_advantages", "baseline")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
