"""A run as one Python script that needs nothing of the lab."""

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

TEMPLATE = Path(__file__).parents[3] / "assets" / "replay.py"


def write_replay(store: Store, run: Run, file: BinaryIO, agent: int) -> None:
    """Write a script that trains one agent again, or plays what it had learned.

    Raises:
        ExportError: no policy is kept.
    """
    update, policy = newest_policy(store, run)
    spec = run.config.environment
    about = {
        "run": run.id,
        "name": run.name,
        "agent": agent,
        "updates": update,
        "activation": store.config_after(run.id, update).activation,
        "config": run.config.model_dump(mode="json"),
        "changes": [{"update": r.update, "values": r.values} for r in store.requests(run.id) if r.update is not None],
        "environment": {
            "observation_size": spec.observation_size, "action_size": spec.action_size, "options": spec.options,
            "max_episode_steps": spec.max_episode_steps, "reward_threshold": spec.reward_threshold,
        },
    }  # fmt: skip
    arrays = {name: array[0] for name, array in one_agent(policy, agent).items()}
    weights = base64.encodebytes(to_bytes(arrays)).decode()
    literals = {
        "RUN = {}": f"RUN = {pprint.pformat(about, width=110, sort_dicts=False)}",
        'WEIGHTS = ""': f'WEIGHTS = """\n{weights}"""',
    }
    # Literals as Python writes them: whatever a person called the run, it stays a string.
    pattern = re.compile("|".join(f"^{re.escape(name)}" for name in literals), re.MULTILINE)
    script = pattern.sub(lambda found: literals[found[0]], TEMPLATE.read_text(encoding="utf-8"))
    file.write(script.encode())
