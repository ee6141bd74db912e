"""Measures how often verdicts are right where the truth is known: `python -m bench.verdicts`, some minutes.

Simulated groups (tests/verdicts/worlds.py): scores of eight kinds and steps to solve of four, with pairs and
without, with four effects, one of them none.
"""

import argparse
import zlib
from collections.abc import Callable, Iterable

import numpy as np

from bench.markdown import table
from bench.measure import say
from pg_core.verdicts import ALPHA, Outcomes, compare_all, improvement, interquartile
from pg_core.verdicts.improvement import Improvement
from tests.verdicts.worlds import SCORES, WATCHED, World, worlds

SEEDS = (5, 10, 20, 50)
SOUGHT = 16  # of the pilots
EXTREME = 0.99  # probabilities of improvement beyond this are left out: there is nothing to be in doubt about


def estimated(a: Outcomes, b: Outcomes, world: World) -> Improvement:
    """Estimate the probability of improvement alone."""
    return improvement.estimate(a.times(world.measure), b.times(world.measure), a.seeds, b.seeds)


def generator(world: World, seeds: int) -> np.random.Generator:
    """Return random numbers of their own for each world and number of seeds."""
    return np.random.default_rng([zlib.crc32(repr(world).encode()), seeds])


def probability_held(world: World, seeds: int, trials: int) -> tuple[float, float]:
    """Return in how many trials the interval of the probability holds it, and in how many ½ is left out."""
    random, held, settled = generator(world, seeds), 0, 0
    for _ in range(trials):
        low, high = improvement.interval(estimated(*world.draw(random, seeds), world), ALPHA)
        held += low <= world.probability <= high
        settled += not low <= 0.5 <= high
    return held / trials, settled / trials


def difference_held(world: World, seeds: int, trials: int) -> float:
    """Return in how many trials the interval of the difference of interquartile means holds it."""
    random, held, exact = generator(world, seeds), 0, world.iqm_difference
    margin = 1e-9 * (1 + abs(exact))
    for _ in range(trials):
        a, b = world.draw(random, seeds)
        _, (low, high) = interquartile.difference(a.scores, b.scores, a.seeds, b.seeds, ALPHA)
        held += low - margin <= exact <= high + margin
    return held / trials


def joined(first: Outcomes, second: Outcomes) -> Outcomes:
    """Return the agents of both as one group."""
    fields = ("scores", "env_steps_to_solve", "censored_at")
    return Outcomes(
        first.name, first.seeds + second.seeds, *(np.append(getattr(first, f), getattr(second, f)) for f in fields)
    )


def typical(world: World, random: np.random.Generator, seeds: int) -> tuple[Outcomes, Outcomes]:
    """Draw groups in which today's effect is the true one, to 0.01, and not settled."""
    while True:
        a, b = world.draw(random, seeds)
        found = estimated(a, b, world)
        if abs(found.probability - world.probability) < 0.01 and improvement.p_value(found) > ALPHA:
            return a, b


def needed(world: World, seeds: int, pilots: int, trials: int) -> tuple[float, float]:
    """Return which further seeds are told, and how many settle it in 80 % of trials, as medians over pilots.

    What is told differs much from one to the next, what is needed little: it is sought for a few of them.
    """
    random, told, true = generator(world, seeds), [], []
    for pilot in range(pilots):
        a, b = typical(world, random, seeds)
        told.append(improvement.further_seeds(estimated(a, b, world), ALPHA) or improvement.MOST)
        if pilot >= SOUGHT:
            continue

        def power(more: int, a: Outcomes = a, b: Outcomes = b) -> float:
            settled = 0
            for _ in range(trials):
                pair = map(joined, (a, b), world.draw(random, more, first=seeds))
                settled += improvement.p_value(estimated(*pair, world)) < ALPHA
            return settled / trials

        true.append(least(power, 1, improvement.MOST))
    return float(np.median(told)), float(np.median(true))


def least(power: Callable[[int], float], low: int, high: int) -> int:
    """Return the least number with enough power, which grows with it, by bisection."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= improvement.POWER else (middle + 1, high)
    return low


def families_wrong(others: int, seeds: int, trials: int) -> float:
    """Return in how many families of equal groups, compared with the base by `compare_all`, any is called different."""
    random, wrong, world = np.random.default_rng([others, 4]), 0, World("normal", 0.0, 0.5, paired=True)
    for _ in range(trials):
        # The common part of a seed is what makes pairs: of all groups the same.
        common = random.standard_normal(seeds)
        groups = [
            Outcomes(str(i), range(seeds), common + random.standard_normal(seeds), [np.inf] * seeds, [1.0] * seeds)
            for i in range(others + 1)
        ]
        wrong += any(each.settled for each in compare_all(groups[0], groups[1:], world.measure))
    return wrong / trials


def percent(shares: Iterable[float]) -> list[str]:
    """Return mean, least and most as cells."""
    found = np.array(list(shares))
    return [f"{100 * value:.1f} %" for value in (found.mean(), found.min(), found.max())]


def coverage_rows(trials: int) -> Iterable[list[str]]:
    """Measure how often intervals hold the truth, for each measure, number of seeds and pairing."""
    for what, kinds in (("score", tuple(SCORES)), ("steps to solve", tuple(WATCHED))):
        for paired in (False, True):
            chosen = [w for w in worlds(kinds) if w.paired == paired and w.probability < EXTREME]
            for seeds in SEEDS:
                found = {world: probability_held(world, seeds, trials) for world in chosen}
                held = percent(held for held, _ in found.values())
                equal = percent(settled for world, (_, settled) in found.items() if not world.better)
                yield [f"{what}{', paired' * paired}", str(seeds), str(len(chosen) * trials), *held, equal[0], equal[2]]
                say(f"{what}, paired {paired}, {seeds} seeds: {held}, equal {equal}")


def difference_rows(trials: int) -> Iterable[list[str]]:
    """Measure the same of differences of interquartile means."""
    kinds = ("normal", "one spread threefold", "log-normal", "half at the ceiling", "two modes")
    chosen = worlds(kinds, (0.0, 0.8))
    for seeds in SEEDS:
        held = percent(difference_held(world, seeds, trials) for world in chosen)
        yield [str(seeds), str(len(chosen) * trials), *held]
        say(f"IQM, {seeds} seeds: {held}")


def further_rows(pilots: int, trials: int) -> Iterable[list[str]]:
    """Measure how many further seeds are told, and needed."""
    for world in (
        World("normal", 0.6), World("normal", 0.4, 0.5, paired=True), World("normal", 0.4, 0.8, paired=True),
        World("one spread threefold", 0.9), World("two modes", 0.7), World("half at the ceiling", 0.7),
        World("a third unsolved", 0.6), World("most unsolved", 0.8), World("two budgets", 0.4, 0.5, paired=True),
    ):  # fmt: skip
        for seeds in (8, 12):
            told, true = needed(world, seeds, pilots, trials)
            label = f"{world.kind}{f', paired, correlation {world.correlation:g}' * world.paired}"
            yield [label, f"{world.probability:.2f}", str(seeds), f"{told:.0f}", f"{true:.0f}", f"{told / true:.2f}"]
            say(f"{label}, {seeds} seeds: told {told:.0f}, needed {true:.0f}")


def main() -> None:
    """Simulate and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=400, help="of each world and number of seeds")
    trials = parser.parse_args().trials
    held = ["held: mean", "least", "most"]
    header = ["probability of improvement", "seeds", "comparisons", *held, "equal, called different: mean", "most"]
    print(table(header, coverage_rows(trials)), end="\n\n")
    print(table(["difference of IQM: seeds", "comparisons", *held], difference_rows(trials // 2)), end="\n\n")
    header = ["further seeds", "probability", "seeds", "told", "needed for 80 %", "told / needed"]
    print(table(header, further_rows(pilots=200, trials=60)), end="\n\n")
    for others in (3, 11):
        wrong = families_wrong(others, seeds=10, trials=trials)
        print(f"{others} equal groups against an equal base: any is called different in {100 * wrong:.1f} %")


if __name__ == "__main__":
    main()
