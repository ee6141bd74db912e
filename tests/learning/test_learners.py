"""However a run is divided, into dispatches or into shares of its population, its records are the same."""

import functools
import itertools

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pg_core.config import Config
from pg_core.engines import Trajectories
from pg_core.engines.gymnasium import GymnasiumEngine
from pg_core.learning import learners, memory, reinforce
from pg_core.learning.trainer import Trainer, TrainingError, Update
from pg_core.policies import in_numpy
from tests.learning.test_reinforce import traced_update

# One shape for nearly all tests, that of test_trainer.py: XLA compiles for seconds.
SMALL = {"num_agents": 2, "episodes_per_update": 3, "hidden_layers": (8,), "num_updates": 40, "stop_when_solved": False}


pytestmark = pytest.mark.usefixtures("sixteen_at_once")


def small(**values) -> Config:
    return Config(**{**SMALL, **values})


def advance(trainer: Trainer, sizes) -> list[Update]:
    """Train to the end, up to so many updates at a time; the last size is used again and again."""
    updates, sizes = [], itertools.chain(sizes, itertools.repeat(sizes[-1]))
    while more := trainer.advance(next(sizes)):
        updates += more
    trainer.close()
    return updates


def run(config: Config, sizes, checkpoint=None) -> tuple[list[Update], dict[str, np.ndarray]]:
    trainer = Trainer(config, checkpoint)
    return advance(trainer, sizes), trainer.checkpoint()


def assert_same_bits(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        assert (array.dtype, array.shape) == (theirs[name].dtype, theirs[name].shape)
        assert array.tobytes() == theirs[name].tobytes(), name


@pytest.mark.parametrize("engine", ["compiled", "gymnasium"])
def test_the_statistics_of_observations_belong_to_the_state(engine):
    config = small(normalize_observations=True, engine=engine, num_updates=8)
    whole, end = run(config, [16])
    first = Trainer(config)
    begun = [*first.advance(2)]
    middle = first.checkpoint()
    first.close()
    rest, same_end = run(config, [3], middle)
    assert begun + rest == whole
    assert_same_bits(end, same_end)
    # Statistics of what was seen, agent by agent: not what the networks were given.
    engine = GymnasiumEngine(config.environment, 2, 3, config.seed)
    start = Trainer(config)
    policy = start.policy()
    start.advance(1)
    act = functools.partial(in_numpy.sample, policy, activation=config.activation)
    played = engine.collect(act, 0)
    for agent in range(2):
        seen = played.observations[:, agent][played.mask[:, agent] > 0]
        np.testing.assert_allclose(start.policy()["observation_mean"][agent, 0], seen.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(start.policy()["observation_variance"][agent, 0], seen.var(axis=0), rtol=1e-4)
    engine.close()
    start.close()


@pytest.mark.parametrize("sizes", [[16], [5], [1000], [3, 1, 16, 2]])
def test_records_are_the_same_however_updates_are_divided(sizes):
    config = small()
    (single, first), (several, second) = run(config, [1]), run(config, sizes)
    assert [update.index for update in single] == list(range(40))
    assert single == several
    assert_same_bits(first, second)


def test_a_dispatch_takes_as_many_updates_as_it_can():
    trainer = Trainer(small())
    assert [len(trainer.advance(n)) for n in (1, 5, 1000, 0)] == [1, 5, 16, 0]
    assert len(trainer.advance(1000)) == 16
    assert len(trainer.advance(1000)) == 40 - 1 - 5 - 2 * 16  # the end of the run
    assert trainer.advance(1000) == []
    trainer.close()


def test_a_checkpoint_between_dispatches_continues_exactly():
    config = small(num_updates=20)
    whole, last = run(config, [1])
    trainer = Trainer(config)
    first = [*trainer.advance(4), *trainer.advance(3)]
    rest, again = run(config, [16], trainer.checkpoint())
    trainer.close()
    assert [*first, *rest] == whole
    assert_same_bits(last, again)


def test_a_live_change_acts_on_all_updates_of_the_next_dispatch():
    config = small(num_updates=12)
    trainers = Trainer(config), Trainer(config)
    several = trainers[0].advance(7)
    single = [next(trainers[1]) for _ in range(7)]
    for trainer in trainers:
        trainer.change(trainer.config.changed(learning_rate=0.3, num_updates=10))
    several, single = several + advance(trainers[0], [16]), single + advance(trainers[1], [1])
    assert several == single
    assert [update.config.learning_rate for update in several] == [config.learning_rate] * 7 + [0.3] * 3


def test_the_engine_of_another_program_takes_one_update_at_a_time():
    trainer = Trainer(small(engine="gymnasium", num_updates=3))
    assert [len(trainer.advance(16)) for _ in range(4)] == [1, 1, 1, 0]
    trainer.close()


@pytest.fixture(scope="module")
def easy_pole():
    """CartPole that is solved by a mean return of 65: of two agents, one is there after another."""
    entry_point = "gymnasium.envs.classic_control.cartpole:CartPoleEnv"
    gym.register("EasyPole-v0", entry_point, max_episode_steps=500, reward_threshold=65.0)
    yield small(env_id="EasyPole-v0", stop_when_solved=True, num_updates=64)
    del gym.registry["EasyPole-v0"]


def test_a_run_that_is_solved_within_a_dispatch_ends_where_it_would_have_ended(easy_pole):
    single, first = run(easy_pole, [1])
    solved = single[-1].env_steps_to_solve
    assert solved.min() > 0
    assert len(set(solved)) == 2  # one of them was left as it was while the other went on
    assert len(single) < 64
    assert len(single) % 16 > 0
    several, second = run(easy_pole, [16])
    assert several == single
    assert_same_bits(first, second)
    assert run(easy_pole, [16], second)[0] == []


def test_a_run_that_goes_on_when_solved_is_the_same_too(easy_pole):
    config = easy_pole.changed(stop_when_solved=False, num_updates=40)
    (single, first), (several, second) = run(config, [1]), run(config, [16])
    assert single == several
    assert (single[-1].env_steps_to_solve > 0).all()
    assert_same_bits(first, second)


@pytest.mark.parametrize("sizes", [[1], [16], [2, 16]])
@pytest.mark.parametrize("engine", ["compiled", "gymnasium"])
def test_a_run_that_diverges_within_a_dispatch_keeps_the_records_before(engine, sizes):
    """A velocity of 1e38 carries a bias past the largest float32, 3.4e38, in the fourth step."""
    config = small(engine=engine, optimizer="sgd", learning_rate=1.0, momentum=0.999, baseline="none", ent_coef=0.0)
    trainer = Trainer(config)
    checkpoint = trainer.checkpoint()
    trainer.close()
    checkpoint["policy_slots/bias_0/first"][1] = 1e38  # of the second agent alone
    trainer, updates = Trainer(config, checkpoint), []
    with pytest.raises(TrainingError, match=r"^Training diverged at update 3: .* lower the learning rate"):
        updates += advance_into(trainer, sizes, updates)
    assert [update.index for update in updates] == [0, 1, 2]
    assert all(np.isfinite(update.grad_norm).all() for update in updates)
    kept = trainer.checkpoint()
    assert kept["update"] == 3
    assert all(np.isfinite(array).all() for array in kept.values())  # what is left is the state before
    with pytest.raises(TrainingError, match="diverged at update 3"):
        trainer.advance(16)
    trainer.change(config.changed(num_updates=3))
    assert trainer.advance(16) == []
    assert_same_bits(trainer.checkpoint(), kept)
    trainer.close()


def advance_into(trainer: Trainer, sizes, updates: list[Update]) -> list[Update]:
    """Train until an error is raised; what was trained before is added to `updates`."""
    for size in itertools.chain(sizes, itertools.repeat(sizes[-1])):
        updates += trainer.advance(size)
    return []


@pytest.fixture
def shares_of_two(monkeypatch):
    """Two agents a share: then every population runs in the program of `SMALL`."""
    monkeypatch.setattr(memory, "SHARD_EPISODES", 6)


@pytest.mark.parametrize("num_agents", [3, 5, 6])
def test_a_population_in_shares_learns_as_its_agents_in_a_small_one(shares_of_two, num_agents):
    config = small(num_agents=num_agents, num_updates=12)
    assert memory.shard_size(config) == 2
    updates, checkpoint = run(config, [5])
    pair, also = run(small(num_updates=12), [5])
    for ours, theirs in zip(updates, pair, strict=True):
        assert ours.episodic_returns.shape == (num_agents, 3)
        for name in ("episodic_lengths", "grad_norm", "entropy", "mean_return", "env_steps"):
            np.testing.assert_array_equal(getattr(ours, name)[:2], getattr(theirs, name))
    for name, array in checkpoint.items():
        if array.ndim:
            assert len(array) == num_agents
            np.testing.assert_array_equal(array[:2], also[name])
    assert len({update.tobytes() for update in updates[0].episodic_lengths}) == num_agents  # each agent has its own


def test_a_population_in_shares_is_the_same_however_divided_and_continued(shares_of_two):
    config = small(num_agents=5, num_updates=12)
    whole, last = run(config, [1])
    assert run(config, [16])[0] == whole
    trainer = Trainer(config)
    first = trainer.advance(5)
    rest, again = run(config, [3], trainer.checkpoint())
    trainer.close()
    assert first + rest == whole
    assert_same_bits(last, again)
    trainer = Trainer(config, last)
    assert {name: array.shape[0] for name, array in trainer.policy().items()} == dict.fromkeys(trainer.policy(), 5)
    trainer.close()


def test_an_agent_plays_the_same_in_populations_of_8_19_and_64():
    """19 agents are trained as 7, 7 and 5 with two more whose results are discarded; 64 as 8 times 8."""
    updates = {}
    for num_agents in (8, 19, 64):
        config = small(num_agents=num_agents, episodes_per_update=16, num_updates=2)
        updates[num_agents] = run(config, [1])[0]
    for num_agents in (8, 19):
        ours, theirs = updates[num_agents][0], updates[64][0]
        np.testing.assert_array_equal(ours.episodic_lengths, theirs.episodic_lengths[:num_agents])
        for name in ("policy_loss", "entropy", "grad_norm", "grad_snr", "approx_kl", "explained_variance"):
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name)[:num_agents], rtol=1e-3, atol=1e-6)


def traces() -> int:
    programs = learners.learn_program, learners.play_program
    return sum(program.function.experimental_get_tracing_count() for program in programs)


@pytest.mark.parametrize("engine", ["compiled", "gymnasium"])
def test_a_program_is_compiled_without_an_update(engine):
    config = small(engine=engine, num_updates=2)
    expected, _ = run(config, [1])
    trainer = Trainer(config)
    before = trainer.checkpoint()
    trainer.compile()
    assert_same_bits(before, trainer.checkpoint())
    traced = traces()
    assert advance(trainer, [1]) == expected
    assert traces() == traced


def test_runs_of_the_other_reward_share_one_trace_too():
    config = small(num_updates=1, env_kwargs={"sutton_barto_reward": True}, gamma=0.9)
    run(config, [1])
    traced = traces()
    for seed in (1, 2):
        run(Config(**{**config.model_dump(), "seed": seed}), [1])
    assert traces() == traced


@pytest.mark.parametrize("engine", ["compiled", "gymnasium"])
def test_what_is_played_alone_is_what_the_next_update_learns_from(engine):
    trainer = Trainer(small(engine=engine))
    trainer.advance(5)
    before, played = trainer.state, trainer.play()
    [record] = trainer.advance(1)
    np.testing.assert_array_equal(played.mask.sum(axis=0), record.episodic_lengths)
    np.testing.assert_array_equal(played.rewards.sum(axis=0), record.episodic_returns)
    # Actions and observations too: from them comes the same step.
    hyper = reinforce.hyperparameters(record.config)
    after, metrics = traced_update(before, Trajectories(*map(tf.constant, played)), hyper, ())
    for name, array in trainer.policy().items():
        np.testing.assert_allclose(array, after.policy[name], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(metrics.entropy, record.entropy, rtol=1e-5)
    trainer.close()
