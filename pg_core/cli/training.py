"""Commands that train and play: train, resume, fork, evaluate, render, replay."""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pg_core import lab
from pg_core.cli.diagnosing import chosen_update
from pg_core.cli.output import TrainingFailedError, WrongVerdictError, progress_bar, summary_of, update_of, whole
from pg_core.config import HYPERPARAMETERS, Config, parsed
from pg_core.presets import PRESETS

if TYPE_CHECKING:
    from pg_core.learning.trainer import Update


def train(options: argparse.Namespace) -> None:
    """Train a population in this process."""
    given = parsed({name: str(value) for name, value in vars(options).items() if name in HYPERPARAMETERS})
    config = Config(**{**lab.UNWATCHED, **PRESETS[options.preset].values, **given})
    if note := config.environment.limit_note:
        print(note, file=sys.stderr)
    _follow(lab.train(config, options.name), options.json)


def resume(options: argparse.Namespace) -> None:
    """Train a run on in this process, or have the process that has it go on."""
    training = lab.train_on(options.run, **parsed(dict(options.set)))
    if training:
        _follow(training, options.json)
        return
    run = lab.run(options.run)
    summary = {"name": run.name, "state": run.state, **summary_of(run)}
    print(json.dumps(summary) if options.json else f"{run.name} goes on in the process that trains it")


def fork(options: argparse.Namespace) -> None:
    """Train a fork of a run in this process."""
    at, values = chosen_update(options.run, options.update), parsed(dict(options.set))
    _follow(lab.train_fork(options.run, at, options.name, **values), options.json)


def _follow(training: lab.Training, as_json: bool) -> None:
    """Train, print each update or a bar, and at last what the run has come to."""
    for update in training if as_json else _with_progress(training):
        if as_json:
            print(json.dumps(update_of(update)), flush=True)
    run = lab.run(training.run_id)
    if run.state in ("failed", "interrupted"):
        raise TrainingFailedError(run.reason)
    summary = summary_of(run)
    if as_json:
        print(json.dumps(summary))
        return
    print(
        f"{run.name} ({run.id}): {run.updates} updates, {run.env_steps:,} steps at {run.steps_per_second:,.0f} steps/s"
    )
    if run.mean_return is not None:
        solved, agents = sum(summary["solved"]), run.config.num_agents
        print(f"solved by {solved} of {agents} agents, final mean return {run.mean_return:.1f}")


def _with_progress(training: lab.Training) -> "Iterator[Update]":
    """Pass updates on while a bar on standard error follows them."""
    with progress_bar("updates, mean return {task.fields[mean_return]}") as bar:
        task = bar.add_task("", total=lab.run(training.run_id).current.num_updates, mean_return="–")
        for update in training:
            bar.update(task, completed=update.index + 1, mean_return=f"{update.mean_return.mean():.1f}")
            yield update


def evaluate(options: argparse.Namespace) -> None:
    """Play fresh episodes."""
    update = chosen_update(options.run, options.update, options.agent)
    result = lab.evaluate(options.run, options.episodes, options.agent, not options.sampled, update)
    returns, lengths = result.returns.tolist(), result.lengths.tolist()
    if options.json:
        print(
            json.dumps({"returns": returns, "lengths": lengths, "consecutive_successes": result.consecutive_successes})
        )
        return
    print(f"mean return {sum(returns) / len(returns):.1f} over {len(returns)} episodes")
    print(f"the first {result.consecutive_successes} of {len(returns)} ran to the time limit")


def render(options: argparse.Namespace) -> None:
    """Write an episode, or a film, as an animation."""
    said: dict[str, Any] = {"output": str(options.output)}
    with whole(options.output) as path:
        if options.film:
            if options.update is not None:
                raise ValueError("`--film` chooses updates by itself: leave `--update` out.")
            said["returns"] = lab.film(options.run, path, options.agent, options.in_turn)
        else:
            update = chosen_update(options.run, options.update, options.agent)
            lab.render(options.run, path, options.agent, update)
    print(json.dumps(said) if options.json else f"written: {options.output}")


def replay(options: argparse.Namespace) -> None:
    """Train a run again and compare."""
    with progress_bar("updates identical") as bar:
        task = bar.add_task("")
        for found in lab.replay(options.run):
            bar.update(task, completed=found.identical, total=found.updates)
    if options.json:
        differs = {"differs_at": found.differs_at, "arrays": list(found.arrays), "elsewhere": found.elsewhere}
        print(json.dumps({"run_id": options.run, "identical": not found.arrays, "updates": found.updates, **differs}))
    if found.arrays:
        where = f"update {found.differs_at} of {found.updates}: {', '.join(found.arrays)}"
        earlier = found.arithmetic < lab.ARITHMETIC
        why = " An earlier lab began it: it is the same until a rounding error changes an action." if earlier else ""
        why += " Another type of processor trained some of it: there the last bits may differ." * found.elsewhere
        raise WrongVerdictError(f"Run {options.run} first differs in {where}.{why}")
    if not options.json:
        print(f"run {options.run} is identical, bit for bit, in all of its {found.updates} updates")
