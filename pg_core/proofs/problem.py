"""The problem: CartPole as a Markov decision process, what solves it, and the direction of the update."""

import functools
import math
from collections.abc import Callable

import gymnasium
import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.config import Config
from pg_core.engines import Trajectories, cart_pole
from pg_core.engines.compiled import Draws
from pg_core.engines.gymnasium import GymnasiumEngine
from pg_core.proofs import mdp, training
from pg_core.proofs.mdp import Array
from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact, sampled

ENV_ID = "CartPole-v1"
EPISODES = 3
LIMIT, WIDTH, LEAN, HALF_RANGE = 500, 2.4, math.radians(12), 0.05
THRESHOLD = 475.0
SINGLE = 1e-5  # rounding of float32, in which observations are kept
ALPHA = 0.01
SHOWN = 60  # steps of the picture

about = functools.partial(exact, bound=SINGLE)


def balance(observations: Array, noise: Array) -> Array:
    """Push to where the pole is about to fall, and a little against where the cart is about to go."""
    x, x_dot, lean, lean_dot = np.moveaxis(observations, -1, 0)
    right: Array = 10 * lean + 2 * lean_dot + 0.3 * x + 0.6 * x_dot > 0
    return right.astype(np.int32)


POLICIES: dict[str, Callable[[Array, Array], Array]] = {
    "balanced": balance,
    "by a coin": lambda _, noise: (noise >= 0.5).astype(np.int32),
    "always to the right": lambda _, noise: np.ones_like(noise, np.int32),
}


def play(seed: int) -> Trajectories:
    """Have the trainer's engine play three episodes of each policy."""

    def act(observations: Array, noise: Array) -> Array:
        return np.stack([policy(*at) for policy, *at in zip(POLICIES.values(), observations, noise, strict=True)])

    engine = GymnasiumEngine(Config(env_id=ENV_ID).environment, len(POLICIES), EPISODES, seed)
    try:
        return engine.collect(act, 1)
    finally:
        engine.close()


def ahead(played: Trajectories) -> Array:
    """Calculate f(sₜ, aₜ) by the compiled engine, from all steps at once, `[T, P, B, 4]`."""
    states = tf.constant(np.moveaxis(played.observations, -1, 0), tf.float64)
    return np.moveaxis(cart_pole.step(states, tf.constant(played.actions == 1)).numpy(), 0, -1)


def _episodes(played: Trajectories, seed: int) -> list[Comparison]:
    """Compare what was played with what the text says of states, rewards and ends."""
    mask, following = played.mask, ahead(played)
    lengths = mask.sum(axis=0)
    goes_on = mask[1:, ..., None]  # on the rows whose next row is played, too
    last = following[lengths.astype(int) - 1, np.arange(len(POLICIES))[:, None], np.arange(EPISODES)]  # [P, B, 4]
    outside = (np.abs(last[..., 0]) > WIDTH) | (np.abs(last[..., 2]) > LEAN)
    inside = (np.abs(played.observations[..., 0]) <= WIDTH) & (np.abs(played.observations[..., 2]) <= LEAN)
    returns = compute(maths.episode_returns, played.rewards, np.float32(1.0))[0]
    starts = Draws.of(cart_pole.environment(), seed, range(1), range(1, 2), 1, 256, 1).starts[0, :, 0]  # [4, 256]
    return [
        about("sₜ₊₁ = f(sₜ, aₜ), by the compiled engine, is the state that Gymnasium comes to",
              following[:-1] * goes_on, played.observations[1:] * goes_on),
        about("sₜ₊₁ = f(sₜ, 1 - aₜ)", ahead(played._replace(actions=1 - played.actions))[:-1] * goes_on,
              played.observations[1:] * goes_on, wrong=True),
        about("no state that is acted in is outside, |x| > 2.4 or |φ| > 12°", ~inside * mask, 0.0),
        about("an episode has failed if and only if its last step leads outside", played.terminated, outside),
        about("the compiled engine calls that a failure, too",
              cart_pole.has_failed(tf.constant(np.moveaxis(last, -1, 0))), outside),
        about("the others, 500 steps long, are cut off: no failure", played.truncated, (lengths == LIMIT) & ~outside),
        about("500 steps without a failure count as one", played.terminated, played.terminated | (lengths == LIMIT),
              wrong=True),
        about("G₀ = n, the number of steps: 1 for each, for the last one, too", returns, lengths),
        about("the step that fails earns nothing: G₀ = n - 1", returns, lengths - played.terminated, wrong=True),
        exact("ρ₀: the four numbers are all within ±0.05", np.maximum(np.abs(starts) - HALF_RANGE, 0), 0.0),
        sampled("ρ₀: the mean of each number is 0", starts, 0.0),
        sampled("ρ₀: its square is 0.05²/3 on average, as for uniform numbers", starts**2, HALF_RANGE**2 / 3),
        sampled("ρ₀: x ẋ and φ φ̇ are 0 on average, as for independent numbers", starts[::2] * starts[1::2], 0.0),
        exact("ρ₀: at rest, upright, in the middle", starts, 0.0, wrong=True),
    ]  # fmt: skip


def _registered(seed: int) -> list[Comparison]:
    """Compare the limits that the trainer knows, and those of the older version, with the text's numbers."""
    spec, older = Config(env_id=ENV_ID).environment, gymnasium.spec("CartPole-v0")
    missing = np.random.default_rng([seed, 8]).multinomial(2500, np.full(100, 0.01))
    lengths = LIMIT - missing[None, None].astype(float)  # [1, 1, 100]
    ours, theirs = ([each.max_episode_steps or 0, each.reward_threshold or 0] for each in (spec, older))
    return [
        exact("the trainer's time limit and threshold: 500 and 475", ours, [LIMIT, THRESHOLD]),
        exact("CartPole-v0: 200 steps and 195", theirs, [200, 195]),
        exact("2,500 of 50,000 steps missing, whichever: the mean of 100 returns is that threshold",
              compute(maths.masked_mean, lengths, np.ones_like(lengths)), spec.reward_threshold or 0),
    ]  # fmt: skip


def _small_process(seed: int) -> list[Comparison]:
    """Compare what follows from a reward of 1, and the trainer's step with both signs, in a process of two states."""
    process, theta = mdp.random_mdp(2, seed), mdp.random_policy(2, seed)
    ones, batches = process._replace(rewards=np.ones((2, mdp.ACTIONS))), mdp.every_batch(process, 3)
    lengths = compute(maths.episode_returns, batches.mask, 1.0)[0, :, 0]
    values = mdp.values(ones, theta, 1.0, 3)
    weights = compute(maths.discounted_returns, batches.rewards, 1.0)
    estimates, taken = (
        mdp.estimates(theta, batches, weights),
        training.steps(theta, batches, learning_rate=ALPHA, gamma=1.0),
    )
    before = mdp.objective(process, theta, 1.0, 3)
    mean = mdp.expectation(theta, batches, taken)
    up, down = (mdp.objective(process, theta + step, 1.0, 3) - before for step in (mean, -mean))
    return [
        exact("r = 1: E[G₀] = Σₜ P(n > t)", mdp.expectation(theta, batches, lengths),
              mdp.state_distributions(process, theta, 3).sum()),
        exact("at the last step before the limit every state is worth 1", values[2], 1.0),
        exact("and as much at the first one", values[0], 1.0, wrong=True),
        exact("the trainer's step, plain gradient descent on its loss: Δθ = +α ĝ", taken, ALPHA * estimates),
        exact("the source text's sign: Δθ = -α ĝ", taken, -ALPHA * estimates, wrong=True),
        exact("J rises by a small step along the mean of ĝ", np.sign(up), 1.0),
        exact("J rises by the same step with the source text's sign", np.sign(down), 1.0, wrong=True),
    ]  # fmt: skip


def check(seed: int = 0) -> Check:
    """Compare both engines' CartPole with the process of the text, and the trainer's step with both signs."""
    played = play(seed)
    return Check((*_episodes(played, seed), *_registered(seed), *_small_process(seed)), (_picture(played),))


def _picture(played: Trajectories) -> Picture:
    """Draw how far the pole leans in one episode of each policy, the state that ends it among the others."""
    lines, following = [], ahead(played)
    for agent, name in enumerate(POLICIES):
        length = int(played.mask[:, agent, 0].sum())
        lean = np.append(played.observations[:length, agent, 0, 2], following[length - 1, agent, 0, 2])[: SHOWN + 1]
        lines.append(Series(name, tuple(range(len(lean))), tuple(np.degrees(lean).tolist())))
    limits = [Series(f"limit, {angle:+g}°", (0, SHOWN), (angle, angle)) for angle in (12.0, -12.0)]
    title = f"One episode of each policy, its first {SHOWN} steps"
    return Picture(title, "step t", "lean of the pole φ in °", (*lines, *limits))
