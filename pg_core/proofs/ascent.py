"""Ascent on J is descent on -J: how far a step may go, where steps lead, and what the optimisers make of gradients."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pg_core import maths
from pg_core.proofs import mdp, training
from pg_core.proofs.mdp import Array, Batches, Mdp, softmax
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact
from pg_core.reinforce import State

STEPS = 25
FRACTIONS = np.array([0.1, 0.5, 1.0, 2.0])  # αL of the steps that are tried
POLICIES = 20  # at which the curvature is looked at
RATE, MOMENTUM = 0.1, 0.9  # with which the optimisers are compared


class Landscape(NamedTuple):
    """J as a function of θ, for many θ `[..., S, A]` at once."""

    process: Mdp
    gamma: float
    horizon: int

    def smoothness(self) -> float:
        """Calculate L = max |r| Σₖ (k+1) γᵏ, which ‖∇²J(θ)‖ exceeds nowhere."""
        k = np.arange(self.horizon)
        return float(np.abs(self.process.rewards).max() * np.sum((k + 1) * self.gamma**k))

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

    def curvatures(self, thetas: Array) -> Array:
        """Calculate ‖∇²J(θ)‖ by central differences of ∇J, `[...]`."""
        size = 1e-5
        ahead, behind = (
            self.gradients(thetas[..., None, None, :, :] + sign * size * _directions(thetas)) for sign in (1, -1)
        )
        count = thetas.shape[-2] * thetas.shape[-1]
        hessians = (ahead - behind).reshape(*thetas.shape[:-2], count, count) / (2 * size)
        result: Array = np.abs(np.linalg.eigvalsh(hessians)).max(axis=-1)
        return result

    def shortfalls(self, before: Array, after: Array, fractions: npt.ArrayLike) -> Array:
        """Calculate by how much steps θ' = θ ± α∇J(θ) fall short of J(θ') - J(θ) ≥ α(1 - αL/2) ‖∇J(θ)‖², `[...]`.

        In units of α‖∇J‖², so that it is seen however flat J is there; `fractions` are αL.
        """
        rises = self.objectives(after) - self.objectives(before)
        units = np.sum((after - before) ** 2, axis=(-2, -1)) * self.smoothness() / fractions
        return shortfall(rises / units, 1 - np.asarray(fractions) / 2)


def _directions(thetas: Array) -> Array:
    """Return the unit vectors, `[S, A, S, A]`."""
    shape = thetas.shape[-2:]
    return np.eye(shape[0] * shape[1]).reshape(*shape, *shape)


def shortfall(left: npt.ArrayLike, right: npt.ArrayLike) -> Array:
    """Calculate by how much left ≥ right fails: 0 where it holds."""
    result: Array = np.maximum(0.0, np.subtract(right, left))
    return result


def steps(optimizer: str, gradients: Array, rate: npt.ArrayLike, momentum: float) -> Array:
    """Let an optimiser of the trainer turn gradients of a loss, `[K, ...]`, into steps, one after the other."""
    slots, result = maths.Slots(*np.zeros((2, *gradients.shape[1:]))), []
    numbers = [tf.constant(x, tf.float64) for x in (rate, momentum)]
    for k, gradient in enumerate(gradients, start=1):
        step, slots = maths.OPTIMIZERS[optimizer](tf.constant(gradient), slots, tf.constant(k, tf.float64), *numbers)
        result.append(step)
    return np.stack(result)


def descend(theta: Array, loss_gradient: Callable[[Array], Array], rates: Sequence[float]) -> Array:
    """Return θ₀ … θ_K of SGD without momentum, `[K+1, S, A]`."""
    path = [theta]
    for rate in rates:
        path.append(path[-1] + steps("sgd", loss_gradient(path[-1])[None], rate, 0.0)[0])
    return np.stack(path)


def decayed(values: Array, decay: float) -> Array:
    """Calculate Σ decayᵏ⁻ʲ xⱼ over j ≤ k, for every k, `[K, ...]`."""
    ages = np.subtract.outer(np.arange(len(values)), np.arange(len(values)))
    result: Array = np.tensordot(np.where(ages >= 0, decay ** np.maximum(ages, 0), 0.0), values, 1)
    return result


def parabola(smooth: float, rates: Array) -> Array:
    """Calculate by how much one step of SGD from x = 1 raises J(x) = -½Lx², `[N]`."""
    moved = 1 + steps("sgd", np.full((1, len(rates)), smooth), rates, 0.0)[0]
    result: Array = smooth / 2 * (1 - moved**2)
    return result


def estimator(landscape: Landscape) -> Callable[[Array], tuple[Array, Array]]:
    """Return a function of θ: Σₜ γᵗ Gₜ ∇log π(aₜ|sₜ) of every episode, `[N, S, A]`, and its probability, `[N]`."""
    batches = mdp.every_batch(landscape.process, landscape.horizon)
    rewards = tf.convert_to_tensor(batches.rewards)
    weights = maths.discounts(rewards, landscape.gamma) * maths.discounted_returns(rewards, landscape.gamma)

    def estimates(theta: Array) -> tuple[Array, Array]:
        table = tf.constant(theta)
        return np.asarray(mdp.estimates(table, batches, weights)), np.asarray(mdp.probabilities(table, batches))

    return estimates


def check(gamma: float = 0.9, horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare what steps gain with what they must gain, and the optimisers' steps with their closed forms."""
    theta = mdp.random_policy(states, seed).numpy()
    landscape = Landscape(mdp.random_mdp(states, seed), gamma, horizon)
    estimates, rng = estimator(landscape), np.random.default_rng([seed, 2])
    rate = 1 / landscape.smoothness()

    def downhill(table: Array) -> Array:
        return -landscape.gradients(table)

    def drawn(table: Array) -> Array:
        found, probabilities = estimates(table)
        estimate: Array = found[rng.choice(len(found), p=probabilities)]
        return -estimate

    up = descend(theta, downhill, [rate] * STEPS)
    down = descend(theta, landscape.gradients, [rate] * STEPS)  # as if J were the loss
    paths = {
        "∇J, α = 1/L": up,
        "∇J, α = 10/L": descend(theta, downhill, [10 * rate] * STEPS),
        "one episode, α = 10/L / (1 + k/10)": descend(theta, drawn, [10 * rate / (1 + k / 10) for k in range(STEPS)]),
        "the source text's sign, α = 1/L": down,
    }
    lines = [
        Series(name, tuple(range(STEPS + 1)), tuple(landscape.objectives(path).tolist()))
        for name, path in paths.items()
    ]
    rows = (
        *_steps_of_ascent(landscape, theta, up, down),
        *_noisy_step(landscape, theta, *estimates(theta)),
        *_parabola(landscape.smoothness()),
        *_optimisers(states, seed),
        *_trainers_steps(landscape, theta),
    )
    return Check(rows, (Picture("J along the way", "Step", "J", tuple(lines)),))


def _steps_of_ascent(landscape: Landscape, theta: Array, up: Array, down: Array) -> tuple[Comparison, ...]:
    """Compare steps along ∇J, and against it, with what is promised."""
    smooth, slope = (
        landscape.smoothness(),
        mdp.objective_gradient(landscape.process, tf.constant(theta), *landscape[1:]),
    )
    others = np.random.default_rng(len(theta)).normal(0, 2, (POLICIES, *theta.shape))
    ends = theta + FRACTIONS[:, None, None] / smooth * slope.numpy()
    return (
        exact("descent on -J is ascent on J: θ - α∇(-J) = θ + α∇J", up[1], theta + slope / smooth),
        exact(f"‖∇²J(θ)‖ ≤ L = max |r| Σₖ (k+1) γᵏ for {POLICIES} policies",
              shortfall(smooth, landscape.curvatures(others)), 0.0),
        exact("J(θ+α∇J) ≥ J(θ) + α(1-αL/2)‖∇J‖² for αL = 0.1, 0.5, 1, 2",
              landscape.shortfalls(theta[None], ends, FRACTIONS), 0.0),
        exact(f"each of {STEPS} steps of SGD on -J, α = 1/L, gains that much",
              landscape.shortfalls(up[:-1], up[1:], 1.0), 0.0),
        exact("each step with the source text's sign, θ - α∇J, gains that much",
              landscape.shortfalls(down[:-1], down[1:], 1.0), 0.0, wrong=True),
    )  # fmt: skip


def _noisy_step(
    landscape: Landscape, theta: Array, estimates: Array, probabilities: Array
) -> tuple[Comparison, Comparison]:
    """Compare the mean of estimates with ∇J, and the mean of J after a step along one with what is promised."""
    smooth, slope = landscape.smoothness(), landscape.gradients(theta)
    ends = theta + steps("sgd", -estimates[None], 1 / smooth, 0.0)[0]
    variance = float(probabilities @ np.sum((estimates - slope) ** 2, axis=(1, 2)))
    rise = probabilities @ landscape.objectives(ends) - landscape.objectives(theta)
    promised = (np.sum(slope**2) - variance) / (2 * smooth)
    return (
        exact("ĝ = Σₜ γᵗ Gₜ ∇log π(aₜ|sₜ) of one episode: E ĝ = ∇J", np.tensordot(probabilities, estimates, 1), slope,
              variance=variance),
        exact("E J(θ+αĝ) ≥ J + α(1-αL/2)‖∇J‖² - α²Lσ²/2 for α = 1/L", shortfall(rise, promised), 0.0),
    )  # fmt: skip


def _parabola(smooth: float) -> tuple[Comparison, ...]:
    """Compare steps on the parabola J(x) = -½Lx² with what is promised: there it is all that they gain."""
    promised = smooth * FRACTIONS * (1 - FRACTIONS / 2)
    too_long = parabola(smooth, np.array([2.1]) / smooth)
    return (
        exact("not more: J(x) = -½Lx² gains exactly that", parabola(smooth, FRACTIONS / smooth), promised),
        exact("a step of 2.1/L raises this J, too", shortfall(too_long, 0.0), 0.0, wrong=True),
    )


def _optimisers(states: int, seed: int) -> tuple[Comparison, ...]:
    """Compare the trainer's optimisers with weighted sums over all gradients so far."""
    # Small, so that the 1e-8 of the denominators is seen.
    g = np.random.default_rng([seed, 3]).normal(0, 1e-3, (5, states, mdp.ACTIONS))
    one, first, second = np.ones_like(g), decayed(g, 0.9), decayed(g**2, 0.999)
    mean, square = first / decayed(one, 0.9), second / decayed(one, 0.999)
    sgd, adam, rmsprop = (steps(name, g, RATE, MOMENTUM) for name in ("sgd", "adam", "rmsprop"))
    late = -RATE * 0.1 * first / (np.sqrt(0.001 * second) + 1e-8)
    return (
        exact("SGD: Δθₖ = -α Σⱼ μᵏ⁻ʲ gⱼ", sgd, -RATE * decayed(g, MOMENTUM)),
        exact("Adam: -α m̂ₖ / (√v̂ₖ + 1e-8), m̂ and v̂ weighted means of g and g²",
              adam, -RATE * mean / (np.sqrt(square) + 1e-8)),
        exact("Adam without the correction of its start", late, adam, wrong=True),
        exact("RMSprop: -α gₖ / (√vₖ + 1e-8), vₖ = 0.01 Σⱼ 0.99ᵏ⁻ʲ gⱼ²",
              rmsprop, -RATE * g / (np.sqrt(0.01 * decayed(g**2, 0.99)) + 1e-8)),
    )  # fmt: skip


def _trainers_steps(landscape: Landscape, theta: Array) -> list[Comparison]:
    """Compare three updates of the trainer, whose gradients are limited, with what each optimiser makes of them."""
    every = mdp.every_batch(landscape.process, landscape.horizon)
    batch = Batches._make([*(rows[:, -1:] for rows in every[:4]), every.dynamics[-1:]])  # an episode to the time limit
    observations = training.one_hot(tf.constant(theta), batch)
    rewards = tf.constant(batch.rewards)
    weights = maths.discounts(rewards, landscape.gamma) * maths.discounted_returns(rewards, landscape.gamma)

    def gradient(state: State) -> Array:
        """Return the gradient of the loss: of the table, and below it of the bias, which every state's row shares."""
        logits = state.policy["kernel_0"][0] + state.policy["bias_0"][0]
        of_table = -np.asarray(mdp.estimates(logits, batch, weights))[0]
        return np.concatenate([of_table, of_table.sum(axis=0, keepdims=True)])

    def parameters(state: State) -> Array:
        return np.concatenate([state.policy["kernel_0"][0], state.policy["bias_0"][0]])

    start = training.start(training.table(tf.constant(theta)), 1)
    limit = float(np.linalg.norm(gradient(start))) / 2
    settings = {"gamma": landscape.gamma, "learning_rate": RATE, "momentum": MOMENTUM, "max_grad_norm": limit}
    rows = []
    for name in ("sgd", "adam", "rmsprop"):
        states = [start]
        for _ in range(3):
            states.append(training.update(states[-1], observations, batch, optimizer=name, **settings)[0])
        gradients = [gradient(state) for state in states[:-1]]
        limited = np.stack([g * min(1.0, limit / np.linalg.norm(g)) for g in gradients])
        taken = np.diff([parameters(state) for state in states], axis=0)
        rows.append(
            exact(f"the trainer with {name}, its gradients limited", taken, steps(name, limited, RATE, MOMENTUM))
        )
    return rows
