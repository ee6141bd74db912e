"""The episodes of both engines, of the same random numbers, against each other and against what they should be."""

import numpy as np
import tensorflow as tf

from pg_core.config import Config
from pg_core.engines import Trajectories, cart_pole
from pg_core.engines.compiled import Draws, collect
from pg_core.engines.gymnasium import GymnasiumEngine
from pg_core.policies import in_numpy
from pg_core.policies.in_numpy import initialize_policy
from pg_core.policies.in_tensorflow import choice_index
from pg_core.proofs.mdp import Array, softmax
from pg_core.proofs.verdicts import Comparison, exact

AGENTS, EPISODES, UPDATE = 2, 3, 1
STEPS = 500
PREFERENCE = 100.0  # times the last layer with which policies begin: then they prefer some actions
SINGLE = 1e-5  # rounding of float32, in which both engines say what was seen

_collect = tf.function(collect, autograph=False)  # traced once for all seeds


def comparisons(seed: int) -> tuple[Comparison, ...]:
    """Play the same episodes with both engines, and look at what happened in each step."""
    config = Config(num_agents=AGENTS, episodes_per_update=EPISODES, hidden_layers=(5,), seed=seed)
    policy = initialize_policy(config, config.environment)
    policy["kernel_1"] = policy["kernel_1"] * np.float32(PREFERENCE)
    for name, shift in (("bias_0", 0.3), ("bias_1", 0.2)):
        policy[name] = policy[name] + np.linspace(-shift, shift, policy[name].shape[-1], dtype=np.float32)
    draws = Draws.of(cart_pole.environment(), seed, range(AGENTS), range(UPDATE, UPDATE + 1), 1, EPISODES, STEPS)
    theirs, paid = (_gymnasiums(config, policy, reward) for reward in (False, True))
    ours, sutton_barto = (_compiled(config, policy, draws, reward) for reward in (False, True))
    mask = ours.mask
    chances = softmax(_logits(policy, ours.observations))[..., 0]  # π(0|s)
    uniform = np.moveaxis(draws.noise[0], 0, 1)  # [T, P, B]
    lengths = mask.sum(axis=0)
    failures = (np.arange(STEPS)[:, None, None] == lengths - 1) & (lengths < STEPS)
    return (
        exact("both engines play the same episodes of the same random numbers", _flat(ours), _flat(theirs),
              bound=SINGLE),
        exact("aₜ = 1 where uₜ ≥ π(0|sₜ), in steps that are played", ours.actions, (uniform >= chances) * mask),
        exact("the mask: 1 until an episode ends, 0 after it", mask, np.arange(STEPS)[:, None, None] < lengths),
        exact("a reward of 1 for every step", ours.rewards, mask),
        exact("Sutton and Barto's: -1 at a failure, 0 before", sutton_barto.rewards, -1.0 * failures),
        exact("and so does Gymnasium", _padded(paid.rewards), -1.0 * failures),
        exact("an episode that ends before its time limit has failed", ours.terminated, lengths < STEPS),
    )  # fmt: skip


def _compiled(config: Config, policy: dict[str, Array], draws: Draws, sutton_barto_reward: bool) -> Trajectories:
    tensors = {name: tf.constant(array) for name, array in policy.items()}
    noise, starts = tf.constant(draws.noise[0]), tf.constant(draws.starts[0])
    environment = cart_pole.environment(sutton_barto_reward)
    played = _collect(environment, tensors, choice_index(config, "activation"), noise, starts)
    return Trajectories(*map(np.asarray, played))


def _gymnasiums(config: Config, policy: dict[str, Array], sutton_barto_reward: bool) -> Trajectories:
    spec = Config(env_kwargs={"sutton_barto_reward": sutton_barto_reward}).environment
    engine = GymnasiumEngine(spec, AGENTS, EPISODES, config.seed)
    try:
        return engine.collect(lambda seen, noise: in_numpy.sample(policy, seen, noise, config.activation), UPDATE)
    finally:
        engine.close()


def _logits(policy: dict[str, Array], observations: Array) -> Array:
    """Apply the networks to `[T, P, B, 4]`, in float64."""
    hidden = np.tanh(np.einsum("tpbd,pdh->tpbh", observations, policy["kernel_0"]) + policy["bias_0"])
    logits: Array = np.einsum("tpbh,pha->tpba", hidden, policy["kernel_1"]) + policy["bias_1"]
    return logits


def _flat(played: Trajectories) -> Array:
    steps = [_padded(np.asarray(x, float)).ravel() for x in played[:4]]
    return np.concatenate([*steps, played.terminated.ravel(), played.truncated.ravel()])


def _padded(array: Array) -> Array:
    return np.pad(array, [(0, STEPS - len(array))] + [(0, 0)] * (array.ndim - 1))
