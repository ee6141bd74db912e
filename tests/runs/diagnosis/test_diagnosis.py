"""Each cause has numbers that show it and numbers that must not; the commonest ones are trained, too."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from pg_core import lab
from pg_core.config import Config
from pg_core.proofs import STATEMENTS
from pg_core.runs.diagnosis import Cause, causes
from pg_core.runs.diagnosis.measured import Measured

N, P = 40, 4  # updates, agents


def flat(**settings: Any) -> Measured:
    """CartPole's agents that earn 22 ± 10 for ever, with nothing else that could be wrong with them."""
    config = Config(num_agents=P, **{"episodes_per_update": 3, **settings})
    rng, batch = np.random.default_rng(0), config.episodes_per_update
    returns = rng.normal(22, 10, (N, P, batch)).round().clip(8)
    one = np.ones((N, P))
    columns = {
        "episodic_returns": returns, "episodic_lengths": returns,
        "policy_loss": rng.normal(size=(N, P)), "entropy": 0.6 * one, "grad_norm": 2 + rng.random((N, P)),
        "grad_snr": 1.5 * one, "approx_kl": 0.02 * one, "env_steps_to_solve": -one, "cut": 0 * one,
        "at_bounds": np.nan * one, "max_reward": one,
    }  # fmt: skip
    return Measured(config, np.arange(N), columns)


def setting(seen: Measured, **columns: Any) -> Measured:
    """The same agents with other columns: `[N]`, or of any shape that can be broadcast."""
    changed = dict(seen.columns)
    for name, values in columns.items():
        shape = changed[name].shape
        given = np.reshape(values, (-1, *[1] * (len(shape) - 1))) if np.ndim(values) == 1 else values
        changed[name] = np.broadcast_to(given, shape).astype(float)
    return replace(seen, columns=changed)


def earning(seen: Measured, means: Any) -> Measured:
    """The same agents with other mean returns, `[N]`, and the spread of `flat`."""
    spread = flat(episodes_per_update=seen.config.episodes_per_update).columns["episodic_returns"] - 22
    returns = spread + np.reshape(means, (-1, 1, 1))
    return setting(seen, episodic_returns=returns)


def names(seen: Measured) -> list[str]:
    return [cause.name for cause in causes(seen)]


def only(seen: Measured) -> Cause:
    [cause] = causes(seen)
    return cause


RISING = np.linspace(22, 400, N)
PEAKED = np.concatenate([np.linspace(22, 400, N // 2), np.full(N // 2, 40)])
FALLING = np.geomspace(0.69, 1e-4, N)


def mountain_car(**columns: Any) -> Measured:
    seen = flat(env_id="MountainCar-v0")
    equal = {"episodic_returns": -200, "episodic_lengths": 200, "cut": 1, "max_reward": -1}
    return setting(seen, **equal | {"policy_loss": 0, "grad_norm": 0, "grad_snr": np.nan} | columns)


def bandit(**settings: Any) -> Measured:
    """One step an episode that is worth 0 or 1, one episode an update."""
    seen = flat(episodes_per_update=1, **settings)
    wins = np.random.default_rng(1).integers(0, 2, (N, P, 1))
    return setting(seen, episodic_returns=wins, episodic_lengths=1, policy_loss=0)


def pendulum(**settings: Any) -> Measured:
    seen = flat(env_id="Pendulum-v1", **settings)
    return setting(seen, at_bounds=0.1, entropy=0.92, max_reward=-0.1)


# Of each cause: numbers that show it, and numbers beside them that must not.
SHOWN: dict[str, tuple[Measured, Measured]] = {
    "no_signal": (mountain_car(), mountain_car(episodic_returns=[-200] * 35 + [-150] + [-200] * 4)),
    "no_advantage": (bandit(), setting(bandit(), policy_loss=0.1)),
    "collapse": (earning(flat(), PEAKED), earning(flat(), np.minimum(RISING, 200))),
    "long_step": (setting(flat(), approx_kl=0.8), setting(flat(), approx_kl=0.05)),
    "no_entropy": (setting(flat(), entropy=FALLING), setting(flat(), entropy=np.maximum(FALLING, 0.1))),
    "at_bounds": (setting(pendulum(), at_bounds=0.8, cut=0), setting(pendulum(), at_bounds=0.4)),
    "exploding": (
        setting(flat(), grad_norm=np.geomspace(1, 1e5, N)), setting(flat(), grad_norm=np.geomspace(1, 50, N))
    ),
    "limited": (
        setting(flat(max_grad_norm=0.5), grad_norm=8), setting(flat(max_grad_norm=0.5), grad_norm=[8, 0.4] * (N // 2))
    ),
    "short_step": (setting(flat(), approx_kl=1e-8), setting(flat(), approx_kl=1e-6)),
    "noise": (setting(flat(), grad_snr=0.98), setting(flat(), grad_snr=1.4)),
    "time_limit": (setting(flat(), cut=1), setting(flat(), cut=[1, 1, 1, 0.67] * (N // 4))),
    "unreachable": (setting(flat(env_id="CartPole-v0"), max_reward=0.9), flat(env_id="CartPole-v0")),
}  # fmt: skip


@pytest.mark.parametrize("name", SHOWN)
def test_a_cause_is_named_where_the_numbers_show_it_and_nowhere_else(name: str) -> None:
    shown, not_shown = SHOWN[name]
    cause = only(shown)
    assert cause.name == name and name not in names(not_shown)
    assert cause.statement in STATEMENTS and cause.sentence.endswith(".") and any(map(str.isdigit, cause.evidence))
    assert shown.config.model_dump() | dict(cause.remedy) == dict(Config(**{**dict(shown.config), **cause.remedy}))


def test_agents_without_a_fault_have_none() -> None:
    assert causes(flat()) == [] == causes(earning(flat(), RISING))


@pytest.mark.parametrize("name", [name for name in SHOWN if name != "unreachable"])
def test_whoever_has_solved_the_environment_has_no_cause(name: str) -> None:
    assert causes(setting(SHOWN[name][0], env_steps_to_solve=10_000)) == []


@pytest.mark.parametrize("name", ["long_step", "short_step", "no_entropy", "limited", "noise", "time_limit"])
def test_whoever_still_rises_has_no_cause(name: str) -> None:
    shown = SHOWN[name][0]
    assert names(earning(shown, np.full(N, 22))) == [name] and names(earning(shown, RISING)) == []


def test_a_minority_of_agents_is_no_cause_but_what_is_left_of_the_unsolved_is() -> None:
    kl = np.full((N, P), 0.02)
    kl[:, 0] = 0.8
    seen = setting(flat(), approx_kl=kl)
    solved = np.full((N, P), 5_000)
    solved[:, 0] = -1
    assert names(seen) == [] and names(setting(seen, env_steps_to_solve=solved)) == ["long_step"]


def test_a_threshold_is_out_of_reach_only_as_far_as_rewards_were_seen() -> None:
    """CartPole-v0 is solved at 195, in episodes of at most 200 steps."""
    for reward, found in ((0.97, ["unreachable"]), (0.975, []), (200, [])):
        assert names(setting(flat(env_id="CartPole-v0"), max_reward=reward)) == found
    # Of a goal that was never met nothing is known; an episode that ended says that -1 a step is all there is.
    assert names(mountain_car()) == ["no_signal"]
    taxi = setting(earning(flat(env_id="Taxi-v4"), np.full(N, -200)), max_reward=-1)
    assert names(setting(taxi, cut=1)) == ["time_limit"]
    assert names(setting(taxi, cut=0.5)) == ["unreachable"]
    pendulum_has_none = setting(pendulum(), max_reward=-1)
    assert names(pendulum_has_none) == []


def test_what_an_earlier_lab_did_not_measure_shows_nothing() -> None:
    unknown = setting(flat(), cut=np.nan, at_bounds=np.nan, max_reward=np.nan)
    assert causes(unknown) == []


def test_equal_returns_that_are_the_best_so_far_are_a_success() -> None:
    """Sutton and Barto's reward: -1 for a failure; no threshold, and in the end no failure."""
    seen = flat(env_kwargs={"sutton_barto_reward": True})
    returns = np.where(np.arange(N) < 20, -1, 0)
    assert names(setting(seen, episodic_returns=returns, cut=returns + 1)) == []


def test_an_entropy_bonus_that_outweighs_the_gradient_is_the_first_to_go() -> None:
    assert only(setting(flat(ent_coef=1.0), grad_snr=1)).remedy == {"ent_coef": 0.0}


def test_whoever_earns_as_much_as_solves_needs_only_time() -> None:
    """CartPole counts as solved after 100 episodes at 475."""
    seen = setting(earning(flat(), np.full(N, 500)), episodic_returns=500, cut=1, policy_loss=0)
    assert causes(seen) == []


def test_remedies_say_what_to_set_and_where_to_fork() -> None:
    def remedy(name: str) -> tuple[dict, int | None]:
        cause = only(SHOWN[name][0])
        return dict(cause.remedy), cause.until

    assert remedy("long_step") == ({"learning_rate": 0.003}, 0)  # 0.025 · √(0.01 / 0.8) = 0.0028
    assert remedy("short_step") == ({"learning_rate": 1.0}, None)  # 0.025 · √(1e-4 / 1e-8) = 2.5, and at most 1
    values, until = remedy("no_entropy")
    assert (values, until) == ({"ent_coef": 0.01, "learning_rate": 0.008}, 3)  # 0.35 of 0.69 nats
    assert remedy("limited") == ({"max_grad_norm": 8.0}, None)
    assert remedy("noise") == ({"episodes_per_update": 12}, None)
    assert remedy("no_advantage") == ({"normalize_advantages": False}, None)
    assert remedy("collapse")[0] == {"learning_rate": 0.008}
    for baseline in ("batch_mean", "step_mean"):
        assert only(bandit(baseline=baseline)).remedy == {"normalize_advantages": False, "baseline": "none"}
    for setting_of, other in (({"weights": "episode_return"}, "reward_to_go"), ({"baseline": "none"}, "leave_one_out")):
        assert other in only(setting(flat(**setting_of), grad_snr=1)).remedy.values()
    bonus = setting(pendulum(ent_coef=0.1), at_bounds=0.8, cut=0)
    assert only(bonus).remedy == {"ent_coef": 0.0}


class Bandit(gym.Env):
    """Two arms: the right one pays, and the episode is over; or none pays."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.ones(1, np.float32), {}

    def step(self, action):
        return np.ones(1, np.float32), float(action), True, False, {}


@pytest.fixture
def bandit_v0(register: Callable[..., None]) -> None:
    register("Bandit-v0", Bandit, max_episode_steps=1)


def trained(**settings: Any) -> lab.Diagnosis:
    given = {"num_agents": 2, "hidden_layers": (8,), "num_updates": 30, "pace": 0} | settings
    training = lab.train(Config(**given))
    for _ in training:
        pass
    return lab.diagnose(training.run_id)


def found(diagnosis: lab.Diagnosis) -> list[str]:
    return [finding.cause.name for finding in diagnosis.findings]


@pytest.mark.usefixtures("sixteen_at_once", "folder", "bandit_v0")
def test_a_bandit_of_one_episode_an_update_learns_nothing_and_learns_with_the_remedy() -> None:
    lone = trained(env_id="Bandit-v0", episodes_per_update=1)
    assert found(lone) == ["no_advantage"]
    [finding] = lone.findings
    assert finding.fork_at == 30 and finding.values == {"normalize_advantages": False, "num_updates": 60}
    remedied = trained(env_id="Bandit-v0", episodes_per_update=1, num_updates=60, **finding.cause.remedy)
    assert found(remedied) == [] and remedied.verdict.startswith("It learns")


@pytest.mark.usefixtures("sixteen_at_once", "folder")
def test_mountain_car_has_no_signal() -> None:
    diagnosis = trained(env_id="MountainCar-v0", num_updates=12, num_agents=1, episodes_per_update=2)
    assert found(diagnosis) == ["no_signal"]
    assert "earned −200, cut by the time limit of 200 steps" in diagnosis.findings[0].cause.evidence


@pytest.mark.usefixtures("sixteen_at_once", "folder")
def test_too_long_steps_are_found_in_training_and_shorter_ones_are_not() -> None:
    assert {"long_step"} <= set(found(trained(learning_rate=1.0, num_updates=60)))
    assert found(trained(num_updates=60)) == []


@pytest.mark.usefixtures("sixteen_at_once", "folder", "bandit_v0")
def test_before_ten_updates_nothing_is_said() -> None:
    diagnosis = trained(env_id="Bandit-v0", episodes_per_update=1, num_updates=9)
    assert diagnosis == lab.Diagnosis("It is too early to tell: 9 updates of at least 10.", [], None)
