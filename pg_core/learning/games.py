"""A visitor's game of CartPole against a policy, played again: what a browser says of its length need not be believed.

The browser's `cart_pole.js` does the same float64 operations in the same order: both play the same game, bit for bit.
"""

import math
import reprlib
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from pg_core.config import ConfigError
from pg_core.environments import Array, cart_pole
from pg_core.environments.cart_pole import START

MAX_STEPS = 3_000  # of a game, a minute, where the run's time limit is longer
TERMS = 11  # of a series; up to the last one's, float64 has factorials exactly

_Coordinate = Annotated[float, Field(ge=-START, le=START)]
_Actions = Annotated[str, Field(pattern="^[01]+$", max_length=MAX_STEPS)]


class Game(BaseModel):
    """What a browser tells of a game; 0 is a push to the left, 1 to the right."""

    update: int = Field(ge=0, description="a number of updates")
    agent: int = Field(ge=0, description="the number of an agent")
    start: tuple[_Coordinate, _Coordinate, _Coordinate, _Coordinate] = Field(
        description=f"x, ẋ, θ, θ̇ in [-{START}, {START}]"
    )
    visitor: _Actions = Field(description=f"1 to {MAX_STEPS:,} actions, each 0 or 1")
    opponent: _Actions = Field(description=f"1 to {MAX_STEPS:,} actions, each 0 or 1")


def game_of(message: Any) -> Game:
    """Read a game.

    Raises:
        ConfigError: the message is none.
    """
    try:
        return Game.model_validate(message)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "game"
        rule = Game.model_fields[name].description if first["loc"] else "an object"
        raise ConfigError(f"`{name}` must be {rule}, got {reprlib.repr(first['input'])}.") from None


def length(start: Sequence[float], actions: str, limit: int) -> int:
    """Return after how many steps, at most `limit`, the game of these actions has ended."""
    state, taken = np.array(start), 0
    for action in actions[:limit]:
        state, taken = step(state, action == "1"), taken + 1
        if cart_pole.has_failed(state):
            break
    return taken


def step(state: Array, right: bool) -> Array:
    """Return x, ẋ, θ, θ̇ one step later, `[4]`.

    Sine and cosine are their series, to float64 rounding for |θ| ≤ 1: libraries differ in the last bit, and a pole that
    is balanced blindly multiplies a difference by e⁴ in a second.
    """
    return cart_pole.step(state, right, sine=_sine, cosine=_cosine)


def _sine(angle: Array) -> Array:
    return angle * _series(angle * angle, 1)


def _cosine(angle: Array) -> Array:
    return _series(angle * angle, 0)


def _series(square: Array, first: int) -> Array:
    """Return Σₖ (-1)ᵏ θ²ᵏ / (2k + first)! for θ², by Horner's rule."""
    total = np.zeros_like(square)
    for k in range(TERMS - 1, -1, -1):
        total = total * square + (-1) ** k / math.factorial(2 * k + first)
    return total
