"""An environment that says what is wrong with it: what it raised or returned, in whose line, in which step."""

from typing import Any, NoReturn, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from pg_core.environments import faults, sandbox

Result = tuple[Any, float, bool, bool, dict[str, Any]]
SIDES = range(1, 16_384)  # of a picture: WebP has no larger ones
REWARDS, FLAGS = {float, int, np.float32, np.float64}, {bool, np.bool_}  # types of which no more is asked


class Watched(gym.Wrapper[Any, Any, Any, Any]):
    """Plays one episode a reset with a seed; what comes after its end is not played, as nobody looks at it.

    Attributes:
        place: where the episode belongs, such as "agent 0, update 1, episode 3 of 3".

    Raises:
        EnvironmentFault: when it is reset, stepped or drawn.
    """

    place = ""

    def __init__(self, env: gym.Env[Any, Any], env_id: str) -> None:
        super().__init__(env)
        self._env_id, self._steps, self._over = env_id, 0, False
        self._space, self._observation = env.observation_space, None  # a wrapper's property asks all that are below

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; without a seed, a vector environment only resets what has ended."""
        if self._over and seed is None:
            return self._observation, {}
        self._steps, self._over = 0, False
        sandbox.note(self._place("reset"))
        try:
            returned = self.env.reset(seed=seed, options=options)
            if not (isinstance(returned, tuple) and len(returned) == 2):
                raise faults.returned(f"{_kind(returned)}, not {faults.RETURNS['reset']}", *self.at("reset"))
            self._look_at(returned[0], "reset")
        except BaseException as error:
            self._tell(error, "reset")
        return returned[0], {}

    def step(self, action: Any) -> Result:
        """Do one step of the episode; nothing after its end."""
        if self._over:
            return self._observation, 0.0, True, False, {}
        self._steps += 1
        if sandbox.is_inside():
            sandbox.note(self._place("step"))
        try:
            result: tuple[Any, Any, Any, Any, Any] = self.env.step(action)
            observation, reward, terminated, truncated, _ = result
            self._look_at(observation, "step")
            if type(reward) not in REWARDS and not _is_number(reward):
                raise faults.returned(f"a reward that is no number, {_kind(reward)}", *self.at("step"))
            for name, flag in (("terminated", terminated), ("truncated", truncated)):
                if type(flag) not in FLAGS and (np.ndim(flag) or flag not in (0, 1)):
                    raise faults.returned(f"a `{name}` that is neither True nor False, {_kind(flag)}", *self.at("step"))
            self._over = bool(terminated or truncated)
            return observation, float(reward), bool(terminated), bool(truncated), {}
        except BaseException as error:
            self._tell(error, "step")

    def render(self) -> Any:
        """Draw the environment."""
        sandbox.note(self._place("render"))
        try:
            picture = self.env.render()
            if not _is_picture(picture):
                raise faults.returned(f"no picture [height, width, 3] but {_kind(picture)}", *self.at("render"))
        except gym.error.DependencyNotInstalled:
            raise
        except BaseException as error:
            self._tell(error, "render")
        return picture

    def close(self) -> None:
        """Close the environment; what it raises now harms nothing any more."""
        with sandbox.suppressed():
            self.env.close()

    def _look_at(self, observation: Any, method: str) -> None:
        self._observation = observation
        if problem := misfit(self._space, observation):
            raise faults.returned(f"an observation that {problem}", *self.at(method))

    def _tell(self, error: BaseException, method: str) -> NoReturn:
        """Raise what a method raised, or what it returned raises where it is looked at, as the environment's fault."""
        if sandbox.is_interrupt(error) or isinstance(error, faults.EnvironmentFault):
            raise error
        raise faults.raised(error, *self.at(method)) from error

    def at(self, method: str) -> tuple[str, Any, str, str]:
        """Return what `faults.returned` and `faults.raised` must know of a call of a method."""
        return self._env_id, self.unwrapped, method, self._place(method)

    def _place(self, method: str) -> str:
        return f"{self.place}{', ' if self.place else ''}{f'step {self._steps}' if method != 'reset' else 'reset'}"


def misfit(space: gym.Space[Any], value: Any) -> str:
    """Return in what an observation is not of its space, a predicate; empty if training does not depend on it.

    Numbers beyond the bounds of a box are numbers all the same; a choice beyond those of its space is none.
    """
    if isinstance(space, spaces.Box):
        return _no_array(value, space.shape, space.dtype)
    if isinstance(space, spaces.Discrete):
        if not isinstance(value, int | np.integer) and (np.ndim(value) or np.asarray(value).dtype.kind not in "iu"):
            return f"is {_kind(value)}, where {space} has whole numbers"
        return "" if space.start <= value < space.start + space.n else f"is {value}, outside of {space}"
    if isinstance(space, spaces.MultiDiscrete | spaces.MultiBinary):
        problem = _no_array(value, space.shape, space.dtype)
        return problem or ("" if space.contains(np.asarray(value, space.dtype)) else f"is {value}, outside of {space}")
    if isinstance(space, spaces.Dict | spaces.Tuple):
        return _misfit_of_parts(space, value)
    return "" if space.contains(value) else f"is {_kind(value)}, outside of {space}"


def _misfit_of_parts(space: Any, value: Any) -> str:
    named = isinstance(space, spaces.Dict)
    if not isinstance(value, dict if named else tuple) or len(value) != len(space.spaces):
        return f"is {_kind(value)}, where its space is {space}"
    for name, part in space.spaces.items() if named else enumerate(space.spaces):
        if named and name not in value:
            return f"lacks {name!r}, which its space has"
        if problem := misfit(part, value[name]):
            return f"at {name!r} {problem}"
    return ""


def _is_number(reward: Any) -> bool:
    return not np.ndim(reward) and not np.iscomplexobj(reward) and isinstance(reward, SupportsFloat)


def _is_picture(picture: Any) -> bool:
    if not (isinstance(picture, np.ndarray) and picture.ndim == 3 and picture.dtype.kind in "uif"):
        return False
    height, width, colors = picture.shape
    return colors == 3 and height in SIDES and width in SIDES


def _no_array(value: Any, shape: tuple[int, ...], dtype: Any) -> str:
    try:
        array = np.asarray(value)
    except ValueError:
        return f"is {_kind(value)}, which is no array"
    if array.shape != shape:
        return f"has shape {array.shape}, where its space has {shape}"
    if array.dtype != dtype and not np.can_cast(array.dtype, dtype, "same_kind"):
        return f"has dtype {array.dtype}, where its space has {dtype}"
    return ""


def _kind(value: Any) -> str:
    """Return what a value is, in a few words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return f"{type(value).__name__} {value!r}"[:80]
