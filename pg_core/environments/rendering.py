"""Pictures of a policy at work, drawn by the environment's own renderer: clips for a page, files for export.

An episode is played twice: first without drawing, which tells its length, then again by its recorded
actions, drawing only what is kept. So 20 steps give 21 frames and 500 steps are thinned evenly.
"""

import contextlib
import io
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import gymnasium as gym
import numpy as np
from PIL import Image

from pg_core.environments.making import make
from pg_core.environments.registration import UnsupportedEnvironmentError
from pg_core.environments.spaces import Array
from pg_core.environments.specs import EnvironmentSpec

Act = Callable[[Array], tuple[Any, Array]]

# Lossless beats lossy on drawn pictures. A 600×400 CartPole frame: 1.8 ms and 0.6 KiB; lossy at quality 60
# takes 2.5 ms and 1.5 KiB, lossless with method 0 takes 3 ms and 19 KiB.
WEBP: dict[str, Any] = {"lossless": True, "quality": 0, "method": 1}


@dataclass(frozen=True)
class Clip:
    """One episode in pictures.

    Attributes:
        frames: WebP pictures, of every k-th state and the last one.
        steps: how many steps were done before each frame.
        action_probs: what the policy thought in each frame's state: probabilities `[A]` of choices, else the mean
            action `[A]`; empty after the last step, where nothing is left to decide.
        episodic_return: undiscounted return of the whole episode.
        length: its steps.
        frame_ms: milliseconds a frame stays, in the environment's own time.
    """

    frames: list[bytes]
    steps: list[int]
    action_probs: list[list[float]]
    episodic_return: float
    length: int
    frame_ms: int


@dataclass(frozen=True)
class _Episode:
    actions: list[Any]
    thoughts: list[list[float]]
    episodic_return: float

    @property
    def length(self) -> int:
        return len(self.actions)


def play(spec: EnvironmentSpec, act: Act, seed: int, place: str = "", max_frames: int = 200) -> Clip:
    """Play one episode and keep at most `max_frames` pictures of it.

    Args:
        spec: the environment.
        act: maps a network input `[D]` to a policy action and to probabilities or mean `[A]`.
        seed: of the environment's first state and dynamics.
        place: where the episode belongs, for the sentence on an environment that fails.
        max_frames: at least 2.

    Raises:
        UnsupportedEnvironmentError: the environment cannot be drawn here.
        EnvironmentFault: it fails.
    """
    with _open(spec, place) as env:
        episode = _play(env, spec, act, seed)
        every = math.ceil(episode.length / (max_frames - 1))
        steps = [*range(0, episode.length, every), episode.length]
        return Clip(
            frames=[_webp(frame) for frame in _draw(env, episode, seed, steps)],
            steps=steps,
            action_probs=[episode.thoughts[step] for step in steps],
            episodic_return=episode.episodic_return,
            length=episode.length,
            frame_ms=round(1000 * every / spec.steps_per_second),
        )


def record(spec: EnvironmentSpec, act: Act, seed: int, place: str = "") -> tuple[list[Array], float]:
    """Play one episode and return a picture of each of its states, uint8 `[height, width, 3]`, and frames per second.

    Args and Raises: as `play`.
    """
    with _open(spec, place) as env:
        episode = _play(env, spec, act, seed)
        return list(_draw(env, episode, seed, range(episode.length + 1))), spec.steps_per_second


def save(path: Path, frames: Sequence[Array], fps: float) -> None:
    """Write frames, uint8 `[height, width, 3]`, as animated WebP, GIF or MP4, whichever the suffix names.

    Raises:
        ValueError: another suffix, or no frame.
    """
    writers = {".webp": _save_pillow, ".gif": _save_pillow, ".mp4": _save_mp4}
    if path.suffix.lower() not in writers:
        raise ValueError(f"`path` must end in .webp, .gif or .mp4, got {path.name!r}.")
    if not frames:
        raise ValueError("`frames` must hold at least one frame, got none.")
    writers[path.suffix.lower()](path, frames, fps)


@contextlib.contextmanager
def _open(spec: EnvironmentSpec, place: str) -> Iterator[gym.Env[Any, Any]]:
    # pygame reads these when it is imported, at the first render: no window, no greeting on standard output.
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    with contextlib.closing(make(spec.env_id, **spec.options)) as env:
        modes = env.metadata.get("render_modes") or []
    if "rgb_array" not in modes:
        raise UnsupportedEnvironmentError(
            f"`env_id` must name an environment with the render mode 'rgb_array' to be drawn, "
            f"got {spec.env_id!r} with {', '.join(map(repr, modes)) or 'none'}; its curves are all there is to see."
        )
    with contextlib.closing(make(spec.env_id, render_mode="rgb_array", **spec.options)) as env:
        env.set_wrapper_attr("place", place)
        try:
            yield env
        except gym.error.DependencyNotInstalled as error:
            raise UnsupportedEnvironmentError(f"`env_id` {spec.env_id!r} cannot be drawn here: {error}.") from error


def _play(env: gym.Env[Any, Any], spec: EnvironmentSpec, act: Act, seed: int) -> _Episode:
    observation, _ = env.reset(seed=seed)
    actions: list[Any] = []
    thoughts: list[list[float]] = []
    episodic_return, ended = 0.0, False
    while not ended:
        action, thought = act(np.asarray(observation, np.float32))
        actions.append(spec.decode(np.asarray(action)))
        thoughts.append([float(number) for number in thought])
        observation, reward, terminated, truncated, _ = env.step(actions[-1])
        episodic_return += float(reward)
        ended = terminated or truncated
    return _Episode(actions, [*thoughts, []], episodic_return)


def _draw(env: gym.Env[Any, Any], episode: _Episode, seed: int, steps: Sequence[int]) -> Iterator[Array]:
    """Play the episode again and yield the pictures of the states after `steps` steps."""
    env.reset(seed=seed)
    for done in range(episode.length + 1):
        if done in steps:
            yield np.asarray(env.render(), np.uint8)
        if done < episode.length:
            env.step(episode.actions[done])


def _webp(frame: Array) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "WEBP", **WEBP)
    return buffer.getvalue()


def _save_pillow(path: Path, frames: Sequence[Array], fps: float) -> None:
    # GIF counts hundredths of a second: rounding the frames' ends, not their lengths, keeps the whole in time.
    tick = 10 if path.suffix.lower() == ".gif" else 1
    ends = [round(count * 1000 / fps / tick) * tick for count in range(len(frames) + 1)]
    first, *others = [Image.fromarray(frame) for frame in frames]
    options = WEBP if tick == 1 else {}
    durations = np.diff(ends).tolist()
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0, **options)


def _save_mp4(path: Path, frames: Sequence[Array], fps: float) -> None:
    height, width, _ = frames[0].shape
    even = ((0, height % 2), (0, width % 2), (0, 0))  # yuv420p halves both sizes
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.pix_fmt, stream.height, stream.width = "yuv420p", height + height % 2, width + width % 2
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.pad(frame, even, mode="edge"), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
