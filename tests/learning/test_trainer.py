"""The iterator of updates: replayable, resumable, live, and clear when it cannot go on."""

import io
import itertools
import math

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pg_core import maths
from pg_core.config import HYPERPARAMETERS, Config, ConfigError
from pg_core.environments import EnvironmentFault
from pg_core.learning import learners
from pg_core.learning import trainer as trainer_module
from pg_core.learning.reinforce import Metrics
from pg_core.learning.trainer import SOLVED_WINDOW, Trainer, TrainingError, Update

# One shape for nearly all tests: XLA compiles for seconds.
SMALL = {"num_agents": 2, "episodes_per_update": 3, "hidden_layers": (8,), "num_updates": 4, "stop_when_solved": False}
ENGINES = ("compiled", "gymnasium")
pytestmark = pytest.mark.usefixtures("sixteen_at_once")


class Bandit(gym.Env):
    """A contextual bandit: the observation names the arm that pays 1; the others pay 0. Episodes of one step."""

    observation_space = gym.spaces.Discrete(3)
    action_space = gym.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.arm = int(self.np_random.integers(3))
        return self.arm, {}

    def step(self, action):
        return self.arm, float(action == self.arm), True, False, {}


class Corridor(gym.Env):
    """Always 2 steps of reward 1, whatever is done; the reward turns to `spoilt` after `lasts` steps in all."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)
    spoilt, lasts = 1.0, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.ones(1, np.float32), self.spoilt if self.steps > self.lasts else 1.0, self.steps == 2, False, {}


class Poor(Corridor):
    spoilt = 0.999


class Spoilt(Corridor):
    spoilt, lasts = math.nan, 1


class Blind(Corridor):
    """A reward that no float32 can hold."""

    spoilt = 1e39


def small(**values) -> Config:
    return Config(**{**SMALL, **values})


def train(config: Config, checkpoint=None) -> list[Update]:
    trainer = Trainer(config, checkpoint)
    updates = list(trainer)
    trainer.close()
    return updates


def through_a_file(checkpoint: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    file = io.BytesIO()
    np.savez(file, **checkpoint)
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        return {name: loaded[name] for name in loaded.files}


@pytest.mark.parametrize(
    ("env_id", "engine"), [("CartPole-v1", "compiled"), ("CartPole-v1", "gymnasium"), ("Pendulum-v1", "auto")]
)
def test_the_same_config_twice_gives_the_same_updates_bit_for_bit(env_id, engine):
    config = small(env_id=env_id, engine=engine, num_updates=3)
    first, second = train(config), train(config)
    assert len(first) == 3
    assert first == second
    assert first != train(Config(**{**config.model_dump(), "seed": 1}))


def test_updates_that_differ_in_one_bit_are_not_equal():
    update = train(small(num_updates=1))[0]
    same = Update(**vars(update) | {"seconds": -1.0})
    entropy = update.entropy.copy()
    entropy[1] = np.nextafter(entropy[1], 0)
    assert update == same
    assert update != Update(**vars(update) | {"entropy": entropy})
    assert update != Update(**vars(update) | {"index": 1})
    assert update != "update"


@pytest.mark.parametrize("engine", ENGINES)
def test_an_update_says_what_happened(engine):
    config = small(engine=engine, num_updates=3)
    updates = train(config)
    assert [update.index for update in updates] == [0, 1, 2]
    steps = np.zeros(2, np.int64)
    for update in updates:
        assert update.config == config
        assert update.episodic_returns.shape == update.episodic_lengths.shape == (2, 3)
        np.testing.assert_array_equal(update.episodic_returns, update.episodic_lengths)  # CartPole: 1 a step
        steps += update.episodic_lengths.sum(axis=1)
        np.testing.assert_array_equal(update.env_steps, steps)
        for name in Metrics._fields[2:-3]:  # from the policy's loss to the mean return
            assert getattr(update, name).shape == (2,)
            assert getattr(update, name).dtype == np.float32
        assert (update.entropy > 0).all()
        assert (update.entropy <= math.log(2)).all()
        assert np.isnan(update.value_loss).all()
        assert update.iqm[1] <= update.iqm[0] <= update.iqm[2]
        np.testing.assert_array_equal(update.env_steps_to_solve, [-1, -1])
        assert update.seconds > 0
    returns = np.concatenate([update.episodic_returns for update in updates], axis=1)
    np.testing.assert_allclose(updates[-1].mean_return, returns.mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_an_agent_starts_the_same_whatever_the_population(env_id):
    one, two = (Trainer(small(env_id=env_id, engine="gymnasium", num_agents=n)) for n in (1, 2))
    for name, array in one.policy().items():
        np.testing.assert_array_equal(array[0], two.policy()[name][0])
    first, also = next(one), next(two)
    np.testing.assert_array_equal(first.episodic_returns[0], also.episodic_returns[0])
    np.testing.assert_array_equal(first.episodic_lengths[0], also.episodic_lengths[0])
    assert not np.array_equal(also.episodic_returns[0], also.episodic_returns[1])
    one.close()
    two.close()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("optimizer", "baseline"), [("adam", "value"), ("adam", "leave_one_out"), ("sgd", "none"), ("rmsprop", "value")]
)
def test_a_checkpoint_continues_as_if_nothing_had_stopped(optimizer, baseline, engine):
    config = small(optimizer=optimizer, baseline=baseline, engine=engine, num_updates=5)
    whole = train(config)
    trainer = Trainer(config)
    first = list(itertools.islice(trainer, 2))
    checkpoint = through_a_file(trainer.checkpoint())
    assert checkpoint["update"] == 2
    assert [*first, *train(config, checkpoint)] == whole
    assert [*first, *trainer] == whole  # taking a checkpoint disturbs nothing
    trainer.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_checkpoint_and_a_policy_do_not_change_while_training_goes_on(engine):
    trainer = Trainer(small(engine=engine))
    next(trainer)
    checkpoint, policy = trainer.checkpoint(), trainer.policy()
    before = {name: array.copy() for name, array in (checkpoint | policy).items()}
    next(trainer)
    for name, array in (checkpoint | policy).items():
        np.testing.assert_array_equal(array, before[name])
    assert not np.array_equal(trainer.policy()["kernel_0"], policy["kernel_0"])
    trainer.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_live_change_acts_on_the_next_update_and_no_earlier(engine):
    config = small(engine=engine)
    plain = train(config)
    trainer = Trainer(config)
    updates = [next(trainer)]
    trainer.change(trainer.config.changed(learning_rate=0.5, num_updates=3))
    updates += trainer
    assert [update.config.learning_rate for update in updates] == [config.learning_rate, 0.5, 0.5]
    assert updates[0] == plain[0]
    np.testing.assert_array_equal(updates[1].grad_norm, plain[1].grad_norm)  # the same episodes and gradient,
    assert (updates[1].approx_kl > 10 * plain[1].approx_kl).all()  # but a longer step
    trainer.close()


@pytest.mark.parametrize(
    "values",
    [{"seed": 1}, {"num_agents": 3}, {"hidden_layers": (4,)}, {"env_id": "Acrobot-v1"}, {"baseline": "value"},
     {"optimizer": "sgd"}, {"episodes_per_update": 4}, {"engine": "gymnasium"},
     {"env_kwargs": {"sutton_barto_reward": True}}],
    ids=lambda values: next(iter(values)),
)  # fmt: skip
def test_what_is_fixed_cannot_be_changed_live(values):
    config = small()
    trainer = Trainer(config)
    with pytest.raises(ConfigError, match="fixed during a run"):
        trainer.change(Config(**{**config.model_dump(), **values}))
    assert trainer.config == config
    trainer.close()


def other_values(name: str) -> list:
    """Values of a live hyperparameter that are not its default."""
    parameter = HYPERPARAMETERS[name]
    if parameter.choices:
        return [value for value in parameter.choices if value not in (parameter.default, "value")]
    if parameter.kind is bool:
        return [not parameter.default]
    return [parameter.low, parameter.default + 1 if parameter.kind is int else parameter.low + 0.3]


def traces() -> int:
    """How often the two programs that train have been traced."""
    programs = learners.learn_program, learners.play_program
    return sum(program.function.experimental_get_tracing_count() for program in programs)


@pytest.mark.parametrize(
    ("env_id", "engine"), [("CartPole-v1", "compiled"), ("CartPole-v1", "gymnasium"), ("FrozenLake-v1", "auto")]
)
def test_nothing_live_traces_the_update_again(env_id, engine):
    """FrozenLake and CartPole episodes have another length at nearly every update."""
    config = small(env_id=env_id, engine=engine, num_updates=1000)
    trainer = Trainer(config)
    lengths = {next(trainer).episodic_lengths.max()}
    changed, before = set(), traces()
    for name, parameter in HYPERPARAMETERS.items():
        for value in other_values(name) if parameter.live and name != "num_updates" else ():
            trainer.change(trainer.config.changed(**{name: value}))
            lengths |= {update.episodic_lengths.max() for update in trainer.advance(len(changed) % 3 + 1)}
            changed.add(name)
    assert changed == {name for name, parameter in HYPERPARAMETERS.items() if parameter.live} - {"num_updates"}
    assert len(lengths) > 3
    assert traces() == before
    trainer.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_two_runs_of_one_shape_share_one_trace(engine):
    train(small(engine=engine, num_updates=1))
    before = traces()
    for seed in (1, 2):
        train(small(engine=engine, seed=seed, learning_rate=0.01 * seed, num_updates=seed + 1))
    assert traces() == before


def test_solved_is_the_mean_of_a_full_window_at_the_threshold(register):
    register("Corridor-v0", Corridor, max_episode_steps=5, reward_threshold=2.0)
    config = small(env_id="Corridor-v0", episodes_per_update=40, num_updates=4)
    updates = train(config)
    # Each episode is 2 steps with return 2. After 2 updates, 80 episodes are not yet a window; after 3, 120 are.
    assert SOLVED_WINDOW == 100
    np.testing.assert_array_equal([u.env_steps_to_solve for u in updates], [[-1, -1]] * 2 + [[240, 240]] * 2)
    np.testing.assert_array_equal([u.mean_return for u in updates], np.full((4, 2), 2.0))
    np.testing.assert_array_equal(updates[-1].env_steps, [320, 320])


def test_a_mean_just_below_the_threshold_solves_nothing(register):
    register("Corridor-v0", Poor, max_episode_steps=5, reward_threshold=2.0)
    updates = train(small(env_id="Corridor-v0", episodes_per_update=40))
    np.testing.assert_array_equal(updates[-1].env_steps_to_solve, [-1, -1])


@pytest.mark.parametrize("engine", ENGINES)
def test_the_window_is_the_last_hundred_episodes(engine):
    updates = train(small(engine=engine, num_updates=40))  # 120 episodes
    returns = np.concatenate([update.episodic_returns for update in updates], axis=1)
    np.testing.assert_allclose(updates[-1].mean_return, returns[:, -100:].mean(axis=1), rtol=1e-6)


def test_training_stops_when_all_have_solved_and_only_if_asked(register):
    register("Corridor-v0", Corridor, max_episode_steps=5, reward_threshold=2.0)
    config = small(env_id="Corridor-v0", episodes_per_update=40, num_updates=5, stop_when_solved=True)
    trainer = Trainer(config)
    assert len(list(trainer)) == 3
    checkpoint = through_a_file(trainer.checkpoint())
    assert list(trainer) == []
    trainer.change(config.changed(stop_when_solved=False))
    assert len(list(trainer)) == 2
    trainer.close()
    assert train(config, checkpoint) == []


def test_an_agent_that_has_solved_stops_learning_while_others_go_on(register):
    """Bandit agents reach the threshold at different updates."""
    register("Bandit-v0", Bandit, max_episode_steps=5, reward_threshold=0.8)
    config = small(
        env_id="Bandit-v0", num_agents=3, episodes_per_update=16, num_updates=300, learning_rate=0.02,
        stop_when_solved=True,
    )  # fmt: skip
    trainer = Trainer(config)
    frozen: dict[int, np.ndarray] = {}
    for update in trainer:
        policy = trainer.policy()["kernel_0"]
        for agent in np.flatnonzero(update.env_steps_to_solve >= 0):
            np.testing.assert_array_equal(policy[agent], frozen.setdefault(int(agent), policy[agent].copy()))
    assert update.index < 299
    assert (update.env_steps_to_solve > 0).all()
    assert len(set(update.env_steps_to_solve)) > 1
    trainer.close()


@pytest.mark.parametrize("baseline", ["none", "leave_one_out", "value"])
def test_a_contextual_bandit_is_learned(register, baseline):
    register("Bandit-v0", Bandit, max_episode_steps=5, reward_threshold=0.8)
    config = small(
        env_id="Bandit-v0", num_agents=3, episodes_per_update=16, num_updates=120, learning_rate=0.05, baseline=baseline
    )
    updates = train(config)
    assert (updates[0].mean_return < 0.7).all()  # chance is 1/3
    assert (updates[-1].mean_return > 0.95).all()


@pytest.mark.parametrize("environment", [Spoilt, Blind])
def test_a_reward_that_is_not_finite_is_told_in_a_sentence(register, environment):
    env_id = f"{environment.__name__}-v0"
    register(env_id, environment, max_episode_steps=5)
    told = rf"^{env_id} returned an? (observation|reward) that is not finite \(.*py:\d+; agent 0, update 1, episode 1 "
    with pytest.raises(EnvironmentFault, match=told):
        train(small(env_id=env_id))


DIVERGED = r"^Training diverged at update \d+: .* no longer finite; lower the learning rate .*\.$"


@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
@pytest.mark.parametrize(
    ("env_id", "engine"),
    [("CartPole-v1", engine) for engine in ENGINES] + [("Pendulum-v1", "auto"), ("MountainCarContinuous-v0", "auto")],
)
def test_a_policy_that_has_left_the_numbers_is_told_in_a_sentence(env_id, engine):
    """Also where the environment answers actions that are no numbers with rewards that are none."""
    config = small(env_id=env_id, engine=engine, num_updates=20)
    checkpoint = Trainer(config).checkpoint()
    broken = {  # of both signs: two actions are told apart by the difference of their logits alone
        name: np.where(np.arange(array.shape[2]) % 2, array.dtype.type(3e38), array.dtype.type(-3e38)) + 0 * array
        if name.startswith(("policy", "value")) and array.ndim == 3
        else array
        for name, array in checkpoint.items()
    }
    with pytest.raises(TrainingError, match=DIVERGED):
        train(config, broken)


@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_far_too_long_steps_diverge_and_are_told_in_a_sentence():
    config = small(env_id="Pendulum-v1", optimizer="sgd", learning_rate=1, normalize_advantages=False, baseline="none")
    with pytest.raises(TrainingError, match=DIVERGED):
        train(config.changed(num_updates=50))


@pytest.mark.parametrize("env_id", ["Acrobot-v1", "MountainCarContinuous-v0", "Pendulum-v1", "FrozenLake-v1"])
def test_other_environments_train(env_id):
    updates = train(small(env_id=env_id, num_updates=20))
    assert len(updates) == 20
    for update in updates:
        assert np.isfinite(update.episodic_returns).all()
        assert np.isfinite(update.policy_loss).all()
        assert np.isfinite(update.grad_norm).all()


@pytest.mark.parametrize(
    ("engine", "optimizer", "value_network"),
    [("compiled", "adam", False), ("compiled", "adam", True), ("compiled", "sgd", False), ("compiled", "rmsprop", True),
     ("gymnasium", "adam", False), ("gymnasium", "adam", True)],
)  # fmt: skip
def test_every_estimator_trains(engine, optimizer, value_network):
    """Every baseline × weights × reduction × normalisation × γᵗ, two updates each, in one run: all of them are live.

    An optimiser takes the gradients of policy and value network apart: each need not meet both.
    """
    choices = [HYPERPARAMETERS[name].choices for name in ("weights", "reduction")]
    baselines = ["value"] if value_network else ["none", "batch_mean", "step_mean", "leave_one_out"]
    start = small(engine=engine, baseline=baselines[0], optimizer=optimizer, num_updates=1000, learning_rate=0.001)
    trainer = Trainer(start)
    for weights, reduction, baseline, normalize, gamma_t in itertools.product(
        *choices, baselines, (False, True), (False, True)
    ):
        values = {"weights": weights, "reduction": reduction, "baseline": baseline, "gamma_t": gamma_t}
        trainer.change(trainer.config.changed(**values, normalize_advantages=normalize))
        for update in itertools.islice(trainer, 2):
            assert update.config.baseline == baseline
            for name in ("policy_loss", "entropy_loss", "entropy", "grad_norm", "approx_kl"):
                assert np.isfinite(getattr(update, name)).all(), (name, values)
            assert np.isfinite(update.value_loss).all() == value_network
    assert all(np.isfinite(array).all() for array in trainer.policy().values())
    trainer.close()


def test_the_population_interval_is_that_of_each_update_whatever_else_was_trained_before():
    """However many updates are measured at once, and of however many agents."""
    for num_agents, num_updates in ((7, 1), (7, 16), (2, 3), (7, 5), (5, 1), (2, 1), (5, 16), (2, 16), (5, 2)):
        scores = np.random.default_rng(num_updates).normal(size=(num_updates, num_agents)).astype(np.float32)
        rows = trainer_module._population_iqm(scores)
        assert rows.shape == (num_updates, 3)
        for row, mine in zip(rows, scores, strict=True):
            cut = num_agents // 4
            assert row[0] == pytest.approx(np.sort(mine)[cut : num_agents - cut].mean(), abs=1e-6)
            np.testing.assert_allclose(row[1:], maths.bootstrap_interval(tf.constant(mine)), atol=1e-6)
            assert row[1] <= row[0] <= row[2]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_cart_pole_is_solved(engine):
    updates = train(Config(num_agents=2, num_updates=1000, engine=engine))
    assert (updates[-1].env_steps_to_solve > 0).all()
