"""Scores of the two kinds of policy, softmax and Gaussian, and samples that have the policy's probabilities."""

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.policies.in_numpy import draw_choice, draw_vector
from pg_core.proofs import mdp
from pg_core.proofs.mdp import Array, softmax
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact

CHOICES = 4
BELOW_ONE = np.nextafter(1.0, 0.0)


def quotient_rule(logits: Array) -> Array:
    """Calculate ∂log πₐ/∂zₖ = (δₐₖ eₐ Σ - eₐ eₖ) / Σ² · Σ/eₐ with e = exp z, Σ = Σₖ eₖ, `[A, A]`."""
    powers, total = np.exp(logits), np.exp(logits).sum()
    slopes = (np.diag(powers) * total - np.outer(powers, powers)) / total**2
    result: Array = slopes * total / powers[:, None]
    return result


def thresholds(logits: Array) -> Array:
    """Find by bisection where the sampled action comes to exceed k, `[A-1]`: the ends of the intervals of u."""
    actions = np.arange(len(logits) - 1)
    each, low, high = np.tile(logits, (len(actions), 1)), np.zeros(len(actions)), np.ones(len(actions))
    for _ in range(52):
        middle = (low + high) / 2
        passed = draw_choice(each, middle) > actions
        low, high = np.where(passed, low, middle), np.where(passed, middle, high)
    return high


def log_density(mean: Array, std: Array, actions: Array) -> Array:
    """Calculate ln ∏ᵢ exp(-½ (aᵢ - μᵢ)²/σᵢ²) / √(2πσᵢ²), `[...]`."""
    factors = np.exp(-((actions - mean) ** 2) / (2 * std**2)) / np.sqrt(2 * np.pi * std**2)
    result: Array = np.log(factors.prod(axis=-1))
    return result


def check(seed: int = 0) -> Check:
    """Compare scores with derivatives by tape and by hand, and samples with the distributions they are to have."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=CHOICES)
    ends = np.array([0.0, *thresholds(logits), 1.0])
    lengths = Series("length of the interval of u", tuple(range(CHOICES)), tuple(np.diff(ends).tolist()))
    chances = Series("π(a)", tuple(range(CHOICES)), tuple(softmax(logits).tolist()))
    return Check(
        (
            *_softmax(logits),
            *_two_actions(rng),
            *_inversion(logits, np.diff(ends)),
            *_gaussian(rng),
            *_several(rng),
        ),
        pictures=(Picture("Every action has its share of the numbers u", "action a", "", (lengths, chances), "bars"),),
    )


def _softmax(logits: Array) -> tuple[Comparison, ...]:
    each, actions = tf.constant(np.tile(logits, (CHOICES, 1))), np.arange(CHOICES, dtype=np.int32)
    score = maths.Categorical(each).score(actions)
    by_tape = mdp.gradient(lambda z: maths.Categorical(z).log_prob(actions), each)
    return (
        exact("softmax: log π(a) = ln (exp zₐ / Σₖ exp zₖ)", maths.Categorical(each).log_prob(actions),
              np.log(softmax(logits))),
        exact("one_hot(a) - π = ∂log π(a)/∂z, by the tape", score, by_tape),
        exact("one_hot(a) - π = ∂log π(a)/∂z, by the quotient rule", score, quotient_rule(logits)),
        exact("the logit taken for log π(a): one_hot(a)", np.eye(CHOICES), score, wrong=True),
        exact("the slope of a cross-entropy: π - one_hot(a)", softmax(logits) - np.eye(CHOICES), score, wrong=True),
    )  # fmt: skip


def _two_actions(rng: np.random.Generator) -> tuple[Comparison, ...]:
    log_odds, actions = tf.constant(rng.normal(size=(6, 1))), np.tile(np.arange(2, dtype=np.int32), (6, 1))
    each = tf.repeat(log_odds, 2, axis=1)
    chance = 1 / (1 + np.exp(-log_odds.numpy()))  # sigmoid(z)
    log_prob = maths.Bernoulli(each[..., None]).log_prob(actions)
    as_softmax = maths.Categorical(tf.stack([tf.zeros_like(each), each], axis=-1)).log_prob(actions)
    score = maths.Bernoulli(each[..., None]).score(actions)[..., 0]
    by_tape = mdp.gradient(lambda z: maths.Bernoulli(z[..., None]).log_prob(actions), each)
    return (
        exact("two actions: log π(1) = ln sigmoid(z), log π(0) = ln (1 - sigmoid(z))", log_prob,
              np.log(np.concatenate([1 - chance, chance], axis=1))),
        exact("two actions: a softmax of (0, z)", log_prob, as_softmax),
        exact("two actions: ∂log π(a)/∂z = a - sigmoid(z)", score, actions - chance),
        exact("two actions: the same, by the tape", score, by_tape),
    )  # fmt: skip


def _several(rng: np.random.Generator) -> tuple[Comparison, ...]:
    sizes = 2, 3
    pairs = np.argwhere(np.ones(sizes)).astype(np.int32)  # all actions, [6, 2]
    logits = tf.constant(np.tile(rng.normal(size=sum(sizes)), (len(pairs), 1)))
    pi = maths.Product(logits, sizes)
    one = np.add.outer(logits[0, :2], logits[0, 2:]).ravel()  # zᵢ + zⱼ
    chances = softmax(one)
    return (
        exact("several choices: Σᵢ log πᵢ(aᵢ) = log of one softmax over all combinations", pi.log_prob(pairs),
              np.log(chances)),
        exact("several choices: the scores one after the other = ∂log π(a)/∂z, by the tape", pi.score(pairs),
              mdp.gradient(lambda z: maths.Product(z, sizes).log_prob(pairs), logits)),
        exact("several choices: Σᵢ Hᵢ = -Σ π log π over all combinations", pi.entropy()[0],
              -(chances * np.log(chances)).sum()),
        exact("the slopes of the entropies one after the other = ∂H/∂z, by the tape", pi.entropy_gradient(),
              mdp.gradient(lambda z: maths.Product(z, sizes).entropy(), logits)),
    )  # fmt: skip


def _inversion(logits: Array, lengths: Array) -> tuple[Comparison, ...]:
    uniform = (np.arange(64) + 0.5) / 64
    drawn = draw_choice(np.tile(logits, (64, 1)), uniform)
    inverse = (uniform[:, None] >= np.cumsum(softmax(logits))).sum(axis=1)
    # Of so many rows, some have probabilities whose rounded sum is less than the largest u.
    many = np.random.default_rng(0).normal(size=(100, 100))
    last = draw_choice(many, np.full(100, BELOW_ONE))
    first = draw_choice(np.array([[-1000.0, 0.0, 0.0]]), np.zeros(1))
    return (
        exact("|{u : sample = a}| = π(a)", lengths, softmax(logits)),
        exact("sample = the first a with π(0) + … + π(a) > u", drawn, inverse),
        exact("u = 0 never draws an action of probability 0", first, 1),
        exact("the largest u < 1 draws the last action", last, 99),
    )


def _gaussian(rng: np.random.Generator) -> tuple[Comparison, ...]:
    mean, normal = (tf.constant(rng.normal(size=(6, 3))) for _ in range(2))
    log_std = tf.constant(rng.normal(scale=0.5, size=3))
    wide, std = tf.broadcast_to(log_std, mean.shape), np.exp(log_std)
    actions = tf.constant(draw_vector(mean.numpy(), log_std.numpy(), normal.numpy()))
    log_prob = maths.Gaussian.of(mean, log_std).log_prob(actions)
    score = tf.stack(tf.split(maths.Gaussian.of(mean, log_std).score(actions), 2, axis=-1))  # [2, 6, 3]
    by_tape = (
        mdp.gradient(lambda m: maths.Gaussian.of(m, log_std).log_prob(actions), mean),
        mdp.gradient(lambda s: maths.Gaussian.of(mean, s).log_prob(actions), wide),
    )
    distance = actions.numpy() - mean.numpy()
    by_hand = distance / std**2, distance**2 / std**2 - 1
    carried = mdp.gradient(lambda m: maths.Gaussian.of(m, log_std).log_prob(m + tf.exp(log_std) * normal), mean)
    standard = log_density(np.zeros(3), np.ones(3), normal.numpy()) - np.log(std).sum()
    return (
        exact("Gaussian: a = μ + σε", actions, mean.numpy() + std * normal.numpy()),
        exact("Gaussian: log π(a) = ln ∏ᵢ density", log_prob, log_density(mean.numpy(), std, actions.numpy())),
        exact("Gaussian: log π(μ + σε) = log φ(ε) - Σᵢ log σᵢ", log_prob, standard),
        exact("((a-μ)/σ², (a-μ)²/σ² - 1) = ∇log π, by the tape", score, by_tape),
        exact("((a-μ)/σ², (a-μ)²/σ² - 1) = ∇log π, by hand", score, by_hand),
        exact("Gaussian: (a-μ)/σ for (a-μ)/σ²", distance / std, score[0], wrong=True),
        exact("Gaussian: ∂log π/∂σ for ∂log π/∂log σ", by_hand[1] / std, score[1], wrong=True),
        exact("Gaussian: an action that carries the gradient of μ", carried, score[0], wrong=True),
    )
