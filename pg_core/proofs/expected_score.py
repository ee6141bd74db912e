"""The expected score is zero: probabilities sum to 1 whatever θ is, so that their gradients sum to 0."""

import functools

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.proofs import mdp
from pg_core.proofs.mdp import Array, softmax
from pg_core.proofs.verdicts import Check, exact

CHOICES = 4


def gauss_hermite(points: int = 8) -> tuple[Array, Array]:
    """Return x and w, `[K]`, with E[f(ε)] = Σₖ wₖ f(xₖ) for ε ~ N(0, 1), exact for polynomials up to degree 2K - 1."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(points)
    return nodes, weights / weights.sum()


def softmax_scores(logits: Array) -> Array:
    """Return ∂log π(a|s)/∂z for every action a, `[A, S, A]`."""
    num_states, num_actions = logits.shape
    actions = np.repeat(np.arange(num_actions, dtype=np.int32)[:, None], num_states, axis=1)
    every: Array = maths.Categorical(tf.constant(np.stack([logits] * num_actions))).score(actions).numpy()
    return every


def gaussian_scores(mean: Array, log_std: Array, normal: Array) -> Array:
    """Return ∂log π(a|s)/∂μ and ∂log π(a|s)/∂log σ of the actions a = μ + σε for each ε of `normal`, `[2, K, S]`."""
    actions = mean + np.exp(log_std) * normal[:, None]  # [K, S]
    means, log_stds = (np.broadcast_to(array, actions.shape)[..., None] for array in (mean, log_std))
    return np.moveaxis(maths.Gaussian.of(means, log_stds).score(actions[..., None]).numpy(), -1, 0)


def mean_curvature(mean: Array, log_std: Array) -> Array:
    """Calculate -E[∇² log π(a|s)] for μ and log σ by differentiating scores, `[2, 2, S]`."""
    nodes, weights = gauss_hermite()
    params = tf.constant(np.stack([mean, log_std]))  # [2, S]
    actions = tf.constant((mean + np.exp(log_std) * nodes[:, None])[..., None])  # [K, S, 1]

    def mean_score(params: tf.Tensor, component: int) -> tf.Tensor:
        outputs = tf.broadcast_to(tf.transpose(params), [len(nodes), len(mean), 2])
        return tf.tensordot(weights, maths.Gaussian(outputs).score(actions)[..., component], 1)

    return -np.stack([mdp.gradient(functools.partial(mean_score, component=i), params) for i in range(2)])


def softmax_curvature(logits: Array) -> Array:
    """Calculate -E[∇² log π(a|s)] by differentiating the scores of each action, `[S, A, A]`."""
    curvature = np.zeros((*logits.shape, logits.shape[1]))
    for action, chances in enumerate(softmax(logits).T):
        z = tf.constant(logits)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(z)
            score = maths.Categorical(z).score(np.full(len(logits), action, np.int32))
        curvature -= chances[:, None, None] * tape.batch_jacobian(score, z, experimental_use_pfor=False)
    return curvature


def divergence_from_uniform(logits: tf.Tensor) -> tf.Tensor:
    """Calculate KL(u ‖ π), `[S]`, for the uniform policy u."""
    return -tf.reduce_mean(tf.nn.log_softmax(logits), axis=1) - np.log(logits.shape[1])


def check(states: int = 2, seed: int = 0) -> Check:
    """Compare E[∇log π(a|s)] with 0, and its covariance with the Fisher information."""
    logits, (mean, log_std) = _parameters(states, seed)
    policy, scores = softmax(logits), softmax_scores(logits)
    fisher = np.einsum("sa,asy,asz->syz", policy, scores, scores)
    by_hand = policy[..., None] * (np.eye(CHOICES) - policy[:, None])
    nodes, weights = gauss_hermite()
    gaussian = gaussian_scores(mean, log_std, nodes)
    information = np.einsum("k,pks,qks->pqs", weights, gaussian, gaussian)
    zero = np.zeros(states)

    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    batches, none = mdp.every_batch(process, 2), tf.zeros_like(theta)
    ones = np.ones_like(batches.mask)
    unmasked = mdp.estimates(theta, batches._replace(mask=ones), ones)
    return Check(
        (
            exact("softmax: Σₐ π(a|s) ∇log π(a|s) = 0", np.einsum("sa,asz->sz", policy, scores), 0.0),
            exact("softmax: E[∇log π ∇log πᵀ] = diag(π) - ππᵀ", fisher, by_hand),
            exact("Gaussian: E[∂log π/∂μ] = E[∂log π/∂log σ] = 0", np.einsum("k,pks->ps", weights, gaussian), 0.0),
            exact(
                "Gaussian: E[∇log π ∇log πᵀ] = diag(1/σ², 2)", information,
                [[np.exp(-2 * log_std), zero], [zero, zero + 2]],
            ),
            exact("softmax: -E[∇²log π] = F", softmax_curvature(logits), by_hand),
            exact(
                "Gaussian: -E[∇²log π] = diag(1/σ², 2)", mean_curvature(mean, log_std),
                [[np.exp(-2 * log_std), zero], [zero, zero + 2]],
            ),
            mdp.compare("looks wrong: E[Σₜ ∇log π(aₜ|sₜ)] = 0, however many steps", theta, batches, ones, none),
            exact("rows after an episode's end counted", mdp.expectation(theta, batches, unmasked), none, wrong=True),
            exact("an action that was forced: ∇log π(0|s) = 0", scores[0], 0.0, wrong=True),
            exact("actions drawn from another policy, the uniform", scores.mean(axis=0), 0.0, wrong=True),
            exact("their mean score is -∇KL(u ‖ π)", scores.mean(axis=0),
                  -mdp.gradient(divergence_from_uniform, tf.constant(logits))),
        )
    )  # fmt: skip


def _parameters(states: int, seed: int) -> tuple[Array, Array]:
    """Draw logits `[S, A]`, and μ and log σ, `[2, S]`."""
    rng = np.random.default_rng([seed, states, 2])
    return rng.normal(size=(states, CHOICES)), rng.normal(scale=0.5, size=(2, states))
