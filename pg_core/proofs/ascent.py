"""Ascent on J is descent on -J: how far a step may go, where steps lead, and what the optimisers make of gradients.

What many steps come to is in `long_runs`.
"""

import functools
import math
from collections.abc import Callable

import numpy as np

from pg_core.learning.reinforce import State
from pg_core.proofs import long_runs, mdp, training
from pg_core.proofs.landscapes import Landscape, descend, norms, shortfall, steps
from pg_core.proofs.long_runs import BANDIT
from pg_core.proofs.mdp import Array, Batches, Mdp
from pg_core.proofs.reward_to_go import discounted_reward_to_go
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact

STEPS = 25
FRACTIONS = np.array([0.1, 0.5, 1.0, 2.0])  # αL of the steps that are tried
POLICIES = 20  # at which the curvature is looked at
RATE, MOMENTUM = 0.1, 0.9  # with which the optimisers are compared
GAMMAS = (0.0, 0.5, 0.75, 0.875, 0.9375)
# Action 0 stays and costs 1; action 1 goes for ever to a state in which every step earns 1, this one, too.
QUITTING = Mdp(
    np.array([1.0, 0.0]),
    np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]]),
    np.array([[-1.0, 1.0], [1.0, 1.0]]),
)
LATE, OFTEN_ON = 19, np.array([[2.0, 0.0], [0.0, 0.0]])  # t, and a policy that stays with probability 0.88


def decayed(values: Array, decay: float) -> Array:
    """Calculate Σ decayᵏ⁻ʲ xⱼ over j ≤ k, for every k, `[K, ...]`."""
    ages = np.subtract.outer(np.arange(len(values)), np.arange(len(values)))
    result: Array = np.tensordot(np.where(ages >= 0, decay ** np.maximum(ages, 0), 0.0), values, 1)
    return result


def estimator(landscape: Landscape) -> Callable[[Array], tuple[Array, Array]]:
    """Return a function of θ: Σₜ γᵗ Gₜ ∇log π(aₜ|sₜ) of every episode, `[N, S, A]`, and its probability, `[N]`."""
    batches = mdp.every_batch(landscape.process, landscape.horizon)
    weights = discounted_reward_to_go(batches.rewards, landscape.gamma)

    def estimates(theta: Array) -> tuple[Array, Array]:
        return mdp.estimates(theta, batches, weights), mdp.probabilities(theta, batches)

    return estimates


def check(gamma: float = 0.9, horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare what steps gain with what they must gain, and the optimisers' steps with their closed forms."""
    theta = mdp.random_policy(states, seed)
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
        *_curvature(landscape, seed),
        *long_runs.comparisons(landscape, theta, up),
        *_optimisers(states, seed),
        *_trainers_steps(landscape, theta),
    )
    return Check(rows, (Picture("J along the way", "step k", "objective J(θₖ)", tuple(lines)), _bounds()))


def _steps_of_ascent(landscape: Landscape, theta: Array, up: Array, down: Array) -> tuple[Comparison, ...]:
    """Compare steps along ∇J, and against it, with what is promised."""
    smooth, slope = landscape.smoothness(), mdp.objective_gradient(landscape.process, theta, *landscape[1:])
    ends = theta + FRACTIONS[:, None, None] / smooth * slope
    return (
        exact("descent on -J is ascent on J: θ - α∇(-J) = θ + α∇J", up[1], theta + slope / smooth),
        exact("J(θ+α∇J) ≥ J(θ) + α(1-αL/2)‖∇J‖² for αL = 0.1, 0.5, 1, 2",
              landscape.shortfalls(theta[None], ends, FRACTIONS), 0.0),
        exact(f"each of {STEPS} steps of SGD on -J, α = 1/L, gains that much",
              landscape.shortfalls(up[:-1], up[1:], 1.0), 0.0),
        exact("each step with the source text's sign, θ - α∇J, gains that much",
              landscape.shortfalls(down[:-1], down[1:], 1.0), 0.0, wrong=True),
    )  # fmt: skip


def _curvature(landscape: Landscape, seed: int) -> tuple[Comparison, ...]:
    """Compare L with the curvature at many policies, and with that of examples which come near it."""
    process, _, horizon = landscape
    others = np.random.default_rng([seed, 4]).normal(0, 2, (POLICIES, *process.rewards.shape))
    smooth, largest = landscape.smoothness(), float(np.abs(process.rewards).max())
    undiscounted = Landscape(process, 1.0, horizon).smoothness()
    bandit = Landscape(BANDIT, 1.0, 1)
    steepest = bandit.curvatures(np.array([[math.log(math.sqrt(3) + 1), math.log(math.sqrt(3) - 1)]]))
    # E[rₜ] = 1 - 2pᵗ⁺¹ is what one step more adds to J.
    late, before = (Landscape(QUITTING, 1.0, limit).hessians(OFTEN_ON) for limit in (LATE + 1, LATE))
    return (
        exact(f"‖∇²J(θ)‖ ≤ L = max |r| Σₜ (t+1) γᵗ for {POLICIES} policies",
              shortfall(smooth, landscape.curvatures(others)), 0.0),
        exact("for γ = 1: L = max |r| T(T+1)/2", undiscounted, largest * horizon * (horizon + 1) / 2),
        exact("γ < 1, any T: L ≤ max |r| / (1-γ)² ≤ 8 max |r| / (1-γ)³", _in_order(process, horizon), 0.0),
        exact("one choice between 1 and -1: L = 1, and ‖∇²J‖ = 2/√27 where it is largest",
              [bandit.smoothness(), float(steepest)], [1.0, 2 / math.sqrt(27)]),
        exact("a third of L would do: ‖∇²J‖ ≤ L/3", shortfall(bandit.smoothness() / 3, steepest), 0.0, wrong=True),
        exact(f"stay or quit: ‖∇²E[rₜ]‖ ≤ max |r| (t+1) for t = {LATE}",
              shortfall(LATE + 1, norms(late - before)), 0.0),
        exact("without the factor t+1: ‖∇²E[rₜ]‖ ≤ max |r|", shortfall(1.0, norms(late - before)), 0.0, wrong=True),
    )  # fmt: skip


def _in_order(process: Mdp, horizon: int) -> Array:
    """Calculate by how much L ≤ max |r| / (1-γ)² ≤ 8 max |r| / (1-γ)³ fails for several γ, `[2, K]`."""
    smooth = np.array([Landscape(process, gamma, horizon).smoothness() for gamma in GAMMAS])
    largest, left = np.abs(process.rewards).max(), 1 - np.array(GAMMAS)
    return shortfall([largest / left**2, 8 * largest / left**3], [smooth, largest / left**2])


@functools.cache
def _bounds() -> Picture:
    """Draw the greatest curvature that is found where one stays or quits, and its bounds, by the horizon 1/(1-γ)."""
    thetas = np.stack([np.linspace(-2, 6, 200), np.zeros(200)], axis=-1)[:, None] * np.array([[1.0], [0.0]])
    found = [Landscape(QUITTING, gamma, 10 * math.ceil(1 / (1 - gamma))).curvatures(thetas).max() for gamma in GAMMAS]
    x, left = tuple(1 / (1 - gamma) for gamma in GAMMAS), 1 - np.array(GAMMAS)
    lines: dict[str, Array] = {
        "largest ‖∇²J‖ where one stays or quits": np.array(found),
        "L = max |r| / (1-γ)²": left**-2.0,
        "the usual bound, 8 max |r| / (1-γ)³": 8 * left**-3.0,
    }
    series = tuple(Series(name, x, tuple(line.tolist())) for name, line in lines.items())
    return Picture("Curvature of J and its bounds", "horizon 1/(1-γ)", "‖∇²J‖ in units of max |r|", series, log=True)


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
    observations, weights = training.one_hot(theta, batch), discounted_reward_to_go(batch.rewards, landscape.gamma)

    def gradient(state: State) -> Array:
        """Return the gradient of the loss: of the table, and below it of the bias, which every state's row shares."""
        logits = state.policy["kernel_0"][0] + state.policy["bias_0"][0]
        of_table = -mdp.estimates(logits, batch, weights)[0]
        return np.concatenate([of_table, of_table.sum(axis=0, keepdims=True)])

    def parameters(state: State) -> Array:
        return np.concatenate([state.policy["kernel_0"][0], state.policy["bias_0"][0]])

    start = training.start(training.table(theta), 1)
    limit = float(np.linalg.norm(gradient(start))) / 2

    def after(state: State, optimizer: str) -> State:
        return training.update(
            state, observations, batch, optimizer=optimizer,
            gamma=landscape.gamma, learning_rate=RATE, momentum=MOMENTUM, max_grad_norm=limit,
        )[0]  # fmt: skip

    rows = []
    for name in ("sgd", "adam", "rmsprop"):
        states = [start]
        for _ in range(3):
            states.append(after(states[-1], name))
        gradients = [gradient(state) for state in states[:-1]]
        limited = np.stack([g * min(1.0, limit / np.linalg.norm(g)) for g in gradients])
        taken = np.diff([parameters(state) for state in states], axis=0)
        rows.append(
            exact(f"the trainer with {name}, its gradients limited", taken, steps(name, limited, RATE, MOMENTUM))
        )
    return rows
