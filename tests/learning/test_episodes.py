"""Episodes to be looked at are those that Gymnasium's environment and the policy give, step by step."""

import base64
import json

import numpy as np
import pytest

from pg_core.config import Config
from pg_core.environments import make
from pg_core.learning import episodes, evaluation
from pg_core.learning.episodes import play_cart_pole, roles, shown, start_seed, to_json
from pg_core.policies import in_numpy
from pg_core.randomness import Stream, generator


def policy_of(config):
    """Return random policies; of linear ones each holds the pole better than the one before."""
    rng = np.random.default_rng(0)
    params = in_numpy.initialize_policy(config, config.environment)
    params = {name: array + rng.normal(size=array.shape).astype(np.float32) for name, array in params.items()}
    if not config.hidden_layers and config.compiled:
        params["kernel_0"][:, :, 1] += np.arange(config.num_agents)[:, None] * np.float32([0.1, 0.2, 2, 2])
    return params


CONFIGS = [
    Config(num_agents=5, hidden_layers=(), seed=3),
    Config(num_agents=3, hidden_layers=(8,), env_id="CartPole-v0"),
    Config(num_agents=2, hidden_layers=(16, 8), activation="silu", env_kwargs={"sutton_barto_reward": True}),
]


def reference(config, policy, agent, update):
    """Play one agent alone, in the environment with all its wrappers, an observation at a time."""
    env = make(config.env_id, **config.environment.options)
    act = evaluation.actor(config, policy, agent, greedy=False, update=update)
    observation, _ = env.reset(seed=start_seed(config, update))
    states, probs, total, ended = [env.unwrapped.state], [], 0.0, False
    while not ended:
        action, probabilities = act(np.float32(observation))
        observation, reward, terminated, truncated, _ = env.step(int(action))
        states.append(env.unwrapped.state)
        probs.append(probabilities[1])
        total, ended = total + reward, terminated or truncated
    return np.array(states), np.array(probs), total


@pytest.mark.parametrize("config", CONFIGS, ids=["linear", "v0", "deep"])
@pytest.mark.parametrize("update", [0, 7])
def test_agents_played_together_are_those_played_alone(config, update):
    policy = policy_of(config)
    played = play_cart_pole(config, policy, range(config.num_agents), update)
    for agent, episode in enumerate(played):
        states, probs, total = reference(config, policy, agent, update)
        np.testing.assert_array_equal(episode.states, states)
        np.testing.assert_array_equal(episode.probs.astype(np.float32), probs)
        assert episode.episodic_return == total
    assert config.hidden_layers or len({len(episode.probs) for episode in played}) > 1
    first = np.array([episode.states[0] for episode in played])
    assert (first == first[0]).all(), "all begin in the same state"
    [alone] = play_cart_pole(config, policy, [1], update)
    np.testing.assert_array_equal(alone.states, played[1].states)


def test_an_episode_ends_at_the_time_limit():
    config = Config(num_agents=1, hidden_layers=(), env_id="CartPole-v0")
    kernel = np.zeros((1, 4, 2), np.float32)
    kernel[0, :, 1] = [5, 10, 100, 100]  # pushes where the pole leans and turns
    [episode] = play_cart_pole(config, {"kernel_0": kernel, "bias_0": np.zeros((1, 1, 2), np.float32)}, [0], 0)
    assert (episode.states.shape, episode.probs.shape, episode.episodic_return) == ((201, 4), (200,), 200.0)


def test_each_update_has_an_episode_of_its_own():
    config = CONFIGS[0]
    starts = [play_cart_pole(config, policy_of(config), [0], update)[0].states[0] for update in (0, 1, 1)]
    assert (starts[0] != starts[1]).all() and (starts[1] == starts[2]).all()


@pytest.mark.parametrize("greedy", [False, True], ids=["sampled", "greedy"])
def test_with_a_seed_all_policies_begin_alike_and_act_by_the_same_numbers(greedy):
    uniform = generator(11, Stream.FRESH, 0).random(500, np.float32)
    start = make("CartPole-v1").reset(seed=11)[0]
    for config, agent, update in [(CONFIGS[0], 1, 7), (CONFIGS[0], 4, 0), (CONFIGS[2], 0, 3)]:
        policy, env = policy_of(config), make(config.env_id, **config.environment.options)
        observation, _ = env.reset(seed=11)
        [episode] = play_cart_pole(config, policy, [agent], update, seed=11, greedy=greedy)
        np.testing.assert_array_equal(episode.states[0].astype(np.float32), start)
        total, terminated, truncated = 0.0, False, False
        for step, right in enumerate(episode.probs):
            assert not (terminated or truncated)
            params = evaluation.one_agent(policy, agent)
            logits = in_numpy.apply(params, observation[None, None], config.activation)[0, 0]
            np.testing.assert_allclose(right, 1 / (1 + np.exp(logits[0] - logits[1])), rtol=1e-5)
            action = int(logits[1] > logits[0]) if greedy else int(uniform[step] >= 1 - right)
            observation, reward, terminated, truncated, _ = env.step(action)
            np.testing.assert_array_equal(episode.states[step + 1], env.unwrapped.state)
            total += reward
        assert (terminated or truncated) and total == episode.episodic_return


def test_pictures_by_a_seed_are_of_the_same_first_state_and_random_numbers():
    config = Config(num_agents=2, hidden_layers=(8,), env_id="Pendulum-v1", max_episode_steps=20)
    policy = policy_of(config)
    act = [evaluation.actor(config, policy, agent, False, update, seed=5) for agent, update in [(0, 1), (1, 4)]]
    observation = np.float32([1, 0, 0])
    for _ in range(3):  # a = μ + σ ε: each agent's ε is the same
        noise = [
            (a - mean) / np.exp(policy["log_std"][i, 0]) for i, (a, mean) in enumerate(f(observation) for f in act)
        ]
        np.testing.assert_allclose(noise[0], noise[1], rtol=1e-4)
    played = [json.loads(to_json(config, policy, 1, [0, 1], agent, seed=5))["episodes"][0] for agent in (0, 1)]
    assert played[0]["frames"][0] == played[1]["frames"][0] != played[0]["frames"][-1]
    other = json.loads(to_json(config, policy, 1, [0, 1], 0, seed=6))["episodes"][0]
    assert other["frames"][0] != played[0]["frames"][0]
    greedy = [json.loads(to_json(config, policy, at, [0, 1], 0, seed=5, greedy=True))["episodes"][0] for at in (1, 2)]
    assert greedy[0] == greedy[1] != played[0]


@pytest.mark.parametrize(
    ("ranked", "median"),
    [([4], 4), ([7, 2], 2), ([5, 1, 3], 1), ([3, 0, 2, 1], 2)],  # the lower one of two in the middle
)
def test_roles_are_the_median_the_best_and_the_worst(ranked, median):
    assert roles(ranked) == {"median": median, "best": ranked[0], "worst": ranked[-1]}


@pytest.mark.parametrize("number", [1, 2, 15, 16, 17, 18, 31, 32, 33, 100, 511, 512])
def test_of_many_agents_sixteen_are_shown_from_best_to_worst(number):
    ranked = np.random.default_rng(number).permutation(number).tolist()
    agents = shown(ranked)
    assert agents == sorted(set(agents)) and len(agents) == min(16, number)
    assert set(roles(ranked).values()) <= set(agents)
    ranks = sorted(ranked.index(agent) for agent in agents)
    assert np.diff([0, *ranks]).max() <= 1.5 * number / 15 + 1, "around the median"
    missing = next((agent for agent in range(number) if agent not in agents), agents[-1])
    assert set(shown(ranked, missing)) == {*agents, missing}


def decoded(episode):
    states = np.frombuffer(base64.b64decode(episode["states"]), "<i2").reshape(-1, 4) * episode["scale"]
    return states, np.frombuffer(base64.b64decode(episode["probs"]), "<u2") / 65535


def test_numbers_survive_to_a_part_in_thirty_thousand():
    config, policy = CONFIGS[0], policy_of(CONFIGS[0])
    answer = json.loads(to_json(config, policy, 7, ranked=[2, 0, 1, 4, 3]))
    assert {name: answer[name] for name in ("update", "env_id", "num_agents", "kind", "step_ms")} == {
        "update": 7, "env_id": "CartPole-v1", "num_agents": 5, "kind": "cart_pole", "step_ms": 20,
    }  # fmt: skip
    assert answer["roles"] == {"median": 1, "best": 2, "worst": 3}
    played = play_cart_pole(config, policy, range(5), 7)
    assert [episode["agent"] for episode in answer["episodes"]] == [0, 1, 2, 3, 4]
    for sent, episode in zip(answer["episodes"], played, strict=True):
        assert (sent["return"], sent["length"]) == (episode.episodic_return, len(episode.probs))
        states, probs = decoded(sent)
        # Half a step of the scale is max|x| / 32767 / 2.
        assert (np.abs(states - episode.states) <= np.abs(episode.states).max(axis=0) / 65533).all()
        np.testing.assert_allclose(probs, episode.probs, atol=0.51 / 65535)


def test_a_column_of_zeros_has_the_scale_one():
    sent = episodes._numbers(episodes.Episode(np.array([[0, 1, -2, 0.5]] * 2), np.array([1.0]), 1.0))
    assert sent["scale"] == [1, 1 / 32767, 2 / 32767, 0.5 / 32767]
    np.testing.assert_allclose(decoded(sent)[0], [[0, 1, -2, 0.5]] * 2)


@pytest.mark.parametrize("config", CONFIGS, ids=["linear", "v0", "deep"])
def test_pictures_of_cart_pole_are_of_the_episode_in_the_numbers(config):
    policy, ranked = policy_of(config), list(range(config.num_agents))
    numbers = json.loads(to_json(config, policy, 5, ranked))["episodes"]
    for agent, chosen in ((None, roles(ranked)["median"]), (0, 0)):
        [drawn] = json.loads(to_json(config, policy, 5, ranked, agent, frames=True))["episodes"]
        assert drawn["agent"] == chosen
        assert (drawn["return"], drawn["length"]) == (numbers[chosen]["return"], numbers[chosen]["length"])
        right = [thought[1] for thought in drawn["thoughts"][:-1]]
        np.testing.assert_allclose(right, decoded(numbers[chosen])[1][drawn["steps"][:-1]], atol=1e-5)
        assert base64.b64decode(drawn["frames"][0])[8:12] == b"WEBP" and len(drawn["frames"]) == len(drawn["steps"])


def test_another_environment_comes_as_pictures_of_one_agent():
    config = Config(env_id="FrozenLake-v1", num_agents=2, hidden_layers=())
    answer = json.loads(to_json(config, policy_of(config), 3, [1, 0]))
    [drawn] = answer["episodes"]
    assert (answer["kind"], drawn["agent"], drawn["choices"], drawn["frame_ms"]) == ("frames", 0, [4], 250)
    assert drawn["steps"][-1] == drawn["length"] and drawn["thoughts"][-1] == []
