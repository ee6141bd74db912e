"""The commands and their options."""

import argparse
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NoReturn, get_args

from pg_core import lab
from pg_core.cli import checking, comparing, diagnosing, examining, exchange, keeping, measuring, sweeping, training
from pg_core.config import HYPERPARAMETERS
from pg_core.hyperparameters import GROUPS
from pg_core.presets import PRESETS
from pg_core.proofs import PARAMETERS, STATEMENTS

BAD_INPUT, MAX_EVALUATED = 2, 10_000
RUN = "id of a run, as `runs` lists it"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{message}; see `{self.prog} --help`.\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; what it returns has the function to call as `command`."""
    called = Path(sys.argv[0]).stem
    prog = called if called == "pg-lab" else "python -m pg_core"
    result = _Parser(prog=prog, description="Policy gradients without a browser.")
    commands = result.add_subparsers(required=True, metavar="COMMAND")
    train = _command(commands, "train", training.train, "train a population and keep the run")
    train.add_argument("--preset", choices=PRESETS, default="best", help="settings to start from (default: best)")
    train.add_argument("--name", help="name of the run")
    _add_hyperparameters(train)
    _add_sweep(commands)
    _add_going_on(commands)
    evaluate = _command(commands, "evaluate", training.evaluate, "play fresh episodes with a run's greedy policy")
    _add_run(evaluate)
    evaluate.add_argument("--episodes", type=_count, default=200, metavar="N", help="how many (default: 200)")
    evaluate.add_argument("--sampled", action="store_true", help="draw actions by their probabilities, as in training")
    render = _command(
        commands, "render", training.render, "write an episode of a run's greedy policy as a picture that moves"
    )
    _add_run(render)
    render.add_argument(
        "--film", action="store_true",
        help="the same episode played by up to six kept policies, from the first to the best, acting as in training",
    )  # fmt: skip
    render.add_argument("--in-turn", action="store_true", help="with --film: one after the other, not side by side")
    render.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="a .webp, .gif or .mp4 file")
    diagnose = _command(commands, "diagnose", diagnosing.diagnose, "say why a run is not learning, and what to try")
    diagnose.add_argument("run", metavar="RUN", help=RUN)
    estimators = _command(
        commands, "estimators", measuring.estimators, "measure noise and bias of all estimators on the same batches"
    )
    estimators.add_argument("run", metavar="RUN", help=RUN)
    estimators.add_argument("--update", type=int, metavar="N", help="updates done by the policy (default: all)")
    estimators.add_argument("--agent", type=int, default=0, metavar="K", help="whose policy (default: 0)")
    estimators.add_argument(
        "--batches", type=int, default=lab.DEFAULT_BATCHES, metavar="N", help="how many (default: %(default)s)"
    )
    _command(commands, "runs", keeping.runs, "list all runs, newest first")
    compare = _command(
        commands, "compare", comparing.compare,
        "print runs' curves, the settings in which they differ, and which groups of them are better than the last",
    )  # fmt: skip
    compare.add_argument(
        "groups", nargs="+", metavar="GROUP",
        help=f"{RUN}; several with commas, whose seeds are pooled; or SWEEP:SETTING, as `sweep` numbers them",
    )  # fmt: skip
    compare.add_argument("--measure", choices=lab.MEASURES, help="by which (default: steps to solve, if there is such)")
    compare.add_argument("--by", choices=get_args(lab.Axis), default="episodes", help="axis (default: episodes)")
    check = _command(commands, "check", checking.check, "check the proofs by running the code that trains")
    check.add_argument("names", nargs="*", metavar="NAME", help=f"all, or of {', '.join(STATEMENTS)}")
    for name, parameter in PARAMETERS.items():
        rule = f"in [{parameter.low:g}, {parameter.high:g}], default {parameter.default:g}"
        check.add_argument(f"--{name}", type=type(parameter.default), help=f"{parameter.label.lower()}, {rule}")
    doctor = _command(
        commands, "doctor", examining.doctor, "play an environment a little and say what is wrong with it"
    )
    doctor.add_argument("environment", metavar="ENV", help="as for --env-id")
    doctor.add_argument("--env-kwargs", metavar="DICT", default="", help="arguments of the environment, as for `train`")
    _add_exchange(commands)
    replay = _command(
        commands, "replay", training.replay, "train a run again and compare it with what is stored, bit for bit"
    )
    replay.add_argument("run", metavar="RUN", help=RUN)
    store = commands.add_parser("store", help="look after the database of all runs")
    actions = store.add_subparsers(required=True, metavar="ACTION")
    _command(actions, "check", keeping.check_store, "look for damage and gaps, also while runs train")
    backup = _command(actions, "backup", keeping.backup, "copy the store into a new file, also while runs train")
    backup.add_argument("file", type=Path, metavar="FILE", help="must not exist yet")
    restore = _command(actions, "restore", keeping.restore, "copy a backup into a store without runs")
    restore.add_argument("file", type=Path, metavar="FILE", help="as `store backup` wrote it")
    return result


def _add_sweep(commands: Any) -> None:
    sweep = _command(commands, "sweep", sweeping.sweep, "train many settings side by side, and say which is better")
    sweep.add_argument(
        "--vary", action="append", required=True, metavar="NAME=VALUES",
        help="a hyperparameter and its values: learning_rate=0.003:0.03:log:5, gamma=0.9:1:3, "
        "baseline=none,leave_one_out; may be given several times",
    )  # fmt: skip
    sweep.add_argument("--seeds", type=int, default=10, metavar="N", help="agents of each setting (default: 10)")
    sweep.add_argument(
        "--sampler", choices=get_args(lab.Sampler), default="grid",
        help="grid: all combinations; random, tpe: as many as --trials, chosen by Optuna (default: grid)",
    )  # fmt: skip
    sweep.add_argument("--trials", type=int, default=0, metavar="N", help="settings that random or tpe choose")
    sweep.add_argument("--prune", action="store_true", help="random, tpe: stop settings below the median early")
    sweep.add_argument("--preset", choices=PRESETS, default="best", help="settings to start from (default: best)")
    sweep.add_argument("--name", help="name of the sweep")
    _add_hyperparameters(sweep, without=lab.OF_A_SWEEP)


def _add_going_on(commands: Any) -> None:
    resume = _command(commands, "resume", training.resume, "go on with a run that was stopped or interrupted")
    fork = _command(commands, "fork", training.fork, "go on from an update of a run, as a new run")
    for command in (resume, fork):
        command.add_argument("run", metavar="RUN", help=RUN)
        command.add_argument(
            "--set", type=_setting, action="append", default=[], metavar="NAME=VALUE",
            help="a live hyperparameter from here on; may be given several times",
        )  # fmt: skip
    _add_update(fork, "updates to share (default: up to the newest checkpoint)")
    fork.add_argument("--name", help="name of the new run")


def _add_exchange(commands: Any) -> None:
    formats = "; ".join(f"{name}: {meaning}" for name, (_, meaning) in lab.FORMATS.items())
    export = _command(
        commands, "export", exchange.export, "write a run to a file for other programs, or for another lab"
    )
    export.add_argument("runs", nargs="+", metavar="RUN", help=f"{RUN}; several become one csv or parquet")
    export.add_argument("--format", choices=lab.FORMATS, help=f"{formats} (default: by the ending of FILE)")
    export.add_argument(
        "--agent", type=int, metavar="K", help="keras, replay: whose policy (default: highest mean return)"
    )
    _add_update(export, "npz, keras, replay: the policy at or before N updates (default: the newest)")
    export.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="is replaced if it exists")
    bring = _command(commands, "import", exchange.import_run, "add a run that was exported as a zip")
    bring.add_argument("file", type=Path, metavar="FILE", help="as `export --format zip` writes it")


def _command(commands: Any, name: str, run: Callable[[argparse.Namespace], None], help: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=help, description=help.capitalize() + ".")
    command.set_defaults(command=run)
    command.add_argument("--json", action="store_true", help="print JSON, one object a line")
    return command


def _add_hyperparameters(parser: argparse.ArgumentParser, without: Collection[str] = ()) -> None:
    """Add an option for each hyperparameter, grouped as on the page; `Config` checks their texts."""
    groups = {group: parser.add_argument_group(group) for group in GROUPS}
    for name, parameter in HYPERPARAMETERS.items():
        if name in without:
            continue
        group = groups[parameter.group]
        option = f"--{name.replace('_', '-')}"
        help = f"{parameter.help} {parameter.rule[0].upper()}{parameter.rule[1:]}.".replace("%", "%%")
        if parameter.kind is bool:
            group.add_argument(option, action=argparse.BooleanOptionalAction, help=help, default=argparse.SUPPRESS)
        else:
            group.add_argument(option, metavar=parameter.kind.__name__.upper(), help=help, default=argparse.SUPPRESS)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help=RUN)
    parser.add_argument(
        "--agent", type=int, metavar="K", help="whose policy (default: the best greedy one, found in other episodes)"
    )
    _add_update(parser, "the policy at or before N updates (default: the newest)")


def _add_update(parser: argparse.ArgumentParser, help: str) -> None:
    best = "best: where the mean return around a kept policy was highest"
    parser.add_argument("--update", type=diagnosing.update, metavar="N", help=f"{help}; {best}")


def _setting(text: str) -> tuple[str, str]:
    """Read `NAME=VALUE`."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, got {text!r}")
    return name.replace("-", "_"), value


def _count(text: str) -> int:
    """Read a number of episodes."""
    if not text.isdecimal() or not 1 <= int(text) <= MAX_EVALUATED:
        raise argparse.ArgumentTypeError(f"must be a whole number in [1, {MAX_EVALUATED}], got {text!r}")
    return int(text)
