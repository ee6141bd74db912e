"""One update taken apart, against a tape for every step."""

import numpy as np
import pytest
import tensorflow as tf

from pg_core import maths
from pg_core.learning import dissection, reinforce
from pg_core.learning.dissection import dissect
from pg_core.learning.trainer import Trainer
from pg_core.policies import in_tensorflow
from tests.learning.test_reinforce import setting, state_of, traced_update, trajectories_of

KINDS = {
    "two actions": {},
    "three actions": {"env_id": "Acrobot-v1"},
    "a vector": {"env_id": "Pendulum-v1"},
    "with a bonus, discounted": {"ent_coef": 0.3, "gamma": 0.9, "gamma_t": True},
    "mean over steps, normalised": {"reduction": "step", "normalize_advantages": True},
    "a value network": {"baseline": "value"},
    "normalised observations": {"normalize_observations": True},
    "wide layers": {"hidden_layers": (12, 10)},
    "three actions, a wide layer": {"env_id": "Acrobot-v1", "hidden_layers": (16,), "activation": "silu"},
    "a vector, wide layers": {"env_id": "Pendulum-v1", "hidden_layers": (12, 12), "learning_rate": 1e-3},
    "no hidden layer": {"hidden_layers": ()},
}


def taken_apart(**values):
    config = setting(num_agents=1, **values)
    before, played, hyper = state_of(config), trajectories_of(config), reinforce.hyperparameters(config)
    after, metrics = traced_update(before, played, hyper, ())
    return config, before, played, hyper, metrics, after, dissect(before, after.policy, played, hyper)


def gradient_of_each_step(config, before, played, apart):
    """∇(w log π(aₜ|sₜ) + c_H H(sₜ)) / n of every step by a tape of its own, `[T, B]` flat vectors, in float64."""
    policy = {name: tf.constant(np.float64(array)) for name, array in before.policy.items()}
    learned = [array for name, array in policy.items() if name in before.policy_slots]
    seen = reinforce.as_seen(
        policy,
        played._replace(observations=tf.cast(played.observations, tf.float64), mask=tf.cast(played.mask, tf.float64)),
    )
    activation, mask = in_tensorflow.choice_index(config, "activation"), played.mask.numpy()[:, 0]
    n = mask.sum() if config.reduction == "step" else mask.shape[1]
    gradients = np.zeros((*mask.shape, sum(int(tf.size(array)) for array in learned)))
    for t, b in np.argwhere(mask):
        with tf.GradientTape() as tape:
            tape.watch(learned)
            networks = in_tensorflow.log_odds_networks(policy)
            layers = in_tensorflow.forward(networks, seen.observations[t, :, b][:, None], activation)
            pi = in_tensorflow.distribution(policy, networks, layers)
            action = tf.cast(played.actions, tf.float64) if played.actions.dtype.is_floating else played.actions
            score = apart.weights[t, b] * pi.log_prob(action[t, :, b][:, None]) + config.ent_coef * pi.entropy()
            objective = tf.reduce_sum(score) / n
        gradients[t, b] = np.concatenate(
            [np.ravel(g) for g in tape.gradient(objective, learned, unconnected_gradients="zero")]
        )
    return gradients


@pytest.mark.parametrize("values", KINDS.values(), ids=KINDS)
def test_shares_are_those_of_each_steps_own_gradient(values):
    config, before, played, _, metrics, _, apart = taken_apart(**values)
    each = gradient_of_each_step(config, before, played, apart)
    whole = each.sum(axis=(0, 1))
    np.testing.assert_allclose(apart.shares, each @ whole / (whole @ whole), rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(apart.shares.sum(), 1, rtol=1e-5)
    np.testing.assert_allclose(metrics.grad_norm[0], np.linalg.norm(whole), rtol=1e-4)


@pytest.mark.parametrize("values", KINDS.values(), ids=KINDS)
def test_the_foot_of_the_table_is_what_the_update_measured(values):
    config, _, played, _, metrics, _, apart = taken_apart(**values)
    mask = played.mask.numpy()[:, 0]
    n = mask.sum() if config.reduction == "step" else mask.shape[1]
    np.testing.assert_allclose(
        -(apart.weights * apart.log_probs).sum() / n, metrics.policy_loss[0], rtol=1e-4, atol=1e-6
    )
    first = slice(0, 2)  # the first quarter of five episodes, rounded up
    ratio = (apart.new_log_probs - apart.log_probs)[:, first]
    kl = ((np.exp(ratio) - 1 - ratio) * mask[:, first]).sum() / mask[:, first].sum()
    np.testing.assert_allclose(kl, metrics.approx_kl[0], rtol=1e-3, atol=1e-7)
    unexplained = maths.explained_variance(
        *(tf.constant(x[:, None]) for x in (apart.baseline, apart.returns)), played.mask
    )
    np.testing.assert_allclose(unexplained[0], metrics.explained_variance[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(apart.advantages, (apart.returns - apart.baseline) * mask, atol=1e-6)
    for steps in apart[:-1]:
        assert not steps[mask == 0].any()


def test_the_score_of_two_actions_is_the_action_less_its_probability():
    _, _, played, *_, apart = taken_apart()
    mask, actions = played.mask.numpy()[:, 0], played.actions.numpy()[:, 0]
    right = np.where(actions == 1, np.exp(apart.log_probs), 1 - np.exp(apart.log_probs))
    np.testing.assert_allclose(apart.scores[..., 0], (actions - right) * mask, atol=1e-6)


def test_where_the_gradient_is_nothing_no_step_has_a_share_of_it():
    config = setting(num_agents=1, baseline="none")
    before, played, hyper = state_of(config), trajectories_of(config), reinforce.hyperparameters(config)
    nothing = played._replace(rewards=tf.zeros_like(played.rewards))
    assert not dissect(before, before.policy, nothing, hyper).shares.any()


def test_batches_of_all_lengths_share_a_few_programs():
    config = setting(num_agents=1, engine="gymnasium", hidden_layers=(6,), episodes_per_update=2, num_updates=12)
    trainer = Trainer(config)
    dissection._program.cache_clear()
    lengths = set()
    for _ in range(12):
        record, played, apart = dissection.dissect_next(trainer, agent=0)
        lengths.add(len(played.mask))
        assert apart.shares.shape == played.mask[:, 0].shape
        np.testing.assert_allclose(apart.losses.sum(), record.policy_loss[0], rtol=1e-4, atol=1e-6)
    trainer.close()
    padded = {2 ** int(np.ceil(np.log2(length))) for length in lengths}
    assert dissection._program.cache_info().misses == len(padded) < len(lengths)
