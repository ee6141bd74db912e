"""The doctor names what is wrong with an environment, where, and what to do; a fault is told from a peculiarity."""

import os
import re
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from pg_core.environments import EnvironmentFault, describe
from pg_core.environments.doctor import Report, examine
from pg_core.environments.isolation import Keeper
from pg_core.runs.workers import examinations

OWN = Path(__file__).parents[1] / "own"


def line_of(comment: str) -> int:
    """Return the line of the faulty environments that ends with a comment."""
    lines = (OWN / "faulty_environments.py").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# {comment}"))


@pytest.fixture
def faulty(monkeypatch, register):
    """Register one of the faulty environments, for a process of its own."""
    monkeypatch.syspath_prepend(OWN)

    def register_one(name: str) -> str:
        if "Hangs" in name:
            monkeypatch.setenv("PG_LAB_ENVIRONMENT_SECONDS", "2")
        register("Faulty-v0", f"faulty_environments:{name}", max_episode_steps=20)
        return "Faulty-v0"

    return register_one


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Raises", "raised ValueError: bad shape ({}): mend the environment."),
        ("Quits", "raised SystemExit: no licence ({}): mend the environment."),
        ("Interrupts", "raised KeyboardInterrupt: no licence ({}): mend the environment."),
        ("Leaves", "raised GeneratorExit: no licence ({}): mend the environment."),
        ("Asks", "raised EOFError: EOF when reading a line ({}): mend the environment."),
        ("Hoards", "raised MemoryError: .* ({}): mend the environment."),
        ("Hangs", "did not come back within 2 seconds ({}): have it wait for nothing, .*"),
        ("Exits", "ended its process with exit status 3 ({}): raise an error there instead."),
        ("Crashes", "crashed with 'Segmentation fault' ({}): look for native code .*"),
        ("Prints", "printed more than 1 MiB ({}): remove what it prints."),
        ("HangsWhenMade", "did not come back within 2 seconds ({}): have it wait for nothing, .*"),
    ],
)
def test_what_an_environment_does_is_told_with_its_line(faulty, name, said):
    report = examine(faulty(name))
    line = "" if name == "Exits" else f"faulty_environments.py:{line_of(name)}; "
    place = "while it is made" if name == "HangsWhenMade" else "examination, episode 1, step 7"
    expected = said.replace("({})", rf"\({line}{place}\)")
    assert_matches(report.fault, f"Faulty-v0 {expected}")
    assert len(report.findings) == (1 if name == "HangsWhenMade" else 3)  # the spaces are told all the same


def assert_matches(text: str, pattern: str) -> None:
    assert re.fullmatch(pattern, text), text


class Fine(gym.Env):
    """Four steps; each of its faults is a subclass."""

    observation_space = gym.spaces.Box(-1, 1, (2,))
    action_space = gym.spaces.Discrete(2)
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.observation(), {}

    def step(self, action):
        self.steps += 1
        return self.observation(), float(action), self.steps == 4, False, {}

    def observation(self):
        return self.np_random.uniform(-1, 1, 2).astype(np.float32)

    def render(self):
        return np.zeros((40, 60, 3), np.uint8)


class Wide(Fine):
    def observation(self):
        return np.array([0, 3000 if self.steps == 2 else 0], np.float32)


class Double(Fine):
    def observation(self):
        return np.zeros(2)


class Unseeded(Fine):
    def observation(self):
        return np.random.uniform(-1, 1, 2).astype(np.float32)


class Remembers(Fine):
    """One episode more is one step more: the second time it is no longer the same."""

    episodes = 0

    def reset(self, *, seed=None, options=None):
        self.episodes += 1
        return super().reset(seed=seed)

    def step(self, action):
        self.steps += 1
        return np.zeros(2, np.float32), 0.0, self.steps == 10 - self.episodes, False, {}

    def observation(self):
        return np.zeros(2, np.float32)


class Endless(Fine):
    def step(self, action):
        return self.observation(), 1000.0, False, False, {}


class Undrawn(Fine):
    metadata = {"render_modes": ["ansi"]}  # noqa: RUF012


class DrawsNothing(Fine):
    def render(self):
        return None


class Spoilt(Fine):
    def observation(self):
        return np.array([0, np.inf if self.steps == 3 else 0], np.float32)


class Poor(Fine):
    def step(self, action):
        return (*super().step(action)[:1], float("nan"), False, False, {})


class Composite(Fine):
    place = gym.spaces.Tuple((gym.spaces.Box(-1, 1, (2,)), gym.spaces.Discrete(5)))
    observation_space = gym.spaces.Dict(at=place, speed=gym.spaces.Box(0, 2, ()))

    def observation(self):
        return {"at": (np.zeros(2, np.float32), self.steps), "speed": np.array(2.5 if self.steps == 3 else 1.0)}


class EndsOtherwise(Remembers):
    """The same states and rewards, but the second time nothing ends."""

    def step(self, action):
        self.steps += 1
        return np.zeros(2, np.float32), 0.0, self.steps == 4 and self.episodes < 4, False, {}


class Floats(Fine):
    observation_space = gym.spaces.Box(-1, 1, (2,), np.int32)


class Beyond(Fine):
    observation_space = gym.spaces.Discrete(4)

    def observation(self):
        return self.steps


def found(register, environment: type[gym.Env]) -> dict[str, list[str]]:
    register("Own-v0", environment, max_episode_steps=9)
    report = examine("Own-v0")
    assert Report.from_json(report.to_json()) == report
    return {level: [f.sentence for f in report.findings if f.level == level] for level in ("fault", "warning", "fact")}


def test_a_sound_environment_has_facts_alone(register):
    facts = found(register, Fine)
    assert facts["fault"] == facts["warning"] == []
    assert facts["fact"][:4] == [
        "Observations are Box(-1.0, 1.0, (2,), float32): 2 inputs of the network.",
        "Actions are Discrete(2): a softmax policy over 2 choices.",
        "Observations have the dtype that is declared, float32.",
        "3 episodes of 4 steps: 3 terminated.",
    ]
    assert facts["fact"][-2:] == ["The same seed gives the same episode.", "It can be drawn, 60 × 40 pixels."]


@pytest.mark.parametrize(
    ("environment", "warnings"),
    [
        (Wide, ["leave their space .*: number 1 is 3000, .*, in episode 1 after 2 steps", "as large as 3e"]),
        (Double, ["dtype float64, and their space float32"]),
        (Unseeded, ["same seed gives another episode .*after 0 steps"]),
        (Remembers, ["earned 0", "same seed gives another episode .*after 6 steps"]),
        (EndsOtherwise, ["earned 0", "same seed gives another episode .*after 4 steps"]),
        (Composite, [
            r"Observations\['speed'\] have dtype float64, and their space float32",
            r"Observations\['speed'\] leave their space .*: it is 2.5, outside of \[0, 2\], in episode 1 after 3 steps",
        ]),
        (Endless, ["Every episode was cut by the limit of 9 steps", "earned 9000", "Returns are large"]),
        (Undrawn, ["cannot be drawn"]),
        (DrawsNothing, ["no picture .* but NoneType None"]),
    ],
)  # fmt: skip
def test_what_is_peculiar_is_a_warning(register, environment, warnings):
    result = found(register, environment)
    assert result["fault"] == []
    assert len(result["warning"]) == len(warnings)
    for sentence, expected in zip(result["warning"], warnings, strict=True):
        assert_matches(sentence, f".*{expected}.*")


@pytest.mark.parametrize(
    ("environment", "fault"),
    [
        (Spoilt, "an observation that is not finite, inf as number 2 of 2 .*episode 1, step 3.*mend its `step`"),
        (Poor, "a reward that is not finite, nan .*episode 1, step 1"),
        (Floats, "an observation that has dtype float32, where its space has int32 .*episode 1, reset.*: mend "),
        (Beyond, "an observation that is 4, outside of Discrete.4. .*episode 1, step 4"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_from_is_a_fault(register, environment, fault):
    [sentence] = found(register, environment)["fault"]
    assert_matches(sentence, f"Own-v0 returned {fault}.*")
    assert "test_doctor.py:" in sentence


class Unlicensed(BaseException):
    """What `except Exception` does not catch."""


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, Unlicensed])
@pytest.mark.parametrize("method", ["__init__", "reset", "step", "render", "close"])
def test_whatever_an_environment_raises_in_this_process_is_its_fault(register, error, method):
    def fail(*_, **__):
        raise error("no licence")

    findings = found(register, type("Own", (Fine,), {method: fail}))
    told = [*findings.get("fault", []), *(said for said in findings.get("warning", []) if "licence" in said)]
    if method == "close":
        assert told == [], "it harms nothing any more"
    else:
        [sentence] = told
        assert f"{error.__name__}: no licence (" in sentence and "test_doctor.py:" in sentence


def test_what_is_drawn_for_those_who_watch_comes_from_one_process_until_it_fails(faulty):
    env_id, keeper = faulty("Plain"), Keeper(pid)
    here, there = keeper.call("CartPole-v1"), keeper.call(env_id)
    assert here == os.getpid() != there == keeper.call(env_id)
    with pytest.raises(EnvironmentFault):
        keeper.call(env_id, True)
    assert keeper.call(env_id) != there
    keeper.close()


def pid(fails=False):
    if fails:
        raise EnvironmentFault("It is ill.")
    return os.getpid()


def test_what_is_no_environment_is_a_fault():
    assert examine("NoSuch-v0").fault.startswith("`env_id` must be a registered Gymnasium environment")


def test_one_that_gymnasium_ships_is_sound():
    """It is examined in a process of its own as well."""
    assert {finding.level for finding in examine("CartPole-v1").findings} == {"fact"}


def test_an_environment_is_examined_before_its_first_training_and_again_until_it_passes(tmp_path, faulty):
    examinations.check(tmp_path, describe("CartPole-v1"))  # which is known
    assert not (tmp_path / "doctor").exists()
    ill = describe(faulty("Raises"))
    with pytest.raises(EnvironmentFault, match="bad shape"):
        examinations.check(tmp_path, ill)
    assert "bad shape" in examinations.kept(tmp_path, ill).fault
    gym.registry["Faulty-v0"].entry_point = "faulty_environments:Plain"  # as if it had been mended
    examinations.check(tmp_path, ill)
    kept = examinations.kept(tmp_path, ill)
    assert not kept.fault
    gym.registry["Faulty-v0"].entry_point = "faulty_environments:Raises"
    examinations.check(tmp_path, ill)  # it has passed
    next((tmp_path / "doctor").iterdir()).write_text("{")
    assert examinations.kept(tmp_path, ill) is None


def test_what_was_found_in_a_file_is_forgotten_when_that_changes(tmp_path, monkeypatch, register):
    mine = tmp_path / "mine_for_the_doctor.py"
    mine.write_bytes((OWN / "faulty_environments.py").read_bytes())
    monkeypatch.syspath_prepend(tmp_path)
    register("Faulty-v0", "mine_for_the_doctor:Plain", max_episode_steps=20)
    spec = describe("Faulty-v0")
    report = examinations.examine(tmp_path, spec)
    assert examinations.kept(tmp_path, spec) == report and not report.fault
    mine.write_text(mine.read_text() + "\n\nclass More(Plain): ...\n")
    assert examinations.kept(tmp_path, spec) is None
    mine.unlink()
    assert examinations.kept(tmp_path, spec) is None
