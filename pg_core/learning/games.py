"""A visitor's game of CartPole against a policy, played again: what a browser says of its length need not be believed.

The browser's `cart_pole.js` does the same float64 operations in the same order: both play the same game, bit for bit.
"""

import math
import reprlib
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from pg_core.config import ConfigError

MAX_STEPS = 3_000  # of a game, a minute, where the run's time limit is longer
START = 0.05  # every number of the first state is in ±START
GRAVITY, CART_MASS, POLE_MASS, HALF_LENGTH, FORCE, SECONDS = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
MAX_POSITION, MAX_ANGLE = 2.4, 12 * 2 * math.pi / 360
TERMS = 11  # of a series; up to the last one's, float64 has factorials exactly

State = tuple[float, float, float, float]
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


def length(start: State, actions: str, limit: int) -> int:
    """Return after how many steps, at most `limit`, the game of these actions has ended."""
    state, taken = start, 0
    for action in actions[:limit]:
        state, taken = step(state, action == "1"), taken + 1
        if abs(state[0]) > MAX_POSITION or abs(state[2]) > MAX_ANGLE:
            break
    return taken


def step(state: State, right: bool) -> State:
    """Return x, ẋ, θ, θ̇ one step later, by Gymnasium's rules: see `engines.cart_pole.step`."""
    x, x_dot, theta, theta_dot = state
    mass, moment = POLE_MASS + CART_MASS, POLE_MASS * HALF_LENGTH
    sine, cosine = _sine_and_cosine(theta)
    push = ((FORCE if right else -FORCE) + moment * (theta_dot * theta_dot) * sine) / mass
    inertia = HALF_LENGTH * (4 / 3 - POLE_MASS * (cosine * cosine) / mass)
    theta_acceleration = (GRAVITY * sine - cosine * push) / inertia
    x_acceleration = push - moment * theta_acceleration * cosine / mass
    return (
        x + SECONDS * x_dot, x_dot + SECONDS * x_acceleration,
        theta + SECONDS * theta_dot, theta_dot + SECONDS * theta_acceleration,
    )  # fmt: skip


def _sine_and_cosine(angle: float) -> tuple[float, float]:
    """Calculate both by their series, to float64 rounding for |θ| ≤ 1: libraries differ in the last bit.

    A pole that is balanced blindly multiplies a difference by e⁴ in a second.
    """
    square, sine, cosine = angle * angle, 0.0, 0.0
    for k in range(TERMS - 1, -1, -1):
        sine = sine * square + (-1) ** k / math.factorial(2 * k + 1)
        cosine = cosine * square + (-1) ** k / math.factorial(2 * k)
    return sine * angle, cosine
