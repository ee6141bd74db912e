"""What a sweep tries next follows from its declaration and what was tried, and from nothing else."""

import pytest

from pg_core.config import Config
from pg_core.sweeps.declaration import Axis, Sweep
from pg_core.sweeps.sampling import Tried, hopeless, next_settings

AXES = [Axis.of("learning_rate=0.001:0.1:log:5"), Axis.of("episodes_per_update=2:8:3"), Axis.of("baseline=none,value")]


def declared(sampler, trials=40, seed=0, **more) -> Sweep:
    return Sweep(base=Config(seed=seed), axes=AXES, sampler=sampler, trials=trials, **more)


def test_a_grid_goes_on_with_what_was_not_tried():
    grid = declared("grid", 0)
    every = next_settings(grid, [], 100)
    assert every == grid.grid() and len(every) == 5 * 3 * 2
    assert next_settings(grid, [Tried(every[1]), Tried(every[0])], 2) == every[2:4]
    assert next_settings(grid, list(map(Tried, every)), 100) == []


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_samplers_choose_within_the_axes_and_the_same_again(sampler):
    sweep = declared(sampler)
    chosen = next_settings(sweep, [], 40)
    assert len(chosen) == 40 and chosen == next_settings(sweep, [], 40)
    for values in chosen:
        sweep.config(values)
        assert 0.001 <= values["learning_rate"] <= 0.1 and values["episodes_per_update"] in range(2, 9)
        assert float(f"{values['learning_rate']:.4g}") == values["learning_rate"]
    assert {values["baseline"] for values in chosen} == {"none", "value"}
    assert len({values["learning_rate"] for values in chosen}) > 30  # any value of the range, not five
    assert next_settings(declared(sampler, seed=1), [], 40) != chosen


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_no_more_are_chosen_than_there_are_trials(sampler):
    sweep = declared(sampler, 12)
    tried = list(map(Tried, next_settings(sweep, [], 10)))
    assert len(next_settings(sweep, tried, 8)) == 2
    assert next_settings(sweep, tried + tried[:2], 8) == []


def test_random_settings_do_not_depend_on_how_they_are_divided():
    sweep = declared("random")
    every = next_settings(sweep, [], 10)
    assert next_settings(sweep, [Tried(values, 1.0) for values in every[:6]], 4) == every[6:]


def test_tpe_learns_from_what_it_is_told_and_forgets_nothing():
    """Where a high learning rate scores higher, TPE tries higher ones than chance would."""
    sweep = declared("tpe")
    tried = [Tried(values, values["learning_rate"]) for values in next_settings(sweep, [], 12)]
    asked = [next_settings(sweep, tried, 8) for _ in range(2)]
    assert asked[0] == asked[1]
    told = sorted(values["learning_rate"] for values in asked[0])
    assert told[4] > 0.02  # the middle of the range is 0.01
    assert next_settings(sweep, [Tried(each.values, -each.score) for each in tried], 8) != asked[0]


def test_what_is_being_trained_and_what_was_stopped_are_told_too():
    sweep = declared("tpe")
    settings = next_settings(sweep, [], 14)
    tried = [Tried(values, values["learning_rate"]) for values in settings[:12]]
    more = [Tried(settings[12]), Tried(settings[13], None, {}, stopped=True)]
    assert len(next_settings(sweep, tried + more, 3)) == 3


def test_the_worse_half_is_hopeless_once_enough_have_ended():
    sweep = declared("random", prune=True)
    settings = next_settings(sweep, [], 9)
    ended = [Tried(values, float(n), {10: float(n), 50: 10.0 + n}) for n, values in enumerate(settings[:5])]
    # At 50 % the median of those that have ended is 12; who has not come so far is held against 2 at 10 %.
    training = [
        Tried(settings[5], None, {10: 9.0, 50: 11.0}), Tried(settings[6], None, {10: 0.0, 50: 13.0}),
        Tried(settings[7], None, {10: 1.0}), Tried(settings[8]),
    ]  # fmt: skip
    assert hopeless(sweep, ended + training) == [5, 7]
    assert hopeless(sweep, ended[:4] + training) == []
