"""A run as one Python script that needs nothing of the lab: `standalone`, with what it imports of `reference`."""

import ast
import base64
import pprint
import re
from pathlib import Path
from typing import BinaryIO

from pg_core.learning.evaluation import one_agent
from pg_core.runs.exchange.exports import newest_policy
from pg_core.runs.store.records import Run
from pg_core.runs.store.rows import to_bytes
from pg_core.runs.store.store import Store

PACKAGE = Path(__file__).parents[2]


def write_replay(store: Store, run: Run, file: BinaryIO, agent: int, update: int | None = None) -> None:
    """Write a script that trains one agent again, or plays what it had learned, up to a policy as `newest_policy` says.

    Raises:
        ExportError: no policy is kept.
    """
    at, policy = newest_policy(store, run, update)
    spec = run.config.environment
    about = {
        "run": run.id,
        "name": run.name,
        "agent": agent,
        "updates": at,
        "activation": store.config_after(run.id, at).activation,
        "config": run.config.model_dump(mode="json"),
        "changes": [{"update": r.update, "values": r.values} for r in store.requests(run.id) if r.update is not None],
        "environment": {
            "observation_size": spec.observation_size, "choices": spec.choices, "action_size": spec.action_size,
            "max_episode_steps": spec.max_episode_steps, "reward_threshold": spec.reward_threshold,
        },
    }  # fmt: skip
    arrays = {name: array[0] for name, array in one_agent(policy, agent).items()}
    weights = base64.encodebytes(to_bytes(arrays)).decode()
    literals = {
        "RUN: dict[str, Any] = {}": f"RUN: dict[str, Any] = {pprint.pformat(about, width=110, sort_dicts=False)}",
        'WEIGHTS = ""': f'WEIGHTS = """\n{weights}"""',
    }
    # Literals as Python writes them: whatever a person called the run, it stays a string.
    pattern = re.compile("|".join(f"^{re.escape(name)}" for name in literals), re.MULTILINE)
    file.write(pattern.sub(lambda found: literals[found[0]], _in_one_file()).encode())


def _in_one_file() -> str:
    """Return the text of `standalone`, with the text of what it imports from `reference` in the import's place.

    Neither is imported here: that would import TensorFlow.
    """
    script, reference = ((PACKAGE / name).read_text(encoding="utf-8") for name in ("standalone.py", "reference.py"))
    *others, lesson = (node for node in ast.parse(script).body if isinstance(node, ast.Import | ast.ImportFrom))
    here, wanted = ({ast.unparse(name) for node in nodes for name in node.names} for nodes in (others, [lesson]))
    lines, end, taken = reference.splitlines(keepends=True), 0, ""
    for node in ast.parse(reference).body:
        start, end = end, int(node.end_lineno or 0)
        if isinstance(node, ast.Import | ast.ImportFrom):
            node.names = [name for name in node.names if ast.unparse(name) not in here]  # not a second time
            taken += f"{ast.unparse(node)}\n" if node.names else ""
        elif wanted.intersection(re.findall(r"^(?:def |class )?(\w+)", lines[node.lineno - 1])):
            taken += "".join(lines[start:end])  # with the blank lines before it
    return script.replace(str(ast.get_source_segment(script, lesson)), taken)
