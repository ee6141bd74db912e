"""The policy player: an episode in Gymnasium's own pictures, with what the policy thought at each step."""

import base64
from typing import Any

import streamlit as st

from pages.widgets import ASSETS
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
    _component(key=key, data=None if labeled is None else payload(labeled, env_id))


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
