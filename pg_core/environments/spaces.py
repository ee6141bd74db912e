"""What Gymnasium's spaces become: an observation a row of numbers, an action a choice, several choices, or a vector.

Observations are flattened by Gymnasium itself: numbers stay what they are, choices become one-hot.
"""

import math
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from pg_core.environments.registration import UnsupportedEnvironmentError

Array = npt.NDArray[Any]
Space = gym.Space[Any]

MAX_SIZE = 2**20  # numbers of an observation
MAX_CHOICES = 256  # of which an action may be made: a program is compiled that has them all
UNBOUNDED = 1e10  # an action bound beyond this means that there is none
WRAP = "have a `gymnasium.ObservationWrapper` in a module of your own"


def observation_size(env_id: str, space: Space) -> int:
    """Return how many numbers an observation becomes.

    Raises:
        UnsupportedEnvironmentError: the lab has no use for such observations; with the remedy.
    """
    for part in _parts(space):
        if isinstance(part, spaces.Box) and part.dtype == np.uint8 and len(part.shape) > 2:
            raise _refused(env_id, f"pictures, uint8 of shape {part.shape}", f"{WRAP} make a few numbers of them.")
        if isinstance(part, spaces.Text):
            raise _refused(env_id, "Text", f"{WRAP} leave it out, or number what it can say.")
    try:
        numbers = int(spaces.flatdim(space))
    except Exception:  # whatever a space of somebody else raises, or what is none
        names = sorted({type(part).__name__ for part in _parts(space)})
        raise _refused(env_id, f"{', '.join(names)}, of no fixed size", f"{WRAP} make a Box of them.") from None
    if not 0 < numbers <= MAX_SIZE:
        raise _refused(env_id, f"{numbers:,} of them", f"there must be 1 to {MAX_SIZE:,}: {WRAP} choose some.")
    return numbers


def is_flat(space: Space) -> bool:
    """Return whether observations are rows of numbers as they come."""
    return isinstance(space, spaces.Box) and len(space.shape) == 1


def choices_of(env_id: str, space: Space) -> tuple[int, ...]:
    """Return between how many options each of an action's choices is; none for vectors.

    Raises:
        UnsupportedEnvironmentError: the lab has no policy for such actions.
    """
    if isinstance(space, spaces.Discrete):
        return (int(space.n),)
    if isinstance(space, spaces.Box) and 0 not in space.shape:
        return ()
    choices: tuple[int, ...] = ()
    if isinstance(space, spaces.MultiDiscrete):
        choices = tuple(map(int, space.nvec.ravel()))
    elif isinstance(space, spaces.MultiBinary):
        choices = (2,) * math.prod(space.shape)
    if not 0 < len(choices) <= MAX_CHOICES:
        raise UnsupportedEnvironmentError(
            f"`env_id` must name an environment with Discrete, MultiDiscrete, MultiBinary or Box actions of 1 to "
            f"{MAX_CHOICES} numbers, got {env_id!r} with {str(space)[:80]}; have a `gymnasium.ActionWrapper` in a "
            "module of your own make one of them, or choose another, such as 'CartPole-v1'."
        )
    return choices


def limits(space: Any) -> tuple[tuple[float, ...], tuple[float, ...], tuple[int, ...]]:
    """Return the bounds of a vector, or none and the first option of each choice, as plain numbers."""
    if isinstance(space, spaces.Box):
        return tuple(map(float, space.low.ravel())), tuple(map(float, space.high.ravel())), ()
    start = getattr(space, "start", np.zeros(space.shape, int))
    return (), (), tuple(map(int, np.ravel(start)))


def scaled(actions: Array, low: Array, high: Array) -> Array:
    """Return vectors `[..., A]` in the units of the box with these bounds `[A]`: 0 is its middle, ±1 are its edges."""
    has_low, has_high = low > -UNBOUNDED, high < UNBOUNDED
    near = np.where(has_low, low, np.where(has_high, high - 2, -1))
    far = np.where(has_high, high, near + 2)
    within: Array = np.clip((near + far) / 2 + (far - near) / 2 * actions, low, high)
    return within


def _parts(space: Space) -> Iterator[Space]:
    """Yield the spaces of which a space is made, itself if it has no parts."""
    parts = getattr(space, "spaces", None)
    if parts is None:
        yield space
        return
    for part in parts.values() if isinstance(parts, dict) else parts:
        yield from _parts(part)


def _refused(env_id: str, got: str, remedy: str) -> UnsupportedEnvironmentError:
    return UnsupportedEnvironmentError(
        f"`env_id` must name an environment whose observations are numbers, got {env_id!r} with {got}; {remedy}"
    )
