"""Estimators of ∇J side by side: against every batch that can be drawn, and by z-test against what these make exact."""

import functools
import itertools

import numpy as np
import orjson
import pytest
import tensorflow as tf

from pg_core.config import Config, ConfigError
from pg_core.engines import Trajectories
from pg_core.learning import estimators, memory, reinforce
from pg_core.learning.estimators import REFERENCE, biases_of, compare, estimates, name_of, settings_of, to_json
from pg_core.learning.noise import DEVIATIONS, Measured, measure
from pg_core.learning.noise import _ratio as ratio
from pg_core.learning.trainer import Trainer
from pg_core.proofs import mdp, training
from pg_core.proofs.leave_one_out import from_one_state

VALUES = np.array([0.7, -0.4])  # what a value network says of each state
THETA = mdp.random_policy(2, 0)
SIGMAS, SAMPLES = 4.5, 1200


@functools.cache
def every_estimate(gamma=0.9, horizon=3, num_episodes=2, **values):
    """All batches of a small process, the settings of each estimator, and ĝ of each batch by the code that trains."""
    process = from_one_state(2, 0)
    batches = mdp.every_batch(process, horizon, num_episodes)
    config = Config(gamma=gamma, **{"baseline": "value", **values})
    value = training.table(VALUES[:, None]) if config.baseline == "value" else {}
    state = tf.nest.map_structure(tf.constant, training.start(training.table(THETA), batches.mask.shape[1], value))
    ended = np.ones(batches.mask.shape[1:], bool)
    seen = training.one_hot(THETA, batches)
    played = Trajectories(seen, batches.actions, batches.rewards, batches.mask, ended, ended)
    return process, batches, list(estimates(config, state, played, shard_size=1000))


def slowly(batches, gamma, settings):
    """ĝ of each batch from the formulas, with the bias of the table's network after its kernel, `[N, D]`."""
    rewards, mask = batches.rewards, batches.mask
    steps = len(rewards)
    to_go = [sum(gamma ** (k - t) * rewards[k] for k in range(t, steps)) for t in range(steps)]
    whole = settings["weights"] == "episode_return"
    returns = np.stack([to_go[0] if whole else to_go[t] for t in range(steps)]) * mask
    baseline = np.zeros_like(returns)
    for t, b in itertools.product(range(steps), range(mask.shape[2])):
        among = {
            "batch_mean": mask, "step_mean": mask[t], "leave_one_out": np.delete(mask[t], b, axis=1),
        }.get(settings["baseline"])  # fmt: skip
        if settings["baseline"] == "value":
            baseline[t, :, b] = VALUES[batches.states[t, :, b]]
        elif among is not None:
            of = {"batch_mean": returns, "step_mean": returns[t]}.get(settings["baseline"])
            of = np.delete(returns[t], b, axis=1) if of is None else of
            axes = (0, 2) if of.ndim == 3 else 1
            baseline[t, :, b] = (of * among).sum(axis=axes) / np.maximum(among.sum(axis=axes), 1)
    weights = (returns - baseline) * mask
    played = mask.sum(axis=(0, 2))
    if settings["normalize_advantages"]:
        mean = weights.sum(axis=(0, 2)) / played
        centered = (weights - mean[:, None]) * mask
        weights = centered / (np.sqrt((centered**2).sum(axis=(0, 2)) / played)[:, None] + 1e-8)
    if settings["gamma_t"]:
        weights = weights * gamma ** np.arange(steps)[:, None, None]
    n = played if settings["reduction"] == "step" else np.full(len(played), mask.shape[2])
    table = np.einsum("tnb,tnbsa->nsa", weights, mdp.scores(THETA, batches)) / n[:, None, None]
    return with_bias(table)


def with_bias(table):
    """A gradient of a table as that of its network: the bias is added to the logits of each state."""
    return np.concatenate([table.reshape(len(table), -1), table.sum(axis=1)], axis=1)


def exact(batches, gradients, reference):
    """What is measured, from every batch and its probability."""
    mean, variance = mdp.moments(THETA, batches, gradients)
    right = mdp.expectation(THETA, batches, reference)
    length, slope = np.linalg.norm(mean), np.linalg.norm(right)
    lengths = np.linalg.norm(gradients, axis=1, keepdims=True)
    directions = np.divide(gradients, lengths, out=np.zeros_like(gradients), where=lengths > 0)
    return Measured(
        cosine=mdp.expectation(THETA, batches, directions) @ right / slope,
        length=length,
        variance=variance,
        relative_variance=variance / length**2,
        snr=np.sqrt((length**2 + variance) / variance),
        along=mean @ right / slope**2,
        across=np.linalg.norm(mean @ right / length**2 * mean - right) ** 2 / slope**2,
    )


def drawn(batches, count, seed):
    return np.random.default_rng(seed).choice(batches.mask.shape[1], count, p=mdp.probabilities(THETA, batches))


@pytest.mark.parametrize("gamma", [0.9, 1.0])
def test_each_estimate_of_every_batch_is_the_formula(gamma):
    _, batches, ((first, reference), *found) = every_estimate(gamma)
    assert first == REFERENCE
    np.testing.assert_allclose(reference, slowly(batches, gamma, first), atol=1e-9)
    assert len(found) == (60 if gamma < 1 else 40)
    for settings, gradients in found:
        np.testing.assert_allclose(gradients, slowly(batches, gamma, settings), atol=1e-6, err_msg=name_of(settings))


def test_those_without_a_reason_are_unbiased_and_all_others_are_not():
    process, batches, (_, *found) = every_estimate()
    right = with_bias(mdp.objective_gradient(process, THETA, 0.9, 3)[None])[0]
    for settings, gradients in found:
        difference = np.abs(mdp.expectation(THETA, batches, gradients) - right).max()
        reasons = biases_of({"gamma": 0.9, **settings})
        assert (difference > 1e-3) if reasons else (difference < 1e-9), name_of(settings)
    unbiased = [settings for settings, _ in found if not biases_of({"gamma": 0.9, **settings})]
    assert len(unbiased) == 2 * 3  # either return, with none, leave-one-out or a value


def test_bias_and_variance_agree_with_enumeration():
    _, batches, ((_, reference), *found) = every_estimate()
    sample = drawn(batches, SAMPLES, seed=1)
    for settings, gradients in found:
        right = exact(batches, gradients, reference)
        for name, (value, low, high) in measure(gradients[sample], reference[sample])._asdict().items():
            error, about = (high - low) / 2 / DEVIATIONS, getattr(right, name)
            assert abs(value - about) <= SIGMAS * error + 1e-9, f"{name_of(settings)}: {name}"


def test_intervals_hold_what_is_exact_as_often_as_they_say():
    _, batches, ((_, reference), *found) = every_estimate()
    biased = {"weights": "reward_to_go", "gamma_t": False, "baseline": "batch_mean", "normalize_advantages": True,
              "reduction": "step"}  # fmt: skip
    [gradients] = [gradients for settings, gradients in found if settings == biased]
    right, count = np.array(exact(batches, gradients, reference)), 400
    inside = np.zeros(len(right))
    for seed in range(count):
        sample = drawn(batches, 64, seed)
        low, high = np.stack(measure(gradients[sample], reference[sample]))[:, 1:].T
        inside += (low <= right) & (right <= high)
    np.testing.assert_array_less(0.87, inside / count)


def test_a_whole_return_is_noisier_than_what_is_still_to_come():
    _, batches, (_, *found) = every_estimate(1.0)
    plain = {"baseline": "none", "normalize_advantages": False, "reduction": "episode", "gamma_t": False}
    whole, to_go = (
        mdp.total_variance(THETA, batches, g)
        for weights in ("episode_return", "reward_to_go")
        for s, g in found
        if s == {"weights": weights, **plain}
    )
    assert whole > to_go


@pytest.mark.parametrize("num_episodes", [2, 3])
@pytest.mark.parametrize("baseline", ["batch_mean", "step_mean"])
def test_the_own_return_in_a_baseline_shrinks_episodes_of_one_step(baseline, num_episodes):
    process, batches, (_, *found) = every_estimate(0.9, 1, num_episodes)
    right = with_bias(mdp.objective_gradient(process, THETA, 0.9, 1)[None])[0]
    for settings, gradients in found:
        if settings["baseline"] == baseline and not settings["normalize_advantages"]:
            shrunk = (1 - 1 / num_episodes) * right  # per step, too: there are as many steps as episodes
            np.testing.assert_allclose(mdp.expectation(THETA, batches, gradients), shrunk, atol=1e-9)


def test_what_is_measured_is_the_mean_over_pairs_of_different_batches():
    rng = np.random.default_rng(0)
    gradients, reference = rng.normal(1, 1, size=(2, 5, 3))
    pairs = list(itertools.permutations(range(5), 2))
    squared, inner, right = (
        np.mean([x[i] @ y[j] for i, j in pairs])
        for x, y in ((gradients, gradients), (gradients, reference), (reference, reference))
    )
    variance = np.var(gradients, axis=0, ddof=1).sum()
    found = measure(gradients, reference)
    pointing = np.mean([gradients[i] @ reference[j] / np.linalg.norm(gradients[i]) for i, j in pairs])
    np.testing.assert_allclose(
        [each[0] for each in found],
        [pointing / right**0.5, squared**0.5, variance, variance / squared, (1 + squared / variance) ** 0.5,
         inner / right, 1 - inner**2 / (squared * right)],
    )  # fmt: skip
    without = [measure(*np.delete([gradients, reference], k, axis=1)).variance[0] for k in range(5)]
    error = np.sqrt(4 / 5 * np.sum((without - np.mean(without)) ** 2))
    np.testing.assert_allclose(found.variance[1:], found.variance[0] + np.array([-1.96, 1.96]) * error)


def test_a_ratio_s_interval_has_what_may_be_the_ratio():
    """At its ends r, t - r b is 1.96 errors away from 0; the set of all such r is what a slow search finds."""
    rng = np.random.default_rng(0)
    bounded, above, below, unknown = 0, 0, 0, 0
    for _ in range(60):
        top, bottom = rng.normal(rng.normal(0, 2), 1, 6), rng.normal(1, 0.6, 6)
        value, low, high = ratio(top, bottom)
        tried = np.linspace(-50, 50, 20001)
        left = top[1:, None] - tried * bottom[1:, None]  # of t - r b, without each batch
        errors = np.sqrt(4 / 5 * np.sum((left - left.mean(axis=0)) ** 2, axis=0))
        held = np.abs(top[0] - tried * bottom[0]) <= 1.96 * errors
        inside = (low <= tried) & (tried <= high)
        if bottom[0] > 0:
            assert value == top[0] / bottom[0] and low <= value <= high
            if np.isinf([low, high]).any() and not np.isinf([low, high]).all():
                held &= np.sign(tried) == np.sign(top[0])  # b cannot be negative
            if not np.isinf([low, high]).all():
                assert np.mean(held != inside) < 1e-3
        bounded += np.isfinite([low, high]).all()
        above += np.isfinite(low) and np.isinf(high)
        below += np.isinf(low) and np.isfinite(high)
        unknown += np.isinf([low, high]).all()
    assert min(bounded, above, below, unknown) > 0


@pytest.mark.parametrize(("count", "sigma"), [(64, 3.0), (8, 0.5)])
def test_what_is_lost_in_noise_has_intervals_that_hold_it_and_may_have_no_end(count, sigma):
    """E[ĝ] = ∇J = (1, 0, …), of 20 dimensions, each with noise of its own: tr Cov is 20 σ²."""
    rng, trials, mean = np.random.default_rng(0), 1000, np.eye(20)[0]
    inside, opened = np.zeros(2), np.zeros(2)
    for _ in range(trials):
        gradients, reference = mean + sigma * rng.normal(size=(2, count, 20))
        found = measure(gradients, reference)
        _, low, high = np.stack([found.relative_variance, found.along]).T
        inside += (low <= [20 * sigma**2, 1]) & ([20 * sigma**2, 1] <= high)
        opened += np.isinf(high)
    np.testing.assert_array_less(0.95 - 3 * np.sqrt(0.95 * 0.05 / trials), inside / trials)  # 0.929
    assert np.all(opened > 0.4 * trials) and np.all(opened < trials)


def test_the_reference_is_what_it_is_compared_with_without_any_error():
    reference = np.random.default_rng(0).normal(1, 1, size=(8, 3))
    found = measure(reference, reference)
    np.testing.assert_allclose([found.along, found.across], [[1, 1, 1], [0, 0, 0]], atol=1e-12)


def test_nothing_to_learn_has_no_direction():
    nothing = np.zeros((8, 3))
    found = measure(nothing, np.ones((8, 3)))
    assert found.cosine[0] == found.length[0] == found.variance[0] == found.along[0] == 0
    assert np.isnan([found.snr[0], found.across[0], found.relative_variance[0]]).all()
    against_nothing = measure(np.ones((8, 3)), nothing)  # as leave-one-out is while all returns are the same
    assert against_nothing.length[0] == pytest.approx(3**0.5)
    assert np.isnan([against_nothing.cosine, against_nothing.along, against_nothing.across]).all()


def small(**values):
    config = Config(**{"hidden_layers": (6,), "num_agents": 2, "max_episode_steps": 20, "gamma": 0.9, **values})
    return config, reinforce.initial_state(config, config.environment)


@pytest.mark.parametrize(
    "values",
    [{"baseline": "value"}, {"engine": "gymnasium", "normalize_observations": True}, {"env_id": "Pendulum-v1"}],
    ids=str,
)
def test_a_run_of_its_own_batches(values):
    config, state = small(**values)
    found = compare(config, state, agent=1, update=3, num_batches=8)
    assert sorted(map(str, settings_of(config))) == sorted(str(each.settings) for each in found)
    cosines = [each.measured.cosine[0] for each in found]
    assert cosines == sorted(cosines, reverse=True)
    again = compare(config, state, agent=1, update=3, num_batches=8)
    np.testing.assert_equal([each.measured for each in again], [each.measured for each in found])
    other = compare(config, state, agent=1, update=4, num_batches=8)
    assert other[0].measured.variance[0] != found[0].measured.variance[0]


def test_shards_of_any_size_give_the_same():
    config, state = small()
    copies = tf.nest.map_structure(lambda x: tf.repeat(x[:1], 5, axis=0) if x.shape.rank else x, state)
    rng = np.random.default_rng(0)
    observations, mask = rng.normal(size=(4, 5, 3, 4)).astype(np.float32), np.ones((4, 5, 3), np.float32)
    ended = np.ones((5, 3), bool)
    played = Trajectories(observations, rng.integers(2, size=mask.shape, dtype=np.int32), mask, mask, ended, ended)
    for (_, one), (_, other) in zip(
        estimates(config, copies, played, 2), estimates(config, copies, played, 5), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_batches_are_all_different_and_not_those_of_training(monkeypatch):
    played = []
    monkeypatch.setattr(estimators, "estimates", lambda *given: played.append(given[2]) or estimates(*given))
    config, state = small()
    compare(config, state, agent=1, update=0, num_batches=8)
    trained = Trainer(config).play()
    starts = np.concatenate([played[0].observations[0].reshape(-1, 4), trained.observations[0].reshape(-1, 4)])
    assert len(np.unique(starts, axis=0)) == (8 + 2) * config.episodes_per_update


def test_a_value_baseline_is_there_where_a_network_is_and_a_discount_where_it_counts():
    without, with_value = settings_of(Config(gamma=1.0)), settings_of(Config(gamma=0.9, baseline="value"))
    assert not any(each["baseline"] == "value" or each["gamma_t"] for each in without)
    assert {each["baseline"] for each in with_value} >= {"value", "none"}
    assert {each["weights"] for each in with_value if each["gamma_t"]} == {"reward_to_go"}
    names = [name_of(each) for each in with_value]
    assert len(set(names)) == len(names)
    assert "reward-to-go Gₜ × γᵗ, leave-one-out, normalised, per step" in names


def test_json_says_what_the_run_learns_with_and_null_for_what_is_undefined():
    config = Config(gamma_t=True, gamma=1.0)  # γᵗ is 1
    nothing = measure(np.zeros((8, 3)), np.ones((8, 3)))
    settings = settings_of(config)[0]
    said = orjson.loads(to_json(config, 1, 7, 8, [estimators.Estimator("a name", settings, {}, nothing)]))
    assert said["own"] == "reward-to-go Gₜ, leave-one-out, normalised, per step"
    assert (said["agent"], said["update"], said["batches"]) == (1, 7, 8)
    assert said["estimators"][0]["measured"]["snr"] == [None, None, None]
    lost = nothing._replace(relative_variance=np.array([np.nan, 7.0, np.inf]))
    said = orjson.loads(to_json(config, 1, 7, 8, [estimators.Estimator("a name", settings, {}, lost)]))
    assert said["estimators"][0]["measured"]["relative_variance"] == [None, 7, "unbounded"]


def test_what_does_not_fit_into_memory_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "free", lambda: 0)
    with pytest.raises(ConfigError, match="are free"):
        compare(*small(), agent=0, update=0, num_batches=8)
