"""What the trials of the derivations promise: the two runs differ in what a statement is about, and in what is seen."""

from collections.abc import Callable

import numpy as np
import pytest

from pages.widgets.figure import PANELS
from pages.widgets.trials import TRIALS
from pg_core.config import Config
from pg_core.learning.trainer import Trainer, Update
from pg_core.proofs import STATEMENTS

Run = list[Update]


def final(run: Run) -> float:
    """The return at the end of the curve, that of the typical agent."""
    return float(run[-1].iqm[0])


def of_first(run: Run, measure: str, updates: int) -> float:
    return float(np.mean([getattr(update, measure).mean() for update in run[:updates]]))


def of_last(run: Run, measure: str) -> float:
    return of_first(run[::-1], measure, 20)


# Of the run that is opened and of the one behind it: what the sentence of the trial says.
SEEN: dict[str, Callable[[Run, Run], bool]] = {
    "returns": lambda one, half: final(half) < 0.6 * final(one),
    "reinforce": lambda learns, not_at_all: final(learns) > 130 and 20 < final(not_at_all) < 25,
    "reward_to_go": lambda to_go, whole: final(to_go) > 2 * final(whole),
    "discounting": lambda with_it, without: of_last(with_it, "mean_return") < 0.8 * of_last(without, "mean_return"),
    "surrogate_loss": lambda episode, step: (
        final(episode) > 2 * final(step)
        # The first batch is the same: the ratio is its mean episode length, for each agent.
        and np.allclose(episode[0].grad_norm / step[0].grad_norm, episode[0].episodic_lengths.mean(1), rtol=1e-4)
        and 15 < episode[0].episodic_lengths.mean() < 30
    ),
    "baselines": lambda others, none: final(others) > 450 and final(none) < 400,
    "leave_one_out": lambda others, batch: final(others) > 1.2 * final(batch),
    "normalization": lambda normalised, raw: final(normalised) > 1.2 * final(raw),
    "entropy": lambda bonus, none: (
        of_last(bonus, "entropy") > 0.5 and of_last(none, "entropy") < 0.45 and final(bonus) < final(none)
    ),
    "gradient_clipping": lambda limit, none: (
        50 < none[0].grad_norm.mean() < 200
        and final(none) < 12 and of_last(none, "entropy") < 0.1 and final(limit) > 200
    ),
    "variance": lambda many, few: (
        of_first(many, "grad_snr", 10) > 1.5 * of_first(few, "grad_snr", 10) and final(many) > 1.3 * final(few)
    ),
    "ascent": lambda small, large: final(large) < 0.5 * final(small) and of_last(large, "entropy") < 0.1,
}  # fmt: skip


@pytest.mark.parametrize("name", TRIALS)
def test_the_two_runs_of_a_trial_differ_in_what_is_named_and_draw_the_same_random_numbers(name: str) -> None:
    trial = TRIALS[name]
    (first, opened), (second, behind) = trial.runs
    assert name in STATEMENTS and name in SEEN and first != second
    assert opened.differences(behind) == trial.behind[1] and behind.differences(opened) == trial.opened[1]
    assert len(trial.behind[1]) == 1 and opened.seed == behind.seed == Config().seed
    assert opened.num_agents == behind.num_agents >= 5 and opened.num_updates == behind.num_updates
    assert len(set(trial.panels) & set(PANELS)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", TRIALS)
def test_what_a_trial_says_is_to_be_seen(name: str) -> None:
    runs = []
    for _, config in TRIALS[name].runs:
        trainer = Trainer(config)
        runs.append([])
        while more := trainer.advance(config.num_updates):
            runs[-1] += more
        trainer.close()
        assert len(runs[-1]) == config.num_updates
    assert SEEN[name](*runs), [(final(run), of_last(run, "entropy"), of_first(run, "grad_snr", 10)) for run in runs]
