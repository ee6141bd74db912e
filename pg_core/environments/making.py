"""Makes environments, so that they say what is wrong with them and end each episode."""

import contextlib
import functools
import json
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

from pg_core.environments import faults, isolation, sandbox, spaces
from pg_core.environments.registration import UnsupportedEnvironmentError, registered
from pg_core.environments.watched import Watched

# Some environments (CliffWalking) have no time limit that they tell, and an untrained policy never ends them.
FALLBACK_EPISODE_STEPS = 10_000


def time_limit(registration: EnvSpec, max_episode_steps: int) -> tuple[int, bool]:
    """Return after how many steps episodes are cut, and whether the environment, or who made it, says so."""
    told = max_episode_steps or registration.max_episode_steps or 0
    return (told, True) if told > 0 else (FALLBACK_EPISODE_STEPS, False)


def make(env_id: str, /, max_episode_steps: int = 0, **options: Any) -> gym.Env[Any, Any]:
    """Make one environment as `make_watched`, whose observations come flat."""
    env = make_watched(env_id, max_episode_steps, **options)
    return env if spaces.is_flat(env.observation_space) else gym.wrappers.FlattenObservation(env)


def make_watched(env_id: str, /, max_episode_steps: int = 0, **options: Any) -> Watched:
    """Make one environment that says what is wrong with it, with the lab's time limit where it tells none.

    Raises:
        UnsupportedEnvironmentError: the id is not registered, or the environment cannot be made here.
    """
    registration = registered(env_id)
    with one_sentence(env_id, options):
        limit, _ = time_limit(registration, max_episode_steps)
        env = gym.make(env_id, max_episode_steps=limit, disable_env_checker=True, **options)
        return Watched(env, env_id)


def make_vector(
    env_id: str, num_envs: int, /, max_episode_steps: int = 0, **options: Any
) -> gym.vector.VectorEnv[Any, Any, Any]:
    """Make `num_envs` copies that step together: the environment's own vector version if it has one that serves.

    One that cannot be made, lacks the wrappers of single environments, never resets itself, or whose observations are
    not flat does not serve.

    Raises:
        UnsupportedEnvironmentError: the id is not registered, or the environment cannot be made here.
    """
    spec = registered(env_id)
    limit: dict[str, Any] = {"max_episode_steps": max_episode_steps} if max_episode_steps else {}
    if spec.vector_entry_point and not spec.additional_wrappers:
        with sandbox.suppressed():
            envs = gym.make_vec(env_id, num_envs, "vector_entry_point", **limit, **options)
            resets = envs.metadata.get("autoreset_mode") in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP)
            if resets and spaces.is_flat(envs.single_observation_space):
                return envs
            envs.close()
    return gym.vector.SyncVectorEnv([functools.partial(make, env_id, **limit, **options)] * num_envs)


@contextlib.contextmanager
def one_sentence(env_id: str, options: dict[str, Any]) -> Iterator[None]:
    """Turn whatever an environment raises while it is made, or while it is read what it says of itself, into one."""
    sandbox.note("while it is made")
    try:
        yield
    except (UnsupportedEnvironmentError, faults.EnvironmentFault):  # which is one
        raise
    except BaseException as error:
        if sandbox.is_interrupt(error):
            raise
        package = isolation.package(env_id)
        line = "" if package == "gymnasium" else faults.line_of(faults.lines(error), package)
        said = faults.said(error).partition(" was raised from the environment creator")[0].rstrip(".")
        reason = said + faults.in_parentheses(line)
        if isinstance(error, ModuleNotFoundError) and error.name:
            reason += f"; install it with `pip install {error.name}`"
        elif isinstance(error, TypeError) and " missing " in said and not line:  # raised by the call itself
            reason += "; `env_kwargs` gives an environment its arguments"
        given = f" with {json.dumps(options)[:80]}" if options else ""
        raise UnsupportedEnvironmentError(f"`env_id` {env_id!r} cannot be made here{given}: {reason}.") from error
