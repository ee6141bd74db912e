"""Clips hold the right states, and files hold the frames they were given for as long as they should."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import av
import gymnasium as gym
import numpy as np
import pytest
from PIL import Image

from pg_core.environments import UnsupportedEnvironmentError, describe
from pg_core.environments.rendering import play, record, save

HEIGHT, WIDTH = 3, 5


class Counter(gym.Env[np.ndarray, int]):
    """Counts steps up to a length drawn from the seed; its picture is all of one gray, the count."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 20}
    observation_space = gym.spaces.Box(0, 255, (1,))
    action_space = gym.spaces.Discrete(2)
    renders = 0

    def __init__(self, render_mode: str | None = None, lengths: tuple[int, int] = (10, 11)) -> None:
        self.render_mode = render_mode
        self.lengths = lengths

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.length = int(self.np_random.integers(*self.lengths))
        self.count = 0
        return np.float32([0]), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.count += 1
        return np.float32([self.count]), 0.5, self.count == self.length, False, {}

    def render(self) -> np.ndarray:
        type(self).renders += 1
        return np.full((HEIGHT, WIDTH, 3), self.count, np.uint8)


class Headless(Counter):
    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi"]}


class NeedsPackage(Counter):
    def render(self) -> np.ndarray:
        raise gym.error.DependencyNotInstalled("pygame is not installed, run `pip install pygame`")


@pytest.fixture(autouse=True)
def environments(register: Callable[..., None]) -> None:
    for env_id, env in {"Counter-v0": Counter, "Headless-v0": Headless, "NeedsPackage-v0": NeedsPackage}.items():
        register(env_id, env, max_episode_steps=500)
    register("LongCounter-v0", Counter, max_episode_steps=500, kwargs={"lengths": (100, 250)})
    Counter.renders = 0


def thinks_of_the_count(observation: np.ndarray) -> tuple[int, np.ndarray]:
    return 0, np.array([observation[0], 1])


def gray(webp: bytes) -> int:
    (_, (value, _, _)) = Image.open(io.BytesIO(webp)).convert("RGB").getcolors()[0]
    return value


def test_a_short_episode_shows_every_state_and_the_last() -> None:
    clip = play(describe("Counter-v0"), thinks_of_the_count, seed=0)
    assert clip.steps == list(range(11))
    assert [gray(frame) for frame in clip.frames] == clip.steps
    assert clip.action_probs == [[float(step), 1.0] for step in range(10)] + [[]]
    assert (clip.length, clip.episodic_return, clip.frame_ms) == (10, 10 * 0.5, 1000 // 20)


@pytest.mark.parametrize("max_frames", [2, 3, 6, 10, 11])
def test_at_most_max_frames_are_kept_and_no_other_is_drawn(max_frames: int) -> None:
    clip = play(describe("Counter-v0"), thinks_of_the_count, seed=0, max_frames=max_frames)
    assert len(clip.frames) == len(clip.steps) == len(clip.action_probs) == Counter.renders <= max_frames
    assert (clip.steps[0], clip.steps[-1]) == (0, 10)
    assert [gray(frame) for frame in clip.frames] == clip.steps


def test_a_thinned_clip_keeps_the_environments_time() -> None:
    clip = play(describe("Counter-v0"), thinks_of_the_count, seed=0, max_frames=3)
    assert clip.steps == [0, 5, 10]
    assert clip.frame_ms == 5 * 1000 // 20


def test_the_same_seed_gives_the_same_episode() -> None:
    first, again, other = (play(describe("LongCounter-v0"), thinks_of_the_count, seed) for seed in (1, 1, 2))
    assert first == again
    assert first.length != other.length


def test_recording_keeps_every_state_in_full() -> None:
    frames, fps = record(describe("Counter-v0"), thinks_of_the_count, seed=0)
    assert [int(frame.max()) for frame in frames] == list(range(11))
    assert (frames[0].shape, frames[0].dtype, fps) == ((HEIGHT, WIDTH, 3), np.uint8, 20)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Acrobot-v1", "Pendulum-v1", "FrozenLake-v1"])
def test_gymnasiums_own_pictures(env_id: str) -> None:
    mean = np.zeros(1) if env_id == "Pendulum-v1" else 0
    clip = play(describe(env_id), lambda observation: (mean, np.ones(1)), seed=0, max_frames=4)
    picture = np.asarray(Image.open(io.BytesIO(clip.frames[0])).convert("RGB"))
    frames, _ = record(describe(env_id), lambda observation: (mean, np.ones(1)), seed=0)
    assert np.array_equal(picture, frames[0])
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 1


@pytest.mark.parametrize(
    ("env_id", "sentence"),
    [
        ("Headless-v0", r"'rgb_array' to be drawn, got 'Headless-v0' with 'ansi'"),
        ("NeedsPackage-v0", r"'NeedsPackage-v0' cannot be drawn here: .* run `pip install pygame`\.$"),
        ("NoSuchThing-v0", r"must be a registered Gymnasium environment, got 'NoSuchThing-v0'"),
    ],
)
def test_what_cannot_be_drawn_gets_one_sentence(env_id: str, sentence: str) -> None:
    with pytest.raises(UnsupportedEnvironmentError, match=sentence):
        play(describe(env_id), thinks_of_the_count, seed=0)


def test_drawing_opens_no_window_and_prints_nothing() -> None:
    code = (
        "from pg_core.environments import describe; from pg_core.environments.rendering import play\n"
        "play(describe('CartPole-v1'), lambda observation: (0, []), seed=0)\n"
        "import pygame; pygame.display.init(); assert pygame.display.get_driver() == 'dummy'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


GRAYS = [0, 60, 120, 180, 240, 30, 90]
FRAMES = [np.full((HEIGHT, WIDTH, 3), value, np.uint8) for value in GRAYS]


@pytest.mark.parametrize(
    ("suffix", "fps", "durations"),
    [
        (".webp", 50, [20] * 7),
        (".webp", 30, [33, 34, 33, 33, 34, 33, 33]),
        (".gif", 50, [20] * 7),
        (".gif", 30, [30, 40, 30, 30, 40, 30, 30]),
    ],
)
def test_animations_keep_frames_and_time(tmp_path: Path, suffix: str, fps: float, durations: list[int]) -> None:
    path = tmp_path / f"clip{suffix}"
    save(path, FRAMES, fps)
    image = Image.open(path)
    shown = []
    for number, frame in enumerate(FRAMES):
        image.seek(number)
        assert np.array_equal(np.asarray(image.convert("RGB")), frame)
        shown.append(image.info["duration"])
    assert (image.n_frames, image.info["loop"]) == (len(FRAMES), 0)
    assert shown == durations


def test_mp4_is_h264_with_even_sizes(tmp_path: Path) -> None:
    path = tmp_path / "clip.MP4"
    save(path, FRAMES, 20)
    with av.open(path) as container:
        video = container.streams.video[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height, video.average_rate) == (WIDTH + 1, HEIGHT + 1, 20)
        grays = [frame.to_ndarray(format="rgb24").mean() for frame in container.decode(video)]
    assert grays == pytest.approx(GRAYS, abs=4)


@pytest.mark.parametrize(
    ("name", "frames", "sentence"),
    [
        ("clip.png", FRAMES, r"`path` must end in \.webp, \.gif or \.mp4, got 'clip\.png'"),
        ("clip.webp", [], r"`frames` must hold at least one frame, got none"),
    ],
)
def test_save_refuses_in_one_sentence(tmp_path: Path, name: str, frames: list[np.ndarray], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        save(tmp_path / name, frames, 20)
    assert not list(tmp_path.iterdir())
