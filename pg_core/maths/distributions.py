"""What a policy says at a state: a distribution over actions, of one of four kinds.

Each is a function of a network's `outputs` `[..., K]`; score and slope of the entropy are taken with respect to these,
in closed form. Sums over the components of a Gaussian are sums over the last axis: its components are independent.
"""

import math
from typing import NamedTuple, Protocol, Self

import tensorflow as tf

LOG_2_PI = math.log(2 * math.pi)


class Distribution(Protocol):
    """π(·|s) at each of some states."""

    @property
    def outputs(self) -> tf.Tensor:
        """The network's outputs, `[..., K]`."""
        ...

    def log_prob(self, actions: tf.Tensor) -> tf.Tensor:
        """Calculate log π(a|s), `[...]`, in nats."""
        ...

    def score(self, actions: tf.Tensor) -> tf.Tensor:
        """Calculate ∂ log π(a|s) / ∂outputs, `[..., K]`; its mean over the actions is 0."""
        ...

    def entropy(self) -> tf.Tensor:
        """Calculate H(π(·|s)) = -E[log π(a|s)], `[...]`, in nats."""
        ...

    def entropy_gradient(self) -> tf.Tensor:
        """Calculate ∂H/∂outputs, `[..., K]`."""
        ...


class Bernoulli(NamedTuple):
    """Two actions, of which the second has the log-odds z = log π(1) - log π(0): a softmax over (0, z)."""

    outputs: tf.Tensor  # z, [..., 1]

    def log_prob(self, actions: tf.Tensor) -> tf.Tensor:
        """Calculate log π(a) = a z - log(1 + exp z), for a = 0 or 1, `[...]`, ≤ 0."""
        z = self.outputs[..., 0]
        return tf.cast(actions, z.dtype) * z - tf.nn.softplus(z)

    def score(self, actions: tf.Tensor) -> tf.Tensor:
        """Calculate ∂ log π(a) / ∂z = a - σ(z), with σ(z) = π(1)."""
        z = self.outputs[..., 0]
        return (tf.cast(actions, z.dtype) - tf.sigmoid(z))[..., None]

    def entropy(self) -> tf.Tensor:
        """Calculate H = log(1 + exp z) - z σ(z), in [0, ln 2]."""
        z = self.outputs[..., 0]
        return tf.nn.softplus(z) - z * tf.sigmoid(z)

    def entropy_gradient(self) -> tf.Tensor:
        """Calculate ∂H/∂z = -z σ(z) (1 - σ(z))."""
        z = self.outputs[..., 0]
        return -(z * tf.sigmoid(z) * tf.sigmoid(-z))[..., None]


class Categorical(NamedTuple):
    """A softmax over K actions: πₖ = exp zₖ / Σⱼ exp zⱼ."""

    outputs: tf.Tensor  # logits z, [..., K]

    def log_prob(self, actions: tf.Tensor) -> tf.Tensor:
        """Calculate log π(a) = z_a - log Σₖ exp zₖ, for integers a in [0, K-1], `[...]`, ≤ 0."""
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=actions, logits=self.outputs)

    def score(self, actions: tf.Tensor) -> tf.Tensor:
        """Calculate ∂ log π(a) / ∂z = one_hot(a) - π."""
        z = self.outputs
        return tf.one_hot(actions, tf.shape(z)[-1], dtype=z.dtype) - tf.nn.softmax(z)

    def entropy(self) -> tf.Tensor:
        """Calculate H = -Σₖ πₖ log πₖ, in [0, ln K]."""
        return -tf.reduce_sum(tf.nn.softmax(self.outputs) * tf.nn.log_softmax(self.outputs), axis=-1)

    def entropy_gradient(self) -> tf.Tensor:
        """Calculate ∂H/∂zₖ = -πₖ (log πₖ + H)."""
        return -tf.nn.softmax(self.outputs) * (tf.nn.log_softmax(self.outputs) + self.entropy()[..., None])


class Product(NamedTuple):
    """Several independent choices, each a softmax: π(a) = Πᵢ πᵢ(aᵢ)."""

    outputs: tf.Tensor  # logits of the first choice, of the second, …, [..., K]
    sizes: tuple[int, ...]  # options of each; their sum is K

    def log_prob(self, actions: tf.Tensor) -> tf.Tensor:
        """Calculate log π(a) = Σᵢ log πᵢ(aᵢ), for one integer aᵢ a choice, `[..., M]`."""
        return tf.add_n([pi.log_prob(actions[..., i]) for i, pi in enumerate(self._factors())])

    def score(self, actions: tf.Tensor) -> tf.Tensor:
        """Calculate ∂ log π(a) / ∂z: the scores of all choices, one after the other."""
        return tf.concat([pi.score(actions[..., i]) for i, pi in enumerate(self._factors())], axis=-1)

    def entropy(self) -> tf.Tensor:
        """Calculate H = Σᵢ Hᵢ, in [0, Σᵢ ln Kᵢ]."""
        return tf.add_n([pi.entropy() for pi in self._factors()])

    def entropy_gradient(self) -> tf.Tensor:
        """Calculate ∂H/∂z: the slopes of all choices' entropies, one after the other."""
        return tf.concat([pi.entropy_gradient() for pi in self._factors()], axis=-1)

    def _factors(self) -> list[Categorical]:
        return [Categorical(z) for z in tf.split(self.outputs, self.sizes, axis=-1)]


class Gaussian(NamedTuple):
    """Vectors with independent components of mean μ and standard deviation σ; K is twice their number."""

    outputs: tf.Tensor  # μ and after it log σ, [..., K]

    @classmethod
    def of(cls, mean: tf.Tensor, log_std: tf.Tensor) -> Self:
        """Put μ `[..., K/2]` and log σ, which is broadcast to it, together."""
        return cls(tf.concat([mean, tf.broadcast_to(log_std, tf.shape(mean))], axis=-1))

    @property
    def mean(self) -> tf.Tensor:
        """Return μ, `[..., K/2]`."""
        return tf.split(self.outputs, 2, axis=-1)[0]

    @property
    def log_std(self) -> tf.Tensor:
        """Return log σ, `[..., K/2]`."""
        return tf.split(self.outputs, 2, axis=-1)[1]

    def log_prob(self, actions: tf.Tensor) -> tf.Tensor:
        """Calculate log π(a) = -Σᵢ (½ ((aᵢ - μᵢ)/σᵢ)² + log σᵢ + ½ log 2π), for a `[..., K/2]`."""
        return -tf.reduce_sum(0.5 * self._standardized(actions) ** 2 + self.log_std + 0.5 * LOG_2_PI, axis=-1)

    def score(self, actions: tf.Tensor) -> tf.Tensor:
        """Calculate ∂ log π(a) / ∂μ = (a - μ)/σ², and after it ∂ log π(a) / ∂ log σ = ((a - μ)/σ)² - 1."""
        standardized = self._standardized(actions)
        return tf.concat([standardized * tf.exp(-self.log_std), standardized**2 - 1], axis=-1)

    def entropy(self) -> tf.Tensor:
        """Calculate H = Σᵢ (log σᵢ + ½ log 2πe), the same for every mean; it may be negative."""
        return tf.reduce_sum(self.log_std + 0.5 * (LOG_2_PI + 1), axis=-1)

    def entropy_gradient(self) -> tf.Tensor:
        """Calculate ∂H/∂μ = 0, and after it ∂H/∂ log σ = 1."""
        return tf.concat([tf.zeros_like(self.mean), tf.ones_like(self.log_std)], axis=-1)

    def _standardized(self, actions: tf.Tensor) -> tf.Tensor:
        return (actions - self.mean) * tf.exp(-self.log_std)
