"""The command line, with an option for every hyperparameter: `python -m pg_core COMMAND`."""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pg_core import lab
from pg_core.config import HYPERPARAMETERS, Config
from pg_core.presets import PRESETS
from pg_core.proofs import PARAMETERS, STATEMENTS, validated

if TYPE_CHECKING:
    from pg_core.trainer import Update

WRONG, BAD_INPUT, INTERRUPTED, CLOSED_PIPE = 1, 2, 130, 141
MAX_EVALUATED = 10_000


class TrainingFailedError(RuntimeError):
    """Raised when a run ended in failure; its message is the reason."""


class WrongVerdictError(RuntimeError):
    """Raised when a check did not give what it must; its message says which."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{message}; see `{self.prog} --help`.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    0, or 1 if what was checked or replayed is not as it must be, 2 for bad input, 130 when interrupted, 141 for a
    closed pipe.
    """
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except WrongVerdictError as error:
        print(error, file=sys.stderr)
        return WRONG
    except (ValueError, LookupError, lab.StoreError, TrainingFailedError) as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:  # whoever read has left; nothing is to be written when Python ends, either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except OSError as error:
        print(f"A file cannot be written: {error}.", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m pg_core", description="Policy gradients without a browser.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train = _command(commands, "train", _train, "train a population and keep the run")
    train.add_argument("--preset", choices=PRESETS, default="best", help="settings to start from (default: best)")
    train.add_argument("--name", help="name of the run")
    _add_hyperparameters(train)
    evaluate = _command(commands, "evaluate", _evaluate, "play fresh episodes with a run's greedy policy")
    _add_run(evaluate)
    evaluate.add_argument("--episodes", type=_count, default=200, metavar="N", help="how many (default: 200)")
    render = _command(commands, "render", _render, "write an episode of a run's greedy policy as a picture that moves")
    _add_run(render)
    render.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="a .webp, .gif or .mp4 file")
    _command(commands, "runs", _runs, "list all runs, newest first")
    check = _command(commands, "check", _check, "check the proofs by running the code that trains")
    check.add_argument("names", nargs="*", metavar="NAME", help=f"all, or of {', '.join(STATEMENTS)}")
    for name, parameter in PARAMETERS.items():
        rule = f"in [{parameter.low:g}, {parameter.high:g}], default {parameter.default:g}"
        check.add_argument(f"--{name}", type=type(parameter.default), help=f"{parameter.label.lower()}, {rule}")
    replay = _command(commands, "replay", _replay, "train a run again and compare it with what is stored, bit for bit")
    replay.add_argument("run", metavar="RUN", help="id of a run, as `runs` lists it")
    store = commands.add_parser("store", help="look after the database of all runs")
    actions = store.add_subparsers(required=True, metavar="ACTION")
    _command(actions, "check", _check_store, "look for damage and gaps, also while runs train")
    backup = _command(actions, "backup", _backup, "copy the store into a new file, also while runs train")
    backup.add_argument("file", type=Path, metavar="FILE", help="must not exist yet")
    return parser


def _command(commands: Any, name: str, run: Callable[[argparse.Namespace], None], help: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=help, description=help.capitalize() + ".")
    command.set_defaults(command=run)
    command.add_argument("--json", action="store_true", help="print JSON, one object a line")
    return command


def _add_hyperparameters(parser: argparse.ArgumentParser) -> None:
    """Add an option for each hyperparameter; their texts are parsed and checked by `Config`."""
    for name, parameter in HYPERPARAMETERS.items():
        option = f"--{name.replace('_', '-')}"
        help = f"{parameter.help} {parameter.rule.capitalize()}.".replace("%", "%%")
        if parameter.kind is bool:
            parser.add_argument(option, action=argparse.BooleanOptionalAction, help=help, default=argparse.SUPPRESS)
        else:
            parser.add_argument(option, metavar=parameter.kind.__name__.upper(), help=help, default=argparse.SUPPRESS)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="id of a run, as `runs` lists it")
    parser.add_argument(
        "--agent", type=int, metavar="K", help="whose policy (default: the best greedy one, found in other episodes)"
    )


def _count(text: str) -> int:
    """Read a number of episodes."""
    if not text.isdecimal() or not 1 <= int(text) <= MAX_EVALUATED:
        raise argparse.ArgumentTypeError(f"must be a whole number in [1, {MAX_EVALUATED}], got {text!r}")
    return int(text)


def _train(options: argparse.Namespace) -> None:
    texts = {name: str(value) for name, value in vars(options).items() if name in HYPERPARAMETERS}
    given = {name: HYPERPARAMETERS[name].parse(text) for name, text in texts.items()}
    # Nobody watches, unless a pace is asked for: as fast as possible.
    config = Config(**{"pace": 0, **PRESETS[options.preset].values, **given})
    training = lab.train(config, options.name)
    for update in training if options.json else _with_progress(config, training):
        if options.json:
            print(json.dumps(_update(update)), flush=True)
    run = lab.run(training.run_id)
    if run.state == "failed":
        raise TrainingFailedError(run.reason)
    summary = _summary(run)
    if options.json:
        print(json.dumps(summary))
        return
    solved = sum(summary["solved"])
    print(
        f"{run.name} ({run.id}): {run.updates} updates, {run.env_steps:,} steps at {run.steps_per_second:,.0f} steps/s"
    )
    print(f"solved by {solved} of {config.num_agents} agents, final mean return {summary['final_mean_return']:.1f}")


def _with_progress(config: Config, updates: "Iterable[Update]") -> "Iterator[Update]":
    """Pass updates on while a bar on standard error follows them; silent where there is no terminal."""
    with _bar("updates, mean return {task.fields[mean_return]}") as bar:
        task = bar.add_task("", total=config.num_updates, mean_return="–")
        for update in updates:
            bar.update(task, completed=update.index + 1, mean_return=f"{update.mean_return.mean():.1f}")
            yield update


def _bar(text: str) -> Progress:
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(text), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _update(update: "Update") -> dict[str, Any]:
    """Return one update as JSON data, null for what is undefined."""
    fields = {name: value for name, value in vars(update).items() if name != "config"}
    return {name: _plain(value.tolist() if hasattr(value, "tolist") else value) for name, value in fields.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _summary(run: lab.Run) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "env_id": run.config.env_id,
        "engine": "compiled" if run.config.compiled else "gymnasium",
        "num_agents": run.config.num_agents,
        "updates": run.updates,
        "episodes": run.episodes,
        "env_steps": run.env_steps,
        "wall_seconds": round(run.wall_seconds, 3),
        "steps_per_second": round(run.env_steps / run.wall_seconds, 1) if run.wall_seconds else None,
        "solved": [steps is not None for steps in run.env_steps_to_solve],
        "env_steps_to_solve": list(run.env_steps_to_solve),
        "final_mean_return": run.mean_return,
    }


def _evaluate(options: argparse.Namespace) -> None:
    result = lab.evaluate(options.run, options.episodes, options.agent)
    returns, lengths = result.returns.tolist(), result.lengths.tolist()
    if options.json:
        print(
            json.dumps({"returns": returns, "lengths": lengths, "consecutive_successes": result.consecutive_successes})
        )
        return
    print(f"mean return {sum(returns) / len(returns):.1f} over {len(returns)} episodes")
    print(f"the first {result.consecutive_successes} of {len(returns)} ran to the time limit")


def _render(options: argparse.Namespace) -> None:
    lab.render(options.run, options.output, options.agent)
    print(json.dumps({"output": str(options.output)}) if options.json else f"written: {options.output}")


def _check(options: argparse.Namespace) -> None:
    given = {name: getattr(options, name) for name in PARAMETERS if getattr(options, name) is not None}
    wrong = [name for name in options.names or STATEMENTS if not _passes(name, given, options.json)]
    if wrong:
        raise WrongVerdictError(f"A verdict is wrong: {', '.join(wrong)}.")


def _passes(name: str, given: dict[str, Any], as_json: bool) -> bool:
    """Run one check with what it has a use for, print what it said, and return the verdict."""
    values = validated(name, {key: value for key, value in given.items() if key in STATEMENTS.get(name, ())})
    try:
        result = lab.check(name, **values)
        said, passed = result.to_json(), result.passed
    except Exception as error:  # what cannot even be computed is not right
        said, passed = {"passed": False, "error": f"{type(error).__name__}: {error}", "comparisons": []}, False
    if as_json:
        print(json.dumps({"name": name, "parameters": values, **said}), flush=True)
        return passed
    print(f"{name}: {'right' if passed else 'WRONG'} {said.get('error', '')}".rstrip())
    for row in said["comparisons"]:
        found = "equal" if row["agrees"] else "different"
        distance = math.nan if row["difference"] is None else row["difference"]
        print(f"  {'ok  ' if row['passed'] else 'WRONG'} {found:9} |difference| {distance:8.1e}  {row['claim']}")
    return passed


def _runs(options: argparse.Namespace) -> None:
    for run in lab.runs():
        if options.json:
            print(
                json.dumps(
                    {"name": run.name, "state": run.state, "created_at": run.created_at.isoformat(), **_summary(run)}
                )
            )
        else:
            mean = "-" if run.mean_return is None else f"{run.mean_return:.1f}"
            print(f"{run.id}  {run.name:24} {run.state:12} {run.config.env_id:24} {run.updates:6} updates  mean {mean}")


def _replay(options: argparse.Namespace) -> None:
    with _bar("updates identical") as bar:
        task = bar.add_task("")
        for found in lab.replay(options.run):
            bar.update(task, completed=found.identical, total=found.updates)
    if options.json:
        differs = {"differs_at": found.differs_at, "arrays": list(found.arrays)}
        print(json.dumps({"run_id": options.run, "identical": not found.arrays, "updates": found.updates, **differs}))
    if found.arrays:
        where = f"update {found.differs_at} of {found.updates}: {', '.join(found.arrays)}"
        raise WrongVerdictError(f"Run {options.run} first differs in {where}.")
    if not options.json:
        print(f"run {options.run} is identical, bit for bit, in all of its {found.updates} updates")


def _check_store(options: argparse.Namespace) -> None:
    problems = 0
    for problem in lab.check_store():
        print(json.dumps({"problem": problem}) if options.json else problem, flush=True)
        problems += 1
    if problems:
        raise WrongVerdictError(f"The store is not as it must be; problems: {problems}.")
    if not options.json:
        print("the store has no problem")


def _backup(options: argparse.Namespace) -> None:
    lab.backup(options.file)
    print(json.dumps({"output": str(options.file)}) if options.json else f"written: {options.file}")
