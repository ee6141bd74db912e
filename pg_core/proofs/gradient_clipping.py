"""The gradient-norm limit: less noise, no step that is too long, and a mean that is no longer ∇J."""

import functools
from typing import Any

import numpy as np

from pg_core import maths
from pg_core.proofs import mdp, training
from pg_core.proofs.default_estimator import angle
from pg_core.proofs.mdp import Array, Batches, Mdp
from pg_core.proofs.normalization import wedge
from pg_core.proofs.programs import compute
from pg_core.proofs.reward_to_go import discounted_reward_to_go
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact

# A choice of one step: action 0 earns 1 and has the probability 3/4, action 1 earns 2.
BANDIT = Mdp(np.ones(1), np.array([[[0.0, 1.0], [0.0, 1.0]]]), np.array([[1.0, 2.0]]))
MOSTLY_0 = np.array([[np.log(3.0), 0.0]])
SLOPE = 3 / 4 * 1 / 4 * (1 - 2)  # ∂J/∂z₀
LIMITS = np.linspace(0.125, 3.5, 28)  # of the norm over two logits and two biases, twice that of one number
FRACTIONS = (0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # of the mean norm


def with_bias(gradients: Any) -> Array:
    """Append the gradient of the bias, which all states share, to that of a table `[..., S, A]`, `[..., S+1, A]`."""
    table = np.asarray(gradients)
    return np.concatenate([table, table.sum(axis=-2, keepdims=True)], axis=-2)


def trainers(theta: Array, batches: Batches, **settings: Any) -> Array:
    """Return the trainer's step from every batch, for the table and the bias, `[N, S+1, A]`."""
    start = training.start(training.table(theta), batches.mask.shape[1])
    policy = training.update(start, training.one_hot(theta, batches), batches, **settings)[0].policy
    return np.concatenate([policy["kernel_0"] - theta, policy["bias_0"]], axis=1)


def norms(steps: Array) -> Array:
    """Calculate ‖ĝ‖ over all numbers of each step, `[N]`."""
    result: Array = np.sqrt((steps**2).sum(axis=(-2, -1)))
    return result


def limited(steps: Array, limit: float) -> Array:
    """Calculate ĝ, or where it is longer, cĝ/‖ĝ‖."""
    length = norms(steps)[..., None, None]
    result: Array = np.where(length > limit, limit * steps / np.maximum(length, limit), steps)
    return result


def excess(value: float, bound: float) -> float:
    """Return by how much a value is above its bound, relative to the larger one, 0 where it is not."""
    return max(0.0, value - bound) / max(1.0, abs(value))


def _one_episode(process: Mdp, theta: Array, gamma: float, horizon: int) -> list[Comparison]:
    """Compare the trainer's steps from every episode with what the text says."""
    batches = mdp.every_batch(process, horizon)
    free = with_bias(mdp.estimates(theta, batches, discounted_reward_to_go(batches.rewards, gamma)))
    longest = float(norms(free).max())
    limit = longest / 2
    ours = trainers(theta, batches, gamma=gamma, max_grad_norm=limit)
    loose = trainers(theta, batches, gamma=gamma, max_grad_norm=1.001 * longest)
    gradient = with_bias(mdp.objective_gradient(process, theta, gamma, horizon))
    mean, variance = mdp.moments(theta, batches, ours)
    spread = mdp.moments(theta, batches, free)[1]
    rest, length = np.maximum(1 - limit / np.maximum(norms(free), 1e-300), 0), norms(free)
    lost = mdp.moments(theta, batches, rest[:, None, None] * free)[0]
    over, squares = (float(mdp.expectation(theta, batches, x)) for x in (np.maximum(length - limit, 0), length**2))
    bias = float(norms(mean - gradient))
    return [
        exact("the trainer's step with a limit c: ĝ, or cĝ/‖ĝ‖ where that is shorter", ours, limited(free, limit)),
        exact("a limit above all norms changes nothing: E[Δθ] = ∇J", mdp.moments(theta, batches, loose)[0], gradient),
        exact("with c half of the longest: E[Δθ] = ∇J", mean, gradient, wrong=True, variance=variance),
        exact("E[Δθ] = ∇J, limited to c", mean, limited(gradient, limit), wrong=True),
        exact("E[Δθ] is on the line of ∇J", wedge(mean, gradient), 0.0,
              wrong=len(process.start) > 1),
        exact("∇J - E[Δθ] = E[(1 - c/‖ĝ‖) ĝ], over the longer ones", gradient - mean, lost),
        exact("its length is at most E[(‖ĝ‖ - c)⁺] ≤ E‖ĝ‖²/4c", [excess(bias, over), excess(over, squares / 4 / limit)],
              0.0),
        exact("tr Cov is at most that without a limit", excess(variance, spread), 0.0),
        exact("‖E[Δθ] - ∇J limited‖² is at most tr Cov without a limit",
              excess(float(norms(mean - limited(gradient, limit))) ** 2, spread), 0.0),
    ]  # fmt: skip


def two_episodes(process: Mdp, theta: Array, gamma: float) -> tuple[Batches, Array, Array]:
    """Return all pairs of at most two steps, their estimates, and ∇J."""
    pairs = mdp.every_batch(process, 2, 2)
    gradient = with_bias(mdp.objective_gradient(process, theta, gamma, 2))
    return pairs, with_bias(mdp.estimates(theta, pairs, discounted_reward_to_go(pairs.rewards, gamma))), gradient


def bandit_mean(limit: float) -> float:
    """Calculate the mean of the limited estimates for z₀ by hand: ¼ with the norm ½, and -3/2 with the norm 3."""
    return 3 / 4 * 1 / 4 * min(1, limit / 0.5) - 1 / 4 * 3 / 2 * min(1, limit / 3)


@functools.cache
def _bandit() -> tuple[Comparison, ...]:
    """Compare the mean of limited steps with ∇J where they point to opposite sides, and where all norms are one."""
    single, pairs = mdp.every_batch(BANDIT, 1), mdp.every_batch(BANDIT, 1, 2)
    limits = LIMITS[::9]
    taken = [trainers(MOSTLY_0, single, max_grad_norm=float(limit)) for limit in limits]
    means = [mdp.moments(MOSTLY_0, single, steps)[0][0, 0] for steps in taken]
    others = compute(maths.leave_one_out, pairs.rewards, pairs.mask)
    judged = with_bias(mdp.estimates(MOSTLY_0, pairs, pairs.rewards - others))
    length = norms(judged).max()
    halved = mdp.moments(MOSTLY_0, pairs, limited(judged, length / 2))[0]
    free = with_bias(mdp.estimates(MOSTLY_0, single, single.rewards))
    unit = mdp.moments(MOSTLY_0, single, free / norms(free)[:, None, None])[0]
    tight = mdp.moments(MOSTLY_0, single, limited(free, 1e-3))[0] / 1e-3
    return (
        exact("rewards 1 and 2, π = (¾, ¼): E[Δθ] for z₀ by hand, four limits", means,
              [bandit_mean(limit) for limit in limits]),
        exact("there E[Δθ] goes up, c = ⅛: ∂J/∂z₀ E[Δθ] > 0", np.sign(means[0] * SLOPE), 1.0, wrong=True),
        exact("a small limit: E[Δθ] / c = E[ĝ/‖ĝ‖]", tight, unit),
        exact("two episodes, leave-one-out: norms 0 or one length, E[ĝ limited] = ½ ∇J", halved,
              with_bias([[SLOPE / 2, -SLOPE / 2]])),
    )  # fmt: skip


def check(gamma: float = 0.9, horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare the mean of the trainer's limited steps with ∇J."""
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    pairs, free, gradient = two_episodes(process, theta, gamma)
    limit, spread = float(norms(free).max()) / 2, mdp.moments(theta, pairs, free)[1]
    mean = mdp.moments(theta, pairs, limited(free, limit))[0]
    apart = float(norms(mean - limited(gradient, limit))) ** 2
    rows = (
        *_one_episode(process, theta, gamma, horizon),
        exact("two episodes (T ≤ 2): that holds, too", excess(apart, spread), 0.0),
        *_bandit(),
    )
    return Check(rows, (_turn(), _angles(process, theta, gamma)))


def _turn() -> Picture:
    """Draw the bandit's mean step for every limit."""
    x = tuple(LIMITS.tolist())
    lines = Series("E[Δθ] of z₀, limited", x, tuple(map(bandit_mean, x))), Series("∂J/∂z₀", x, (SLOPE,) * len(x))
    return Picture(
        "Rewards 1 and 2: a tight limit points the other way", "limit c of the norm", "mean step of z₀", lines
    )


def _angles(process: Mdp, theta: Array, gamma: float) -> Picture:
    """Draw how far the mean of limited steps points from ∇J, for one episode and for two."""
    pairs, both, gradient = two_episodes(process, theta, gamma)
    single = mdp.every_batch(process, 2)
    one = with_bias(mdp.estimates(theta, single, discounted_reward_to_go(single.rewards, gamma)))
    lines = []
    for name, batches, free in (("B = 1", single, one), ("B = 2", pairs, both)):
        usual = float(mdp.expectation(theta, batches, norms(free)))
        means = [mdp.moments(theta, batches, limited(free, usual * x))[0] for x in FRACTIONS]
        lines.append(Series(name, FRACTIONS, tuple(angle(m, gradient) for m in means)))
    return Picture("This process, T ≤ 2: how far a limit turns the mean", "limit c over the mean norm E‖ĝ‖",
                   "angle between E[Δθ] and ∇J in °", tuple(lines))  # fmt: skip
