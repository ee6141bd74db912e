"""What the trainer must know of a Gymnasium environment before it plays: sizes, limits, threshold.

Discrete observations are fed to the network one-hot; Box actions are scaled from the policy's
units (0 is the middle of the box, ±1 its edges) to the environment's.
"""

import contextlib
import difflib
import functools
import math
import reprlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

from pg_core import faults, isolation, sandbox
from pg_core.faults import EnvironmentFault
from pg_core.watched import Watched

Array = npt.NDArray[Any]

# Some environments (CliffWalking) have no time limit of their own and an untrained policy never ends them.
FALLBACK_EPISODE_STEPS = 1_000
FALLBACK_FPS = 30
HELD = 10  # times as long as it took to fail, an environment that has failed is not asked again
UNBOUNDED = 1e10  # an action bound beyond this means that there is none


class UnsupportedEnvironmentError(ValueError):
    """Raised when an environment is unknown, not installed, or of a kind that the lab cannot train."""


@dataclass(frozen=True)
class EnvironmentSpec:
    """Sizes and limits of one environment.

    Attributes:
        env_id: registered Gymnasium id.
        observation_size: D, length of the network's input.
        action_size: A, the number of actions (discrete) or the size of an action vector.
        discrete: whether actions are choices (softmax policy) rather than vectors (Gaussian policy).
        one_hot: whether observations are integers, fed one-hot.
        observation_start, action_start: first integer of a Discrete space, else 0.
        action_low, action_high: bounds of a Box action, each of length A; empty if discrete.
        action_dtype: type of the numbers that the environment takes.
        max_episode_steps: T, the time limit.
        reward_threshold: mean return that counts as solved, or None.
        steps_per_second: in the environment's own time.
        cart_pole: whether it is Gymnasium's CartPole, which the compiled engine plays too.
        sutton_barto_reward: CartPole's other reward: 0 a step and -1 for a failure.
    """

    env_id: str
    observation_size: int
    action_size: int
    discrete: bool
    one_hot: bool
    observation_start: int
    action_start: int
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    action_dtype: str
    max_episode_steps: int
    reward_threshold: float | None
    steps_per_second: float
    cart_pole: bool
    sutton_barto_reward: bool

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments with which Gymnasium makes the environment."""
        return {"sutton_barto_reward": True} if self.sutton_barto_reward else {}

    def encode(self, observations: Array) -> Array:
        """Return observations `[...]` or `[..., D]` of the environment as network inputs `[..., D]`, float32."""
        if not self.one_hot:
            return np.asarray(observations, np.float32)
        chosen = np.asarray(observations)[..., None] - self.observation_start == np.arange(self.observation_size)
        rows: Array = chosen.astype(np.float32)
        return rows

    def decode(self, actions: Array) -> Array:
        """Return policy actions `[...]` (int) or `[..., A]` (float) as the environment takes them."""
        if self.discrete:
            return actions.astype(np.int64) + self.action_start
        low, high = np.asarray(self.action_low), np.asarray(self.action_high)
        has_low, has_high = low > -UNBOUNDED, high < UNBOUNDED
        near = np.where(has_low, low, np.where(has_high, high - 2, -1))
        far = np.where(has_high, high, near + 2)
        scaled = np.clip((near + far) / 2 + (far - near) / 2 * actions, low, high)
        kind = np.dtype(self.action_dtype)
        taken: Array = (np.rint(scaled) if kind.kind in "iu" else scaled).astype(kind)
        return taken


def describe(env_id: str, sutton_barto_reward: bool = False) -> EnvironmentSpec:
    """Return what the trainer must know of a registered environment.

    Args:
        env_id: a Gymnasium id with flat Box or Discrete observations and Discrete or flat Box actions.
        sutton_barto_reward: CartPole's other reward.

    Raises:
        UnsupportedEnvironmentError: with one sentence that names the remedy.
    """
    _check_registered(env_id)
    registration, known = gym.registry[env_id], _described.get(env_id)
    if known is None or known[0] is not registration:
        spec = _describe(env_id) if isolation.is_known(env_id) else _described_apart(env_id)
        known = _described[env_id] = registration, spec
    if sutton_barto_reward and not known[1].cart_pole:
        raise UnsupportedEnvironmentError(f"`sutton_barto_reward` must be off but for CartPole, got {env_id!r}")
    return _with_other_reward(known[1]) if sutton_barto_reward else known[1]


@functools.lru_cache(maxsize=64)  # TensorFlow traces again for an equal object that is not the same
def _with_other_reward(spec: EnvironmentSpec) -> EnvironmentSpec:
    # Its returns, 0 or -1, have nothing to do with the threshold that is registered.
    return replace(spec, sutton_barto_reward=True, reward_threshold=None)


# By id: what was registered under it, and its description, which takes making the environment once.
_described: dict[str, tuple[EnvSpec, EnvironmentSpec]] = {}


def _described_apart(env_id: str) -> EnvironmentSpec:
    """Describe an environment in a process of its own; one that fails is not asked again all the time.

    A page asks several times whenever anything on it changes, and one that hangs takes half a minute.
    """
    start = time.monotonic()
    until, failure = _failed.get(env_id, (-math.inf, UnsupportedEnvironmentError()))
    if start < until:
        raise type(failure)(*failure.args)
    try:
        spec: EnvironmentSpec = isolation.apart(env_id, _describe, env_id)
    except (UnsupportedEnvironmentError, EnvironmentFault) as error:
        now = time.monotonic()
        _failed[env_id] = now + HELD * (now - start), error
        raise
    return spec


_failed: dict[str, tuple[float, Exception]] = {}  # until when the environment is not asked, and how it failed


def _describe(env_id: str) -> EnvironmentSpec:
    registration = gym.registry[env_id]
    env = make(env_id)
    try:
        observations: Any = env.observation_space
        actions: Any = env.action_space
        _check_kind(env_id, "observations", observations)
        _check_kind(env_id, "actions", actions)
        box = isinstance(actions, gym.spaces.Box)
        plain = not (registration.kwargs or registration.additional_wrappers)
        return EnvironmentSpec(
            env_id=env_id,
            observation_size=_size(observations),
            action_size=_size(actions),
            discrete=not box,
            one_hot=isinstance(observations, gym.spaces.Discrete),
            observation_start=int(getattr(observations, "start", 0)),
            action_start=int(getattr(actions, "start", 0)),
            action_low=tuple(map(float, actions.low)) if box else (),
            action_high=tuple(map(float, actions.high)) if box else (),
            action_dtype=str(actions.dtype),
            max_episode_steps=_time_limit(env_id),
            reward_threshold=registration.reward_threshold,
            steps_per_second=float(env.metadata.get("render_fps") or FALLBACK_FPS),
            cart_pole=type(env.unwrapped) is CartPoleEnv and plain,
            sutton_barto_reward=False,
        )
    finally:
        env.close()


def make(env_id: str, **options: Any) -> Watched:
    """Make one environment, with the lab's time limit where it has none, that says what is wrong with it.

    Raises:
        UnsupportedEnvironmentError: the id is not registered, or the environment cannot be made here.
    """
    _check_registered(env_id)
    with _one_sentence(env_id):
        env = gym.make(env_id, max_episode_steps=_time_limit(env_id), disable_env_checker=True, **options)
        return Watched(env, env_id)


def make_vector(env_id: str, num_envs: int, **options: Any) -> gym.vector.VectorEnv[Any, Any, Any]:
    """Make `num_envs` copies that step together: the environment's own vector version if it has one that serves.

    One that cannot be made, lacks the wrappers of single environments, or never resets itself does not serve.

    Raises:
        UnsupportedEnvironmentError: the id is not registered, or the environment cannot be made here.
    """
    _check_registered(env_id)
    spec = gym.registry[env_id]
    if spec.vector_entry_point and not spec.additional_wrappers:
        with contextlib.suppress(Exception):
            envs = gym.make_vec(env_id, num_envs=num_envs, vectorization_mode="vector_entry_point", **options)
            if envs.metadata.get("autoreset_mode") in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
                return envs
            envs.close()
    return gym.vector.SyncVectorEnv([functools.partial(make, env_id, **options)] * num_envs)


@contextlib.contextmanager
def _one_sentence(env_id: str) -> Iterator[None]:
    """Turn whatever an environment raises while it is made into one sentence."""
    sandbox.note("while it is made")
    try:
        yield
    except (Exception, SystemExit) as error:
        line = faults.line_of(faults.lines(error), isolation.package(env_id))
        reason = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        if line:
            reason = f"{faults.said(error)} ({line})"
        if isinstance(error, ModuleNotFoundError) and error.name:
            reason += f"; install it with `pip install {error.name}`"
        raise UnsupportedEnvironmentError(f"`env_id` {env_id!r} cannot be made here: {reason}.") from error


def _time_limit(env_id: str) -> int:
    limit = gym.registry[env_id].max_episode_steps
    return limit if limit and limit > 0 else FALLBACK_EPISODE_STEPS


def _check_registered(env_id: str) -> None:
    if env_id in gym.registry:
        return
    shown = reprlib.repr(env_id)
    close = difflib.get_close_matches(env_id, gym.registry, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "install the package that registers it, or choose another."
    raise UnsupportedEnvironmentError(f"`env_id` must be a registered Gymnasium environment, got {shown}; {hint}")


def _check_kind(env_id: str, role: str, space: gym.Space[Any]) -> None:
    flat = isinstance(space, gym.spaces.Box) and len(space.shape) == 1 and space.shape[0] > 0
    if isinstance(space, gym.spaces.Discrete) or flat:
        return
    shape = f" of shape {space.shape}" if isinstance(space, gym.spaces.Box) else ""
    raise UnsupportedEnvironmentError(
        f"`env_id` must name an environment with flat Box or Discrete {role}, "
        f"got {env_id!r} with {type(space).__name__}{shape}; choose another, such as 'CartPole-v1'."
    )


def _size(space: Any) -> int:
    return int(space.n if isinstance(space, gym.spaces.Discrete) else space.shape[0])
