"""Trains CartPole-v1 with the lab's best preset written in JAX, on gymnax's dynamics; prints what it measured as JSON.

From the same episodes `pg_core.learning.reinforce` takes the same step, but it measures more than the two metrics here.
Arrays are `[T, P, B]`, for P agents that play B episodes of at most T steps; each agent has random numbers of its own.
"""
# ruff: noqa: E402  (the clock starts before the imports, which take seconds)

import time

START = time.perf_counter()

import argparse
import json
import math
import os
import resource
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax

jax.config.update("jax_num_cpu_devices", os.cpu_count())  # gymnax calculates when it is imported, which settles it

import jax.numpy as jnp
import numpy as np
import optax
from gymnax.environments.classic_control.cartpole import CartPole
from jax import lax

# Kept because it was fastest. In million steps/s, P = 8, B = 16: gradients of 25 steps at a time, which fit the cache,
# 6.7, of all 500 4.5 (P = 64: of 5, up to 1.9 times as fast); one core 3.3, not 5.7; one update a call, not ten, 5.1.
# P = 1: all random numbers drawn before the episodes 2.6, in each step 2.2; two an iteration, `few_rows_product` 4.0.
MAX_STEPS, UPDATES_PER_CALL = 500, 10
HIDDEN, SOLVED_RETURN, SOLVED_WINDOW = 64, 475, 100
ENV, OPTIMIZER = CartPole(), optax.adam(0.03, b1=0.9, b2=0.999, eps=1e-8)

Params = dict[str, jax.Array]
State = tuple[Params, optax.OptState, jax.Array]  # the last are random keys; all with the population as first axis


class Episodes(NamedTuple):
    """Episodes while they are played, and after; what is recorded beyond an episode's end is junk."""

    t: jax.Array  # steps of the longest one
    current: jax.Array  # [P, B, 4] observations
    states: Any
    alive: jax.Array  # [P, B]
    returns: jax.Array  # [P, B] and the lengths too: the reward is 1 a step
    observations: jax.Array  # [T, P, B, 4]
    actions: jax.Array  # [T, P, B]
    earned: jax.Array  # [T, P, B] rewards before the step


def initial_state(key: jax.Array) -> State:
    """Draw one agent's parameters: nearly the same probability for both actions at first."""
    key, first, second = jax.random.split(key, 3)
    kernels = jax.random.normal(first, (4, HIDDEN)) / 2, 0.01 * jax.random.normal(second, (HIDDEN, 2)) / HIDDEN**0.5
    params = {"kernel_0": kernels[0], "bias_0": jnp.zeros(HIDDEN), "kernel_1": kernels[1], "bias_1": jnp.zeros(2)}
    return params, OPTIMIZER.init(params), key


def few_rows_product(rows: jax.Array, kernel: jax.Array) -> jax.Array:
    """Multiply matrices by elements, which XLA fuses with what follows."""
    return sum(rows[..., i, None] * kernel[i] for i in range(len(kernel)))


def logits(params: Params, observations: jax.Array, product: Callable[..., jax.Array] = jnp.matmul) -> jax.Array:
    """Apply one agent's network to `[..., 4]`."""
    hidden = jnp.tanh(product(observations, params["kernel_0"]) + params["bias_0"])
    return hidden @ params["kernel_1"] + params["bias_1"]


def each(function: Callable[..., Any]) -> Callable[..., Any]:
    """Apply a function of gymnax to every episode `[P, B]`."""
    return jax.vmap(jax.vmap(partial(function, params=ENV.default_params)))


def play(params: Params, keys: jax.Array, num_episodes: int) -> Episodes:
    """Play B episodes of each agent, until all have ended."""

    def draw(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        first, second = jax.random.split(key)
        return jax.random.split(first, num_episodes), jax.random.uniform(second, (MAX_STEPS, num_episodes))

    reset_keys, noise = jax.vmap(draw, out_axes=(0, 1))(keys)  # [P, B], [T, P, B]
    observations, states = each(ENV.reset_env)(reset_keys)
    empty = [jnp.zeros((*noise.shape, 4)), jnp.zeros(noise.shape, jnp.int32), jnp.zeros(noise.shape)]
    start = Episodes(0, observations, states, jnp.ones(noise.shape[1:], bool), jnp.zeros(noise.shape[1:]), *empty)
    once = partial(step, params, noise)
    return lax.while_loop(lambda e: (e.t < MAX_STEPS) & e.alive.any(), lambda e: once(once(e)), start)


def step(params: Params, noise: jax.Array, episodes: Episodes) -> Episodes:
    """Play one step of all episodes, also of those that have ended."""
    t = episodes.t
    probabilities = jax.nn.softmax(jax.vmap(partial(logits, product=few_rows_product))(params, episodes.current))
    actions = (noise[t] >= probabilities[..., 0]).astype(jnp.int32)
    observations, states, rewards, ended, _ = each(partial(ENV.step_env, None))(episodes.states, actions)
    returns = episodes.returns + rewards * episodes.alive
    record = (episodes.observations, episodes.current), (episodes.actions, actions), (episodes.earned, episodes.returns)
    record = [array.at[t].set(now) for array, now in record]
    return Episodes(t + 1, observations, states, episodes.alive & ~ended, returns, *record)


def weigh(episodes: Episodes) -> tuple[jax.Array, jax.Array]:
    """Return normalised advantages and the mask of played steps, both `[T, P, B]`."""
    mask = (jnp.arange(MAX_STEPS)[:, None, None] < episodes.returns).astype(jnp.float32)
    to_go = (episodes.returns - episodes.earned) * mask
    others, count = to_go.sum(-1, keepdims=True) - to_go, mask.sum(-1, keepdims=True) - mask
    advantages = (to_go - others / jnp.maximum(count, 1)) * mask
    total = mask.sum((0, 2))[:, None]
    centered = (advantages - advantages.sum((0, 2))[:, None] / total) * mask
    return centered / (jnp.sqrt((centered**2).sum((0, 2))[:, None] / total) + 1e-8), mask


def loss(params: Params, observations: jax.Array, actions: jax.Array, weights: jax.Array, mask: jax.Array) -> Any:
    """Return one agent's surrogate loss and its sum of entropies over steps `[T, B]`."""
    log_probs = jax.nn.log_softmax(logits(params, observations))
    chosen = jnp.take_along_axis(log_probs, actions[..., None], axis=-1)[..., 0]
    entropies = -(jnp.exp(log_probs) * log_probs).sum(-1)
    return -(chosen * weights).sum() / actions.shape[1], (entropies * mask).sum()


def gradients(params: Params, episodes: Episodes) -> tuple[Params, jax.Array]:
    """Return each agent's gradient and sum of entropies, from the chunks up to the end of the longest episode."""
    arrays = (episodes.observations, episodes.actions, *weigh(episodes))
    gradient = jax.vmap(jax.grad(loss, has_aux=True), in_axes=(0, 1, 1, 1, 1))
    steps = 25 if episodes.alive.size <= 128 else 5  # of a chunk; both divide 500

    def add(carry: tuple[jax.Array, Any]) -> tuple[jax.Array, Any]:
        chunk = [lax.dynamic_slice_in_dim(array, carry[0], steps) for array in arrays]
        return carry[0] + steps, jax.tree.map(jnp.add, carry[1], gradient(params, *chunk))

    zeros = jax.tree.map(jnp.zeros_like, (params, params["bias_1"][:, 0]))
    return lax.while_loop(lambda carry: carry[0] < episodes.t, add, (0, zeros))[1]


def update(num_episodes: int, state: State, _: None) -> tuple[State, tuple[jax.Array, ...]]:
    """Take one step of every agent; also return the episodes' returns `[P, B]`, gradient norms and entropies `[P]`."""
    params, slots, keys = state
    keys, now = jnp.unstack(jax.vmap(jax.random.split)(keys), axis=1)
    episodes = play(params, now, num_episodes)
    gradient, entropies = gradients(params, episodes)
    steps, slots = jax.vmap(OPTIMIZER.update)(gradient, slots)
    measured = (episodes.returns, jax.vmap(optax.global_norm)(gradient), entropies / episodes.returns.sum(-1))
    return (optax.apply_updates(params, steps), slots, keys), measured


def compile_training(num_agents: int, num_episodes: int, seed: int) -> tuple[Callable[..., Any], State]:
    """Compile a call of ten updates, the agents in equal parts on as many cores as allow it; also draw the state."""
    devices = jax.devices()[: math.gcd(num_agents, jax.device_count())]
    mesh = jax.make_mesh((len(devices),), ("agents",), devices=devices)
    updates = jax.shard_map(
        lambda state: lax.scan(partial(update, num_episodes), state, length=UPDATES_PER_CALL),
        mesh=mesh, in_specs=jax.P("agents"), out_specs=(jax.P("agents"), jax.P(None, "agents")), check_vma=False,
    )  # fmt: skip
    state = jax.vmap(initial_state)(jax.random.split(jax.random.key(seed), num_agents))
    state = jax.device_put(state, jax.NamedSharding(mesh, jax.P("agents")))
    return jax.jit(updates, donate_argnums=0).lower(state).compile(), state


def updates_to_solve(returns: np.ndarray) -> int | None:
    """Return the number of updates after which an agent had solved, from its returns `[updates, B]`."""
    counts = range(-(-SOLVED_WINDOW // returns.shape[1]), len(returns) + 1)  # only with a full window
    return next((n for n in counts if returns[:n].ravel()[-SOLVED_WINDOW:].mean() >= SOLVED_RETURN), None)


def main() -> None:
    """Train once and print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-agents", type=int, default=1)
    parser.add_argument("--episodes-per-update", type=int, default=16)
    parser.add_argument("--updates", type=int, required=True, help="a multiple of ten, twenty at least")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    train, state = compile_training(options.num_agents, options.episodes_per_update, options.seed)
    times, calls = [time.perf_counter()], []
    for _ in range(options.updates // UPDATES_PER_CALL):
        state, measured = train(state)
        calls.append(np.asarray(measured[0], np.int64))
        times.append(time.perf_counter())
    returns = np.concatenate(calls).transpose(1, 0, 2)  # [P, updates, B], and the numbers of steps too
    solved = [updates_to_solve(agent) for agent in returns]
    result = {
        "peer": "JAX",
        "num_agents": options.num_agents,
        "episodes_per_update": options.episodes_per_update,
        "steps_per_second": int(returns[:, UPDATES_PER_CALL:].sum()) / (times[-1] - times[1]),
        "env_steps_to_solve": [n and int(agent[:n].sum()) for n, agent in zip(solved, returns, strict=True)],
        "seconds_to_solve": None if None in solved else times[math.ceil(max(solved) / UPDATES_PER_CALL)] - times[0],
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "first_update_seconds": times[1] - START,  # the first call's: ten updates
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
