"""J as a function of θ, with its slopes and its curvature, and the steps that the trainer's optimisers take on it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pg_core import maths
from pg_core.proofs.mdp import Array, Mdp, softmax


class Landscape(NamedTuple):
    """J as a function of θ, for many θ `[..., S, A]` at once."""

    process: Mdp
    gamma: float
    horizon: int

    def smoothness(self) -> float:
        """Calculate L = max |r| Σₜ (t+1) γᵗ, which ‖∇²J(θ)‖ exceeds nowhere."""
        t = np.arange(self.horizon)
        return float(np.abs(self.process.rewards).max() * np.sum((t + 1) * self.gamma**t))

    def objectives(self, thetas: Array) -> Array:
        """Calculate J(θ) by the recursion of V, `[...]`."""
        policies, values = softmax(thetas), np.zeros(thetas.shape[:-1])
        for _ in range(self.horizon):
            onward = np.einsum("sax,...x->...sa", self.process.transitions[..., :-1], values)
            values = np.sum(policies * (self.process.rewards + self.gamma * onward), axis=-1)
        result: Array = values @ self.process.start
        return result

    def gradients(self, thetas: Array) -> Array:
        """Calculate ∇J(θ) by ∂J/∂x = Im J(x + ih) / h, in which nothing cancels, `[..., S, A]`."""
        size = 1e-30
        ahead = thetas[..., None, None, :, :] + 1j * size * _directions(thetas)
        result: Array = self.objectives(ahead).imag / size
        return result

    def hessians(self, thetas: Array) -> Array:
        """Calculate ∇²J(θ) by central differences of ∇J, `[..., SA, SA]`."""
        size = 1e-5
        ahead, behind = (
            self.gradients(thetas[..., None, None, :, :] + sign * size * _directions(thetas)) for sign in (1, -1)
        )
        count = thetas.shape[-2] * thetas.shape[-1]
        result: Array = (ahead - behind).reshape(*thetas.shape[:-2], count, count) / (2 * size)
        return result

    def curvatures(self, thetas: Array) -> Array:
        """Calculate ‖∇²J(θ)‖, `[...]`."""
        return norms(self.hessians(thetas))

    def shortfalls(self, before: Array, after: Array, fractions: npt.ArrayLike) -> Array:
        """Calculate by how much steps θ' = θ ± α∇J(θ) fall short of J(θ') - J(θ) ≥ α(1 - αL/2) ‖∇J(θ)‖², `[...]`.

        In units of α‖∇J‖², so that it is seen however flat J is there; `fractions` are αL.
        """
        rises = self.objectives(after) - self.objectives(before)
        alpha_l: Array = np.asarray(fractions, float)
        units = np.sum((after - before) ** 2, axis=(-2, -1)) * self.smoothness() / alpha_l
        return shortfall(rises / units, 1 - alpha_l / 2)


def _directions(thetas: Array) -> Array:
    """Return the unit vectors, `[S, A, S, A]`."""
    shape = thetas.shape[-2:]
    return np.eye(shape[0] * shape[1]).reshape(*shape, *shape)


def norms(matrices: Array) -> Array:
    """Calculate the largest absolute eigenvalue of symmetric matrices `[..., D, D]`, `[...]`."""
    result: Array = np.abs(np.linalg.eigvalsh(matrices)).max(axis=-1)
    return result


def shortfall(left: npt.ArrayLike, right: npt.ArrayLike) -> Array:
    """Calculate by how much left ≥ right fails: 0 where it holds."""
    result: Array = np.maximum(0.0, np.subtract(right, left))
    return result


def steps(optimizer: str, gradients: Array, rate: npt.ArrayLike, momentum: float) -> Array:
    """Let an optimiser of the trainer turn gradients of a loss, `[K, ...]`, into steps, one after the other."""
    slots, result = maths.Slots(*np.zeros((2, *gradients.shape[1:]))), []
    for k, gradient in enumerate(gradients, start=1):
        step, slots = maths.OPTIMIZERS[optimizer](gradient, slots, np.float64(k), rate, np.float64(momentum))
        result.append(step)
    return np.stack(result)


def descend(theta: Array, loss_gradient: Callable[[Array], Array], rates: Sequence[float]) -> Array:
    """Return θ₀ … θ_K of SGD without momentum, `[K+1, S, A]`."""
    path = [theta]
    for rate in rates:
        path.append(path[-1] + steps("sgd", loss_gradient(path[-1])[None], rate, 0.0)[0])
    return np.stack(path)
