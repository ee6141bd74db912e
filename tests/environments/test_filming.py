"""A film shows each episode as its environment plays it, labelled, in a bounded number of frames."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw

from pg_core.environments import describe, filming, make
from pg_core.environments.filming import GAP, LABEL, film
from tests.environments.test_rendering import Counter

STEPS = {"Short": 3, "Long": 10}  # of the two policies, which end their episodes when they like


class Ends(Counter):
    """Its picture is of one gray, 20 times the steps; an action of 1 ends the episode."""

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        observation, _, _, _, info = super().step(action)
        return observation, 0.5, bool(action), False, info

    def render(self) -> np.ndarray:
        return np.full((40, 60, 3), min(20 * self.count, 255), np.uint8)


@pytest.fixture(autouse=True)
def environments(register: Callable[..., None]) -> None:
    register("Ends-v0", Ends, max_episode_steps=5_000)


def lasting(steps: int) -> Callable[[np.ndarray], tuple[int, np.ndarray]]:
    return lambda observation: (int(observation[0] == steps - 1), np.ones(2))


ACTS = {name: lasting(steps) for name, steps in STEPS.items()}


def frames_of(path: Path) -> list[np.ndarray]:
    with av.open(path) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def shot(tmp_path: Path, acts: dict = ACTS, **options: bool) -> list[np.ndarray]:
    """Return a film's pictures, each once: whether two that are the same are one is the encoder's affair."""
    path = tmp_path / "film.webp"
    returns = film(describe("Ends-v0"), acts, 0, path, **options)
    assert returns == [0.5 * STEPS.get(name, 3) for name in acts]
    image, found = Image.open(path), []
    for number in range(image.n_frames):
        image.seek(number)
        picture = np.asarray(image.convert("RGB"))
        if not found or not np.array_equal(found[-1], picture):
            found.append(picture)
    return found


def test_beside_each_other_each_panel_shows_its_own_episode_and_fades_when_it_is_over(tmp_path: Path) -> None:
    pictures = shot(tmp_path)
    assert len(pictures) == 1 + max(STEPS.values())
    height, width, _ = pictures[0].shape
    middle, quarter = (height + LABEL) // 2, (width - GAP) // 4
    grays = [[int(picture[middle, x, 0]) for x in (quarter, width - quarter)] for picture in pictures]
    assert [right for _, right in grays] == [20 * step for step in range(11)]
    faint = round(255 + (60 - 255) * filming.OVER)
    assert [left for left, _ in grays] == [0, 20, 40, 60, *[pytest.approx(faint, abs=1)] * 7]


def test_one_after_the_other_every_state_has_its_frame(tmp_path: Path) -> None:
    pictures = shot(tmp_path, in_turn=True)
    grays = [int(picture[-5, 5, 0]) for picture in pictures]
    assert grays == [*range(0, 61, 20), *range(0, 201, 20)]


def test_labels_say_whose_policy_it_is_and_what_it_has_earned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    pen, drawn = ImageDraw.ImageDraw.text, shot(tmp_path)[-1][:LABEL]
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda self, xy, text, *more: texts.append(text))
    blank = shot(tmp_path)[-1][:LABEL]
    assert len(np.unique(blank.reshape(-1, 3), axis=0)) <= 2 < len(np.unique(drawn.reshape(-1, 3), axis=0))
    assert texts[:4] == ["Short", "return 0", "Long", "return 0"]
    assert texts[-2:] == ["Long", "return 5"] and "return 1.5" in texts
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", pen)
    drawn = shot(tmp_path, {"a label that has no room at all " * 2: lasting(3)})[0][:LABEL]
    assert (drawn[:, :3] == filming.STRIP).all() and (drawn[:, -3:] == filming.STRIP).all()  # it is smaller


@pytest.mark.parametrize(
    ("steps", "fps", "every", "speed"),
    [(300, 50, 1, 1), (500, 50, 2, 1), (500, 30, 2, 20 * 2 / 30), (3000, 50, 10, 20 * 10 / 50), (10, 4, 1, 1)],
)
def test_what_is_long_is_thinned_and_played_faster_where_it_would_stutter(
    steps: int, fps: int, every: int, speed: float
) -> None:
    pace = filming._pace(steps, fps)
    assert pace == (every, pytest.approx(speed * fps / every), pytest.approx(speed))


def test_a_film_of_a_very_long_episode_is_as_short_as_others_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []
    pen = ImageDraw.ImageDraw.text
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda *args: (texts.append(args[2]), pen(*args)))
    monkeypatch.setattr(filming, "MAX_FRAMES", 5)
    film(describe("Ends-v0"), {"x": lasting(24)}, 0, tmp_path / "film.webp")
    assert texts == [text for step in (0, 5, 10, 15, 20, 24) for text in ("x · 5× speed", f"return {step / 2:g}")]


@pytest.mark.parametrize("count", range(1, 7))
@pytest.mark.parametrize(("width", "height"), [(600, 400), (500, 500), (64, 64), (160, 210), (1000, 100)])
def test_panels_fit(count: int, width: int, height: int) -> None:
    columns, (across, down) = filming._grid(count, width, height)
    rows = -(-count // columns)
    assert columns * (across + GAP) <= filming.WIDTH + columns and across > 0
    assert rows * (down + LABEL + GAP) <= filming.HEIGHT + rows and down > 0


@pytest.mark.parametrize("suffix", ["webp", "mp4", "gif"])
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Acrobot-v1", "Pendulum-v1"])
def test_every_format_opens_and_returns_are_those_of_the_environment(env_id: str, suffix: str, tmp_path: Path) -> None:
    spec, path = describe(env_id, max_episode_steps=12), tmp_path / f"film.{suffix}"
    action = np.zeros(1) if env_id == "Pendulum-v1" else 0
    returns = film(spec, {"one": lambda _: (action, np.ones(1)), "two": lambda _: (action, np.ones(1))}, 3, path)
    env, total, ended = make(env_id, **spec.options), 0.0, False
    env.reset(seed=3)
    while not ended:
        _, reward, terminated, truncated, _ = env.step(spec.decode(np.asarray(action)))
        total, ended = total + float(reward), terminated or truncated
    assert returns == [total, total]
    if suffix == "mp4":
        pictures = frames_of(path)
        assert len(pictures) > 9 and pictures[0].shape[1] <= filming.WIDTH
    else:
        image = Image.open(path)
        assert image.n_frames > 9 and image.size[0] <= filming.WIDTH
    assert path.stat().st_size < 500_000


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`path` must end in \.webp, \.gif or \.mp4, got 'film\.png'\.$"):
        film(describe("Ends-v0"), ACTS, 0, tmp_path / "film.png")
