"""Train one agent of a run of Policy Gradient Lab again, or play what it had learned.

    python replay.py                  trains with the run's settings, changes and random numbers
    python replay.py --play 20        plays 20 episodes with the weights that the run had, greedily
    python replay.py --play 3 --render

It needs tensorflow and gymnasium, nothing of the lab. The random numbers are the lab's: training begins with the very
episodes of the run, until a rounding error turns an action; what follows is as good as another seed. It trains one
agent, at the speed of NumPy whatever the run's engine was, and keeps nothing.
"""

import argparse
import base64
import io
import os
from collections import deque

import gymnasium as gym
import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf

RUN = {}  # what was trained; the lab fills it in
WEIGHTS = ""  # of the policy, an npz file in base64; likewise

CONFIG, SPEC = RUN["config"], RUN["environment"]
POLICY, VALUE, ACTIONS, EPISODES, EVALUATION = range(5)  # what random numbers are for
ACTIVATIONS = {  # in NumPy, to act, and in TensorFlow, to learn
    "tanh": (np.tanh, tf.tanh),
    "relu": (lambda x: np.maximum(x, 0), tf.nn.relu),
    "silu": (lambda x: x * np.exp(-np.logaddexp(0, -x)), tf.nn.silu),
}
UNBOUNDED, EPSILON = 1e10, 1e-8


def generator(seed, agent, stream, update=0):
    """Return the random numbers of one agent, purpose and update."""
    return np.random.Generator(np.random.Philox(key=[seed, agent], counter=[0, 0, update, stream]))


def make(num_envs, **options):
    """Make environments that step together."""
    return gym.make_vec(CONFIG["env_id"], num_envs=num_envs, **SPEC["options"], **options)


def encode(envs, observations):
    """Return observations as the network takes them: numbers, or one-hot."""
    space = envs.single_observation_space
    if isinstance(space, gym.spaces.Discrete):
        observations = np.asarray(observations)[:, None] - space.start == np.arange(space.n)
    return np.asarray(observations, np.float32)


def decode(envs, actions):
    """Return actions as the environment takes them: choices from its first one on, or ±1 at the edges of its box."""
    space = envs.single_action_space
    if isinstance(space, gym.spaces.Discrete):
        return actions + space.start
    low, high = space.low.astype(float), space.high.astype(float)
    near = np.where(low > -UNBOUNDED, low, np.where(high < UNBOUNDED, high - 2, -1))
    far = np.where(high < UNBOUNDED, high, near + 2)
    scaled = np.clip((near + far) / 2 + (far - near) / 2 * actions, low, high)
    return (np.rint(scaled) if space.dtype.kind in "iu" else scaled).astype(space.dtype)


def play(envs, act, seed):
    """Play one episode in each of B environments; return observations, actions, rewards and mask, `[T, B, ...]`."""
    observations = encode(envs, envs.reset(seed=seed)[0])
    alive, rows = np.ones(envs.num_envs, bool), []
    for step in range(SPEC["max_episode_steps"]):
        actions = act(observations, step)
        ahead, rewards, terminated, truncated, _ = envs.step(decode(envs, actions))
        rows.append((observations, actions, np.where(alive, rewards, 0), alive))
        alive = alive & ~(terminated | truncated)  # what follows in this environment is of its next episode
        observations = encode(envs, ahead)
        if not alive.any():
            break
    observations, actions, rewards, mask = (np.stack(column) for column in zip(*rows, strict=True))
    return observations, actions, rewards.astype(np.float32), mask.astype(np.float32)


def network(params, x, activation):
    """Return the outputs of a network, for arrays of NumPy or of TensorFlow."""
    last = sum(name.startswith("kernel") for name in params) - 1
    for i in range(last + 1):
        x = x @ params[f"kernel_{i}"] + params[f"bias_{i}"]
        x = activation(x) if i < last else x
    return x


def sampler(policy, config, update, num_envs):
    """Return a function that acts by chance, with the random numbers of an update."""
    draws, discrete = generator(config["seed"], RUN["agent"], ACTIONS, update), "log_std" not in policy
    shape, noise = (64, num_envs) if discrete else (64, num_envs, SPEC["action_size"]), []

    def act(observations, step):
        if step % 64 == 0:
            noise[:] = (draws.random if discrete else draws.standard_normal)(shape, np.float32)
        outputs = network(policy, observations, ACTIVATIONS[config["activation"]][0])
        if not discrete:
            return outputs + np.exp(policy["log_std"]) * noise[step % 64]
        probabilities = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
        cumulative = (probabilities / probabilities.sum(axis=-1, keepdims=True)).cumsum(axis=-1)[:, :-1]
        return (noise[step % 64][:, None] >= cumulative).sum(axis=-1)

    return act


def initial(config, stream, outputs, final_scale):
    """Draw the parameters with which the agent began."""
    draws, sizes = generator(config["seed"], RUN["agent"], stream), [*config["hidden_layers"], outputs]
    params, fan_in = {}, SPEC["observation_size"]
    for i, fan_out in enumerate(sizes):
        scale = np.float32((final_scale if i == len(sizes) - 1 else 1) / np.sqrt(fan_in))
        params[f"kernel_{i}"] = scale * draws.standard_normal((fan_in, fan_out), np.float32)
        params[f"bias_{i}"], fan_in = np.zeros((1, fan_out), np.float32), fan_out
    return params


def estimate_weights(config, rewards, mask, values):
    """Return what each score is multiplied with, and the returns, both `[T, B]`."""
    # In float64: where all advantages are the same, rounding errors must not be blown up by the normalisation.
    rewards, ahead = rewards.astype(np.float64), np.zeros(rewards.shape[1])
    returns = np.zeros_like(rewards)
    for t in reversed(range(len(rewards))):
        returns[t] = ahead = rewards[t] + config["gamma"] * ahead
    if config["weights"] == "episode_return":
        returns = np.broadcast_to(returns[:1], rewards.shape)
    returns = returns * mask
    total, count = returns.sum(axis=1, keepdims=True), mask.sum(axis=1, keepdims=True)
    baseline = {
        "none": 0,
        "batch_mean": total.sum() / count.sum(),
        "step_mean": total / np.maximum(count, 1),
        "leave_one_out": (total - returns) / np.maximum(count - mask, 1),
        "value": values,
    }[config["baseline"]]
    advantages = (returns - baseline) * mask
    if config["normalize_advantages"]:
        centered = (advantages - advantages.sum() / mask.sum()) * mask
        advantages = centered / (np.sqrt((centered**2).sum() / mask.sum()) + EPSILON)
    if config["gamma_t"] and config["weights"] == "reward_to_go":
        advantages = advantages * config["gamma"] ** np.arange(len(rewards))[:, None]
    return advantages.astype(np.float32), returns.astype(np.float32)


def log_probs_and_entropies(policy, outputs, actions):
    """Return log π(a|s) and the entropy H(π(·|s)) at each step."""
    if "log_std" not in policy:
        log_probs = tf.nn.log_softmax(outputs)
        chosen = tf.gather(log_probs, actions, batch_dims=2)
        return chosen, -tf.reduce_sum(tf.exp(log_probs) * log_probs, axis=-1)
    log_std, log_2_pi = policy["log_std"], np.log(2 * np.pi)
    standardized = (actions - outputs) * tf.exp(-log_std)
    log_probs = -tf.reduce_sum(0.5 * standardized**2 + log_std + 0.5 * log_2_pi, axis=-1)
    return log_probs, tf.reduce_sum(tf.zeros_like(outputs) + log_std + 0.5 * (log_2_pi + 1), axis=-1)


def learn(config, policy, value, slots, number, played):
    """Take one gradient step: ∇J ≈ 1/n Σ w ∇log π(a|s) + c_H ∇H."""
    observations, actions, rewards, mask = played
    activation = ACTIVATIONS[config["activation"]][1]
    policy, value = ({name: tf.constant(x) for name, x in params.items()} for params in (policy, value))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch((policy, value))
        values = network(value, observations, activation)[..., 0] if value else tf.zeros_like(mask)
        weights, returns = estimate_weights(config, rewards, mask, values.numpy())
        log_probs, entropies = log_probs_and_entropies(policy, network(policy, observations, activation), actions)
        n = mask.sum() if config["reduction"] == "step" else mask.shape[1]
        loss = -tf.reduce_sum((log_probs * weights + config["ent_coef"] * entropies) * mask) / n
        value_loss = 0.5 * tf.reduce_sum((values - returns) ** 2 * mask) / mask.sum()
    gradients = tape.gradient(loss, policy), tape.gradient(value_loss, value)
    return [step(config, *each, number) for each in zip((policy, value), gradients, slots, strict=True)]


def step(config, params, gradients, slots, number):
    """Return the parameters after the optimiser's step; the slots, its running means, are changed in place."""
    norm = np.sqrt(sum(np.sum(g.numpy() ** 2) for g in gradients.values()))
    limit, rate, new = config["max_grad_norm"], config["learning_rate"], {}
    for name, value in params.items():
        g = gradients[name].numpy() * (limit / norm if 0 < limit < norm else 1)
        first, second = slots.get(name, (0, 0))
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
        slots[name], new[name] = (first, second), (value.numpy() + delta).astype(np.float32)
    return new


def train():
    """Train one agent again, and print what it learns."""
    config, recent, steps, update, solved = dict(CONFIG), deque(maxlen=100), 0, 0, False
    envs = make(config["episodes_per_update"])
    policy = initial(config, POLICY, SPEC["action_size"], 0.01)
    if isinstance(envs.single_action_space, gym.spaces.Box):
        policy["log_std"] = np.full((1, SPEC["action_size"]), -0.5, np.float32)
    value, slots = initial(config, VALUE, 1, 1.0) if config["baseline"] == "value" else {}, ({}, {})
    while True:
        for change in RUN["changes"]:
            if change["update"] == update:
                config |= change["values"]
        threshold = np.inf if SPEC["reward_threshold"] is None else SPEC["reward_threshold"]
        solved = solved or (len(recent) == 100 and np.mean(recent) >= threshold)
        if update >= config["num_updates"] or (solved and config["stop_when_solved"]):
            print(f"solved after {steps:,} steps" if solved else "finished, not solved")
            return
        act = sampler(policy, config, update, envs.num_envs)
        seed = int(generator(config["seed"], RUN["agent"], EPISODES, update).integers(2**31))
        played = play(envs, act, seed)
        policy, value = learn(config, policy, value, slots, update + 1, played)
        recent.extend(played[2].sum(axis=0).tolist())
        steps, lengths = steps + int(played[3].sum()), played[3].sum(axis=0).astype(int).tolist()
        print(f"update {update} steps {steps} mean return {np.mean(recent):.2f} lengths {lengths}", flush=True)
        update += 1


def evaluate(episodes, render):
    """Play episodes with the weights of the run, greedily, and print their returns."""
    with np.load(io.BytesIO(base64.b64decode(WEIGHTS)), allow_pickle=False) as archive:
        policy = dict(archive)
    activation, discrete = ACTIVATIONS[RUN["activation"]][0], "log_std" not in policy

    def act(observations, _):
        outputs = network(policy, observations, activation)
        return outputs.argmax(axis=-1) if discrete else outputs

    seed, returns = int(generator(0, 0, EVALUATION).integers(2**31)), []
    if render:
        envs = make(1, render_mode="human", vectorization_mode="sync")
        returns = [play(envs, act, seed + i)[2].sum() for i in range(episodes)]
    else:
        envs = make(episodes)
        returns = play(envs, act, seed)[2].sum(axis=0).tolist()
    envs.close()
    print(f"mean return {np.mean(returns):.2f}: {' '.join(f'{value:.6g}' for value in returns)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train one agent of a run again, or play what it had learned.")
    parser.add_argument("--play", type=int, metavar="N", help="play N episodes with the weights of the run")
    parser.add_argument("--render", action="store_true", help="with --play: show them in a window")
    options = parser.parse_args()
    evaluate(options.play or 1, options.render) if options.play or options.render else train()
