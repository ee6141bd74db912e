"""Every way into a config: what is good comes out as it went in, what is not is refused with one sentence."""

import json
import math

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_core.config import HYPERPARAMETERS, Config, ConfigError
from pg_core.hyperparameters import GROUPS, Hyperparameter

DEFAULTS = json.loads(Config().model_dump_json())


@pytest.mark.parametrize("parameter", HYPERPARAMETERS.values(), ids=HYPERPARAMETERS)
def test_each_hyperparameter_says_all_that_its_control_shows(parameter: Hyperparameter):
    assert parameter.label and parameter.help.endswith(".")
    assert parameter.group in GROUPS
    assert parameter.rule
    if parameter.kind is float or (parameter.kind is int and not parameter.choices):
        assert parameter.low <= parameter.default <= parameter.high
        assert parameter.scale == "linear" or parameter.low > 0


def test_choices_are_those_that_validation_takes():
    for name, parameter in HYPERPARAMETERS.items():
        for value in parameter.choices:
            assert getattr(Config(**{name: value}), name) == value
    with pytest.raises(ConfigError, match="`pace` must be one of 1, 2, 5, 10, 30, 0, -1, got 3"):
        Config(pace=3)
    for almost in (True, 1.0):
        with pytest.raises(ConfigError, match="`pace` must be one of"):
            Config(pace=almost)


def test_the_defaults_are_valid_themselves():
    assert Config(**Config().model_dump()) == Config()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"bogus": 1}, r"^`bogus` is not a hyperparameter$"),
        ({"learnin_rate": 0.1}, r"^`learnin_rate` is not a hyperparameter; did you mean `learning_rate`\?$"),
        ({"self": 1}, r"^`self` is not a hyperparameter$"),
        ({"gamma": None}, r"^`gamma` must be in \[0, 1\], got None$"),
        ({"gamma": math.nan}, r"^`gamma` must be in \[0, 1\], got nan$"),
        ({"learning_rate": math.inf}, r"^`learning_rate` must be in \[1e-06, 1\], got inf$"),
        ({"max_grad_norm": -math.inf}, r"^`max_grad_norm` must be in \[0, 1000\], got -inf$"),
        ({"gamma": 1.2}, r"^`gamma` must be in \[0, 1\], got 1\.2$"),
        ({"gamma": "0.5"}, r"^`gamma` must be in \[0, 1\], got '0\.5'$"),
        ({"num_agents": 0}, r"^`num_agents` must be a whole number in \[1, 512\], got 0$"),
        ({"seed": 1.0}, r"^`seed` must be a whole number in \[0, 2147483647\], got 1\.0$"),
        ({"seed": True}, r"^`seed` must be a whole number .* got True$"),
        ({"stop_when_solved": 1}, r"^`stop_when_solved` must be true or false, got 1$"),
        ({"pace": 7}, r"^`pace` must be one of 1, 2, 5, 10, 30, 0, -1, got 7$"),
        ({"optimizer": "lion"}, r"^`optimizer` must be one of sgd, adam, rmsprop, got 'lion'$"),
        ({"hidden_layers": "64,x"}, r"^`hidden_layers` must be up to three layer sizes .* got 'x'$"),
        ({"hidden_layers": (513,)}, r"^`hidden_layers` must be up to three layer sizes .* got 513$"),
        ({"hidden_layers": (8, 8, 8, 8)}, r"^`hidden_layers` must be up to three layer sizes .* got \(8, 8, 8, 8\)$"),
        ({"env_id": 5}, r"^`env_id` must be a Gymnasium id, got 5$"),
        (
            {"env_id": "CartPol-v1"},
            r"^`env_id` must be a registered .* got 'CartPol-v1'; did you mean 'CartPole-v1'\?$",
        ),
        ({"env_kwargs": {"a": [1]}}, r"^`env_kwargs` must be a flat JSON object .* got \[1\]$"),
        ({"env_kwargs": "a"}, r"^`env_kwargs` must be a flat JSON object .* got 'a'$"),
        ({"env_kwargs": '{"a": NaN}'}, r"^`env_kwargs` must be a flat JSON object .* got nan$"),
        ({"env_kwargs": '{"a": ' + "[" * 100_000}, r"^`env_kwargs` must be a flat JSON object "),
        ({"env_kwargs": {"a b": 1}}, r"^`env_kwargs` must be a flat JSON object .* got {'a b': 1}$"),
        ({"env_kwargs": {"a": "\ud800"}}, r"^`env_kwargs` must be a flat JSON object "),
        ({"env_kwargs": {"render_mode": "human"}}, r"^`env_kwargs` must hold .* own, got 'render_mode'$"),
        (
            {"env_kwargs": {"ice": 1}},
            r"^`env_id` 'CartPole-v1' cannot be made here with {\"ice\": 1}: .* argument 'ice'\.$",
        ),
        ({"max_episode_steps": -1}, r"^`max_episode_steps` must be a whole number in \[0, 1000000\], got -1$"),
        ({"reward_scale": 0.0}, r"^`reward_scale` must be in \[0\.0001, 10000\], got 0\.0$"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(values: dict, sentence: str):
    with pytest.raises(ConfigError, match=sentence):
        Config(**values)


def test_products_that_no_machine_holds_are_refused():
    with pytest.raises(ConfigError, match=r"512 × 256 × 500 × 45 = 2,949,120,000; make one of them smaller$"):
        Config(num_agents=512, episodes_per_update=256)
    with pytest.raises(ConfigError, match=r"512 × 4 × 1,000,000 = 2,048,000,000; make one of them smaller$"):
        Config(num_agents=512, episodes_per_update=4, num_updates=1_000_000)
    # 20 agents × 256 copies × (17 × 512 + 2 × 513 × 512 + 513 × 4) parameters
    with pytest.raises(ConfigError, match=r"20 × 256 × 536,068 = 2,744,668,160; make one of them smaller$"):
        Config(env_id="FrozenLake-v1", num_agents=20, episodes_per_update=256, hidden_layers=(512, 512, 512))
    with pytest.raises(ConfigError, match=r"`num_agents` × parameters of a policy must be at most 33,554,432"):
        Config(env_id="FrozenLake-v1", num_agents=500, episodes_per_update=1, hidden_layers=(512, 512))


def env_with(observations: gym.Space, actions: gym.Space | None = None) -> type[gym.Env]:
    """An environment that is never played."""
    return type("Env", (gym.Env,), {"observation_space": observations, "action_space": actions or spaces.Discrete(2)})


PICTURE, NUMBERS = spaces.Box(0, 255, (8, 8, 3), np.uint8), spaces.Box(-1, 1, (2,))


@pytest.mark.parametrize(
    ("entry_point", "sentence"),
    [
        (env_with(PICTURE), r"numbers, got 'Lab/Test-v0' with pictures, uint8 of shape \(8, 8, 3\); have a `gymnasium"),
        (env_with(spaces.Dict({"a": NUMBERS, "b": spaces.Tuple([PICTURE])})), r"got 'Lab/Test-v0' with pictures, "),
        (env_with(spaces.Dict({"mission": spaces.Text(9)})), r"numbers, got 'Lab/Test-v0' with Text; have a "),
        (env_with(spaces.Sequence(NUMBERS)), r"numbers, got 'Lab/Test-v0' with Sequence, of no fixed size; have a "),
        (env_with(gym.Space()), r"numbers, got 'Lab/Test-v0' with Space, of no fixed size; have a "),
        (env_with(spaces.Box(-1, 1, (0,))), r"numbers, got 'Lab/Test-v0' with 0 of them; there must be 1 to 1,048,576"),
        (env_with(spaces.Discrete(10**9)), r"numbers, got 'Lab/Test-v0' with 1,000,000,000 of them; there must be"),
        (
            env_with(NUMBERS, spaces.Tuple([NUMBERS])),
            r"or Box actions .*, got 'Lab/Test-v0' with Tuple\(Box.*; have a ",
        ),
        (env_with(NUMBERS, spaces.MultiBinary(300)), r"actions of 1 to 256 numbers, got 'Lab/Test-v0' with MultiB"),
        ("no_such_package.envs:Env", r"cannot be made here: .*'no_such_package'; install it with `pip install no_such"),
        (lambda goal: goal, r"missing 1 required positional argument: 'goal'.*; `env_kwargs` gives an environment its"),
    ],
)
def test_environments_that_cannot_be_trained_are_refused_with_the_remedy(register, entry_point, sentence: str):
    register("Lab/Test-v0", entry_point)
    with pytest.raises(ConfigError, match=rf"^`env_id` .*{sentence}"):
        Config(env_id="Lab/Test-v0")


def test_a_stored_config_comes_back_as_it_was():
    config = Config(hidden_layers=(64, 32), pace=0, learning_rate=0.1 + 0.2, baseline="value")
    assert Config.from_json(config.model_dump_json()) == config


@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_a_stored_config_must_be_complete(name: str):
    values = {key: value for key, value in DEFAULTS.items() if key != name}
    with pytest.raises(ConfigError, match=f"^`{name}` is missing from the stored config"):
        Config.from_json(json.dumps(values))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"seed": ' + "9" * 5000 + "}", b"\xff", "[" * 100_000])
def test_a_stored_config_must_be_one_json_object(text: str | bytes):
    with pytest.raises(ConfigError, match=r"^The config must be one JSON object\.$"):
        Config.from_json(text)


def test_live_hyperparameters_change_and_the_old_config_stays():
    config = Config()
    new = config.changed(learning_rate=0.003, baseline="step_mean")
    assert config.differences(new) == {"learning_rate": 0.003, "baseline": "step_mean"}
    assert config == Config()


def test_the_compiled_engine_plays_cart_pole_and_nothing_else():
    chosen = {engine: Config(engine=engine).compiled for engine in ("auto", "compiled", "gymnasium")}
    assert chosen == {"auto": True, "compiled": True, "gymnasium": False}
    assert Config(env_id="CartPole-v0", engine="compiled").compiled
    assert not Config(env_id="Acrobot-v1").compiled
    told = r"^`engine` must be auto or gymnasium for Acrobot-v1, got 'compiled', which plays only CartPole$"
    with pytest.raises(ConfigError, match=told):
        Config(env_id="Acrobot-v1", engine="compiled")
    with pytest.raises(ConfigError, match=r"^`engine` must be one of auto, compiled, gymnasium, got 'jax'$"):
        Config(engine="jax")


def test_the_other_reward_is_cart_poles_and_solves_nothing():
    assert Config().environment.reward_threshold == 475
    for engine in ("compiled", "gymnasium"):
        spec = Config(env_kwargs={"sutton_barto_reward": True}, engine=engine).environment
        assert (spec.env_kwargs, spec.reward_threshold) == ({"sutton_barto_reward": True}, None)
    with pytest.raises(ConfigError, match=r"^`env_id` 'Pendulum-v1' cannot be made here with .* unexpected keyword"):
        Config(env_id="Pendulum-v1", env_kwargs={"sutton_barto_reward": True})


@pytest.mark.parametrize(
    ("text", "value"),
    [("", {}), ("none", {}), ("is_slippery=false", {"is_slippery": False}),
     ("a=False, b = 8x8", {"a": False, "b": "8x8"}),
     ('{"a": 1, "b": 1.5, "c": null}', {"a": 1, "b": 1.5, "c": None}), ('a="x=y"', {"a": "x=y"})],
)  # fmt: skip
def test_arguments_of_an_environment_are_json_or_pairs(text: str, value: dict):
    assert HYPERPARAMETERS["env_kwargs"].parse(text) == value
    assert json.dumps(HYPERPARAMETERS["env_kwargs"].parse(text)) == json.dumps(value)  # True is not 1


def test_an_environment_gets_its_arguments_and_its_limit():
    spec = Config(env_id="FrozenLake-v1", env_kwargs="map_name=8x8", max_episode_steps=7).environment
    assert (spec.observation_size, spec.max_episode_steps, spec.tells_limit) == (64, 7, True)


def test_parameters_are_counted_by_hand():
    # Acrobot: 6 observations, 3 actions.
    assert Config(env_id="Acrobot-v1", hidden_layers=()).parameters == 6 * 3 + 3
    assert Config(env_id="Acrobot-v1", hidden_layers=(5, 7)).parameters == (6 * 5 + 5) + (5 * 7 + 7) + (7 * 3 + 3)


OTHER_VALUES = {
    "env_id": "Acrobot-v1",
    "env_kwargs": {"sutton_barto_reward": True},
    "max_episode_steps": 100,
    "normalize_observations": True,
    "engine": "gymnasium",
    "seed": 1,
    "num_agents": 1,
    "episodes_per_update": 1,
    "hidden_layers": (),
    "optimizer": "sgd",
}


def test_every_fixed_hyperparameter_is_tried_below():
    assert set(OTHER_VALUES) == {name for name, parameter in HYPERPARAMETERS.items() if not parameter.live}


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_fixed_hyperparameters_cannot_change_during_a_run(name: str):
    with pytest.raises(ConfigError, match=rf"^`{name}` is fixed during a run, got .*; start a new run with it$"):
        Config().changed(**{name: OTHER_VALUES[name]})
    assert Config().changed(**{name: getattr(Config(), name)}) == Config()


@pytest.mark.parametrize(("before", "after"), [("value", "none"), ("step_mean", "value")])
def test_a_value_network_neither_comes_nor_goes_during_a_run(before: str, after: str):
    with pytest.raises(ConfigError, match=r"^A value network is fixed during a run"):
        Config(baseline=before).changed(baseline=after)


def test_a_change_is_validated_as_any_config():
    with pytest.raises(ConfigError, match=r"^`gamma` must be in \[0, 1\], got 2$"):
        Config().changed(gamma=2)
    with pytest.raises(ConfigError, match=r"^`bogus` is not a hyperparameter$"):
        Config().changed(bogus=2)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def valid(parameter: Hyperparameter) -> st.SearchStrategy:
    if parameter.choices:
        return st.sampled_from(list(parameter.choices))
    if parameter.kind is bool:
        return st.booleans()
    if parameter.kind is tuple:
        return st.lists(st.integers(1, 512), max_size=3).map(tuple)
    if parameter.kind is dict:
        return st.sampled_from([{}, {"sutton_barto_reward": True}, {"sutton_barto_reward": False}])
    if parameter.kind is str:
        return st.sampled_from(["CartPole-v1", "Acrobot-v1", "Pendulum-v1", "FrozenLake-v1"])
    numbers = st.integers if parameter.kind is int else st.floats
    return numbers(parameter.low, parameter.high)


FIELDS = st.fixed_dictionaries({}, optional={name: valid(p) | JSON for name, p in HYPERPARAMETERS.items()})


@settings(deadline=None)
@given(FIELDS, st.dictionaries(st.text(), JSON, max_size=1))
def test_any_json_object_is_a_config_or_one_sentence(fields: dict, strangers: dict):
    text = json.dumps({**DEFAULTS, **fields, **strangers})
    try:
        config = Config.from_json(text)
    except ConfigError as error:
        assert len(str(error).splitlines()) == 1
        assert len(str(error)) < 400
    else:
        assert Config.from_json(config.model_dump_json()) == config


@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_every_hyperparameter_is_read_back_from_its_text(name: str):
    @settings(deadline=None)
    @given(valid(HYPERPARAMETERS[name]))
    def read_back(value):
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        text = json.dumps(value) if isinstance(value, dict) else text
        assert getattr(Config.from_strings({name: text}), name) == value

    read_back()


@pytest.mark.parametrize(
    ("name", "text"),
    [("seed", "1.5"), ("seed", ""), ("gamma", "nan"), ("gamma", "high"), ("stop_when_solved", "yes"), ("pace", "fast")],
)
def test_text_that_is_no_value_is_refused(name: str, text: str):
    with pytest.raises(ConfigError, match=f"^`{name}` must be "):
        Config.from_strings({name: text})


def test_a_config_outlives_its_environment(register):
    """The runs of an environment that is not here any more are still to be looked at."""
    register("Lab/Gone-v0", "gymnasium.envs.classic_control.cartpole:CartPoleEnv", max_episode_steps=7)
    config = Config(env_id="Lab/Gone-v0")
    before = config.environment
    del gym.registry["Lab/Gone-v0"]
    with pytest.raises(ConfigError, match="must be a registered Gymnasium environment"):
        Config(env_id="Lab/Gone-v0")
    assert config.environment == before and before.max_episode_steps == 7
    gym.register("Lab/Gone-v0", "gymnasium.envs.classic_control.cartpole:CartPoleEnv", max_episode_steps=9)
    assert config.environment.max_episode_steps == 9
