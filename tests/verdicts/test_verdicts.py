"""Verdicts: by hand, against slow textbook references and rliable's numbers, at the extremes, and in words."""

import itertools
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from pg_core.verdicts import (
    ALPHA,
    MEASURES,
    Array,
    Outcomes,
    VerdictError,
    ablation,
    compare,
    compare_all,
    improvement,
    interquartile_mean,
    summarise,
)  # fmt: skip

NEVER = np.inf


def scored(name: str, scores: object, first: int = 0) -> Outcomes:
    scores = np.asarray(scores, float)
    nothing = np.full(len(scores), NEVER)
    return Outcomes(name, range(first, first + len(scores)), scores, nothing, np.full(len(scores), 100.0))


def timed(name: str, steps: object, watched: float = 100.0, first: int = 0) -> Outcomes:
    steps = np.asarray(steps, float)
    count = len(steps)
    return Outcomes(name, range(first, first + count), np.zeros(count), steps, np.full(count, watched))


# x and y of rliable 1.2.0: `metrics.aggregate_iqm`, `metrics.probability_of_improvement`, and `get_interval_estimates`
# of their difference and probability with 20,000 resamples.
X, Y = 400 + 100 * np.sin(np.arange(60.0)), 380 + 110 * np.cos(1.3 * np.arange(50.0))


def test_the_numbers_are_those_of_rliable() -> None:
    np.testing.assert_allclose([interquartile_mean(X), interquartile_mean(Y)], [405.30820374847855, 385.1552711493257])
    found = compare(scored("x", X), scored("y", Y, first=100), "final_return")
    assert found.probability == pytest.approx(0.5873333333333334, rel=1e-12)
    assert found.iqm_difference == pytest.approx(20.1529326, abs=1e-6)
    np.testing.assert_allclose(found.interval, [0.477, 0.69166667], atol=0.01)
    np.testing.assert_allclose(found.iqm_interval, [-24.2739127, 64.16399281], atol=0.04 * 88)  # of its width
    low, high = (np.minimum(each, 460) for each in (X, Y))
    tied = compare(scored("x", low), scored("y", high, first=100), "final_return")
    assert tied.probability == pytest.approx(0.5745, rel=1e-12)
    np.testing.assert_allclose(tied.interval, [0.466, 0.67866667], atol=0.01)
    np.testing.assert_allclose(tied.iqm_interval, [-22.39458838, 61.84510984], atol=0.04 * 84)


def test_probability_of_improvement_by_hand() -> None:
    # Of 3 × 2 pairs A has the higher return in (2, 1), (3, 1), (3, 2); 1 and 1, 2 and 2 are ties.
    found = compare(scored("A", [1, 2, 3]), scored("B", [1, 2]), "final_return")
    assert found.probability == pytest.approx((3 + 2 / 2) / 6)
    # A solves first in (10, 20), (10, never), (30, never); neither solves in (never, never).
    found = compare(timed("A", [10, 30, NEVER]), timed("B", [20, NEVER]), "env_steps_to_solve")
    assert found.probability == pytest.approx((3 + 1 / 2) / 6)


def efron(a: Outcomes, b: Outcomes) -> float:
    """Efron's estimate from SciPy's Kaplan-Meier curves, moment by moment, up to where both are known."""
    curves, ends = [], []
    for each in (a, b):
        time = np.where(each.solved, each.env_steps_to_solve, each.censored_at)
        curve = stats.ecdf(stats.CensoredData(time[each.solved], right=time[~each.solved])).sf
        curves.append(curve)
        ends.append(np.inf if each.solved[time == time.max()].all() else time.max())
    moments = sorted({t for each in (a, b) for t in each.env_steps_to_solve[each.solved] if t <= min(ends)})
    total, (s_a, s_b) = 0.0, (1.0, 1.0)
    for t in moments:
        now_a, now_b = (float(curve.evaluate(t)) for curve in curves)
        total += (s_a - now_a) * (now_b + (s_b - now_b) / 2)
        s_a, s_b = now_a, now_b
    return total + s_a * s_b / 2


@pytest.mark.parametrize("seed", range(8))
def test_censored_times_have_efrons_probability(seed: int) -> None:
    random = np.random.default_rng(seed)
    groups = []
    for name, count in (("A", 7), ("B", 9)):
        steps, watched = random.integers(1, 30, count).astype(float), random.integers(1, 40, count).astype(float)
        groups.append(Outcomes(name, range(count), np.zeros(count), np.where(steps <= watched, steps, NEVER), watched))
    found = compare(*groups, "env_steps_to_solve")
    assert found.probability == pytest.approx(efron(*groups), abs=1e-12)
    solved = [stats.CensoredData(g.env_steps_to_solve[g.solved], right=g.censored_at[~g.solved]) for g in groups]
    assert found.log_rank_p == pytest.approx(stats.logrank(*solved).pvalue)


def test_steps_that_are_all_known_are_scores_turned_round() -> None:
    a, b = [11.0, 25, 33, 47, 52], [18.0, 33, 61, 70, 90]
    by_steps = compare(timed("A", a), timed("B", b), "env_steps_to_solve")
    by_score = compare(scored("A", np.negative(a)), scored("B", np.negative(b)), "final_return")
    for field in ("probability", "interval", "p_value", "further_seeds"):
        assert getattr(by_steps, field) == pytest.approx(getattr(by_score, field))


def test_median_steps_are_where_half_have_solved() -> None:
    found = summarise(timed("A", [10, 20, 30, 40, NEVER]))
    assert (found.solved, found.median_steps) == (4, 30)
    assert found.median_interval[0] <= 30 <= found.median_interval[1]
    assert summarise(timed("A", [10, NEVER, NEVER])).median_steps == np.inf
    assert summarise(timed("A", [NEVER])).median_interval == (0, np.inf)


def test_turning_the_groups_round_turns_the_verdict_round() -> None:
    a, b = scored("A", X[:12]), scored("B", Y[:12])
    one, other = compare(a, b, "final_return"), compare(b, a, "final_return")
    assert one.probability == pytest.approx(1 - other.probability)
    assert one.interval == pytest.approx((1 - other.interval[1], 1 - other.interval[0]))
    assert one.p_value == pytest.approx(other.p_value)
    assert one.sentence.split(":")[1:] == other.sentence.split(":")[1:]


def test_common_random_numbers_narrow_the_intervals() -> None:
    common = 100 * np.sin(np.arange(20.0))
    a, b = common + 5 + np.cos(np.arange(20)), common
    paired, apart = (compare(scored("A", a), scored("B", b, first), "final_return") for first in (0, 100))
    assert (paired.pairs, apart.pairs, paired.probability) == (20, 0, apart.probability)
    assert np.ptp(paired.interval) < 0.5 * np.ptp(apart.interval)
    assert np.ptp(paired.iqm_interval) < 0.5 * np.ptp(apart.iqm_interval)
    order = np.random.default_rng(0).permutation(20)  # what belongs together is known by the seed, not by its place
    shuffled = Outcomes("B", order.tolist(), b[order], np.full(20, NEVER), np.full(20, 100.0))
    assert compare(scored("A", a), shuffled, "final_return").interval == pytest.approx(paired.interval)


def test_some_seeds_may_be_common() -> None:
    a, b = scored("A", X[:10]), scored("B", Y[:14], first=4)
    found = compare(a, b, "final_return")
    assert (found.seeds, found.pairs) == ((10, 14), 6)
    assert found.interval[0] < found.probability < found.interval[1]


@pytest.mark.parametrize("seeds", [2, 3, 4, 6, 10, 40])
def test_what_is_settled_its_interval_and_its_p_value_agree(seeds: int) -> None:
    random, seen = np.random.default_rng(seeds), set()
    for shift in (0, 0.3, 0.6, 1.0, 1.5, 3.0):
        others = [scored(f"B{i}", random.normal(shift * i / 3, 1, seeds)) for i in range(4)]
        for found in (
            compare(others[3], others[0], "final_return"),
            *compare_all(others[0], others[1:], "final_return"),
        ):
            apart = not found.interval[0] <= 0.5 <= found.interval[1]
            assert found.settled == apart == (found.p_value < ALPHA) == (found.further_seeds == 0)
            assert found.settled == ("No difference is seen" not in found.sentence)
            seen.add(found.settled)
    assert seen == ({False} if seeds < 4 else {True, False})


def test_several_comparisons_are_corrected_by_holm() -> None:
    base = scored("base", X[:20])
    others = [scored(f"{shift} more", X[:20] + Y[:20] / 4 + shift - 95) for shift in (0, 60, 100, 160)]
    alone = np.array([compare(other, base, "final_return").p_value for other in others])
    together = compare_all(base, others, "final_return")
    order = np.argsort(alone)
    holm = np.minimum(np.maximum.accumulate(alone[order] * [4, 3, 2, 1]), 1)
    np.testing.assert_allclose([together[i].p_value for i in order], holm)
    for i, found in enumerate(together):
        assert found.comparisons == 4 and "corrected for 4 comparisons" in found.sentence
        assert np.ptp(found.interval) >= np.ptp(compare(others[i], base, "final_return").interval)
    assert "corrected" not in compare(others[0], base, "final_return").sentence


def test_an_ablation_is_a_table_of_the_base_and_each_switch() -> None:
    base, switched = (
        timed("base", 20 + np.arange(8)),
        [timed("no baseline", 60 + np.arange(8)), timed("γ = 1", [NEVER] * 8)],
    )
    rows = ablation(base, switched, "env_steps_to_solve")
    assert [row.summary.name for row in rows] == ["base", "no baseline", "γ = 1"]
    assert rows[0].verdict is None
    assert [row.verdict.probability for row in rows[1:]] == [0, 0]
    assert rows[1].verdict.sentence == (
        "base solves in fewer steps than no baseline with probability 1.00 (0.72 to 1.00)"
        " (corrected for 2 comparisons)."
    )


def test_sentences() -> None:
    def said(a: object, b: object) -> str:
        return compare(scored("A", a), scored("B", b), "final_return").sentence

    apart = np.arange(10.0)
    assert said(apart + 20, apart) == "A has a higher final return than B with probability 1.00 (0.82 to 1.00)."
    assert said(apart, apart + 20) == "B has a higher final return than A with probability 1.00 (0.82 to 1.00)."
    assert (
        said([5], [3])
        == "No difference is seen between A and B: with 1 seed a side nothing can be settled; add at least 3."
    )
    assert said([5, 6, 7], [1, 2, 3]) == (
        "No difference is seen between A and B: with 3 seeds a side nothing can be settled; add at least 1."
    )
    assert said([1] * 6, [1] * 6).startswith(
        "No difference is seen between A and B: either has a higher final return with"
    )
    assert said([1] * 6, [1] * 6).endswith("; not even 1,000 more seeds a side would settle it.")
    leaning = compare(scored("A", X[:12] + 30), scored("B", X[:12], first=50), "final_return")
    assert leaning.sentence.endswith(f"; {leaning.further_seeds} more seeds a side would settle it.")
    area = compare(scored("A", apart + 20), scored("B", apart), "area_under_curve")
    assert area.sentence.startswith("A has a larger area under its curve than B with")


def test_nobody_solves() -> None:
    found = compare(timed("A", [NEVER] * 5), timed("B", [np.nan] * 6), "env_steps_to_solve")
    assert found.probability == 0.5 and found.log_rank_p is None and not found.settled
    assert found.sentence == "No difference is seen between A and B: none of 5 and 6 agents solves."


def test_equal_data_have_no_difference() -> None:
    for measure in MEASURES:
        for data in ([7.0] * 5, X[:5]):
            found = compare(timed("A", data, 600), timed("B", data, 600), measure)
            assert found.probability == 0.5 and found.p_value == 1 and found.further_seeds is None
            assert found.interval[0] < 0.4 < 0.6 < found.interval[1]
            assert found.iqm_difference == 0


def test_diverged_agents_are_the_worst() -> None:
    good = Outcomes("good", range(6), np.arange(6.0), 10 + np.arange(6.0), np.full(6, 50.0))
    for bad in (np.nan, np.inf, -np.inf):
        diverged = Outcomes("diverged", range(6), np.full(6, bad), np.full(6, np.nan), np.full(6, 3.0))
        for measure in MEASURES:
            found = compare(good, diverged, measure)
            assert found.settled and found.probability == 1
            assert found.iqm_difference == np.inf and found.iqm_interval == (np.inf, np.inf)
            both = compare(diverged, replace(diverged, name="other"), measure)
            assert both.probability == 0.5 and both.iqm_difference == 0 and not both.settled
    assert summarise(diverged).iqm == -np.inf
    # Of four agents that were watched for 50 steps one diverged after 3: it has not solved in 50 either.
    some = Outcomes("some", range(4), [1, 1, 1, np.nan], [20, 30, NEVER, NEVER], [50, 50, 50, 3])
    assert compare(some, timed("late", [40] * 4, first=9), "env_steps_to_solve").probability == 0.5


def test_what_cannot_be_compared_is_said() -> None:
    with pytest.raises(VerdictError, match="`seeds` of A must have at least one agent, got none"):
        scored("A", [])
    with pytest.raises(VerdictError, match=r"`scores` of A must have one number for each of 2 seeds, got \(3,\)"):
        Outcomes("A", [1, 2], [1, 2, 3], [1, 2], [1, 2])
    with pytest.raises(VerdictError, match="`seeds` of A must differ, got 1 2 times"):
        Outcomes("A", [1, 1], [1, 2], [1, 2], [1, 2])
    with pytest.raises(VerdictError, match="`env_steps_to_solve` of A must be above 0, infinite or NaN"):
        timed("A", [-1])
    with pytest.raises(VerdictError, match="`censored_at` of A must be at least 0 where an agent has not solved"):
        timed("A", [NEVER], watched=np.nan)
    with pytest.raises(VerdictError, match="`others` must have at least one group"):
        compare_all(scored("A", [1]), [], "final_return")
    with pytest.raises(VerdictError, match="must differ in their names, got A, A"):
        compare_all(scored("A", [1]), [scored("A", [1])], "final_return")


def test_importing_it_imports_neither_scipy_nor_tensorflow() -> None:
    script = "import sys, pg_core.verdicts; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"scipy", "tensorflow", "gymnasium"}.intersection(loaded)


def test_a_verdict_is_the_same_each_time() -> None:
    a, b = scored("A", X[:9]), scored("B", Y[:9])
    assert compare(a, b, "final_return") == compare(a, b, "final_return")


def exact_p(a: Array, b: Array) -> float:
    """Mann and Whitney's test by permutation: the share of all ways to divide the agents that are as far off."""
    together, count, far = np.append(a, b), len(a), []
    for chosen in itertools.combinations(range(len(together)), count):
        x, y = together[list(chosen)], np.delete(together, chosen)
        far.append(abs(np.mean(np.sign(x[:, None] - y))))
    return float(np.mean(np.array(far) >= far[0] - 1e-12))


def test_few_seeds_are_as_cautious_as_the_exact_test() -> None:
    for seeds in (3, 4, 5):
        apart = compare(scored("A", np.arange(seeds) + 9.0), scored("B", np.arange(seeds), first=9), "final_return")
        assert apart.settled == (exact_p(np.arange(seeds) + 9.0, np.arange(seeds)) < ALPHA)


def test_two_seeds_against_many_may_settle_what_two_against_two_cannot() -> None:
    few, many = scored("A", [9.0, 10.0]), scored("B", np.linspace(0, 1, 100), first=2)
    assert compare(few, many, "final_return").settled
    leaning = compare(scored("A", [0.4, 0.9]), scored("B", [0.1, 0.5, 0.6], first=2), "final_return")
    assert "with 2 and 3 seeds nothing can be settled; add at least " in leaning.sentence
    assert f"add at least {leaning.further_seeds}" in leaning.sentence


@pytest.mark.parametrize("grain", [0.0, 1.0], ids=["no ties", "many ties"])
def test_what_a_pair_has_of_its_own_is_what_rows_and_columns_leave_over(grain: float) -> None:
    random = np.random.default_rng(5)
    for _ in range(5):
        a, b = 0.4 + random.standard_normal(12), random.standard_normal(15)
        if grain:
            a, b = np.round(a / grain), np.round(b / grain)
        wins = (a[:, None] > b) + 0.5 * (a[:, None] == b)
        left = wins - wins.mean(axis=1, keepdims=True) - wins.mean(axis=0) + wins.mean()
        groups = scored("A", a), scored("B", b, first=12)
        found = improvement.estimate(*(each.times("final_return") for each in groups), *(each.seeds for each in groups))
        assert found.interaction == pytest.approx((left**2).sum() / (11 * 14))
