"""The gradients of an update's episodes as arrows in a plane: their spread is the noise, their mean is the signal."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.config import HYPERPARAMETERS
from pg_core.environments import Array
from pg_core.learning.reinforce import Hyperparameters, estimate_weights
from pg_core.policies.in_tensorflow import Params


class Arrows(NamedTuple):
    """The gradients of B episodes in the plane of their two main directions, where their mean points along (1, 0)."""

    episodes: Array  # B gᵦ, [B, 2]
    gradient: Array  # ĝ = Σᵦ gᵦ, their mean, [2]
    share: float  # of their squared length that is in the plane, NaN where all are 0
    snr: float  # as the update's record has it


def arrows(gradients: Params) -> Arrows:
    """Project the gradients of an agent's episodes onto the plane in which most of their squared length is.

    With B [g₁ … g_B]ᵀ = U S Vᵀ, uncentred, the arrows are the first two columns of U S, turned to where their mean
    points along the first axis. U and S are those of the arrows' products, B × B: there are more parameters than
    episodes.

    See Eckart & Young, "The approximation of one matrix by another of lower rank", 1936.

    Args:
        gradients: of the loss, each episode's own, arrays `[1, B, ...]`.
    """
    each = [np.asarray(array[0], np.float64).reshape(array.shape[1], -1) for array in gradients.values()]
    flat = -np.concatenate(each, axis=1) * len(each[0])
    squares, directions = np.linalg.eigh(flat @ flat.T)  # ascending
    main = slice(None, -3, -1)
    lengths = np.sqrt(np.maximum(squares[main], 0))
    plane = np.pad(directions[:, main] * lengths, ((0, 0), (0, 2 - len(lengths))))  # one episode spans no plane
    along, across = plane.mean(axis=0)
    angle = np.arctan2(across, along)
    turned = plane @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    total = float(np.sum(flat**2))
    share = float(np.sum(plane**2)) / total if total else float("nan")
    return Arrows(turned, turned.mean(axis=0), share, float(maths.gradient_snr(list(gradients.values()))[0]))


def plain_weights(returns: tf.Tensor, mask: tf.Tensor, hyper: Hyperparameters) -> tf.Tensor:
    """Calculate what each score is multiplied with where nothing is taken off the return, `[T, P, B]`.

    Normalised advantages have lost their mean, which is a baseline, too: these are not normalised.

    Args:
        returns: G, `[T, P, B]`.
        mask: 1 on played steps, `[T, P, B]`.
        hyper: hyperparameters in force.
    """
    none = tf.constant(list(HYPERPARAMETERS["baseline"].choices).index("none"))
    plain = hyper._replace(baseline=none, normalize_advantages=tf.constant(False))
    *_, weights = estimate_weights(returns, tf.zeros_like(returns), mask, plain)
    return weights
