"""Writes the pages of docs/ that are made from code: `python -m docs.generate`."""

from pathlib import Path

from pg_core.config import HYPERPARAMETERS
from pg_core.hyperparameters import GROUPS, Hyperparameter
from pg_core.presets import PRESETS, Preset

PATH = Path(__file__).with_name("hyperparameters.md")

HEAD = """# Hyperparameters

Written by `python -m docs.generate` from `pg_core.config` and `pg_core.presets`; a test holds this page to them.
The name is the field of `Config`, the key of a stored config and, with dashes, the option of the command line.
"Live" may change between two updates of a run; "fixed" starts a new run.
"""


def hyperparameters() -> str:
    """Return the page of all hyperparameters and presets in Markdown."""
    head = "| name | label | symbol | default | values | live | meaning |\n|---|---|---|---|---|---|---|"
    sections = [HEAD.rstrip()]
    for group in GROUPS:
        rows = [_row(parameter) for parameter in HYPERPARAMETERS.values() if parameter.group == group]
        sections.append("\n".join([f"## {group}\n", head, *rows]))
    sections.append("## Presets\n\nWhat a preset does not set keeps its value.")
    sections += [_preset(name, preset) for name, preset in PRESETS.items()]
    return "\n\n".join(sections) + "\n"


def _row(parameter: Hyperparameter) -> str:
    cells = (
        f"`{parameter.name}`",
        parameter.label,
        parameter.symbol,
        parameter.show(parameter.default),
        _values(parameter),
        "live" if parameter.live else "fixed",
        parameter.help,
    )
    return f"| {' | '.join(cells)} |"


def _values(parameter: Hyperparameter) -> str:
    if not parameter.choices:
        return parameter.rule
    return ", ".join(
        f"`{value}`" if str(value) == text else f"`{value}` ({text})" for value, text in parameter.choices.items()
    )


def _preset(name: str, preset: Preset) -> str:
    values = [f"`{key}` {HYPERPARAMETERS[key].show(value)}" for key, value in preset.values.items()]
    return f"### {preset.label} (`{name}`)\n\n{preset.help}\n\n{', '.join(values)}."


if __name__ == "__main__":
    PATH.write_text(hyperparameters(), encoding="utf-8")
