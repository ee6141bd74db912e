"""Score function or reparameterisation: two unbiased gradients of a Gaussian's mean reward, and what each needs."""

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.proofs import training
from pg_core.proofs.expected_score import gauss_hermite
from pg_core.proofs.mdp import Array, Batches
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact

NODES, CHANCES = gauss_hermite()  # of ε; exact for polynomials up to degree 15
FINE = gauss_hermite(64)  # for a cosine
WAVE = 3.0  # kσ of the wave
SPREADS = np.geomspace(0.1, 10, 21)
TAIL = 12.0  # in deviations: what lies beyond is less than rounding

Reward = Callable[[tf.Tensor], tf.Tensor]


def by_score(mean: float, log_std: float, reward: Reward, baseline: float = 0.0) -> Array:
    """Let the trainer take a step from each action μ + σε, `[2, K]`: for μ and for log σ.

    Its value network says the same everywhere: it is the baseline.
    """
    actions = mean + math.exp(log_std) * NODES[None, :, None, None]  # [1, K, 1, 1]
    ones = np.ones(actions.shape[:3])
    batches = Batches(ones, actions, reward(tf.constant(actions[..., 0])).numpy(), ones, CHANCES)
    policy = {**training.table(tf.constant([[mean]], tf.float64)), "log_std": tf.constant([[log_std]], tf.float64)}
    value = training.table(tf.constant([[baseline]], tf.float64))
    start = training.start(policy, len(NODES), value)
    state, _ = training.update(start, ones[..., None], batches, env_id="Pendulum-v1", baseline="value")
    return np.stack([state.policy["kernel_0"][:, 0, 0] - mean, state.policy["log_std"][:, 0, 0] - log_std])


def by_path(mean: float, log_std: float, reward: Reward, through: bool = True) -> Array:
    """Differentiate r(μ + σε) with ε held fixed, by the tape, `[2, K]`.

    Args:
        mean: μ.
        log_std: log σ.
        reward: r.
        through: whether the gradient flows through the action.
    """
    params = tf.constant(np.tile([[mean], [log_std]], len(NODES)))
    with tf.GradientTape() as tape:
        tape.watch(params)
        actions = params[0] + tf.exp(params[1]) * NODES
        rewards = reward(actions if through else tf.stop_gradient(actions))
    slopes = tape.gradient(rewards, params, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    result: Array = slopes.numpy()
    return result


def moments(estimates: Array, chances: Array = CHANCES) -> tuple[Array, Array]:
    """Calculate mean and variance over ε of each row of `[..., K]`."""
    mean: Array = estimates @ chances
    variance: Array = (estimates - mean[..., None]) ** 2 @ chances
    return mean, variance


def variances(m: Array, s: Array) -> dict[str, Array]:
    """Return the variances that the text derives, for μ and log σ, `[2, ...]`, with m = μ - c and s = σ."""
    return {
        "score": np.stack([m**4 / s**2 + 14 * m**2 + 15 * s**2, 2 * m**4 + 60 * m**2 * s**2 + 74 * s**4]),
        "score, b = J": np.stack([8 * m**2 + 10 * s**2, 40 * m**2 * s**2 + 56 * s**4]),
        "reparameterised": np.stack([4 * s**2, 4 * m**2 * s**2 + 8 * s**4]),
    }


def _quadratic(mean: float, log_std: float, target: float) -> list[Comparison]:
    """Compare means and variances where r(a) = -(a - c)²."""

    def reward(a: tf.Tensor) -> tf.Tensor:
        return -((a - target) ** 2)

    m, s = mean - target, math.exp(log_std)
    slope, right = [-2 * m, -2 * s**2], variances(np.array(m), np.array(s))
    best = -(m**2 + 3 * s**2)
    scored, path = moments(by_score(mean, log_std, reward)), moments(by_path(mean, log_std, reward))
    with_value = moments(by_score(mean, log_std, reward, -(m**2) - s**2))
    held = moments(by_path(mean, log_std, reward, through=False))
    with_best = moments(by_score(mean, log_std, reward, best))
    return [
        exact("with the score, the trainer's step: E[Δθ] = ∇J", scored[0], slope, variance=scored[1].sum()),
        exact("reparameterised, by the tape: E[∇ r(μ + σε)] = ∇J", path[0], slope, variance=path[1].sum()),
        exact("with b = J: E[Δθ] = ∇J", with_value[0], slope, variance=with_value[1].sum()),
        exact("variances with the score: m⁴/σ² + 14m² + 15σ², 2m⁴ + 60m²σ² + 74σ⁴", scored[1], right["score"]),
        exact("with b = J: 8m² + 10σ², 40m²σ² + 56σ⁴", with_value[1], right["score, b = J"]),
        exact("with the best b for μ, -(m² + 3σ²): 8m² + 6σ²", with_best[1][0], 8 * m**2 + 6 * s**2),
        exact("b = J is the best for μ", with_value[1][0], with_best[1][0], wrong=True),
        exact("reparameterised: 4σ², 4m²σ² + 8σ⁴", path[1], right["reparameterised"]),
        exact("here the estimate with the score varies less", scored[1] < path[1], [True, True], wrong=True),
        exact("an action that is held constant: its gradient", held[0], slope, wrong=True),
    ]  # fmt: skip


def _wave(log_std: float) -> list[Comparison]:
    """Compare the variances for μ = 0 where r(a) = cos ka, which has many slopes."""
    s, (nodes, chances) = math.exp(log_std), FINE
    k, decay = WAVE / s, math.exp(-2 * WAVE**2)
    actions = s * nodes[:, None]
    scores = maths.Gaussian.of(0 * actions, np.full_like(actions, log_std)).score(actions).numpy()[:, 0]
    scored = moments(np.cos(k * s * nodes) * scores, chances)[1]
    path = moments(-k * np.sin(k * s * nodes), chances)[1]
    both = [(1 + (1 - 4 * WAVE**2) * decay) / (2 * s**2), k**2 * (1 - decay) / 2]
    return [
        exact("r = cos ka, μ = 0, kσ = 3: about 1/2σ² with the score, k²/2 reparameterised", [scored, path], both),
        exact("the reparameterised gradient always varies less", path < scored, 1.0, wrong=True),
    ]


def _threshold(mean: float, log_std: float, z: float) -> list[Comparison]:
    """Compare both where the reward jumps, r(a) = 1 for a > c = μ + σz and 0 else: a choice of two actions."""
    s = math.exp(log_std)
    target = mean + s * z
    nodes, weights = np.polynomial.legendre.leggauss(64)
    normal = z + TAIL / 2 * (nodes + 1)  # ε above the jump
    density = np.exp(-(normal**2) / 2) / math.sqrt(2 * math.pi)
    actions = (mean + s * normal)[:, None]
    pi = maths.Gaussian.of(np.full_like(actions, mean), np.full_like(actions, log_std))
    scored = TAIL / 2 * np.sum(weights * density * pi.score(actions).numpy()[:, 0])
    slope = math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) / s
    path = moments(by_path(mean, log_std, lambda a: tf.cast(a > target, tf.float64)))[0][0]
    return [
        exact("a jump at c: the score gives ∂P(a > c)/∂μ, the density at c", scored, slope),
        exact("a jump at c: so does the reparameterised gradient", path, slope, wrong=True),
    ]


def _two_steps(mean: float, log_std: float, target: float) -> list[Comparison]:
    """Compare both where s₁ = a₀ and only the second step is paid, -(s₁ + a₁ - c)²."""
    s = math.exp(log_std)
    first, second = np.meshgrid(NODES, NODES)
    chances, gap = np.outer(CHANCES, CHANCES), 2 * mean - target + s * (first + second)
    actions = (mean + s * NODES)[:, None]
    scores = maths.Gaussian.of(np.full_like(actions, mean), np.full_like(actions, log_std)).score(actions).numpy()[:, 0]
    both = scores[None, :] + scores[:, None]
    slope = -4 * (2 * mean - target)
    return [
        exact(
            "two steps: G₀ times both scores, without a word on the dynamics", np.sum(chances * -(gap**2) * both), slope
        ),
        exact("two steps: the path, through a₀, s₁ and a₁", np.sum(chances * -2 * gap * (1 + 1)), slope),
        exact("two steps: the path without ∂s₁/∂a₀", np.sum(chances * -2 * gap), slope, wrong=True),
    ]


def check(seed: int = 0) -> Check:
    """Compare the trainer's score-function gradient, and the tape's through the action, with closed forms."""
    rng = np.random.default_rng([seed, 6])
    mean, log_std, target = rng.normal(size=3).tolist()
    jump = _threshold(mean, log_std, rng.uniform(-1, 1))
    rows = *_quadratic(mean, log_std, target), *_wave(log_std), *jump, *_two_steps(mean, log_std, target)
    x = tuple(SPREADS.tolist())
    found = variances(np.ones_like(SPREADS), SPREADS)
    lines = tuple(Series(name, x, tuple(values[0].tolist())) for name, values in found.items())
    return Check(rows, (Picture("r(a) = -(a - c)², μ - c = 1: the noise of ∂J/∂μ", "deviation σ of the policy",
                                "variance of one sample", lines, log=True),))  # fmt: skip
