"""The policy player: an episode in Gymnasium's own pictures, with what the policy thought at each step."""

import base64
from typing import Any
from urllib.parse import urlencode

import orjson
import streamlit as st
from starlette.requests import Request
from starlette.responses import Response

from pages.widgets import ASSETS
from pg_core import lab
from pg_core.lab import LabeledClip

# Gymnasium's documentation names these actions; their spaces do not.
ACTIONS = {
    "CartPole": ("left", "right"),
    "MountainCar": ("push left", "coast", "push right"),
    "Acrobot": ("torque −1", "torque 0", "torque +1"),
    "Taxi": ("south", "north", "east", "west", "pick up", "drop off"),
    "CliffWalking": ("up", "right", "down", "left"),
    "FrozenLake": ("left", "down", "right", "up"),
    "FrozenLake8x8": ("left", "down", "right", "up"),
}
MAX_NUMBERS = 3
ROUTE = "lab/clips"

_component = st.components.v2.component(
    "policy_player",
    html=(ASSETS / "policy_player.html").read_text(),
    js=(ASSETS / "policy_player.js").read_text(),
    css=(ASSETS / "policy_player.css").read_text(),
)


def policy_player(labeled: LabeledClip | None, env_id: str, key: str) -> None:
    """Play a clip in a loop; a newer one takes over after four seconds or at the loop's end, at once while paused.

    Args:
        labeled: what to play, or None for a placeholder of the same size.
        env_id: whose actions are named.
        key: of the component, the same for as long as it should keep its node.
    """
    # Only its address: each look sends all of the fragment again, and a clip is large.
    _component(key=key, data=f"{ROUTE}/{labeled.key}?{urlencode({'env_id': env_id})}" if labeled else None)


def answer(request: Request) -> Response:
    """Answer a browser that asks for a clip: with JSON, or 404 if it was never made or is deleted by now."""
    labeled = lab.clip_of(request.path_params["key"])
    if labeled is None:
        return Response(status_code=404)
    content = orjson.dumps(payload(labeled, request.query_params.get("env_id", "")))
    return Response(content, media_type="application/json", headers={"Cache-Control": "private, max-age=3600"})


def payload(labeled: LabeledClip, env_id: str) -> dict[str, Any]:
    """Return what the browser needs of a clip, JSON-serialisable: frames in base64 and a caption for each."""
    clip = labeled.clip
    policy = f"update {labeled.update}" if labeled.update else "untrained"
    who = f"{policy} · agent {labeled.agent}"
    outcome = f"return {_signed(clip.episodic_return, '.4g')} in {clip.length} steps"
    return {
        "key": labeled.key,
        "frames": [base64.b64encode(frame).decode() for frame in clip.frames],
        "frame_ms": clip.frame_ms,
        "captions": [
            f"{who} · step {step} · {_thought(probs, clip.discrete, env_id)}"
            for step, probs in zip(clip.steps, clip.action_probs, strict=True)
        ],
        "outcome": outcome,
        "label": f"{env_id} played by the policy, {who}: {outcome}",
    }


def _thought(probs: list[float], discrete: bool, env_id: str) -> str:
    if not probs:
        return "end"
    if not discrete:
        more = ", …" if len(probs) > MAX_NUMBERS else ""
        return "mean action " + ", ".join(_signed(number, ".2f") for number in probs[:MAX_NUMBERS]) + more
    # Of two actions one number tells all, and a steady name can be read; of more the likeliest one counts.
    action = 1 if len(probs) == 2 else max(range(len(probs)), key=probs.__getitem__)
    names = ACTIONS.get(env_id.rsplit("-v", 1)[0])
    return f"π({names[action] if names else f'a={action}'}) {probs[action]:.2f}"


def _signed(number: float, digits: str) -> str:
    return format(number, digits).replace("-", "−")
