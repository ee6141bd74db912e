"""The Runs page as its script draws it: what list, drawer and comparison say, and what is never pooled."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from streamlit.testing.v1 import AppTest

from pages.widgets import comparison, run_lines, run_table, search
from pages.widgets.verdict import table
from pg_core import lab
from pg_core.config import Config
from pg_core.lab import judging
from pg_core.presets import PRESETS
from pg_core.runs.curves import outlines, pooling
from pg_core.runs.store.schema import CHANGES, write
from pg_core.runs.store.store import Store
from pg_core.runs.store.sweeps import add
from pg_core.sweeps import searching
from tests.pages.test_pages import NAVIGATION, page, sentence
from tests.updates import add_updates

pytestmark = pytest.mark.usefixtures("folder")


def trained(folder: Path, name: str, updates: int = 4, **settings: Any) -> str:
    """Keep a run that has ended after some updates, which nobody has trained."""
    store, config = Store(folder), Config(**{"num_agents": 2, **settings})
    run_id = store.create(config, name, "me")
    add_updates(store, run_id, config, 0, updates)
    store.transition(run_id, ["starting"], state="finished", process=None)
    return run_id


def changed(folder: Path, name: str, *values: float) -> str:
    """Keep a run whose learning rate was changed to each of some values, one update after the other."""
    store = Store(folder)
    run_id = store.create(Config(num_agents=2), name, "me")
    add_updates(store, run_id, store.run(run_id).config, 0, 8)
    for update, value in enumerate(values, 2):
        store.request(run_id, {"learning_rate": value})
        [*_, request] = store.requests(run_id)
        with write(store.engine) as connection:
            connection.execute(CHANGES.update().where(CHANGES.c.id == request.id).values(update=update))
    store.transition(run_id, ["starting"], state="finished", process=None)
    return run_id


def line(run_id: str) -> dict[str, Any]:
    [found] = run_lines.lines([lab.run(run_id)], {})
    return found


def opened(*selected: str, **link: Any) -> AppTest:
    app = AppTest.from_file(NAVIGATION, default_timeout=60)
    app.query_params.update({"selected": list(selected), **link})
    app.switch_page("runs.py").run()
    assert not app.exception
    return app


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "Best"),
        (PRESETS["plain"].values, "Plain REINFORCE"),
        (PRESETS["value"].values, "Learned value network"),
        ({"learning_rate": 0.01, "gamma": 0.99}, "differs from Best by γ 0.99, α 0.01"),
        ({"pace": 10, "seed": 7, "num_updates": 9, "momentum": 0.5, "engine": "compiled"}, "Best"),  # none can matter
        ({"optimizer": "sgd", "momentum": 0.5}, "differs from Best by optimiser SGD with momentum, μ 0.5"),
    ],
)
def test_the_list_says_which_preset_or_what_differs_from_best(
    folder: Path, settings: dict[str, Any], said: str
) -> None:
    assert line(trained(folder, "a", **settings))["settings"] == said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.0007], "differs from Best by α 0.025 → 0.0007"),
        ([0.01, 0.0007], "differs from Best by α 0.025 → 0.0007"),
        ([0.01, 0.025], "differs from Best by α 0.025 → … → 0.025"),  # it was not 0.025 all the time
    ],
)
def test_what_was_changed_on_the_way_is_listed_from_its_start_to_its_end(
    folder: Path, values: list[float], said: str
) -> None:
    found = line(changed(folder, "a", *values))
    assert found["settings"] == said
    # Update 7 is at 100: that of update 2 is at 2/7.
    assert found["spark"]["marks"] == [round(100 * update / 7) for update in range(2, 2 + len(values))]


def test_the_list_says_how_many_have_solved_and_in_how_many_steps(folder: Path) -> None:
    run_id = trained(folder, "a", num_agents=3)
    store = Store(folder)
    for steps, said in (("[null, null, null]", ("0 of 3", "–")), ("[100, 60000, null]", ("2 of 3", "60 k"))):
        store.transition(run_id, ["finished"], env_steps_to_solve=steps)
        assert (line(run_id)["solved"], line(run_id)["steps"]) == said
    assert lab.run(run_id).steps_to_solve == 60_000  # the median of 100, 60,000 and never


def test_a_sweep_is_one_line_that_unfolds(folder: Path) -> None:
    store, other = Store(folder), trained(folder, "other")
    sweep = lab.Sweep(
        base=Config(),
        axes=(lab.SweepAxis.of("learning_rate=0.003:0.03:log:6"), lab.SweepAxis.of("gamma=0.9,1")),
        seeds=3,
    )
    row = lab.SweepRow("a" * 32, "rates", lab.run(other).created_at, sweep.to_json())
    add(store, row, searching.first_runs(sweep, row.name))
    entries = run_table.unfolded(lab.runs(), [])
    assert len(entries) == 2  # twelve settings do not bury the other run
    [fold] = [entry for entry in run_lines.lines(entries, {}) if "runs" in entry]
    assert fold["settings"] == "Sweep of 12 settings: α 0.003 … 0.03 × γ 0.9, 1"
    assert (len(fold["runs"]), fold["of"]) == (12, "CartPole-v1 · 36 agents")
    unfolded = run_lines.lines(run_table.unfolded(lab.runs(), [row.id]), {})
    assert len(unfolded) == 14
    assert [entry["inside"] for entry in unfolded if "runs" not in entry].count(True) == 12
    assert not any(entry["name"].startswith("rates:") for entry in unfolded)


def test_the_list_draws_a_page_of_runs_at_a_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_table, "PAGE", 2)
    for name in "abc":
        trained(folder, name)
    told = []
    monkeypatch.setattr(run_lines, "draw", lambda entries, left, sort, on_sort: told.append((len(entries), left)))
    page("runs.py")
    assert told[-1] == (2, 1)


def test_agents_of_equal_settings_are_pooled_and_of_no_others(folder: Path) -> None:
    same = [trained(folder, f"seed {seed}", seed=seed) for seed in (0, 1)]
    copy = trained(folder, "the same agents again", seed=1, pace=10)
    other = trained(folder, "other", learning_rate=0.01)
    moved = changed(folder, "moved", 0.01)
    runs = [lab.run(run_id) for run_id in (*same, copy, other, moved)]
    groups = lab.groups(runs)
    assert [[run.name for run in group.runs] for group in groups] == [
        ["seed 0", "seed 1", "the same agents again"], ["other"], ["moved"],
    ]  # fmt: skip
    assert [group.label for group in groups] == ["α 0.025", "α 0.01", "α 0.025 → 0.01"]
    assert len(groups[0].agents) == 4  # two of each seed: the copy's are the same agents
    grouped = lab.groups(runs, ["gamma"])
    assert len(grouped) == 3 and len({group.family for group in grouped}) == 1  # one colour, and still three lines


def test_a_pooled_curve_is_the_interquartile_mean_of_all_its_agents(folder: Path) -> None:
    runs = [lab.run(trained(folder, str(seed), seed=seed, num_agents=3)) for seed in (0, 1)]
    [course] = lab.courses(lab.groups(runs), "mean_return", "updates")
    assert course is not None
    store = Store(folder)
    rows = [store.updates(run.id, ["mean_return"], 0, 4) for run in runs]
    values = np.concatenate([[np.frombuffer(row.mean_return, "<f4") for row in each] for each in rows], axis=1)
    np.testing.assert_array_equal(course.x, [1, 2, 3, 4])
    np.testing.assert_allclose(course.values[:, 0], np.sort(values, axis=1)[:, 1:5].mean(axis=1), rtol=1e-6)
    assert (course.values[:, 1] <= course.values[:, 0]).all() and (course.values[:, 0] <= course.values[:, 2]).all()


@pytest.mark.parametrize("measure", comparison.MEASURES)
@pytest.mark.parametrize("along", comparison.ALONG)
def test_any_measure_is_drawn_along_any_axis(folder: Path, measure: str, along: lab.Along) -> None:
    groups = lab.groups([lab.run(trained(folder, "a")), lab.run(trained(folder, "b", gamma=0.9))])
    drawn = comparison.figure(groups, lab.courses(groups, measure, along), measure, along, comparison.lines(groups))
    assert [trace["name"] for trace in drawn["data"] if "name" in trace][:2] == ["γ 1", "γ 0.9"]
    thresholds = [trace for trace in drawn["data"] if trace["uid"] == "threshold"]
    assert len(thresholds) == (measure == "mean_return")


def test_thirty_groups_are_told_apart_and_more_are_refused(folder: Path) -> None:
    ids = [trained(folder, str(place), 1, num_agents=1, gamma=place / 100) for place in range(31)]
    drawn = comparison.lines(lab.groups([lab.run(run_id) for run_id in ids[:30]]))
    assert len(set(drawn)) == 30
    app = opened(*ids)
    assert "31 settings, and a chart tells 30 apart" in app.info[0].value


def test_several_selected_runs_are_compared_with_a_verdict(folder: Path) -> None:
    good, bad = trained(folder, "good", num_agents=4), trained(folder, "bad", num_agents=4, learning_rate=0.001)
    for run_id, steps in ((good, "[10, 12, 14, 16]"), (bad, "[11, 99, 99, 13]")):
        Store(folder).transition(run_id, ["finished"], env_steps_to_solve=steps)
    app = opened(good, bad)
    said = " ".join(text.value.replace("\\", "") for text in app.markdown)
    assert "No difference is seen between α 0.025 and α 0.001" in said and "α 0.025 solves in fewer steps" in said
    assert "P(better)" in said
    [button] = [button for button in app.button if button.key == "further"]
    button.click().run()
    assert not app.exception
    new = [run for run in lab.runs() if run.id not in (good, bad)]
    assert sorted(run.config.learning_rate for run in new) == [0.001, 0.025]
    assert {run.config.seed for run in new} == {1}  # the next one, the same on both sides
    assert {f"Queue {run.config.num_agents} more seeds a side" for run in new} == {button.label}
    assert set(app.query_params["selected"]) == {good, bad, *(run.id for run in new)}


def test_further_seeds_are_offered_where_nothing_is_settled(folder: Path) -> None:
    ids = [trained(folder, "a", num_agents=3), trained(folder, "b", num_agents=3, gamma=0.999)]
    for run_id, steps in zip(ids, ("[10, 30, 50]", "[20, 25, 60]"), strict=True):
        Store(folder).transition(run_id, ["finished"], env_steps_to_solve=steps)
    app = opened(*ids)
    [button] = [button for button in app.button if button.key == "further"]
    assert button.label.startswith("Queue ") and button.label.endswith("a side")
    again = opened(trained(folder, "c", num_agents=3, gamma=0.5), changed(folder, "moved", 0.01))
    assert all(button.disabled for button in again.button if button.key == "further")


def test_a_verdict_is_a_table_too(folder: Path) -> None:
    groups = lab.groups([lab.run(trained(folder, name, gamma=gamma)) for name, gamma in (("a", 1.0), ("b", 0.9))])
    [found] = lab.judge(groups, "final_return", 1).values()
    rows = table([found]).splitlines()
    assert rows[2].count("|") == rows[0].count("|") == 8
    assert "γ 1 against γ 0\\.9" in rows[2] and "2 and 2" in rows[2]
    nobody_solves = table([replace(found, log_rank_p=None)]).splitlines()
    assert nobody_solves[2].split("|")[5] == " – "


def test_runs_that_diverged_are_the_worst_and_cut_no_comparison_of_others_short(folder: Path) -> None:
    ids = [trained(folder, name, 6, num_agents=5, gamma=gamma) for name, gamma in (("a", 1.0), ("b", 0.9))]
    gone = trained(folder, "gone", 2, num_agents=5, learning_rate=1.0)
    Store(folder).transition(gone, ["finished"], state="failed", reason="Training diverged at update 2: it did.")
    two, three = (lab.groups([lab.run(run_id) for run_id in listed]) for listed in (ids, [*ids, gone]))
    alone, beside = lab.judge(two, "final_return", 1), lab.judge(three, "final_return", 1)
    assert beside[0].iqm_difference == alone[0].iqm_difference  # after six updates, not after two
    assert beside[2].probability == 0


def test_a_run_that_was_stopped_cuts_its_own_comparison_short_and_no_other(folder: Path) -> None:
    ids = [trained(folder, name, 6, num_agents=5, gamma=gamma) for name, gamma in (("a", 1.0), ("b", 0.9))]
    short = trained(folder, "short", 2, num_agents=5, gamma=0.5)
    two, three = (lab.groups([lab.run(run_id) for run_id in listed]) for listed in (ids, [*ids, short]))
    for measure in ("final_return", "area_under_curve"):
        alone, beside = lab.judge(two, measure, 1), lab.judge(three, measure, 1)
        assert beside[0].iqm_difference == alone[0].iqm_difference  # after six updates
        returns = [scores(folder, run_id, measure, 2) for run_id in (short, ids[1])]
        assert beside[2].iqm_difference == pytest.approx(returns[0] - returns[1])


def test_a_long_run_is_compared_at_the_update_at_which_a_short_one_was_stopped(folder: Path, monkeypatch) -> None:
    ids = [trained(folder, name, 2, num_agents=5, gamma=gamma) for name, gamma in (("long", 1.0), ("short", 0.9))]

    def outlined(*_: Any) -> dict[str, outlines.Outline]:
        """Return every 16th update of one run, all of the other, whose returns are 2 and 1 times the update."""
        every = np.append(np.arange(0, 500, 16), 499), np.arange(50)
        return {
            run_id: outlines.Outline(at, at, np.ones((len(at), 5)), at, np.outer(slope * at, np.ones(5)))
            for run_id, at, slope in zip(ids, every, (2.0, 1.0), strict=True)
        }

    monkeypatch.setattr(judging, "outlines", outlined)
    groups = lab.groups([lab.run(run_id) for run_id in ids])
    assert lab.judge(groups, "final_return", 1)[0].iqm_difference == pytest.approx(98 - 49)  # at update 49
    assert lab.judge(groups, "area_under_curve", 1)[0].iqm_difference == pytest.approx((98 - 49) / 2, rel=0.02)


def scores(folder: Path, run_id: str, measure: str, updates: int) -> float:
    """Return the interquartile mean of what five agents got: the mean of the middle three."""
    rows = np.array(
        [
            np.frombuffer(row.mean_return, np.float32)
            for row in Store(folder).updates(run_id, ["mean_return"], 0, updates)
        ]
    )
    agents = rows[-1] if measure == "final_return" else rows.mean(axis=0)
    return float(np.sort(agents)[1:4].mean())


def test_a_tag_counts_as_soon_as_it_is_saved_and_saving_says_so(folder: Path) -> None:
    run_id = trained(folder, "a")
    app = opened(run_id)
    [tags] = [field for field in app.text_input if field.label == "Tags"]
    tags.set_value("slow, odd one,")
    next(button for button in app.button if button.label == "Save").click().run()
    assert lab.run(run_id).tags == ("slow", "odd one")
    assert "Saved." in [text.value for text in app.text]
    assert "Saved." not in [text.value for text in app.run().text]
    [tags] = [field for field in app.text_input if field.label == "Tags"]
    tags.set_value("a" * 99)
    next(button for button in app.button if button.label == "Save").click().run()
    assert "`tags` must have 1 to 24 characters" in sentence(app)


def test_a_fork_offers_resume_as_its_first_button(folder: Path) -> None:
    parent = trained(folder, "parent")
    store = Store(folder)
    store.transition(parent, ["finished"], state="stopped")
    assert labels(opened(parent))[:3] == ["Close", "Open", "Resume"]
    child = store.create(Config(num_agents=2), "child", "me")
    store.transition(child, ["starting"], state="stopped", parent_id=parent, parent_update=0)
    assert labels(opened(child))[:3] == ["Close", "Resume", "Open"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain reinforce", "b"),
        ("value network", "c"),
        ("learning rate 0.01", "d"),
        ("learning rate 0.0", ""),  # a number is found as a whole
        ("sgd", "e"),
        ("acrobot", "f"),
        ("fast", "d"),  # its tag
        ("best learning", "de"),  # what differs from Best in its learning rate
    ],
)
def test_the_search_finds_presets_and_settings_in_words(folder: Path, text: str, found: str) -> None:
    settings: list[dict[str, Any]] = [
        {}, PRESETS["plain"].values, PRESETS["value"].values, {"learning_rate": 0.01},
        {"optimizer": "sgd", "learning_rate": 0.1}, {"env_id": "Acrobot-v1"},
    ]  # fmt: skip
    for name, each in zip("abcdef", settings, strict=True):
        trained(folder, f"{name}!", 1, **each)
    lab.label(next(run.id for run in lab.runs() if run.name == "d!"), tags=["fast"])
    assert sorted(run.name for run in lab.runs() if search.parse(text).finds(run)) == [f"{name}!" for name in found]


def test_a_tidy_table_has_the_settings_of_each_agent_as_columns(folder: Path) -> None:
    ids = [changed(folder, "moved", 0.0007), trained(folder, "still", num_agents=1, hidden_layers=(8, 8))]
    file = io.BytesIO()
    lab.export_tidy(ids, "agents-parquet", file)
    rows = pq.read_table(file).to_pylist()
    columns = ("name", "agent", "learning_rate_at_start", "learning_rate", "hidden_layers", "env_steps_to_solve")
    assert [tuple(row[name] for name in columns) for row in rows] == [
        ("moved", 0, 0.025, 0.0007, "64", None),
        ("moved", 1, 0.025, 0.0007, "64", None),
        ("still", 0, 0.025, 0.025, "8, 8", None),
    ]


def test_a_tidy_table_that_would_be_too_large_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = trained(folder, "a")
    monkeypatch.setattr("pg_core.lab.exchange.MAX_ROWS", 7)  # there are 4 updates of 2 agents
    with pytest.raises(ValueError, match="8 updates of agents, and a table takes 7: select fewer"):
        lab.export_tidy([run_id], "updates-csv", io.BytesIO())
    lab.export_tidy([run_id], "agents-csv", io.BytesIO())
    assert any(button.disabled for button in opened(run_id).get("download_button"))
    with pytest.raises(ValueError, match="`kind` must be one of agents-parquet"):
        lab.export_tidy([run_id], "png", io.BytesIO())


@pytest.mark.parametrize(("updates", "points", "width"), [(1, 32, 1), (31, 32, 1), (32, 32, 2), (1_000_000, 32, 32768)])
def test_a_stride_leaves_no_more_points_than_are_wanted(updates: int, points: int, width: int) -> None:
    assert outlines.stride(updates, points) == width
    assert len({*range(0, updates, width), updates - 1}) <= points


def test_a_group_ends_where_its_first_agent_ended_unsolved_and_the_solved_stay() -> None:
    def member(values: list[float], settled: bool) -> pooling.Member:
        return pooling.Member(np.arange(1, len(values) + 1), np.array(values), settled)

    short_and_solved, unsolved, longer = member([1, 5], True), member([2, 2, 2], False), member([3, 3, 3, 3], False)
    x, values = pooling.pooled([short_and_solved, unsolved, longer])
    np.testing.assert_array_equal(x, [1, 2, 3])
    np.testing.assert_allclose(values[:, 0], [(1 + 2 + 3) / 3, (5 + 2 + 3) / 3, (5 + 2 + 3) / 3])


def test_values_that_are_no_numbers_are_left_out() -> None:
    values = np.array([[1.0, np.nan, 3.0], [np.nan] * 3])
    np.testing.assert_array_equal(pooling.interquartile_mean(values), [2.0, np.nan])
    low, high = pooling.interval(values)
    assert (low[0], high[0]) == (1, 3) and np.isnan([low[1], high[1]]).all()


def test_the_interval_is_that_of_the_sorted_resamples() -> None:
    scores = np.random.default_rng(1).normal(size=9)
    resampled = np.sort(np.sort(scores)[np.random.default_rng([0, 9]).integers(9, size=(pooling.RESAMPLES, 9))], axis=1)
    means = resampled[:, 2:7].mean(axis=1)  # ⌊9/4⌋ = 2 are left out at each end
    low, high = pooling.interval(scores[None])
    np.testing.assert_allclose([low[0], high[0]], np.percentile(means, [2.5, 97.5]), rtol=1e-5)
