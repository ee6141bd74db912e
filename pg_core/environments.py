"""What the trainer must know of a Gymnasium environment before it plays: sizes, limits, threshold.

Discrete observations are fed to the network one-hot; Box actions are scaled from the policy's
units (0 is the middle of the box, ±1 its edges) to the environment's.
"""

import contextlib
import difflib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Some environments (CliffWalking) have no time limit of their own and an untrained policy never ends them.
FALLBACK_EPISODE_STEPS = 1_000


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
        max_episode_steps: T, the time limit.
        reward_threshold: mean return that counts as solved, or None.
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
    max_episode_steps: int
    reward_threshold: float | None

    def encode(self, observations: Array) -> Array:
        """Return observations `[...]` or `[..., D]` of the environment as network inputs `[..., D]`, float32."""
        if not self.one_hot:
            return np.asarray(observations, np.float32)
        rows: Array = np.eye(self.observation_size, dtype=np.float32)[np.asarray(observations) - self.observation_start]
        return rows

    def decode(self, actions: Array) -> Array:
        """Return policy actions `[...]` (int) or `[..., A]` (float) as the environment takes them."""
        if self.discrete:
            return actions.astype(np.int64) + self.action_start
        low, high = np.asarray(self.action_low, np.float32), np.asarray(self.action_high, np.float32)
        bounded = np.isfinite(low) & np.isfinite(high)
        near, far = np.where(bounded, low, -1), np.where(bounded, high, 1)
        return np.clip((near + far) / 2 + (far - near) / 2 * actions, low, high).astype(np.float32)


@functools.lru_cache(maxsize=64)
def describe(env_id: str) -> EnvironmentSpec:
    """Return what the trainer must know of a registered environment.

    Args:
        env_id: a Gymnasium id with flat Box or Discrete observations and Discrete or flat Box actions.

    Raises:
        UnsupportedEnvironmentError: with one sentence that names the remedy.
    """
    env = make(env_id)
    try:
        observations: Any = env.observation_space
        actions: Any = env.action_space
        _check_kind(env_id, "observations", observations)
        _check_kind(env_id, "actions", actions)
        spec = gym.registry[env_id]
        box = isinstance(actions, gym.spaces.Box)
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
            max_episode_steps=spec.max_episode_steps or FALLBACK_EPISODE_STEPS,
            reward_threshold=spec.reward_threshold,
        )
    finally:
        env.close()


def make(env_id: str, **options: Any) -> gym.Env[Any, Any]:
    """Make one environment, with the lab's time limit where it has none.

    Raises:
        UnsupportedEnvironmentError: the id is not registered, or the environment cannot be made here.
    """
    _check_registered(env_id)
    limit = gym.registry[env_id].max_episode_steps or FALLBACK_EPISODE_STEPS
    with _one_sentence(env_id):
        return gym.make(env_id, max_episode_steps=limit, disable_env_checker=True, **options)


def make_vector(env_id: str, num_envs: int) -> gym.vector.VectorEnv[Any, Any, Any]:
    """Make `num_envs` copies that step together: the environment's own vector version if it has one.

    Raises:
        UnsupportedEnvironmentError: the id is not registered, or the environment cannot be made here.
    """
    _check_registered(env_id)
    spec = gym.registry[env_id]
    if spec.vector_entry_point:
        with _one_sentence(env_id):
            return gym.make_vec(env_id, num_envs=num_envs, vectorization_mode="vector_entry_point")
    return gym.vector.SyncVectorEnv([functools.partial(make, env_id)] * num_envs)


@contextlib.contextmanager
def _one_sentence(env_id: str) -> Iterator[None]:
    """Turn whatever an environment raises while it is made into one sentence."""
    try:
        yield
    except Exception as error:
        reason = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        if isinstance(error, ModuleNotFoundError) and error.name:
            reason += f"; install it with `pip install {error.name}`"
        raise UnsupportedEnvironmentError(f"`env_id` {env_id!r} cannot be made here: {reason}.") from error


def _check_registered(env_id: str) -> None:
    if env_id in gym.registry:
        return
    close = difflib.get_close_matches(env_id, gym.registry, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "install the package that registers it, or choose another."
    raise UnsupportedEnvironmentError(f"`env_id` must be a registered Gymnasium environment, got {env_id!r}; {hint}")


def _check_kind(env_id: str, role: str, space: gym.Space[Any]) -> None:
    if isinstance(space, gym.spaces.Discrete) or (isinstance(space, gym.spaces.Box) and len(space.shape) == 1):
        return
    shape = f" of shape {space.shape}" if isinstance(space, gym.spaces.Box) else ""
    raise UnsupportedEnvironmentError(
        f"`env_id` must name an environment with flat Box or Discrete {role}, "
        f"got {env_id!r} with {type(space).__name__}{shape}; choose another, such as 'CartPole-v1'."
    )


def _size(space: Any) -> int:
    return int(space.n if isinstance(space, gym.spaces.Discrete) else space.shape[0])
