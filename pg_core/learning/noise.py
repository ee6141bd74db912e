"""What N estimates of a gradient show of their estimator: how it points, its noise and its bias, with intervals."""

from typing import NamedTuple

import numpy as np

from pg_core.environments import Array

DEVIATIONS = 1.96  # of a normal distribution, on either side of its mean, between which 95 % of it are


class Measured(NamedTuple):
    """What N estimates ĝ show; of each, `[3]`: the value and the ends of its 95 % interval.

    NaN is what is undefined, and infinite an end that is none: so many batches do not tell E[ĝ] or ∇J from 0.
    """

    cosine: Array  # E[cos(ĝ, ∇J)]: how well a single update points
    length: Array  # ‖E[ĝ]‖
    variance: Array  # tr Cov[ĝ]
    relative_variance: Array  # tr Cov[ĝ] / ‖E[ĝ]‖²
    snr: Array  # √(E‖ĝ‖² / tr Cov[ĝ]), what `maths.gradient_snr` estimates of one batch: 1 is pure noise
    along: Array  # ⟨E[ĝ], ∇J⟩ / ‖∇J‖²: 1 if unbiased; what is normalised, or a mean over steps, has another length
    across: Array  # min over c of ‖c E[ĝ] - ∇J‖² / ‖∇J‖²: 0 if it points where ∇J does, whatever its length


def measure(gradients: Array, reference: Array) -> Measured:
    """Estimate what is true of an estimator from N batches, and of the unbiased one on the same batches.

    ‖E[ĝ]‖² is the mean of ⟨ĝᵢ, ĝⱼ⟩ over all pairs i ≠ j, ⟨E[ĝ], ∇J⟩ that of ⟨ĝᵢ, ĝʳⱼ⟩, and E[cos(ĝ, ∇J)] ‖∇J‖ that of
    ⟨ĝᵢ / ‖ĝᵢ‖, ĝʳⱼ⟩: no batch is held against its own noise, so that these means have no bias however few batches there
    are, where ‖ḡ‖² would be too long by tr Cov / N. Errors are the jackknife's, which leaves out each batch once, of
    both: what an estimator and the reference have in common cancels, and the reference itself is along ∇J without any
    error. Where a few of many batches have nearly all of the variance, its interval is too narrow. What is divided by a
    squared length, which may be 0, has Fieller's interval.

    See Efron & Stein, "The jackknife estimate of variance", 1981.

    Args:
        gradients: ĝ, `[N, D]`, N at least 3.
        reference: ĝʳ, `[N, D]`, unbiased for ∇J.
    """
    lengths = np.linalg.norm(gradients, axis=1, keepdims=True)
    directions = np.divide(gradients, lengths, out=np.zeros_like(gradients), where=lengths > 0)
    own, cross, unbiased = gradients @ gradients.T, gradients @ reference.T, reference @ reference.T
    squared, inner, right = map(_over_pairs, (own, cross, unbiased))
    total = _over_batches(np.diag(own))
    variance = total - squared
    with np.errstate(invalid="ignore", divide="ignore"):  # what is lost in noise may have no positive squared length
        length, slope = np.sqrt(squared), np.sqrt(right)
        best = inner[0] / length[0] ** 2  # c
        apart = best * (best * own - cross - cross.T) + unbiased  # ⟨c ĝᵢ - ĝʳᵢ, c ĝⱼ - ĝʳⱼ⟩
        return Measured(
            cosine=_with_interval(_over_pairs(directions @ reference.T) / slope),
            length=_with_interval(length),
            variance=_with_interval(variance),
            relative_variance=np.maximum(_ratio(variance, squared), 0),
            snr=_with_interval(np.sqrt(total / variance)),
            along=_ratio(inner, right),
            across=_with_interval(1 - (inner / (length * slope)) ** 2, _noise_of_pairs(apart) / slope[0] ** 2),
        )


def _noise_of_pairs(products: Array) -> float:
    """Calculate the error of a mean over pairs of batches whose true mean is 0: √(2 tr Σ² / N²).

    It is the second term of that error, and there the only one, which the jackknife sees badly in few dimensions.

    See Serfling, "Approximation theorems of mathematical statistics", 1980, section 5.2.
    """
    count = len(products)
    centered = products - products.mean(axis=0) - products.mean(axis=1)[:, None] + products.mean()
    return float(np.sqrt(2 * np.sum(centered**2 - np.diag(np.diag(centered**2)))) / (count * (count - 1)))


def _over_pairs(products: Array) -> Array:
    """Calculate the mean over all pairs of different batches, `[1 + N]`: of all, and leaving out each batch once."""
    count, others = len(products), products - np.diag(np.diag(products))
    without = others.sum() - others.sum(axis=0) - others.sum(axis=1)
    return np.append(others.sum() / (count * (count - 1)), without / ((count - 1) * (count - 2)))


def _over_batches(values: Array) -> Array:
    """Calculate the mean over all batches, `[1 + N]`: of all, and leaving out each batch once."""
    return np.append(values.mean(), (values.sum() - values) / (len(values) - 1))


def _with_interval(found: Array, more: float = 0.0) -> Array:
    """Return a value and the ends of its 95 % interval, `[3]`, NaN for what is not finite.

    Args:
        found: of all batches, and leaving out each batch once, `[1 + N]`.
        more: a part of its error that the jackknife does not see.
    """
    value, *without = np.where(np.isfinite(found), found, np.nan)
    error = DEVIATIONS * np.sqrt((len(without) - 1) * np.var(without) + more**2)
    return np.stack([value, value - error, value + error])


def _ratio(top: Array, bottom: Array) -> Array:
    """Return t / b for a b that is not negative, and the ends of its 95 % interval, `[3]`, infinite for none.

    The interval has each r for which t - r b may be 0, by its error. Where b may be 0, that has no end on one side, or,
    if t may be 0, too, on either; where it is estimated to be negative, nothing is known. What is proportional to b in
    all batches has no error.

    See Fieller, "Some problems in interval estimation", 1954.

    Args:
        top: t of all batches, and leaving out each batch once, `[1 + N]`.
        bottom: b, likewise.
    """
    if not np.any(bottom):
        return np.full(3, np.nan)
    t, b = top[0], bottom[0]
    value = t / b if b > 0 else np.nan
    if np.allclose(top, value * bottom, rtol=1e-9, atol=0):
        return np.full(3, value)
    errors = (len(top) - 2) * np.cov(top[1:], bottom[1:], bias=True)
    (tt, tb), (_, bb) = np.outer([t, b], [t, b]) - DEVIATIONS**2 * errors
    root = np.sqrt(max(tb**2 - tt * bb, 0.0))
    if b <= 0 < bb or max(tt, bb) <= 0:
        return np.array([value, -np.inf, np.inf])
    low, high = (tb - root) / bb, (tb + root) / bb
    return np.array([value, low if bb > 0 or t > 0 else -np.inf, high if bb > 0 or t < 0 else np.inf])
