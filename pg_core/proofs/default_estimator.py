"""The estimator that the lab begins with: what its step is, what it is on average, and where that points."""

import functools
import itertools
import math
from typing import Any

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.presets import PRESETS
from pg_core.proofs import mdp, training
from pg_core.proofs.discounting import two_gates
from pg_core.proofs.leave_one_out import from_one_state, mean_of_others
from pg_core.proofs.mdp import Array, Batches, Mdp
from pg_core.proofs.normalization import wedge
from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact

ESTIMATOR = (
    "weights",
    "gamma",
    "gamma_t",
    "baseline",
    "normalize_advantages",
    "reduction",
    "ent_coef",
    "max_grad_norm",
)
SETTINGS = {name: PRESETS["best"].values[name] for name in ESTIMATOR}
BATCH: int = PRESETS["best"].values["episodes_per_update"]
NEARLY = 1e-5  # what the 1e-8 that is added to a deviation may change
SIZES = (3, 8, 16, 32, 64)
LOSS = 11.0  # of one in ten, in the example that points away
EVEN_GATES = np.zeros((2, 2))
GATES_LIMIT = 1 / 8 / (math.sqrt(5 / 24) * 3 / 2)  # ∂J/∂z over σ E[T₁], as the text has it

about = functools.partial(exact, bound=NEARLY)


def advantages(batches: Batches) -> Array:
    """Calculate Âₜ = Gₜ - bₜ for γ = 1, with the other episodes' mean by taking each episode out, `[T, N, B]`."""
    to_go = np.cumsum(batches.rewards[::-1], axis=0)[::-1] * batches.mask
    result: Array = (to_go - mean_of_others(to_go, batches.mask)) * batches.mask
    return result


def covariance_over_deviation(theta: Array, batches: Batches) -> Array:
    """Calculate (mean Â∇log π - mean Â · mean ∇log π) / σ over the n steps of each batch, `[N, S, A]`, 0 for σ = 0."""
    raw, scores = advantages(batches), mdp.scores(theta, batches)
    share = batches.mask / batches.mask.sum(axis=(0, 2))[:, None]  # 1/n on each played step
    mean, square = (np.sum(share * x, axis=(0, 2))[:, None, None] for x in (raw, raw**2))
    product, score = (np.einsum("tnb,tnbsa->nsa", share * x, scores) for x in (raw, np.ones_like(raw)))
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    covariance = product - mean * score
    result: Array = np.divide(covariance, deviation, out=np.zeros_like(covariance), where=deviation > NEARLY)
    return result


def default_steps(theta: Array, batches: Batches, *, normalize: bool = True, per_step: bool = True) -> Array:
    """Calculate the step from each batch with the functions that the trainer calls, `[N, S, A]`."""
    weights = compute(_default_weights, batches.rewards, batches.mask, normalize=normalize, per_step=per_step)
    taken: Array = np.einsum("tnb,tnbsa->nsa", weights, mdp.scores(theta, batches))
    return taken


def _default_weights(rewards: tf.Tensor, mask: tf.Tensor, *, normalize: bool, per_step: bool) -> tf.Tensor:
    to_go = maths.discounted_returns(rewards, 1.0)
    weights = (to_go - maths.leave_one_out(to_go, mask)) * mask
    share = maths.step_share(mask) if per_step else maths.episode_share(mask)
    return share * (maths.normalize(weights, mask) if normalize else weights)


def unordered_batches(process: Mdp, horizon: int, num_episodes: int) -> Batches:
    """Enumerate batches whatever the order of their episodes, which the estimator does not see."""
    single = mdp.every_batch(process, horizon)
    number = single.mask.shape[1]
    chosen = np.array(list(itertools.combinations_with_replacement(range(number), num_episodes)))  # [N, B]
    counts = (chosen[..., None] == np.arange(number)).sum(axis=1)  # [N, episodes]
    orders = [math.factorial(num_episodes) / math.prod(map(math.factorial, row)) for row in counts.tolist()]
    rows = [array[:, chosen, 0] for array in single[:4]]
    return Batches._make([*rows, single.dynamics[chosen].prod(axis=1) * orders])


@functools.cache
def gates(num_episodes: int) -> Batches:
    """Enumerate the batches of the two gates."""
    return unordered_batches(two_gates(), 2, num_episodes)


def mean_step(theta: Array, batches: Batches, **how: bool) -> Array:
    """Calculate E[ĝ], `[S, A]`."""
    return mdp.expectation(theta, batches, default_steps(theta, batches, **how))


def angle(x: Array, y: Array) -> float:
    """Calculate the angle between two vectors in degrees."""
    difference = np.linalg.norm(x / np.linalg.norm(x) - y / np.linalg.norm(y))
    return math.degrees(2 * math.asin(min(1.0, float(difference) / 2)))


def treacherous() -> Mdp:
    """Return a first choice between 0 for certain, and 1 nine times out of ten and -11 once: -0.2 on average."""
    transitions = np.zeros((4, 2, 5))
    transitions[0, 0, 1:3] = 0.9, 0.1
    transitions[0, 1, 3] = transitions[1:, :, 4] = 1.0
    return Mdp(np.eye(4)[0], transitions, np.array([[0, 0], [1, 1], [-LOSS, -LOSS], [0, 0]], float))


def counted() -> float:
    """Calculate E[ĝ] of the treacherous choice for action 0's logit from the 27 returns that three episodes may have.

    Both steps of an episode have its return R, so that Ã is that of three numbers; each step counts 1/6.
    """
    chances, total = {1.0: 0.45, -LOSS: 0.05, 0.0: 0.5}, 0.0
    for returns in itertools.product(chances, repeat=3):
        spread = float(np.std(returns))
        for own in returns if spread > 0 else ():
            score = -0.5 if own == 0 else 0.5
            total += math.prod(chances[r] for r in returns) * (own - sum(returns) / 3) / spread * score / 6
    return total


def same_weights(batches: Batches) -> Array:
    """Return for which batches both baselines leave the same: nₜ is the same wherever returns differ, none is alone."""
    reached, alike = batches.mask.sum(axis=2), []
    spread = np.abs(advantages(batches)).max(axis=2) > NEARLY  # [T, N]
    for n in range(reached.shape[1]):
        counts = set(reached[:, n][spread[:, n]].tolist())
        alike.append(len(counts) <= 1 and counts.isdisjoint({1.0}))
    return np.array(alike)


def normalised_weights(batches: Batches, baseline: Any) -> Array:
    """Calculate Ã of each step, `[T, N, B]`, for one of the trainer's baselines."""
    mask, to_go = batches.mask, compute(maths.discounted_returns, batches.rewards, 1.0)
    result: Array = compute(maths.normalize, (to_go - compute(baseline, to_go, mask)) * mask, mask)
    return result


def _of_every_batch(theta: Array, batches: Batches) -> list[Comparison]:
    """Compare what holds in every batch."""

    def steps(**settings: Any) -> Array:
        return training.steps(theta, batches, **{**SETTINGS, **settings})

    ours, per_step, batch_mean = steps(), steps(baseline="step_mean"), steps(baseline="batch_mean")
    none, whole = steps(baseline="none"), steps(weights="episode_return")
    whole_mean = steps(weights="episode_return", baseline="batch_mean")
    equal = np.ptp(batches.mask.sum(axis=0), axis=1) == 0  # the batches whose episodes have one length
    raw, count = advantages(batches), batches.mask.sum(axis=(0, 2))
    lone = raw * (batches.mask.sum(axis=2, keepdims=True) == 1)
    squares = (mdp.scores(theta, batches) ** 2).sum(axis=(0, 2, 3, 4)) / count
    left_out, one_mean = (normalised_weights(batches, b) for b in (maths.leave_one_out, maths.step_mean))
    return [
        about("the default step, of every batch: Cov(Â, ∇log π) / σ over its n steps", ours,
              covariance_over_deviation(theta, batches)),
        about("‖ĝ‖² is at most the mean of ‖∇log π‖² over the steps",
              np.maximum((ours**2).sum(axis=(1, 2)) - squares, 0), 0.0),
        about("n times the mean of Â is the sum of the returns of lone episodes", raw.sum(axis=(0, 2)),
              lone.sum(axis=(0, 2))),
        about("equal lengths: the same step as with the normalised per-step mean", ours[equal], per_step[equal]),
        about("unequal lengths: the same", ours[~equal], per_step[~equal], wrong=True),
        about("Ã is the same just where nₜ is, and none is alone, wherever returns differ",
              np.abs(left_out - one_mean).max(axis=(0, 2)) < NEARLY, same_weights(batches)),
        about("equal lengths: the same step as with the normalised batch mean", ours[equal], batch_mean[equal],
              wrong=True),
        about("equal lengths, whole returns: that is so", whole[equal], whole_mean[equal]),
        about("normalised, a batch mean and no baseline are the same", batch_mean, none),
    ]  # fmt: skip


def _on_average(process: Mdp, theta: Array, batches: Batches) -> list[Comparison]:
    """Compare its mean with ∇J in a random process."""
    gradient, steps = mdp.objective_gradient(process, theta, 1.0, 2), training.steps(theta, batches, **SETTINGS)
    mean, variance = mdp.moments(theta, batches, steps)
    return [
        exact("E[Δθ] = ∇J", mean, gradient, wrong=True, variance=variance),
        exact("E[Δθ] is on the line of ∇J", wedge(mean, gradient), 0.0, wrong=len(process.start) > 1),
    ]


def _in_examples(seed: int) -> list[Comparison]:
    """Compare its mean with what the text says of a bandit, of a treacherous choice and of two gates."""
    bandit, table = mdp.random_mdp(1, seed), mdp.random_policy(1, seed)
    slope = mdp.objective_gradient(bandit, table, 1.0, 1)
    pulled = mean_step(table, unordered_batches(bandit, 1, BATCH)) * abs(np.subtract(*bandit.rewards[0]))
    choice, even = treacherous(), np.zeros((4, 2))
    away = mean_step(even, unordered_batches(choice, 2, BATCH))[0]
    up = mdp.objective_gradient(choice, even, 1.0, 2)[0]
    three, half, most = (mean_step(EVEN_GATES, gates(size))[:, 1] for size in (BATCH, 32, 64))
    mask = (np.arange(5)[:, None, None] < [2, 2, 5]).astype(float)  # as in CartPole, with rewards of 1
    to_go = compute(maths.discounted_returns, mask, 1.0)
    brought = np.sum((to_go - compute(maths.leave_one_out, to_go, mask)) * mask)
    return [
        about("rewards of 1, lengths 2, 2 and 5: the mean of Â times n is 3·4/2", brought, 6.0),
        about("one state, one step, B = 3: E[ĝ] = √2 ∇J / |r₀ - r₁|", pulled, math.sqrt(2) * slope),
        about("a treacherous choice: E[ĝ], by counting", away, [counted(), -counted()]),
        about("there E[ĝ] goes up: ∇J · E[ĝ] > 0", np.sign(away @ up), 1.0, wrong=True),
        exact("two gates, from B = 32 and 64 to ∞: E[ĝ] = ∇J / (σ E[T₁])", 2 * most - half, GATES_LIMIT, bound=2e-4),
        exact("two gates: so it is for B = 3", three, GATES_LIMIT, wrong=True, bound=2e-4),
    ]


def check(states: int = 2, seed: int = 0) -> Check:
    """Compare the default step of every batch with its closed form, and its mean with ∇J."""
    process, theta = from_one_state(states, seed), mdp.random_policy(states, seed)
    batches = unordered_batches(process, 2, BATCH)
    return Check(
        (*_of_every_batch(theta, batches), *_on_average(process, theta, batches), *_in_examples(seed)),
        (_angles(), _bars(process, theta, batches)),
    )


VARIANTS = {
    "default: normalised, mean over steps": {},
    "normalised, mean over episodes": {"per_step": False},
    "not normalised, mean over steps": {"normalize": False},
    "neither: unbiased": {"normalize": False, "per_step": False},
}


@functools.cache
def _angles() -> Picture:
    """Draw how far from ∇J the mean points at the two gates, for more and more episodes."""
    gradient = mdp.objective_gradient(two_gates(), EVEN_GATES, 1.0, 2)
    lines = [
        Series(name, SIZES, tuple(angle(mean_step(EVEN_GATES, gates(size), **how), gradient) for size in SIZES))
        for name, how in list(VARIANTS.items())[:3]
    ]
    title = "Two gates: with more episodes the mean turns towards ∇J"
    return Picture(title, "episodes per update B", "angle between E[ĝ] and ∇J in °", tuple(lines), log=True)


def _bars(process: Mdp, theta: Array, batches: Batches) -> Picture:
    """Draw the angle in the random process."""
    gradient = mdp.objective_gradient(process, theta, 1.0, 2)
    angles = [angle(mean_step(theta, batches, **how), gradient) for how in VARIANTS.values()]
    bars = Series("leave-one-out, B = 3", tuple(VARIANTS), tuple(angles))
    return Picture("This process: what bends the mean", "estimator", "angle between E[ĝ] and ∇J in °", (bars,), "bars")
