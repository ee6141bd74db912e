"""Train one agent of a run of Policy Gradient Lab again, or play what it had learned.

    python replay.py                  trains with the run's settings, changes and random numbers
    python replay.py --play 20        plays 20 episodes with the weights that the run had, greedily
    python replay.py --play 3 --render

It needs tensorflow and gymnasium, nothing of the lab. The random numbers are the lab's: training begins with the very
episodes of the run, until a rounding error changes an action; what follows is as good as another seed. It trains one
agent, at the speed of NumPy whatever the run's engine was, and keeps nothing.
"""

import argparse
import base64
import io
import os
from collections import deque
from collections.abc import Callable
from itertools import chain, count, zip_longest
from typing import Any

import gymnasium as gym
import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf

# The algorithm.
from pg_core.reference import (
    Array,
    Episode,
    Params,
    initial_network,
    leave_one_out,
    log_policy,
    network,
    normalize,
    policy_loss,
    returns_to_go,
)

# What a run may have beyond it.
RUN: dict[str, Any] = {}  # what was trained; the lab fills it in

Config = dict[str, Any]
Envs = gym.vector.VectorEnv[Any, Any, Any]
Act = Callable[[Array], Any]
Slots = dict[Any, tuple[Any, Any]]
Statistics = tuple[Any, Any, int] | None  # of what was seen: mean and variance of each number, and in how many steps

POLICY, VALUE, ACTIONS, EPISODES, EVALUATION = range(5)  # what random numbers are for
ACTIVATIONS: dict[str, Any] = {  # in NumPy, to act, and in TensorFlow, to learn
    "tanh": (np.tanh, tf.tanh),
    "relu": (lambda x: np.maximum(x, 0), tf.nn.relu),
    "silu": (lambda x: x * np.exp(-np.logaddexp(0, -x)), tf.nn.silu),
}
UNBOUNDED, EPSILON = 1e10, 1e-8


def generator(seed: int, agent: int, stream: int, update: int = 0) -> np.random.Generator:
    """Return the random numbers of one agent, purpose and update."""
    return np.random.Generator(np.random.Philox(key=[seed, agent], counter=[0, 0, update, stream]))


def make(num_envs: int, **options: Any) -> Envs:
    """Make environments that step together."""
    config = RUN["config"]
    limit = {"max_episode_steps": config["max_episode_steps"]} if config["max_episode_steps"] else {}
    envs = gym.make_vec(config["env_id"], num_envs=num_envs, **config["env_kwargs"], **limit, **options)
    space = envs.single_observation_space
    flat = isinstance(space, gym.spaces.Box) and len(space.shape) == 1
    return envs if flat else gym.wrappers.vector.FlattenObservation(envs)


def decode(envs: Envs, actions: Array) -> Any:
    """Return actions as the environment takes them: choices from its first one on, or ±1 at the edges of its box."""
    space: Any = envs.single_action_space
    actions = actions.reshape(len(actions), *space.shape)
    if not isinstance(space, gym.spaces.Box):
        return (actions + getattr(space, "start", 0)).astype(space.dtype)
    low, high = space.low.astype(float), space.high.astype(float)
    near = np.where(low > -UNBOUNDED, low, np.where(high < UNBOUNDED, high - 2, -1))
    far = np.where(high < UNBOUNDED, high, near + 2)
    scaled = np.clip((near + far) / 2 + (far - near) / 2 * actions, low, high)
    return (np.rint(scaled) if space.dtype.kind in "iu" else scaled).astype(space.dtype)


def play(envs: Envs, act: Act, seed: int) -> list[Episode]:
    """Play one episode in each environment, all at once."""
    observations = np.array(envs.reset(seed=seed)[0], np.float32)
    alive, lengths, rows = np.ones(envs.num_envs, bool), np.zeros(envs.num_envs, int), []
    for _ in range(RUN["environment"]["max_episode_steps"]):
        actions = act(observations)
        ahead, rewards, terminated, truncated, _ = envs.step(decode(envs, actions))
        rows.append((observations, actions, rewards))
        lengths += alive
        alive = alive & ~(terminated | truncated)  # what follows in this environment is of its next episode
        observations = np.array(ahead, np.float32)
        if not alive.any():
            break
    columns = [np.stack(column) for column in zip(*rows, strict=True)]
    return [Episode(*(column[:length, i] for column in columns)) for i, length in enumerate(lengths)]


def normalized(statistics: Statistics, observations: Array) -> Array:
    """Return observations as the networks are given them: shifted and scaled, within ±10, if they are normalised."""
    if statistics is None:
        return observations
    mean, variance, _ = statistics
    limited: Array = np.clip((observations - mean) / np.sqrt(variance + EPSILON), -10, 10).astype(np.float32)
    return limited


def with_more(statistics: Statistics, episodes: list[Episode]) -> Statistics:
    """Add what was seen in some episodes to the mean and the variance of each number."""
    if statistics is None:
        return None
    mean, variance, steps = statistics
    seen = np.concatenate([episode.observations for episode in episodes])
    weight, change = len(seen) / (steps + len(seen)), seen.mean(axis=0) - mean
    variance = variance + weight * (seen.var(axis=0) - variance) + weight * (1 - weight) * change**2
    return mean + weight * change, variance, steps + len(seen)


def log_policies(params: Params, observations: Array, activation: Any, log_sum: Any = tf.reduce_logsumexp) -> list[Any]:
    """Calculate log π(a|s) of every option of each choice of which an action is made."""
    choices, together = RUN["environment"]["choices"], log_policy(params, observations, activation, log_sum)
    if len(choices) == 1:
        return [together]
    return [z - log_sum(z, axis=-1, keepdims=True) for z in tf.split(together, choices, axis=-1)]


def sampler(policy: Params, statistics: Statistics, config: Config, update: int, num_envs: int) -> Act:
    """Return a function that acts by chance, with the random numbers of an update."""
    params = {name: variable.numpy() for name, variable in policy.items()}  # NumPy acts faster
    draws, choices = generator(config["seed"], RUN["agent"], ACTIONS, update), RUN["environment"]["choices"]
    draw: Any = draws.random if choices else draws.standard_normal
    shape = 64, num_envs, len(choices) or RUN["environment"]["action_size"]
    noise = chain.from_iterable(draw(shape, np.float32) for _ in count())  # 64 steps at once, as the lab draws it
    activation = ACTIVATIONS[config["activation"]][0]

    def act(observations: Array) -> Any:
        observations = normalized(statistics, observations)
        if not choices:
            return network(params, observations, activation) + np.exp(params["log_std"]) * next(noise)
        each = log_policies(params, observations, activation, np.logaddexp.reduce)
        drawn = zip(next(noise).T[..., None], each, strict=True)
        return np.stack([(u >= np.exp(logs).cumsum(axis=-1)[:, :-1]).sum(axis=-1) for u, logs in drawn], axis=-1)

    return act


def initial_params(config: Config) -> tuple[Params, Params]:
    """Draw the parameters with which the agent began: of its policy, and of its value network if it has one."""
    draws = [generator(config["seed"], RUN["agent"], stream) for stream in (POLICY, VALUE)]
    sizes = RUN["environment"]["observation_size"], *config["hidden_layers"]
    action_size = RUN["environment"]["action_size"]
    policy = initial_network(draws[0], (*sizes, action_size))
    if not RUN["environment"]["choices"]:
        policy["log_std"] = tf.Variable(tf.fill((1, action_size), -0.5))
    return policy, initial_network(draws[1], (*sizes, 1), 1.0) if config["baseline"] == "value" else {}


def step_mean(returns: list[Array]) -> list[Array]:
    """Calculate, for each step t, the mean return of the episodes that got so far."""
    means = np.array([np.nanmean(column) for column in zip_longest(*returns, fillvalue=np.nan)])
    return [means[: len(own)] for own in returns]


def estimate_weights(config: Config, episodes: list[Episode], values: Array) -> tuple[Array, Array]:
    """Calculate what each score is multiplied with, and the returns, both `[n]`."""
    returns = [returns_to_go(config["reward_scale"] * episode.rewards, config["gamma"]) for episode in episodes]
    if config["weights"] == "episode_return":
        returns = [np.full_like(own, own[0]) for own in returns]
    baselines: dict[str, Callable[[], Any]] = {
        "none": lambda: 0,
        "batch_mean": lambda: np.concatenate(returns).mean(),
        "step_mean": lambda: np.concatenate(step_mean(returns)),
        "leave_one_out": lambda: np.concatenate(leave_one_out(returns)),
        "value": lambda: values,
    }
    weights = np.concatenate(returns) - baselines[config["baseline"]]()
    if config["normalize_advantages"]:
        weights = normalize(weights)
    if config["gamma_t"] and config["weights"] == "reward_to_go":
        weights *= np.concatenate([config["gamma"] ** np.arange(len(own)) for own in returns])
    return weights, np.concatenate(returns).astype(np.float32)


def log_probs_and_entropy(policy: Params, observations: Array, actions: Array, activation: Any) -> tuple[Any, Any]:
    """Calculate log π(a|s) of each step, `[n]`, and the mean entropy H(π(·|s))."""
    if "log_std" not in policy:
        each = zip(log_policies(policy, observations, activation), actions.reshape(len(actions), -1).T, strict=True)
        said = [(tf.gather(logs, chosen, batch_dims=1), -tf.reduce_sum(tf.exp(logs) * logs, axis=-1))
                for logs, chosen in each]  # fmt: skip
        log_probs, entropies = map(tf.add_n, zip(*said, strict=True))
        return log_probs, tf.reduce_mean(entropies)
    log_std, log_2_pi = policy["log_std"], np.log(2 * np.pi)
    standardized = (actions - network(policy, observations, activation)) * tf.exp(-log_std)
    log_probs = -tf.reduce_sum(0.5 * standardized**2 + log_std + 0.5 * log_2_pi, axis=-1)
    return log_probs, tf.reduce_sum(log_std + 0.5 * (log_2_pi + 1))


def learn(config: Config, policy: Params, value: Params, slots: Slots, number: int, episodes: list[Episode]) -> None:
    """Take one gradient step: ∇J ≈ 1/n Σ w ∇log π(a|s) + c_H ∇H."""
    observations, actions, _ = (np.concatenate(column) for column in zip(*episodes, strict=True))
    activation = ACTIVATIONS[config["activation"]][1]
    with tf.GradientTape() as tape:
        values = network(value, observations, activation)[:, 0] if value else tf.zeros(len(observations))
        weights, returns = estimate_weights(config, episodes, values.numpy())
        log_probs, entropy = log_probs_and_entropy(policy, observations, actions, activation)
        loss = policy_loss(log_probs, weights) - config["ent_coef"] * entropy
        if config["reduction"] == "episode":
            loss *= len(observations) / len(episodes)
        loss += 0.5 * tf.reduce_mean((values - returns) ** 2)
    for params, gradients in zip((policy, value), tape.gradient(loss, (policy, value)), strict=True):
        step(config, params, gradients, slots, number)


def step(config: Config, params: Params, gradients: Params, slots: Slots, number: int) -> None:
    """Take the optimiser's step, the `number`-th from 1 on; the slots are its running means."""
    norm = np.sqrt(sum(np.sum(g.numpy() ** 2) for g in gradients.values()))
    limit, rate = config["max_grad_norm"], config["learning_rate"]
    for name, variable in params.items():
        g = gradients[name].numpy() * (limit / norm if 0 < limit < norm else 1)
        first, second = slots.get(variable.ref(), (0, 0))
        if config["optimizer"] == "sgd":
            first = config["momentum"] * first + g
            delta = -rate * first
        elif config["optimizer"] == "rmsprop":
            second = 0.99 * second + 0.01 * g**2
            delta = -rate * g / (np.sqrt(second) + EPSILON)
        else:
            first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
            unbiased = np.sqrt(second / (1 - 0.999**number)) + EPSILON
            delta = -rate * first / (1 - 0.9**number) / unbiased
        slots[variable.ref()] = first, second
        variable.assign_add(delta)


def train() -> None:
    """Train one agent again, and print what it learns."""
    config, threshold = dict(RUN["config"]), RUN["environment"]["reward_threshold"]
    envs = make(config["episodes_per_update"])
    policy, value = initial_params(config)
    statistics: Statistics = (np.float32(0), np.float32(1), 0) if config["normalize_observations"] else None
    slots: Slots = {}
    recent, steps, update, solved = deque[float](maxlen=100), 0, 0, False
    while True:
        for change in RUN["changes"]:
            if change["update"] == update:
                config |= change["values"]
        solved = solved or (threshold is not None and len(recent) == 100 and np.mean(recent) >= threshold)
        if update >= config["num_updates"] or (solved and config["stop_when_solved"]):
            print(f"solved after {steps:,} steps" if solved else "finished, not solved")
            return
        seed = int(generator(config["seed"], RUN["agent"], EPISODES, update).integers(2**31))
        episodes = play(envs, sampler(policy, statistics, config, update, envs.num_envs), seed)
        given = [episode._replace(observations=normalized(statistics, episode.observations)) for episode in episodes]
        learn(config, policy, value, slots, update + 1, given)
        statistics = with_more(statistics, episodes)
        recent.extend(float(episode.rewards.sum()) for episode in episodes)
        lengths = [len(episode.rewards) for episode in episodes]
        steps += sum(lengths)
        print(f"update {update} steps {steps} mean return {np.mean(recent):.2f} lengths {lengths}", flush=True)
        update += 1


def evaluate(episodes: int, render: bool) -> None:
    """Play episodes with the weights of the run, greedily, and print their returns."""
    with np.load(io.BytesIO(base64.b64decode(WEIGHTS)), allow_pickle=False) as archive:
        policy = dict(archive)
    means, variances = (policy.pop(f"observation_{name}", None) for name in ("mean", "variance"))
    statistics, choices = None if means is None else (means, variances, 0), RUN["environment"]["choices"]

    def act(observations: Array) -> Any:
        outputs = network(policy, normalized(statistics, observations), ACTIVATIONS[RUN["activation"]][0])
        if not choices:
            return outputs
        logits = np.split(outputs, np.cumsum(choices)[:-1], axis=-1)
        return np.stack([z.argmax(axis=-1) for z in logits], axis=-1)

    seed = int(generator(0, 0, EVALUATION).integers(2**31))
    if render:
        envs = make(1, render_mode="human", vectorization_mode="sync")
        played = [episode for i in range(episodes) for episode in play(envs, act, seed + i)]
    else:
        envs = make(episodes)
        played = play(envs, act, seed)
    envs.close()
    returns = [episode.rewards.sum() for episode in played]
    print(f"mean return {np.mean(returns):.2f}: {' '.join(f'{value:.6g}' for value in returns)}")


WEIGHTS = ""  # of the policy, an npz file in base64; the lab fills it in

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train one agent of a run again, or play what it had learned.")
    parser.add_argument("--play", type=int, metavar="N", help="play N episodes with the weights of the run")
    parser.add_argument("--render", action="store_true", help="with --play: show them in a window")
    options = parser.parse_args()
    evaluate(options.play or 1, options.render) if options.play or options.render else train()
