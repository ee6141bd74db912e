"""Three episodes with their returns-to-go; a dot is a row after the end:

episode 0   t=0: 6   t=1: 3
episode 1   t=0: 4   .
episode 2   t=0: 5   .
"""

import numpy as np
import pytest

from pg_core.proofs.leave_one_out import check, from_one_state, mean_of_others
from pg_core.proofs.verdicts import Check

RETURNS = np.array([[[6.0, 4, 5]], [[3, 0, 0]]])  # [T, N, B] = [2, 1, 3]
MASK = np.array([[[1.0, 1, 1]], [[1, 0, 0]]])


@pytest.fixture(scope="module")
def default() -> Check:
    return check()


def test_mean_of_others_by_hand():
    expected = [[[(4 + 5) / 2, (6 + 5) / 2, (6 + 4) / 2]], [[0, 3, 3]]]
    np.testing.assert_allclose(mean_of_others(RETURNS, MASK), expected)


def test_episodes_begin_in_state_0():
    np.testing.assert_array_equal(from_one_state(3, 0).start, [1, 0, 0])


@pytest.mark.parametrize("gamma", [0.0, 1.0])
@pytest.mark.parametrize("states", [1, 3])
def test_check_at_extremes(gamma, states):
    assert check(gamma, states).passed


def test_wrong_estimators_are_rejected_by_far(default):
    wrong = [comparison for comparison in default.comparisons if comparison.wrong]
    assert len(wrong) == 2 * 3
    assert all(comparison.difference > 1e-3 for comparison in wrong)


def test_leaving_the_lone_episode_out_is_right_only_if_later_steps_do_not_count():
    for gamma, right in ((0.0, True), (1.0, False)):
        lone = [comparison for comparison in check(gamma).comparisons if "lone" in comparison.claim]
        assert [comparison.agrees for comparison in lone] == [right, right]
