"""Clips in files: a worker leaves them in the lab's folder, the server picks them up."""

import base64
import dataclasses
import functools
import hashlib
import json
import math
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from pg_core.config import Config
from pg_core.rendering import Clip

MAX_CLIPS = 64
KEY = re.compile("[a-z0-9-]{1,99}")


@dataclass(frozen=True)
class LabeledClip:
    """A clip and what it shows.

    Attributes:
        update: number of updates that the policy had done; 0 = untrained.
        agent: whose policy.
        clip: the episode.
        key: unique to this content.
    """

    update: int
    agent: int
    clip: Clip
    key: str


def trained_key(run_id: str, update: int, agent: int) -> str:
    """Name the clip of a run's policy; later updates sort later."""
    return f"{run_id}-{update:07d}-{agent}"


def untrained_key(config: Config) -> str:
    """Name the clip of a policy before its first update: the same for all configs that start with this policy."""
    start = config.model_dump_json(include={"env_id", "seed", "hidden_layers", "activation"})
    return f"untrained-{hashlib.sha256(start.encode()).hexdigest()[:32]}"


def exists(folder: Path, key: str) -> bool:
    """Return whether the clip is there."""
    return _path(folder, key).exists()


def newest(folder: Path, run_id: str, agent: int | None) -> str | None:
    """Return the key of the clip of a run's latest policy, of one agent or of any."""
    found = _path(folder, "").parent.glob(f"{run_id}-*-{'*' if agent is None else agent}.json")
    return max((path.stem for path in found), default=None)


def age(folder: Path, key: str | None) -> float:
    """Return how many seconds ago a clip was made, infinity if it is not there."""
    try:
        return math.inf if key is None else time.time() - _path(folder, key).stat().st_mtime
    except FileNotFoundError:
        return math.inf


def save(folder: Path, clip: LabeledClip) -> None:
    """Write a clip at once, as far as readers can tell, and delete all but the newest `MAX_CLIPS`."""
    path = _path(folder, clip.key)
    path.parent.mkdir(exist_ok=True)
    content = {**dataclasses.asdict(clip.clip), "frames": [base64.b64encode(f).decode() for f in clip.clip.frames]}
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        draft.write_text(json.dumps({"update": clip.update, "agent": clip.agent, "clip": content}))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)  # half a clip, on a full disk
    for old in sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime)[:-MAX_CLIPS]:
        old.unlink(missing_ok=True)


def load(folder: Path, key: str) -> LabeledClip | None:
    """Read a clip; None if it was never made or is deleted by now, or no clip could have this key."""
    if not KEY.fullmatch(key):
        return None
    try:
        return _load(_path(folder, key))
    except FileNotFoundError:
        return None


@functools.lru_cache(maxsize=32)  # a key's content never changes
def _load(path: Path) -> LabeledClip:
    content = json.loads(path.read_text())
    frames = [base64.b64decode(frame) for frame in content["clip"].pop("frames")]
    return LabeledClip(content["update"], content["agent"], Clip(frames=frames, **content["clip"]), path.stem)


def _path(folder: Path, key: str) -> Path:
    return folder / "clips" / f"{key}.json"
