"""One update of REINFORCE against the same step written out plainly."""

import numpy as np
import pytest
import tensorflow as tf

from pg_core import maths
from pg_core.config import Config
from pg_core.engines import Trajectories
from pg_core.environments import describe
from pg_core.learning import reinforce
from pg_core.learning.learners import learn_program
from pg_core.policies import in_tensorflow

T, P, B = 7, 3, 5  # one shape for nearly all tests: XLA compiles for seconds
SMALL = {
    "hidden_layers": (6,), "episodes_per_update": B, "normalize_advantages": False, "learning_rate": 0.05,
    "reduction": "episode",
}  # fmt: skip


def setting(num_agents: int = P, **values) -> Config:
    return Config(**{**SMALL, "num_agents": num_agents, **values})


def state_of(config: Config, seed: int = 0) -> reinforce.State:
    """A state whose policy prefers some actions, as it does after learning."""
    rng = np.random.default_rng(seed)
    state = reinforce.initial_state(config, describe(config.env_id))
    moved = {name: p + rng.normal(0, 0.5, p.shape).astype(np.float32) for name, p in state.policy.items()}
    return state._replace(policy=moved)


def trajectories_of(config: Config, seed: int = 1) -> Trajectories:
    """Episodes of 1 to T steps whose rewards and observations are anything."""
    spec, rng = describe(config.env_id), np.random.default_rng(seed)
    shape = (T, config.num_agents, B)
    lengths = rng.integers(1, T + 1, shape[1:])
    lengths[:, 0] = T
    mask = (np.arange(T)[:, None, None] < lengths).astype(np.float32)
    observations = rng.normal(size=(*shape, spec.observation_size)) * mask[..., None]
    if spec.discrete:
        actions = (rng.integers(spec.action_size, size=shape) * mask).astype(np.int32)
    else:
        actions = (rng.normal(size=(*shape, spec.action_size)) * mask[..., None]).astype(np.float32)
    ends = np.ones(shape[1:], bool)
    arrays = observations.astype(np.float32), actions, (rng.normal(size=shape) * mask).astype(np.float32), mask
    return Trajectories(*map(tf.constant, (*arrays, ends, ~ends)))


# To compile it for one agent takes seconds.
traced_update = tf.function(reinforce.update, autograph=False)


def of_agent(agent: int, tensors):
    """One agent's share of a state, its slots or its hyperparameters: the population axis is first."""
    return tf.nest.map_structure(lambda x: x[agent : agent + 1] if x.shape.rank else x, tensors)


def trajectories_of_agent(agent: int, trajectories: Trajectories) -> Trajectories:
    steps = [array[:, agent : agent + 1] for array in trajectories[:4]]
    return Trajectories(*steps, *(end[agent : agent + 1] for end in trajectories[4:]))


def run(config: Config, state: reinforce.State, trajectories: Trajectories):
    """Learn as the Gymnasium engine's trainer does, in the program that XLA compiles."""
    return learn_program(state, trajectories, reinforce.hyperparameters(config))


def weights_of(config: Config, trajectories: Trajectories, values: np.ndarray) -> tf.Tensor:
    hyper = reinforce.hyperparameters(config)
    returns = reinforce.estimate_returns(trajectories, hyper)
    return reinforce.estimate_weights(returns, tf.constant(values), trajectories.mask, hyper)[-1]


def outputs_of(params, observations: tf.Tensor, config: Config) -> tf.Tensor:
    """What networks `[P, ...]` say of observations `[T, P, B, D]`: logits, mean or value, `[T, P, B, outputs]`."""
    rows = tf.reshape(tf.transpose(observations, [1, 0, 2, 3]), [observations.shape[1], -1, observations.shape[3]])
    outputs = in_tensorflow.forward(params, rows, in_tensorflow.choice_index(config, "activation"))[-1].preactivations
    return tf.transpose(tf.reshape(outputs, [len(rows), len(observations), B, -1]), [1, 0, 2, 3])


def weights_by_hand(config: Config, trajectories: Trajectories, values: np.ndarray | None = None) -> np.ndarray:
    """The weights `[T, P, B]` with loops, in float64."""
    rewards, mask = (x.numpy().astype(float) for x in (trajectories.rewards, trajectories.mask))
    weights = np.zeros_like(rewards)
    for p, b in np.ndindex(rewards.shape[1:]):
        for t in range(int(mask[:, p, b].sum())):
            start = 0 if config.weights == "episode_return" else t
            weights[t, p, b] = sum(config.gamma ** (k - start) * rewards[k, p, b] for k in range(start, T))
    returns = weights.copy()
    for t, p, b in zip(*np.nonzero(mask), strict=True):
        others = [returns[t, p, c] for c in range(B) if c != b and mask[t, p, c]]
        if config.baseline == "batch_mean":
            weights[t, p, b] -= returns[:, p][mask[:, p] > 0].mean()
        elif config.baseline == "step_mean":
            weights[t, p, b] -= returns[t, p][mask[t, p] > 0].mean()
        elif config.baseline == "leave_one_out":
            weights[t, p, b] -= np.mean(others) if others else 0
        elif config.baseline == "value":
            weights[t, p, b] -= values[t, p, b]
    if config.normalize_advantages:
        for p in range(rewards.shape[1]):
            played = weights[:, p][mask[:, p] > 0]
            weights[:, p] = (weights[:, p] - played.mean()) / (played.std() + 1e-8)
    if config.gamma_t and config.weights == "reward_to_go":
        weights *= config.gamma ** np.arange(T)[:, None, None]
    return weights * mask


def test_what_is_learned_from_is_the_scaled_reward_and_what_is_shown_is_not():
    config = setting(baseline="value", reward_scale=0.25)
    state, played = state_of(config), trajectories_of(config)
    after, metrics = run(config, state, played)
    plain = played._replace(rewards=0.25 * played.rewards)
    expected, theirs = run(setting(baseline="value"), state, plain)
    for ours, other in zip(tf.nest.flatten(after[:5]), tf.nest.flatten(expected[:5]), strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(metrics.episodic_returns, tf.reduce_sum(played.rewards, axis=0), rtol=1e-6)
    np.testing.assert_allclose(metrics.value_loss, theirs.value_loss, rtol=1e-6)


def test_the_step_is_that_of_normalised_observations_and_statistics_go_on():
    """Another agent has solved its environment: neither its policy nor its statistics move."""
    config = setting(baseline="value", normalize_observations=True)
    state, played = state_of(config), trajectories_of(config)
    policy = dict(state.policy)
    policy["observation_mean"] = mean = np.full((P, 1, 4), 0.5, np.float32)
    policy["observation_variance"] = variance = np.full((P, 1, 4), 4.0, np.float32)
    solved = np.array([-1, -1, 7])
    statistics = state.statistics._replace(env_steps=tf.fill([P], np.int64(40)), env_steps_to_solve=tf.constant(solved))
    state = state._replace(policy=policy, statistics=statistics)
    after, _ = run(config, state, played)
    raw, mask = played.observations.numpy(), played.mask.numpy()[..., None]
    given = played._replace(observations=tf.constant((raw - 0.5) / 2 * mask))
    networks = {name: array for name, array in policy.items() if not name.startswith("observation")}
    expected, _ = run(setting(baseline="value"), state._replace(policy=networks), given)
    for name, array in expected.policy.items():
        np.testing.assert_allclose(after.policy[name], array, rtol=1e-5, atol=1e-6)
    for name, array in expected.value.items():
        np.testing.assert_allclose(after.value[name], array, rtol=1e-5, atol=1e-6)
    for agent in range(P - 1):
        seen = raw[:, agent][mask[:, agent, :, 0] > 0]
        moments = 40 * 0.5 + seen.sum(axis=0), 40 * (4 + 0.5**2) + (seen**2).sum(axis=0)
        first, second = (moment / (40 + len(seen)) for moment in moments)
        np.testing.assert_allclose(after.policy["observation_mean"][agent, 0], first, rtol=1e-5)
        np.testing.assert_allclose(after.policy["observation_variance"][agent, 0], second - first**2, rtol=1e-5)
    np.testing.assert_array_equal(after.policy["observation_mean"][2], mean[2])
    np.testing.assert_array_equal(after.policy["observation_variance"][2], variance[2])


def plain_gradient(config: Config, policy, trajectories: Trajectories, weights: np.ndarray):
    """The gradient of all episodes at once, from one tape around the plain formula."""
    variables = {name: tf.Variable(value) for name, value in policy.items()}
    mask = trajectories.mask
    count = tf.reduce_sum(mask, axis=(0, 2)) if config.reduction == "step" else float(B)
    with tf.GradientTape() as tape:
        total, outputs = 0.0, outputs_of(variables, trajectories.observations, config)
        for b in range(B):
            actions = trajectories.actions[:, :, b]
            if "log_std" in variables:
                mean, log_std = outputs[:, :, b], variables["log_std"][:, 0]
                log_probs = maths.Gaussian.of(mean, log_std).log_prob(actions)
                entropies = maths.Gaussian.of(mean, log_std).entropy()
            else:
                log_probs = maths.Categorical(outputs[:, :, b]).log_prob(actions)
                entropies = maths.Categorical(outputs[:, :, b]).entropy()
            terms = log_probs * weights[:, :, b] + config.ent_coef * entropies  # [T, P]
            total -= tf.reduce_sum(tf.reduce_sum(terms * mask[:, :, b], axis=0) / count)
    return tape.gradient(total, variables)


def assert_same(ours, theirs, **tolerance):
    for a, b in zip(tf.nest.flatten(ours), tf.nest.flatten(theirs), strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
@pytest.mark.parametrize(
    "values",
    [
        {"baseline": "none", "weights": "episode_return"},
        {"baseline": "none", "gamma": 0.0},
        {"baseline": "batch_mean", "reduction": "step"},
        {"baseline": "step_mean", "ent_coef": 0.3, "gamma": 1.0},
        {"baseline": "leave_one_out", "gamma_t": True, "gamma": 0.8},
        {"baseline": "leave_one_out", "weights": "episode_return", "gamma_t": True, "gamma": 0.8},
        {"baseline": "step_mean", "normalize_advantages": True, "gamma_t": True, "gamma": 0.9, "activation": "silu"},
        {"baseline": "value", "reduction": "step", "activation": "relu"},
    ],
    ids=lambda values: "-".join(map(str, values.values())),
)
def test_gradient_descent_takes_the_plain_batch_gradient(env_id, values):
    """With SGD at rest, the step is -α times the mean of the per-episode gradients: the batch's own gradient."""
    config = setting(env_id=env_id, optimizer="sgd", **values)
    state, trajectories = state_of(config), trajectories_of(config)
    critic = None
    if state.value:
        critic = outputs_of(state.value, trajectories.observations, config)[..., 0].numpy()
    new, metrics = run(config, state, trajectories)
    weights = weights_by_hand(config, trajectories, critic).astype(np.float32)
    gradient = plain_gradient(config, state.policy, trajectories, weights)
    expected = {name: state.policy[name] - 0.05 * gradient[name] for name in gradient}
    assert_same(new.policy, expected, atol=3e-7, rtol=3e-6)
    assert max(np.abs(g).max() for g in gradient.values()) > 0.01
    norm = np.sqrt(sum((g.numpy() ** 2).reshape(config.num_agents, -1).sum(1) for g in gradient.values()))
    np.testing.assert_allclose(metrics.grad_norm, norm, rtol=1e-5)


@pytest.mark.parametrize("optimizer", maths.OPTIMIZERS)
def test_a_population_learns_as_its_agents_do_alone(optimizer):
    config = setting(
        3, optimizer=optimizer, baseline="value", normalize_advantages=True, ent_coef=0.1, max_grad_norm=0.5
    )
    state, alone = state_of(config), setting(1, **config.model_dump(exclude={"num_agents"}))
    hyper = reinforce.hyperparameters(alone)
    singles = [of_agent(agent, state) for agent in range(P)]
    for seed in range(P):
        trajectories = trajectories_of(config, seed)
        state, metrics = run(config, state, trajectories)
        for agent in range(P):
            mine = trajectories_of_agent(agent, trajectories)
            singles[agent], one = traced_update(singles[agent], mine, hyper)
            assert_same(of_agent(agent, state.policy), singles[agent].policy, atol=2e-5)
            assert_same(of_agent(agent, state.value), singles[agent].value, atol=2e-5)
            assert_same(of_agent(agent, metrics), one, rtol=1e-4, atol=1e-5)


def test_an_agent_does_not_learn_from_the_others():
    config = setting(baseline="value", normalize_advantages=True)
    state, trajectories = state_of(config), trajectories_of(config)
    others = trajectories_of(config, seed=9)
    keep = np.array([True, False, False])
    mixed = Trajectories(
        *(
            tf.where(keep.reshape([1, P] + [1] * (a.shape.rank - 2)), a, b)
            for a, b in zip(trajectories[:4], others[:4], strict=True)
        ),
        *trajectories[4:],
    )
    (ours, measured), (theirs, also) = run(config, state, trajectories), run(config, state, mixed)
    for part in ("policy", "value", "policy_slots", "value_slots"):
        for a, b in zip(*(tf.nest.flatten(of_agent(0, getattr(x, part))) for x in (ours, theirs)), strict=True):
            np.testing.assert_array_equal(a, b)
    for a, b in zip(of_agent(0, measured), of_agent(0, also), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(ours.policy["kernel_0"][1], theirs.policy["kernel_0"][1])


@pytest.mark.parametrize("optimizer", maths.OPTIMIZERS)
def test_an_agent_that_has_solved_keeps_its_parameters_and_slots_exactly(optimizer):
    config = setting(optimizer=optimizer, baseline="value")
    state, trajectories = state_of(config), trajectories_of(config)
    state, _ = run(config, state, trajectories)  # so that momentum would carry it on
    solved = state.statistics._replace(env_steps_to_solve=tf.constant([-1, 20, -1], tf.int64))
    state = state._replace(statistics=solved)
    new, metrics = run(config, state, trajectories)
    for part in ("policy", "value", "policy_slots", "value_slots"):
        for after, before in zip(*(tf.nest.flatten(getattr(x, part)) for x in (new, state)), strict=True):
            np.testing.assert_array_equal(after[1], before[1])
            if part in ("policy", "value"):
                assert not np.array_equal(after[0], before[0])
    assert metrics.approx_kl[1] < 1e-12  # the square of float32 rounding
    assert metrics.approx_kl[0] > 0
    on, metrics = run(config.changed(stop_when_solved=False), state, trajectories)
    assert not np.array_equal(on.policy["kernel_0"][1], state.policy["kernel_0"][1])
    assert metrics.approx_kl[1] > 0


def test_an_agent_learns_from_the_very_episodes_that_solve():
    """It stops in the next update; each agent is judged by its own returns."""
    config = setting()
    state, trajectories = state_of(config), trajectories_of(config)
    recent = np.full((P, 100), 1e3, np.float32)
    recent[1:] = -1e3
    full = state.statistics._replace(recent_returns=recent, num_recent=tf.constant(100))
    state = state._replace(statistics=full)
    new, metrics = run(config, state, trajectories)
    steps = trajectories.mask.numpy().sum(axis=(0, 2))
    np.testing.assert_array_equal(metrics.env_steps_to_solve, [steps[0], -1, -1])
    assert not np.array_equal(new.policy["kernel_0"][0], state.policy["kernel_0"][0])
    after, metrics = run(config, new, trajectories)
    np.testing.assert_array_equal(metrics.env_steps_to_solve, [steps[0], -1, -1])
    np.testing.assert_array_equal(after.policy["kernel_0"][0], new.policy["kernel_0"][0])
    assert not np.array_equal(after.policy["kernel_0"][1], new.policy["kernel_0"][1])


def test_the_gradient_norm_limit_shortens_the_step_and_keeps_its_direction():
    free, limited = (setting(optimizer="sgd", max_grad_norm=limit) for limit in (0.0, 0.01))
    state, trajectories = state_of(free), trajectories_of(free)
    (full, metrics), (short, same) = run(free, state, trajectories), run(limited, state, trajectories)
    np.testing.assert_array_equal(metrics.grad_norm, same.grad_norm)  # measured before the limit
    assert (metrics.grad_norm.numpy() > 0.01).all()
    steps = [{name: new.policy[name] - state.policy[name] for name in state.policy} for new in (full, short)]
    lengths = [maths.gradient_norm(list(step.values())).numpy() for step in steps]
    np.testing.assert_allclose(lengths[1], 0.05 * 0.01, rtol=1e-3)
    ratio = (lengths[1] / lengths[0])[:, None, None]
    assert_same(steps[1], {name: ratio * step for name, step in steps[0].items()}, atol=1e-7)


def test_a_gradient_shorter_than_the_limit_is_left_alone():
    free, limited = (setting(max_grad_norm=limit) for limit in (0.0, 1000.0))
    state, trajectories = state_of(free), trajectories_of(free)
    for ours, theirs in zip(*(tf.nest.flatten(run(c, state, trajectories)) for c in (free, limited)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("weights", "acts"), [("reward_to_go", True), ("episode_return", False)])
def test_the_factor_of_gamma_acts_on_rewards_to_go_only(weights, acts):
    with_it, without = (setting(gamma=0.7, weights=weights, gamma_t=flag) for flag in (True, False))
    trajectories = trajectories_of(with_it)
    values = np.zeros((T, P, B), np.float32)
    estimates = [weights_of(config, trajectories, values) for config in (with_it, without)]
    factor = 0.7 ** np.arange(T)[:, None, None] if acts else 1
    np.testing.assert_allclose(estimates[0], factor * estimates[1], rtol=1e-5)


@pytest.mark.parametrize("baseline", ["none", "batch_mean", "step_mean", "leave_one_out", "value"])
@pytest.mark.parametrize("weights", ["episode_return", "reward_to_go"])
@pytest.mark.parametrize("normalize", [False, True])
def test_weights_equal_those_by_hand(baseline, weights, normalize):
    config = setting(baseline=baseline, weights=weights, normalize_advantages=normalize, gamma=0.9, gamma_t=True)
    trajectories = trajectories_of(config)
    critic = np.random.default_rng(5).normal(size=(T, P, B)).astype(np.float32)
    ours = weights_of(config, trajectories, critic)
    np.testing.assert_allclose(ours, weights_by_hand(config, trajectories, critic), atol=3e-6)


@pytest.mark.parametrize("reward", [1.0, -1.0, 0.1])
@pytest.mark.parametrize("baseline", ["step_mean", "leave_one_out"])
def test_a_batch_of_perfect_episodes_teaches_nothing(baseline, reward):
    """All four reach the time limit: normalising must not make unit-sized weights of rounding errors."""
    config = Config(num_agents=1, baseline=baseline, normalize_advantages=True)
    rewards = tf.fill([500, 1, 4], reward)
    perfect = Trajectories(None, None, rewards, tf.ones_like(rewards), None, None)
    np.testing.assert_array_equal(weights_of(config, perfect, tf.zeros_like(rewards)), tf.zeros_like(rewards))


def test_metrics_by_hand():
    config = setting(baseline="step_mean", ent_coef=0.2, optimizer="sgd", gamma=0.9)
    state, trajectories = state_of(config), trajectories_of(config)
    new, metrics = run(config, state, trajectories)
    weights, mask = weights_by_hand(config, trajectories), trajectories.mask.numpy()
    said = [
        tf.nn.log_softmax(outputs_of(policy, trajectories.observations, config)).numpy()
        for policy in (state.policy, new.policy)
    ]
    chosen = [np.take_along_axis(s, trajectories.actions.numpy()[..., None], axis=-1)[..., 0] for s in said]
    entropies = -(np.exp(said[0]) * said[0]).sum(-1) * mask
    steps = mask.sum(axis=(0, 2))
    np.testing.assert_allclose(metrics.policy_loss, -(chosen[0] * weights).sum(axis=(0, 2)) / B, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(metrics.entropy_loss, -entropies.sum(axis=(0, 2)) / B, rtol=1e-5)
    np.testing.assert_allclose(metrics.entropy, entropies.sum(axis=(0, 2)) / steps, rtol=1e-5)
    # From the first ⌈B / 4⌉ = 2 episodes of each agent.
    log_ratio, played = (chosen[1] - chosen[0])[..., :2].astype(float), mask[..., :2]
    kl = ((np.expm1(log_ratio) - log_ratio) * played).sum(axis=(0, 2)) / played.sum(axis=(0, 2))
    np.testing.assert_allclose(metrics.approx_kl, kl, rtol=0.02, atol=1e-7)
    assert np.isnan(metrics.value_loss).all()
    returns = trajectories.rewards.numpy().sum(axis=0)
    np.testing.assert_allclose(metrics.episodic_returns, returns, rtol=1e-5)
    np.testing.assert_array_equal(metrics.episodic_lengths, mask.sum(axis=0))
    np.testing.assert_allclose(metrics.mean_return, returns.mean(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(metrics.env_steps, steps)
    np.testing.assert_array_equal(metrics.env_steps_to_solve, [-1] * P)
    assert metrics.is_finite.numpy().all()


def test_a_value_network_learns_the_returns():
    config = setting(baseline="value", gamma=0.9, learning_rate=0.03)
    state, trajectories = state_of(config), trajectories_of(config)
    state, first = run(config, state, trajectories)
    for _ in range(100):
        state, metrics = run(config, state, trajectories)
    assert (metrics.value_loss.numpy() < 0.3 * first.value_loss.numpy()).all()
    assert (metrics.explained_variance.numpy() > 0.6).all()


def test_returns_send_no_gradient_into_the_value_network_through_the_policy():
    """The value network's step is the same whatever the policy thinks: only its own loss moves it."""
    config = setting(baseline="value")
    trajectories = trajectories_of(config)
    states = [state_of(config, seed) for seed in (0, 1)]
    assert not np.array_equal(states[0].policy["kernel_0"], states[1].policy["kernel_0"])
    values = [run(config, state, trajectories)[0].value for state in states]
    for name in values[0]:
        np.testing.assert_array_equal(values[0][name], values[1][name])


@pytest.mark.parametrize("optimizer", maths.OPTIMIZERS)
def test_each_agent_of_a_population_may_have_its_own_hyperparameters(optimizer):
    """It then gets what a population would get whose hyperparameters are all its own."""
    own = [
        {"learning_rate": 0.01, "gamma": 0.5, "ent_coef": 0.2, "momentum": 0.1, "max_grad_norm": 0.0},
        {"learning_rate": 0.3, "gamma": 0.99, "ent_coef": 0.0, "momentum": 0.9, "max_grad_norm": 0.01},
        {"learning_rate": 0.05, "gamma": 0.0, "ent_coef": 1.0, "momentum": 0.0, "max_grad_norm": 0.3},
    ]
    configs = [setting(optimizer=optimizer, baseline="value", **values) for values in own]
    hypers = [reinforce.hyperparameters(config) for config in configs]
    mixed = hypers[0]._replace(
        **{name: tf.stack([getattr(hypers[agent], name)[agent] for agent in range(P)]) for name in own[0]}
    )
    state, trajectories = state_of(configs[0]), trajectories_of(configs[0])
    ours, alike = state, [state] * 3
    for _ in range(2):  # the second step also comes from the slots of the first
        ours, measured = learn_program(ours, trajectories, mixed)
        runs = [run(config, one, trajectories) for config, one in zip(configs, alike, strict=True)]
        alike = [one for one, _ in runs]
    for agent, (one, also) in enumerate(runs):
        assert_same(of_agent(agent, (ours, measured)), of_agent(agent, (one, also)), rtol=1e-6)
    for part in ("policy", "value"):
        moved = [np.abs(getattr(ours, part)["kernel_0"] - getattr(x, part)["kernel_0"]).max((1, 2)) for x in alike]
        assert (np.array(moved) > 1e-3).sum() == P * (P - 1)  # every agent would have gone elsewhere with another's


def test_an_agent_that_has_diverged_is_named_and_leaves_the_others_alone():
    config = setting()
    state, trajectories = state_of(config), trajectories_of(config)
    well, _ = run(config, state, trajectories)
    broken = tf.concat([state.policy["bias_0"][:2], tf.fill([1, 1, 6], float("nan"))], axis=0)
    new, metrics = run(config, state._replace(policy={**state.policy, "bias_0": broken}), trajectories)
    np.testing.assert_array_equal(metrics.is_finite, [True, True, False])
    for agent in (0, 1):
        assert_same(of_agent(agent, new), of_agent(agent, well), rtol=0)


def test_hyperparameters_become_tensors():
    config = setting(learning_rate=0.5, gamma=1, baseline="leave_one_out", reduction="step", gamma_t=True)
    hyper = reinforce.hyperparameters(config)
    np.testing.assert_array_equal(hyper.learning_rate, [0.5, 0.5, 0.5])
    np.testing.assert_array_equal(hyper.gamma, [1, 1, 1])
    assert (int(hyper.baseline), int(hyper.reduction), bool(hyper.gamma_t)) == (3, 1, True)
    assert {tensor.dtype for tensor in hyper} == {tf.float32, tf.int32, tf.bool}


def test_what_was_played_is_measured():
    """Two agents of two episodes, of 3, 1, 2 and 2 steps."""
    mask = np.array([[[1, 1], [1, 1]], [[1, 0], [1, 1]], [[1, 0], [0, 0]]], np.float32)
    rewards = np.array([[[-1, -2], [0, 3]], [[-4, 0], [-1, 5]], [[-3, 0], [0, 0]]], np.float32)
    actions = np.zeros((*mask.shape, 1), np.float32)
    actions[:, 0, 0, 0], actions[0, 0, 1], actions[1, 1, 1] = (1, 0, 0.9), -1.5, -1
    ends = np.array([[False, True], [False, False]])
    trajectories = Trajectories(np.zeros((*mask.shape, 3), np.float32), actions, rewards, mask, ends, ~ends)
    config = Config(env_id="Pendulum-v1", num_agents=2, episodes_per_update=2, hidden_layers=())
    state = reinforce.initial_state(config, config.environment)
    _, measured = run(config, state, Trajectories(*map(tf.constant, trajectories)))
    assert measured.cut.numpy().tolist() == [0.5, 1]
    np.testing.assert_allclose(measured.at_bounds, [2 / 4, 1 / 4])
    assert measured.max_reward.numpy().tolist() == [-1, 5]  # what was not played has reward 0


def test_choices_have_no_bounds():
    config = setting()
    _, measured = run(config, state_of(config), trajectories_of(config))
    assert np.isnan(measured.at_bounds).all()
