"""The policy player's captions say which policy thought what, in which state."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from pages.widgets.policy_player import answer, payload
from pg_core import lab
from pg_core.lab import LabeledClip
from pg_core.rendering import Clip
from pg_core.runs import clips


def labeled(probs: list[float], update: int = 35, discrete: bool = True, episodic_return: float = 212) -> LabeledClip:
    clip = Clip([b"first", b"last"], [211, 212], [probs, []], discrete, episodic_return, 212, 40)
    return LabeledClip(update=update, agent=2, clip=clip, key="k")


@pytest.mark.parametrize(
    ("env_id", "probs", "thought"),
    [
        ("CartPole-v1", [0.29, 0.71], "π(right) 0.71"),
        ("CartPole-v1", [0.9, 0.1], "π(right) 0.10"),
        ("MountainCar-v0", [0.5, 0.3, 0.2], "π(push left) 0.50"),
        ("Acrobot-v1", [0.1, 0.2, 0.7], "π(torque +1) 0.70"),
        ("FrozenLake-v1", [0.1, 0.6, 0.2, 0.1], "π(down) 0.60"),
        ("LunarLander-v3", [0.1, 0.6, 0.2, 0.1], "π(a=1) 0.60"),
    ],
)
def test_discrete_actions_are_named(env_id: str, probs: list[float], thought: str) -> None:
    captions = payload(labeled(probs), env_id)["captions"]
    assert captions == [f"update 35 · agent 2 · step 211 · {thought}", "update 35 · agent 2 · step 212 · end"]


@pytest.mark.parametrize(
    ("mean", "thought"),
    [([-0.312], "mean action −0.31"), ([0.5, -1, 0.25, 9], "mean action 0.50, −1.00, 0.25, …")],
)
def test_continuous_actions_are_numbers(mean: list[float], thought: str) -> None:
    caption = payload(labeled(mean, discrete=False), "Pendulum-v1")["captions"][0]
    assert caption == f"update 35 · agent 2 · step 211 · {thought}"


def test_a_policy_before_its_first_update_is_untrained() -> None:
    assert payload(labeled([0.5, 0.5], update=0), "CartPole-v1")["captions"][0].startswith("untrained · agent 2 · ")


def test_the_browser_gets_frames_time_and_outcome() -> None:
    sent = json.loads(json.dumps(payload(labeled([0.5, 0.5], episodic_return=-1084.25), "CartPole-v1")))
    assert [base64.b64decode(frame) for frame in sent["frames"]] == [b"first", b"last"]
    assert (sent["key"], sent["frame_ms"], sent["outcome"]) == ("k", 40, "return −1084 in 212 steps")
    assert sent["label"] == "CartPole-v1 played by the policy, update 35 · agent 2: return −1084 in 212 steps"


def test_a_clip_is_fetched_by_its_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def ask(key: str) -> Response:
        scope = {"type": "http", "path_params": {"key": key}, "query_string": b"env_id=CartPole-v1", "headers": []}
        return answer(Request(scope))

    monkeypatch.setattr(lab, "clip_of", lambda key: clips.load(tmp_path, key))
    made = replace(labeled([0.5, 0.5]), key="some-run-0000035-2")
    clips.save(tmp_path, made)
    (tmp_path / "secret.json").write_text("{}")
    assert json.loads(ask(made.key).body) == payload(made, "CartPole-v1")
    for key in ("gone", "../secret", "A", "x\0", "", "x" * 300):
        assert ask(key).status_code == 404
