"""What verdicts promise, in simulations whose truth is known; bench/verdicts.py measures the same more closely."""

import numpy as np
import pytest

from bench.verdicts import EXTREME, difference_held, estimated, generator, joined, probability_held, typical
from pg_core.verdicts import ALPHA, Outcomes, compare_all, improvement
from tests.verdicts.worlds import KINDS, World, worlds

CHOSEN = [world for world in worlds() if world.probability < EXTREME]
EQUAL = [world for world in CHOSEN if not world.better]


def test_truth_is_known() -> None:
    assert World("normal", 0.0).probability == pytest.approx(0.5, abs=0.003)
    assert World("normal", 0.6).probability == pytest.approx(0.6643, abs=0.003)  # Φ(0.6 / √2)
    # Half of all have nothing: A wins ½ Φ(0.6) of comparisons, B ½ (1 - Φ(0.6)).
    assert World("all or nothing", 0.6).probability == pytest.approx(0.5 + (0.7257 - 0.5) / 2, abs=0.003)
    assert World("normal", 0.8).iqm_difference == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(("seeds", "trials"), [(5, 6), (10, 6), (20, 4), (50, 2)])
def test_intervals_hold_the_probability_of_improvement(seeds: int, trials: int) -> None:
    found = np.array([probability_held(world, seeds, trials) for world in CHOSEN])
    assert len(CHOSEN) * trials >= 250
    assert 0.92 <= found[:, 0].mean() <= 0.98
    assert np.mean([probability_held(world, seeds, 3 * trials)[1] for world in EQUAL]) <= 0.05


@pytest.mark.parametrize("seeds", [10, 20, 50])
def test_intervals_hold_the_difference_of_interquartile_means(seeds: int) -> None:
    kinds = ("normal", "one spread threefold", "log-normal", "half at the ceiling", "two modes")
    assert 0.92 <= np.mean([difference_held(world, seeds, 7) for world in worlds(kinds, (0.0, 0.8))]) <= 0.98


@pytest.mark.parametrize(
    ("world", "seeds"),
    [
        (World("normal", 0.6), 10),
        (World("normal", 0.4, 0.5, paired=True), 10),
        (World("half at the ceiling", 0.8), 12),
        (World("a third unsolved", 0.7), 10),
    ],
    ids=lambda value: str(value),
)
def test_further_seeds_are_right_to_a_factor_of_one_and_a_half(world: World, seeds: int) -> None:
    random, powers = generator(world, seeds), {1 / 1.5: [], 1.5: []}
    for _ in range(24):
        a, b = typical(world, random, seeds)
        told = improvement.further_seeds(estimated(a, b, world), ALPHA)
        for factor, power in powers.items():
            for _ in range(20):
                pair = map(joined, (a, b), world.draw(random, round(factor * told), first=seeds))
                power.append(improvement.p_value(estimated(*pair, world)) < ALPHA)
    assert np.mean(powers[1 / 1.5]) < improvement.POWER < np.mean(powers[1.5])


def test_a_family_of_equal_groups_is_seldom_called_different() -> None:
    random, wrong = np.random.default_rng(0), 0
    for _ in range(60):
        groups = [Outcomes(str(i), range(8), random.normal(size=8), [np.inf] * 8, [1.0] * 8) for i in range(5)]
        wrong += any(found.settled for found in compare_all(groups[0], groups[1:], "final_return"))
    assert wrong <= 0.05 * 60


def test_every_kind_of_world_is_simulated() -> None:
    assert {world.kind for world in CHOSEN} == set(KINDS)
