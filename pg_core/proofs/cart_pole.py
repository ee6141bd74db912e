"""CartPole's equations of motion, derived by SymPy from its Lagrangian, down to one step of Gymnasium's environment."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import sympy
import tensorflow as tf

from pg_core.engines import cart_pole
from pg_core.environments.cart_pole import SECONDS
from pg_core.proofs import episodes
from pg_core.proofs.mdp import Array
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact

TOTAL, POLE, LENGTH, GRAVITY, FORCE = sympy.symbols("M m l g F", positive=True)
POSITIONS = X, ANGLE = sympy.symbols(r"x \theta", real=True)
VELOCITIES = X_DOT, ANGLE_DOT = sympy.symbols(r"\dot{x} \dot{\theta}", real=True)
ACCELERATIONS = sympy.symbols(r"\ddot{x} \ddot{\theta}", real=True)
CONSTANTS = {
    TOTAL: cart_pole.TOTAL_MASS, POLE: cart_pole.POLE_MASS, LENGTH: cart_pole.HALF_LENGTH, GRAVITY: cart_pole.GRAVITY
}  # fmt: skip
MAX_ANGLE = 12 * 2 * math.pi / 360
SWING_STEPS = 500
NEARLY = 0.05  # of an order that is measured at a finite h

Function = Callable[[Array, Array], Array]  # of states `[4, ...]` and forces
Integrator = Callable[..., Array]  # of a function, states, forces and perhaps h


class Model(NamedTuple):
    """What follows from where the masses are."""

    kinetic: sympy.Expr
    potential: sympy.Expr
    equations: tuple[sympy.Expr, ...]  # d/dt ∂L/∂q̇ - ∂L/∂q for both coordinates
    accelerations: tuple[sympy.Expr, ...]  # ẍ and θ̈, where these equal F and 0


def rate(quantity: sympy.Expr) -> sympy.Expr:
    """Calculate d/dt f(q, q̇) = Σ ∂f/∂q q̇ + ∂f/∂q̇ q̈ by the chain rule."""
    moves = zip((*POSITIONS, *VELOCITIES), (*VELOCITIES, *ACCELERATIONS), strict=True)
    return sum(sympy.diff(quantity, variable) * speed for variable, speed in moves)


@functools.cache
def derive(rod: bool = True) -> Model:
    """Write down T and V of cart and pole, and solve the equations of Euler and Lagrange for ẍ and θ̈.

    Args:
        rod: whether the pole is a uniform rod of length 2l, not a point mass in its middle.
    """
    middle = X + LENGTH * sympy.sin(ANGLE), LENGTH * sympy.cos(ANGLE)
    speed = sympy.trigsimp(sympy.expand(sum(rate(coordinate) ** 2 for coordinate in middle)))
    inertia = POLE * LENGTH**2 / 3 if rod else 0  # about the middle
    kinetic = sympy.expand(((TOTAL - POLE) * X_DOT**2 + POLE * speed + inertia * ANGLE_DOT**2) / 2)
    potential = POLE * GRAVITY * middle[1]
    equations = tuple(
        sympy.expand(rate(sympy.diff(kinetic, v)) - sympy.diff(kinetic - potential, q))
        for q, v in zip(POSITIONS, VELOCITIES, strict=True)
    )
    solution = sympy.solve([equations[0] - FORCE, equations[1]], ACCELERATIONS)
    return Model(kinetic, potential, equations, tuple(_fraction(solution[a]) for a in ACCELERATIONS))


def _fraction(expression: sympy.Expr) -> sympy.Expr:
    """Write as one fraction whose denominator is positive."""
    above, below = sympy.fraction(sympy.cancel(expression))
    sign = sympy.sign(below.subs({**CONSTANTS, ANGLE: 0}))
    return sympy.expand(sign * above) / sympy.expand(sign * below)


def power_defect(model: Model) -> sympy.Expr:
    """Calculate d(Eₖ + Eₚ)/dt - F ẋ along every motion."""
    along = rate(model.kinetic + model.potential).subs(zip(ACCELERATIONS, model.accelerations, strict=True))
    return sympy.cancel(along - FORCE * X_DOT)


def formulas(model: Model) -> tuple[str, ...]:
    """Print the derivation as LaTeX."""
    latex = sympy.latex
    return (
        f"E_k = {latex(model.kinetic)}",
        f"E_p = {latex(model.potential)}",
        *(f"{latex(left)} = {latex(right)}" for left, right in zip(model.equations, (FORCE, 0), strict=True)),
        *(f"{a} = {latex(solution)}" for a, solution in zip(ACCELERATIONS, model.accelerations, strict=True)),
        rf"\frac{{d (E_k + E_p)}}{{dt}} - F \dot{{x}} = {latex(power_defect(model))}",
    )


def numeric(*expressions: sympy.Expr) -> Function:
    """Turn expressions into a function of x, ẋ, θ, θ̇, `[4, ...]`, and F, with CartPole's constants."""
    function = sympy.lambdify(
        (X, X_DOT, ANGLE, ANGLE_DOT, FORCE), [expression.subs(CONSTANTS) for expression in expressions]
    )
    return lambda states, force: np.stack(np.broadcast_arrays(*function(*states, force)))


@functools.cache
def motion(model: Model) -> Function:
    """Return ds/dt = (ẋ, ẍ, θ̇, θ̈), `[4, ...]`, as a function of s and F."""
    return numeric(X_DOT, model.accelerations[0], ANGLE_DOT, model.accelerations[1])


def euler(flow: Function, states: Array, force: Array, h: float = SECONDS) -> Array:
    """Calculate s' = s + h ds/dt: positions move by the old velocities."""
    return states + h * flow(states, force)


def semi_implicit_euler(flow: Function, states: Array, force: Array, h: float = SECONDS) -> Array:
    """Calculate velocities as `euler` does, and move the positions by the new ones."""
    after = euler(flow, states, force, h)
    after[::2] = states[::2] + h * after[1::2]
    return after


def runge_kutta(flow: Function, states: Array, force: Array, h: float = SECONDS) -> Array:
    """Calculate s' = s + h/6 (k₁ + 2k₂ + 2k₃ + k₄), with an error of order h⁵."""
    first = flow(states, force)
    second = flow(states + h / 2 * first, force)
    third = flow(states + h / 2 * second, force)
    fourth = flow(states + h * third, force)
    mean: Array = (first + 2 * second + 2 * third + fourth) / 6
    return states + h * mean


INTEGRATORS: dict[str, Integrator] = {
    "explicit Euler": euler, "semi-implicit Euler": semi_implicit_euler, "Runge-Kutta": runge_kutta
}  # fmt: skip


def gymnasiums_steps(states: Array, right: Array) -> tuple[Array, Array]:
    """Let CartPole-v1 take one step from each state: the states after, `[4, N]`, and whether it ended there, `[N]`."""
    env: Any = gymnasium.make("CartPole-v1").unwrapped
    after, ended = [], []
    for state, action in zip(states.T, right, strict=True):
        env.reset()
        env.state = state
        ended.append(env.step(int(action))[2])
        after.append(env.state)
    return np.stack(after, axis=1), np.array(ended)


def random_states(rng: np.random.Generator) -> Array:
    """Draw states with any angle, others about the limits of an episode, and those at and just beyond the limits."""
    anywhere = rng.uniform(-1, 1, (4, 32)) * [[2.4], [4], [math.pi], [4]]
    about = rng.uniform(-1, 1, (4, 32)) * [[2.5], [4], [0.25], [4]]
    edge = np.zeros((4, 8))
    edge[0, :4] = [2.4, np.nextafter(2.4, 3), -2.4, -np.nextafter(2.4, 3)]
    edge[2, 4:] = [MAX_ANGLE, np.nextafter(MAX_ANGLE, 1), -MAX_ANGLE, -np.nextafter(MAX_ANGLE, 1)]
    return np.concatenate([anywhere, about, edge], axis=1)


def energies(step: Integrator, model: Model, angle: float) -> Array:
    """Let the pole go at rest and calculate Eₖ + Eₚ before each step and after the last, `[SWING_STEPS + 1]`."""
    flow, path = motion(model), [np.array([0.0, 0.0, angle, 0.0])]
    for _ in range(SWING_STEPS):
        path.append(step(flow, path[-1], np.zeros(())))
    energy: Array = numeric(model.kinetic + model.potential)(np.stack(path, axis=1), np.zeros(()))[0]
    return energy


def step_error(step: Integrator, flow: Function, states: Array, force: Array, h: float) -> Array:
    """Calculate how far one step of h leads from the true motion, which 16 much shorter ones follow, `[4, N]`."""
    true = states
    for _ in range(16):
        true = runge_kutta(flow, true, force, h / 16)
    return step(flow, states, force, h) - true


def energy_expansion(model: Model, states: Array) -> tuple[Array, Array]:
    """Calculate the terms in h and h² of E(s + hf) - E(s) without a force, and 0 and ½ fᵀ∇²E f, `[2, N]`.

    The terms are Cauchy's integrals over 16 complex h on a circle, which are as good as exact.
    """
    energy, variables = model.kinetic + model.potential, (X, X_DOT, ANGLE, ANGLE_DOT)
    still, size = np.zeros(states.shape[1]), 0.05
    f, circle = motion(model)(states, still), np.exp(2j * np.pi * np.arange(16) / 16)
    ahead = states[:, None] + size * circle[:, None] * f[:, None]
    values = numeric(energy)(ahead, still)[0]
    terms = [(values * circle[:, None] ** -k).mean(axis=0).real / size**k for k in (1, 2)]
    entries = numeric(*(sympy.diff(energy, a, b) for a in variables for b in variables))
    curved = np.einsum("in,ijn,jn->n", f, entries(states, still).reshape(4, 4, -1), f)
    return np.stack(terms), np.stack([0 * curved, curved / 2])


def _small_steps(model: Model, states: Array, force: Array) -> tuple[Comparison, ...]:
    """Compare what one Euler step is off by with its law in h."""
    flow, h = motion(model), SECONDS / 64
    errors = [np.linalg.norm(step_error(euler, flow, states, force, size), axis=0) for size in (h, h / 2)]
    tiny, speed = h / 64, flow(states, force)
    second = (flow(states + tiny * speed, force) - flow(states - tiny * speed, force)) / (2 * tiny)  # s̈ = df/dt
    missing = step_error(euler, flow, states, force, tiny) / tiny**2
    order = np.log2(errors[0] / errors[1])
    return (
        exact("E(s + hf) - E(s): no term in h, ½ h² fᵀ∇²E f", *energy_expansion(model, states)),
        exact("half the step, a quarter of Euler's error: its order in h is 2", order, 2.0, bound=NEARLY),
        exact("half the step, half of the error: its order is 1", order, 1.0, wrong=True, bound=NEARLY),
        exact("and the error is -½ h² s̈", missing, -second / 2, bound=NEARLY),
    )


def check(seed: int = 0) -> Check:
    """Compare the derived motion with the compiled engine and with Gymnasium, and the energy along it."""
    rng = np.random.default_rng(seed)
    states = random_states(rng)
    right: Array = rng.integers(2, size=states.shape[1]) == 1
    force = np.where(right, cart_pole.FORCE, -cart_pole.FORCE)
    model = derive()
    flow, heavy_middle = motion(model), motion(derive(rod=False))
    after = cart_pole.step(tf.constant(states), tf.constant(right))
    theirs, ended = gymnasiums_steps(states, right)
    outside = (np.abs(theirs[0]) > 2.4) | (np.abs(theirs[2]) > MAX_ANGLE)
    angle = rng.uniform(1.6, 3.0)  # below the cart, so that the pole swings
    swings = {name: energies(step, model, angle) for name, step in INTEGRATORS.items()}
    gain = swings["explicit Euler"] - swings["explicit Euler"][0]
    return Check(
        (
            exact("SymPy: d(Eₖ + Eₚ)/dt - F ẋ = 0", float(power_defect(model)), 0.0),
            exact(
                "ẋ, ẍ, θ̇, θ̈ of the Lagrangian are the compiled engine's",
                (after - states) / SECONDS, flow(states, force),
            ),
            exact("s + 0.02 (ẋ, ẍ, θ̇, θ̈) is Gymnasium's next state", euler(flow, states, force), theirs),
            exact("Gymnasium ends the episode where |x| > 2.4 or |θ| > 12°", ended, outside),
            exact("and so does the compiled engine", cart_pole.has_failed(tf.constant(theirs)), outside),
            exact("a point mass for the rod: 1 for 4/3", euler(heavy_middle, states, force), theirs, wrong=True),
            exact("positions moved by new velocities", semi_implicit_euler(flow, states, force), theirs, wrong=True),
            exact("the force to the other side", euler(flow, states, -force), theirs, wrong=True),
            *_small_steps(model, states, force),
            *episodes.comparisons(seed),
            exact("a free swing of 10 s by Euler's steps gains energy", np.sign(gain[-1]), 1.0),
            exact("Euler's steps conserve the energy of free motion", gain[-1], 0.0, wrong=True),
        ),
        (_picture(swings), _errors(flow, rng)),
        formulas(model),
    )  # fmt: skip


def _errors(flow: Function, rng: np.random.Generator) -> Picture:
    """Show the error of one step of each integrator from one state, by the step's length."""
    state, force = rng.uniform(-1, 1, (4, 1)) * [[1], [1], [0.2], [1]], np.full(1, cart_pole.FORCE)
    lengths = [SECONDS * 2.0**k for k in range(-4, 3)]
    series = tuple(
        Series(name, tuple(lengths), tuple(float(np.linalg.norm(step_error(step, flow, state, force, h)))
                                           for h in lengths))
        for name, step in INTEGRATORS.items()
    )  # fmt: skip
    return Picture("Error of one step", "length h of the step in s", "distance from the true state", series, log=True)


def _picture(swings: dict[str, Array]) -> Picture:
    """Show every tenth energy."""
    x = tuple((SECONDS * np.arange(0, SWING_STEPS + 1, 10)).tolist())
    series = tuple(Series(name, x, tuple(values[::10].tolist())) for name, values in swings.items())
    return Picture("Energy of a free swing", "time in s", "energy in J", series)
