"""A film: policies at work from the same state, beside each other or one after the other, in one picture that moves.

It is drawn frame by frame while it is written: of its pictures only those of one moment are in memory.
"""

import contextlib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pg_core.environments import rendering
from pg_core.environments.rendering import Act, Episode
from pg_core.environments.spaces import Array
from pg_core.environments.specs import EnvironmentSpec

MAX_FRAMES = 300  # of episodes; longer ones are thinned
MIN_FPS = 20.0  # what would be slower than that is played faster than the environment's own time
REST_SECONDS = 1.0  # at an end, to see how it ended
WIDTH, HEIGHT = 960, 540  # that all panels may take together, in pixels
LABEL, MARGIN, GAP, FONT_SIZE = 26, 6, 12, 15
PAPER, STRIP, INK = (255, 255, 255), (243, 245, 247), (14, 21, 32)
OVER = 0.35  # of a picture is left when its episode is over


class _Pace(NamedTuple):
    every: int  # steps between two frames
    fps: float
    speed: float  # 1: the environment's own time


class _Panel(NamedTuple):
    label: str
    episode: Episode
    steps: list[int]  # done before each frame
    pictures: Iterator[Array]


def film(spec: EnvironmentSpec, acts: Mapping[str, Act], seed: int, path: Path, in_turn: bool = False) -> list[float]:
    """Write an episode of each of several policies into one .webp, .gif or .mp4; return the episodes' returns.

    All begin in the same state. Long episodes are thinned to some 300 frames, and played faster where these would be
    fewer than 20 a second; a label says how much faster.

    Args:
        spec: the environment.
        acts: N policies by their labels, see `rendering.play`.
        seed: of the first state, and of the dynamics.
        path: its suffix says what is written.
        in_turn: one after the other, else beside each other.

    Raises:
        ValueError: another suffix.
        UnsupportedEnvironmentError: the environment cannot be drawn here.
        EnvironmentFault: it fails.
    """
    with contextlib.ExitStack() as stack:
        envs = [stack.enter_context(rendering.opened(spec, label)) for label in acts]
        episodes = [rendering.perform(env, spec, act, seed) for env, act in zip(envs, acts.values(), strict=True)]
        lengths = [episode.length for episode in episodes]
        pace = _pace(sum(lengths) if in_turn else max(lengths), spec.steps_per_second)
        panels = []
        for label, env, episode in zip(acts, envs, episodes, strict=True):
            steps = [*range(0, episode.length, pace.every), episode.length]
            said = label if pace.speed == 1 else f"{label} · {pace.speed:.3g}× speed"
            panels.append(_Panel(said, episode, steps, rendering.draw(env, episode, seed, steps)))
        rest = round(REST_SECONDS * pace.fps)
        scenes = [[panel] for panel in panels] if in_turn else [panels]
        rendering.save(path, itertools.chain.from_iterable(_scene(scene, rest) for scene in scenes), pace.fps)
    return [episode.returns[-1] for episode in episodes]


def _pace(steps: int, steps_per_second: float) -> _Pace:
    every = math.ceil(steps / MAX_FRAMES)
    speed = max(1.0, MIN_FPS * every / steps_per_second) if every > 1 else 1.0
    return _Pace(every, speed * steps_per_second / every, speed)


def _scene(panels: Sequence[_Panel], rest: int) -> Iterator[Array]:
    """Yield the frames of episodes that are played at the same time, until the longest is over, and a rest."""
    shown = [next(panel.pictures) for panel in panels]
    last = max(len(panel.steps) for panel in panels) - 1
    columns, size = _grid(len(panels), shown[0].shape[1], shown[0].shape[0])
    drawn = [_draw(panel, picture, 0, size) for panel, picture in zip(panels, shown, strict=True)]
    yield (sheet := _sheet(drawn, columns))
    for frame in range(1, last + 1):
        for i, panel in enumerate(panels):
            if frame <= len(panel.steps):  # then it is faint, and stays as it is
                shown[i] = next(panel.pictures, shown[i])
                drawn[i] = _draw(panel, shown[i], frame, size)
        yield (sheet := _sheet(drawn, columns))
    yield from itertools.repeat(sheet, rest)


def _grid(count: int, width: int, height: int) -> tuple[int, tuple[int, int]]:
    """Return the columns, and the size of a picture, with which pictures that fit are largest."""

    def scale(columns: int) -> float:
        rows = math.ceil(count / columns)
        return min((WIDTH / columns - GAP) / width, (HEIGHT / rows - GAP - LABEL) / height)

    columns = max(range(1, count + 1), key=scale)
    return columns, (round(scale(columns) * width), round(scale(columns) * height))


def _draw(panel: _Panel, picture: Array, frame: int, size: tuple[int, int]) -> Image.Image:
    """Draw a panel: its label, its return so far, and its picture, faint when its episode is over."""
    at = min(frame, len(panel.steps) - 1)
    result = Image.new("RGB", (size[0], size[1] + LABEL), STRIP)
    image = Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR)
    result.paste(Image.blend(Image.new("RGB", size, PAPER), image, OVER) if frame > at else image, (0, LABEL))
    returned = f"return {panel.episode.returns[panel.steps[at]]:.4g}"
    room = size[0] - 3 * MARGIN
    wide = ImageFont.load_default(FONT_SIZE).getlength(panel.label + returned)
    font = ImageFont.load_default(min(FONT_SIZE, FONT_SIZE * room / wide))
    pen = ImageDraw.Draw(result)
    pen.text((MARGIN, LABEL / 2), panel.label, INK, font, "lm")
    pen.text((size[0] - MARGIN, LABEL / 2), returned, INK, font, "rm")
    return result


def _sheet(drawn: Sequence[Image.Image], columns: int) -> Array:
    """Return panels beside and below each other as a picture."""
    width, height = (length + GAP for length in drawn[0].size)
    sheet = Image.new("RGB", (columns * width - GAP, math.ceil(len(drawn) / columns) * height - GAP), PAPER)
    for i, panel in enumerate(drawn):
        sheet.paste(panel, (i % columns * width, i // columns * height))
    return np.asarray(sheet)
