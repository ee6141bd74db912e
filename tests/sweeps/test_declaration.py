"""What a sweep is: axes as text and JSON, settings, and the sentences for what none can be."""

import json

import pytest

from pg_core.config import Config, ConfigError
from pg_core.sweeps.declaration import MAX_SETTINGS, Axis, Sweep, SweepError

BASE = Config(seed=3, pace=2)


@pytest.mark.parametrize(
    ("text", "values", "scale"),
    [
        # 0.003 · 10^(k/4)
        ("learning_rate=0.003:0.03:log:5", (0.003, 0.005335, 0.009487, 0.01687, 0.03), "log"),
        ("gamma=0.9:1:3", (0.9, 0.95, 1.0), "linear"),
        ("episodes_per_update=1:9:5", (1, 3, 5, 7, 9), "linear"),
        ("baseline=none,leave_one_out", ("none", "leave_one_out"), "list"),
        ("gamma=1,0.5", (1.0, 0.5), "list"),
        ("gamma_t=true,false", (True, False), "list"),
        ("hidden_layers=64;64,64;none", ((64,), (64, 64), ()), "list"),
        ('env_kwargs=none;{"sutton_barto_reward": true}', ({}, {"sutton_barto_reward": True}), "list"),
    ],
)
def test_an_axis_is_read_from_text_and_written_as_it_is_read(text, values, scale):
    axis = Axis.of(text)
    assert (axis.values, axis.scale) == (values, scale)
    assert Axis.of(axis.text) == axis
    assert Axis(**json.loads(axis.model_dump_json())) == axis
    assert Axis.of(text.replace(axis.name, axis.name.replace("_", "-"))) == axis


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("gamma", "An axis must be `NAME=LOW:HIGH:N`, `NAME=LOW:HIGH:log:N`, or `NAME=VALUE,VALUE,…`, got 'gamma'."),
        ("nothing=1,2", "An axis must be a hyperparameter other than seed, num_agents, pace, got 'nothing'."),
        ("seed=1,2", "An axis must be a hyperparameter other than seed, num_agents, pace, got 'seed'."),
        ("pace=0,1", "got 'pace'."),
        ("gamma=0.5,2", "`gamma` must be in [0, 1], got 2.0."),
        ("gamma=0.5,x", "`gamma` must be in [0, 1], got 'x'."),
        ("gamma=0.5,0.50", "The values of `gamma` must differ, got 0.5 twice."),
        ("gamma=1:0:3", "LOW < HIGH and N in [2, 256], got 'gamma=1:0:3'."),
        ("gamma=0:1:1000000000", "N in [2, 256]"),
        ("gamma=0:1:x", "N in [2, 256]"),
        ("gamma=nan:1:3", "LOW < HIGH"),
        ("learning_rate=0:1:log:3", "A logarithmic range of `learning_rate` must begin above 0, got 0."),
        ("learning_rate=1e-9:1:log:3", "`learning_rate` must be in [1e-06, 1], got 1e-09."),
        ("episodes_per_update=1:3:9", "The values of `episodes_per_update` must differ, got 1 twice."),
        ("gamma_t=maybe", "`gamma_t` must be true or false, got 'maybe'."),
        ("baseline=best", "`baseline` must be one of none, batch_mean, step_mean, leave_one_out, value, got 'best'."),
        ("gamma=" + ",".join(map(str, range(300))), "must be a list of 1 to 256, got 300."),
    ],
)
def test_what_is_no_axis_is_refused_in_a_sentence(text, sentence):
    with pytest.raises(SweepError) as caught:
        Axis.of(text)
    assert sentence in str(caught.value)


def test_a_grid_is_all_combinations_each_with_the_same_seeds_and_as_fast_as_possible():
    sweep = Sweep(base=BASE, axes=[Axis.of("gamma=0.5,0.9"), Axis.of("baseline=none,value")], seeds=7)
    assert sweep.grid() == [
        {"gamma": 0.5, "baseline": "none"}, {"gamma": 0.5, "baseline": "value"},
        {"gamma": 0.9, "baseline": "none"}, {"gamma": 0.9, "baseline": "value"},
    ]  # fmt: skip
    for values in sweep.grid():
        config = sweep.config(values)
        assert config == Config(**{**BASE.model_dump(), "num_agents": 7, "pace": 0, **values})
        assert sweep.values_of(config) == values
    assert (sweep.most, Sweep.from_json(sweep.to_json())) == (4, sweep)


ONE = {"base": BASE, "axes": [Axis.of("gamma=0.5,0.9")]}
HUNDRED = [Axis(name=name, values=[n / 100 for n in range(1, 101)]) for name in ("gamma", "ent_coef", "learning_rate")]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"axes": HUNDRED},
            "A grid must have at most 256 settings, got 100 × 100 × 100 = 1,000,000; give",
        ),
        ({"axes": []}, "`axes` of a sweep is not as it must be"),
        ({"axes": [Axis.of("gamma=0.5,0.9")] * 2}, "Each axis must be another hyperparameter, got `gamma` twice."),
        ({"axes": "gamma"}, "`axes` of a sweep is not as it must be"),
        ({"seeds": 0}, "`seeds` of a sweep is not as it must be"),
        ({"seeds": 513}, "`seeds` of a sweep is not as it must be"),
        ({"seeds": "5"}, "`seeds` of a sweep is not as it must be"),
        ({"sampler": "best"}, "`sampler` of a sweep is not as it must be"),
        ({"sampler": "tpe"}, "`trials` must be in [1, 256] for tpe, got 0."),
        ({"trials": 5}, "`trials` must be 0, got 5, for a grid"),
        ({"prune": True}, "`prune` must be false, for a grid"),
        ({"sampler": "random", "trials": 10**9}, "`trials` of a sweep is not as it must be"),
        ({"axes": [Axis.of("episodes_per_update=3,256")], "seeds": 512}, "must be at most 1,073,741,824"),
        ({"axes": [Axis.of("env_id=CartPole-v1,Nothing-v0")]}, "Nothing-v0"),
        ({"axes": [Axis.of("engine=auto,compiled")], "base": Config(env_id="Acrobot-v1")}, "`engine` must be auto or"),
        ({"more": 1}, "`more` of a sweep is not as it must be"),
    ],
)
def test_what_is_no_sweep_is_refused_in_a_sentence(values, sentence):
    with pytest.raises(ConfigError) as caught:
        Sweep(**{**ONE, **values})
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "A sweep must be one JSON object"),
        ("[]", "A sweep must be one JSON object"),
        ("[" * 10_000, "A sweep must be one JSON object"),
        ("{}", "with `axes`"),
        ('{"axes": [3], "base": BASE}', "An axis must be one JSON object with `name` and `values`, got 3."),
        ('{"axes": [{"name": ["gamma"], "values": [1]}], "base": BASE}', "An axis must be a hyperparameter"),
        ('{"axes": [{"name": "gamma", "values": {"0": 1}}], "base": BASE}', "must be a list of 1 to 256, got {'0': 1}"),
        ('{"axes": [{"name": "gamma", "values": [true]}], "base": BASE}', "`gamma` must be in [0, 1], got True."),
        ('{"axes": [{"name": "gamma", "values": [0.5, 0.1], "scale": "log"}], "base": BASE}', "must go up"),
        ('{"axes": [{"name": "gamma", "values": [0, 1], "scale": "log"}], "base": BASE}', "must begin above 0"),
        ('{"axes": [{"name": "baseline", "values": ["none", "value"], "scale": "log"}], "base": BASE}', "of numbers"),
        ('{"axes": [{"name": "gamma", "values": [0, 1], "code": "x"}], "base": BASE}', "`code` of an axis"),
        ('{"axes": [], "base": {"seed": 1}}', "`env_id` is missing from the stored config"),
        ('{"axes": [], "base": 3}', "The config must be one JSON object."),
        ('{"axes": [], "base": BASE, "pad": "' + "x" * 100_000 + '"}', "of at most 100,000 characters"),
    ],
)
def test_a_hostile_declaration_is_refused_in_a_sentence(text, sentence):
    with pytest.raises(ConfigError) as caught:
        Sweep.from_json(text.replace("BASE", BASE.model_dump_json()))
    assert sentence in str(caught.value) and len(str(caught.value)) < 500


def test_the_largest_grid_is_one():
    values = [n / MAX_SETTINGS for n in range(MAX_SETTINGS)]
    sweep = Sweep(base=BASE, axes=[Axis(name="gamma", values=values)])
    assert sweep.most == len(sweep.grid()) == MAX_SETTINGS
