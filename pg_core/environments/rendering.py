"""Pictures of a policy at work, drawn by the environment's own renderer: clips for a page, files for export.

An episode is played twice: first without drawing, which tells its length, then again by its recorded
actions, drawing only what is kept. So 20 steps give 21 frames and 500 steps are thinned evenly.
"""

import contextlib
import io
import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
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
class Episode:
    """What was done in an episode, with which it can be played again.

    Attributes:
        actions: `[T]`, as the environment takes them.
        thoughts: see `Clip.action_probs`, of all T+1 states.
        returns: undiscounted, up to each of the T+1 states.
    """

    actions: list[Any]
    thoughts: list[list[float]]
    returns: list[float]

    @property
    def length(self) -> int:
        """Its steps, T."""
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
    with opened(spec, place) as env:
        episode = perform(env, spec, act, seed)
        every = math.ceil(episode.length / (max_frames - 1))
        steps = [*range(0, episode.length, every), episode.length]
        return Clip(
            frames=[_webp(frame) for frame in draw(env, episode, seed, steps)],
            steps=steps,
            action_probs=[episode.thoughts[step] for step in steps],
            episodic_return=episode.returns[-1],
            length=episode.length,
            frame_ms=round(1000 * every / spec.steps_per_second),
        )


def record(spec: EnvironmentSpec, act: Act, seed: int, place: str = "") -> tuple[list[Array], float]:
    """Play one episode and return a picture of each of its states, uint8 `[height, width, 3]`, and frames per second.

    Args and Raises: as `play`.
    """
    with opened(spec, place) as env:
        episode = perform(env, spec, act, seed)
        return list(draw(env, episode, seed, range(episode.length + 1))), spec.steps_per_second


def save(path: Path, frames: Iterable[Array], fps: float) -> None:
    """Write frames, uint8 `[height, width, 3]`, as animated WebP, GIF or MP4, whichever the suffix names.

    Raises:
        ValueError: another suffix, or no frame.
    """
    writers = {".webp": _save_webp, ".gif": _save_gif, ".mp4": _save_mp4}
    if path.suffix.lower() not in writers:
        raise ValueError(f"`path` must end in .webp, .gif or .mp4, got {path.name!r}.")
    left = iter(frames)
    if (first := next(left, None)) is None:
        raise ValueError("`frames` must hold at least one frame, got none.")
    writers[path.suffix.lower()](path, itertools.chain([first], left), first.shape[:2], fps)


@contextlib.contextmanager
def opened(spec: EnvironmentSpec, place: str) -> Iterator[gym.Env[Any, Any]]:
    """Make an environment that can be drawn, and close it at last; raises as `play`."""
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


def perform(env: gym.Env[Any, Any], spec: EnvironmentSpec, act: Act, seed: int) -> Episode:
    """Play an episode without drawing it."""
    observation, _ = env.reset(seed=seed)
    actions: list[Any] = []
    thoughts: list[list[float]] = []
    rewards, ended = [0.0], False
    while not ended:
        action, thought = act(np.asarray(observation, np.float32))
        actions.append(spec.decode(np.asarray(action)))
        thoughts.append([float(number) for number in thought])
        observation, reward, terminated, truncated, _ = env.step(actions[-1])
        rewards.append(float(reward))
        ended = terminated or truncated
    return Episode(actions, [*thoughts, []], list(itertools.accumulate(rewards)))


def draw(env: gym.Env[Any, Any], episode: Episode, seed: int, steps: Sequence[int]) -> Iterator[Array]:
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


def _save_gif(path: Path, frames: Iterable[Array], _shape: tuple[int, ...], fps: float) -> None:
    first, *others = [Image.fromarray(frame).quantize(method=Image.Quantize.FASTOCTREE) for frame in frames]
    # It counts hundredths of a second: rounding the frames' ends, not their lengths, keeps the whole in time.
    ends = [round(count * 100 / fps) * 10 for count in range(len(others) + 2)]
    first.save(path, save_all=True, append_images=others, duration=np.diff(ends).tolist(), loop=0)


def _save_webp(path: Path, frames: Iterable[Array], shape: tuple[int, ...], fps: float) -> None:
    lossless = {"lossless": "1", "quality": "0", "compression_level": "1"}  # as WEBP
    with av.open(path, "w", options={"loop": "0"}) as container:
        stream = container.add_stream("libwebp_anim", round(fps), options=lossless)
        stream.pix_fmt, (stream.height, stream.width) = "bgra", shape
        stream.codec_context.time_base = Fraction(1, 1000)
        for count, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = round(count * 1000 / fps), Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def _save_mp4(path: Path, frames: Iterable[Array], shape: tuple[int, ...], fps: float) -> None:
    height, width = shape
    even = ((0, height % 2), (0, width % 2), (0, 0))  # yuv420p halves both sizes
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.pix_fmt, stream.height, stream.width = "yuv420p", height + height % 2, width + width % 2
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.pad(frame, even, mode="edge"), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
