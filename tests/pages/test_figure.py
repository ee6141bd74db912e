"""The charts and their table say what the curves hold, in bounded JSON."""

import itertools
import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

import numpy as np
import pytest

from pages.widgets.figure import PANELS, Shown, X, charts, numbers, rows
from pages.widgets.traces import MAX_AGENTS, MAX_MARKS, PLOT_WIDTH, plain
from pg_core.config import Config
from pg_core.lab import Change, Curves, Progress, Run
from pg_core.runs.curves.thinning import Chosen

CHARTS, AXES = ("returns", *PANELS), get_args(X)
B = 4  # episodes per update


def progress(updates=3, agents=2, singles=2, changes=(), env_id="CartPole-v1", run_id="a", **curves) -> Progress:
    """A run whose agent k has the value 10 k + u after update u: episode 4 (u + 1), step 100 (u + 1), second u + 1."""
    update = np.arange(updates)
    values = (10 * np.arange(agents) + update[:, None]).astype(np.float32)
    config = Config(env_id=env_id, num_agents=agents)
    per_agent = ["mean_return", "entropy", "grad_norm", "grad_snr", "approx_kl"]
    per_agent += ["explained_variance", "policy_loss", "value_loss"]
    single = np.arange(singles)
    measured = {
        "update": update, "episodes": B * (update + 1), "env_steps": 100.0 * (update + 1), "seconds": update + 1.0,
        "iqm": np.stack([update, update - 1, update + 1], -1).astype(np.float32), **dict.fromkeys(per_agent, values),
        "episode_update": single // B, "episode_return": single + 0.5, "episode_agent": single % agents,
        "episode_number": single, "episode_env_steps": 25 * (single + 1), "episode_seconds": single // B + 1.0,
    }  # fmt: skip
    run = Run(
        id=run_id, name="n", state="running", reason="", created_at=datetime.now(UTC), config=config, current=config,
        updates=updates, episodes=0, env_steps=0, wall_seconds=0, steps_per_second=0, mean_return=None,
        best_return=None, env_steps_to_solve=(None,) * agents, target="run", rewinds=0, elapsed_seconds=0, until=0,
    )  # fmt: skip
    return Progress(run, Curves(**{**measured, **curves}), list(changes), None, None)


def figure(run: Progress | None, name: str, x: X, threshold: float | None = None, version: int = 0) -> dict:
    """One chart of those that a page shows."""
    panels = (name, "entropy") if name in PANELS and name != "entropy" else ("gradient", "entropy")
    if run:
        threshold = run.run.reward_threshold
    shown = Shown(run.run.id if run else None, over=x, panels=panels)
    [found] = [chart for chart in charts(run, shown, threshold, versions=[version]) if chart["name"] == name]
    return found


def trace(shown: dict, uid: str) -> dict:
    (found,) = [trace for trace in shown["data"] if trace["uid"] == uid]
    return found


def uids(shown: dict) -> list[str]:
    return [trace["uid"] for trace in shown["data"]]


def texts(shown: dict) -> list[str]:
    return [annotation["text"] for annotation in shown["layout"]["annotations"]]


def numbers_in(value: object) -> int:
    if isinstance(value, dict):
        return sum(map(numbers_in, value.values()))
    return sum(map(numbers_in, value)) if isinstance(value, list) else 1


@pytest.mark.parametrize("view", CHARTS)
@pytest.mark.parametrize("x", AXES)
@pytest.mark.parametrize("updates", [0, 1, 5])
def test_every_figure_is_json(view: str, x: X, updates: int) -> None:
    for shown in (figure(progress(updates), view, x), figure(None, view, x)):
        assert json.loads(json.dumps(shown, allow_nan=False)) == shown


def test_agents_share_one_line_of_the_legend() -> None:
    shown = figure(progress(updates=3, agents=2), "returns", "episodes")
    agents = [trace(shown, f"agent{agent} mean return") for agent in range(2)]
    assert [agent["x"] for agent in agents] == [[4, 8, 12]] * 2
    assert [agent["y"] for agent in agents] == [[0, 1, 2], [10, 11, 12]]
    assert agents[0]["legendgroup"] == agents[1]["legendgroup"]
    assert agents[0]["name"] == "each agent, mean of last 100 episodes" and agents[1]["showlegend"] is False


@pytest.mark.parametrize(
    ("x", "rows", "singles"),
    [
        ("episodes", [4, 8, 12], [1, 2, 3]),
        ("env_steps", [100, 200, 300], [25, 50, 75]),
        ("seconds", [1, 2, 3], [1] * 3),
    ],
)
def test_all_curves_lie_over_the_chosen_axis(x: X, rows: list[float], singles: list[float]) -> None:
    shown = figure(progress(updates=3, singles=3), "returns", x)
    assert trace(shown, "center mean return")["x"] == rows
    assert trace(shown, "episodes")["x"] == singles
    assert trace(shown, "episodes")["y"] == [0.5, 1.5, 2.5]
    assert trace(shown, "threshold")["x"] == [0, rows[-1]]


def test_the_population_has_a_line_and_its_interval() -> None:
    shown = figure(progress(updates=3, agents=5), "returns", "episodes")
    center, low, high = (trace(shown, uid) for uid in ("center mean return", "center low", "center high"))
    assert center["name"] == "typical of 5 agents, with its uncertainty"
    assert center["y"] == [0, 1, 2]
    assert low["x"] == high["x"] == [4, 8, 12]
    assert (low["y"], high["y"]) == ([-1, 0, 1], [1, 2, 3])
    assert uids(shown).index("center low") + 1 == uids(shown).index("center high") and high["fill"] == "tonexty"
    assert low["legendgroup"] == high["legendgroup"] == center["legendgroup"]


def test_one_agent_has_no_population() -> None:
    shown = figure(progress(agents=1), "returns", "episodes")
    assert uids(shown) == ["episodes", "agent0 mean return", "threshold"]
    assert uids(figure(progress(agents=1), "entropy", "episodes")) == ["agent0 policy entropy"]


@pytest.mark.parametrize(("panel", "name"), [("gradient", "gradient norm ‖ĝ‖"), ("noise", "signal-to-noise")])
def test_the_other_charts_show_the_plain_mean(panel: str, name: str) -> None:
    shown = figure(progress(updates=2, agents=2), panel, "episodes")
    assert trace(shown, f"center {name}")["y"] == [(0 + 10) / 2, (1 + 11) / 2]
    assert shown["layout"]["showlegend"] is False
    assert shown["layout"]["yaxis"].get("type") == ("log" if panel == "gradient" else None)
    assert figure(progress(), "baseline", "episodes")["layout"]["yaxis"]["range"] == [-1, 1]


def test_what_is_not_a_number_is_a_gap() -> None:
    values = np.float32([[math.nan, 1], [2, math.inf], [math.nan, math.nan]])
    shown = figure(progress(entropy=values), "entropy", "episodes")
    assert trace(shown, "agent0 policy entropy")["y"] == [None, 2, None]
    assert trace(shown, "agent1 policy entropy")["y"] == [1, None, None]
    assert trace(shown, "center policy entropy")["y"] == [1, 2, None]
    low_only = np.float32([[1, 0, 2], [1, math.nan, 2], [1, 0, math.nan]])
    shown = figure(progress(iqm=low_only), "returns", "episodes")
    assert trace(shown, "center low")["y"] == [0, None, None] and trace(shown, "center high")["y"] == [2, None, None]


def test_a_view_without_numbers_says_why() -> None:
    undefined = np.full((3, 2), np.nan, np.float32)
    assert texts(figure(progress(grad_snr=undefined), "noise", "episodes")) == ["undefined with one episode per update"]
    assert texts(figure(progress(explained_variance=undefined), "baseline", "episodes")) == [
        "undefined while all returns are the same"
    ]


@pytest.mark.parametrize(
    ("env_id", "name"),
    [
        ("CartPole-v1", "solved: mean of the last 100 episodes at 475"),
        ("Acrobot-v1", "solved: mean of the last 100 episodes at -100"),
    ],
)
def test_the_threshold_is_the_environments(env_id: str, name: str) -> None:
    threshold = trace(figure(progress(env_id=env_id), "returns", "episodes"), "threshold")
    assert threshold["name"] == name
    assert threshold["y"] == [float(name.split()[-1])] * 2


def test_an_environment_without_threshold_has_no_line() -> None:
    assert "threshold" not in uids(figure(progress(env_id="Pendulum-v1"), "returns", "episodes"))
    assert "threshold" not in uids(figure(progress(), "entropy", "episodes"))


def test_empty_axes_show_the_threshold_and_what_to_do() -> None:
    shown = figure(None, "returns", "episodes", threshold=475)
    assert uids(shown) == ["threshold"]
    assert texts(shown) == ["press Train"]
    low, high = shown["layout"]["yaxis"]["range"]
    assert low == 0 < 475 < high
    assert texts(figure(progress(updates=0), "returns", "episodes")) == ["waiting for the first update"]
    assert texts(figure(None, "gradient", "episodes")) == ["press Train"]


@pytest.mark.parametrize(
    ("update", "x", "at"),
    [(0, "episodes", 0), (1, "episodes", 4), (3, "episodes", 12), (2, "env_steps", 200), (2, "seconds", 2)],
)
def test_a_change_stands_where_the_update_before_it_ended(update: int, x: X, at: float) -> None:
    change = Change(update, {"learning_rate": (0.01, 0.003)})
    layout = figure(progress(updates=10, changes=[change]), "returns", x)["layout"]
    assert [(line["x0"], line["x1"], line["yref"]) for line in layout["shapes"]] == [(at, at, "paper")]
    assert [(label["x"], label["text"]) for label in layout["annotations"]] == [(at, "α 0.01 → 0.003")]


def test_a_change_between_thinned_rows_stands_between_them() -> None:
    kept = {"update": np.array([0, 10, 20]), "episodes": np.array([4, 44, 84])}
    change = Change(15, {"gamma": (0.99, 0.9)})
    (line,) = figure(progress(changes=[change], **kept), "returns", "episodes")["layout"]["shapes"]
    assert line["x0"] == 60  # 15 updates of 4 episodes


def test_labels_neither_overlap_nor_leave_the_plot() -> None:
    changes = [Change(u, {"learning_rate": (0.1 / (u + 1), 0.1 / (u + 2))}) for u in range(0, 100, 3)]
    changes += [Change(99, {"baseline": ("leave_one_out", "step_mean"), "gamma": (0.99, 0.9)})]
    shown = figure(progress(updates=100, changes=changes), "returns", "episodes")["layout"]
    spans: dict[int, list[tuple[float, float]]] = {}
    for label in shown["annotations"]:
        at, width = label["x"] / 400 * PLOT_WIDTH, 5 * len(label["text"])
        left = at - width * {"left": 0, "center": 0.5, "right": 1}[label["xanchor"]]
        assert 0 <= left < left + width <= PLOT_WIDTH
        spans.setdefault(label["yshift"], []).append((left, left + width))
    for row in map(sorted, spans.values()):
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(row))
    newest = shown["annotations"][0]
    assert newest["text"] == newest["hovertext"] == "b leave-one-out → per-step mean, γ 0.99 → 0.9"
    assert len(shown["shapes"]) == len(changes)


def test_a_hyperparameter_without_symbol_is_named() -> None:
    change = Change(5, {"pace": (10, 0)})
    assert texts(figure(progress(updates=10, changes=[change]), "returns", "episodes")) == [
        "Pace 10 → as fast as possible"
    ]


@pytest.mark.parametrize("view", CHARTS)
def test_a_figure_is_bounded_whatever_the_run(view: str) -> None:
    changes = [Change(u, {"gamma": (0.5, 0.25)}) for u in range(400)]
    shown = figure(progress(updates=400, agents=512, singles=1000, changes=changes), view, "episodes")
    agents = [trace for trace in shown["data"] if trace["uid"].startswith("agent")]
    assert len(agents) == MAX_AGENTS
    assert all(trace["name"].startswith(f"{MAX_AGENTS} of 512 agents") for trace in agents)
    assert len(shown["layout"]["shapes"]) == MAX_MARKS
    assert shown["layout"]["shapes"][0]["x0"] == 399 * B  # the newest are kept
    assert numbers_in(shown) < 50_000


@pytest.mark.parametrize("view", CHARTS)
@pytest.mark.parametrize("x", AXES)
def test_what_the_chart_has_is_not_sent_again(view: str, x: X) -> None:
    was = np.array([2, 2, 5]), np.array([1, 3, 3, 5])  # the versions since which 3 updates and 4 episodes are there
    curves = {
        "shown_updates": Chosen(np.arange(3), was[0]),
        "shown_episodes": Chosen(np.arange(4), was[1]),
        "version": 5,
    }
    run = progress(updates=3, agents=2, singles=4, **curves)
    whole = figure(run, view, x)
    for version, known in ((0, (0, 0)), (2, (2, 1)), (4, (2, 3)), (5, (3, 4)), (6, (0, 0))):
        shown = figure(run, view, x, version=version)
        for part, full in zip(shown["data"], whole["data"], strict=True):
            first = 0 if part["uid"] == "threshold" else known[part["uid"] == "episodes"]
            assert part.get("from", 0) == first
            for name in {"x", "y", "customdata"} & set(part):
                assert full[name][:first] + part[name] == full[name]
        assert rows(run.curves, x, version)["update"] == [1, 2, 3][known[0] :]
        others = [{**part, "x": 0, "y": 0, "customdata": 0, "from": 0} for part in shown["data"]]
        assert others == [{**part, "x": 0, "y": 0, "customdata": 0, "from": 0} for part in whole["data"]]


def test_zoom_and_legend_survive_in_one_run_and_view_only() -> None:
    def revision(*args, **kwargs) -> str:
        return figure(progress(**kwargs), *args)["layout"]["uirevision"]

    grown = revision("returns", "episodes", updates=9)
    assert revision("returns", "episodes", updates=3) == grown
    others = [
        revision("entropy", "episodes"),
        revision("returns", "seconds"),
        revision("returns", "episodes", run_id="b"),
    ]
    assert len({grown, *others}) == 4
    stable = [uids(figure(progress(updates=updates), "returns", "episodes")) for updates in (1, 9)]
    assert stable[0] == stable[1]


def test_the_label_says_what_is_drawn() -> None:
    assert figure(progress(updates=7), "gradient", "seconds")["label"] == (
        "Chart of the gradient norm ‖ĝ‖ over training time (s), 7 points"
    )


def test_a_ghost_is_drawn_whole_and_a_twin_no_further_than_its_run() -> None:
    run, ghost = progress(updates=3), progress(updates=5, run_id="b")
    twin = replace(ghost, run=replace(ghost.run, id="c", parent_id="a"))
    shown = Shown("a", beside=("b", "c"))
    first, second, *_ = charts(run, shown, beside=[ghost, twin])[0]["data"]
    assert (first["uid"], first["x"], first["line"]["dash"]) == ("beside-b mean return", [4, 8, 12, 16, 20], "solid")
    assert (second["uid"], second["x"], second["line"]["dash"]) == ("beside-c mean return", [4, 8, 12], "dash")
    assert first["line"]["color"] != second["line"]["color"]


def test_a_twin_grows_with_its_run_whatever_of_it_was_there_before() -> None:
    seen = {"shown_updates": Chosen(np.arange(3), np.array([5, 5, 7])), "version": 7}  # two updates at version 5
    run = progress(updates=3, **seen)
    own = {"shown_updates": Chosen(np.arange(5), np.full(5, 4)), "version": 4}  # all there since version 4
    twin = progress(updates=5, run_id="c", **own)
    twin = replace(twin, run=replace(twin.run, parent_id="a"))
    (ghost, *_) = charts(run, Shown("a", beside=("c",)), beside=[twin], versions=[5, 4])[0]["data"]
    assert (ghost["from"], ghost["x"]) == (2, [12])


def test_the_table_holds_the_curves_numbers() -> None:
    table = numbers(progress(updates=2, agents=2), ["entropy"])
    assert table[-1] == {
        "update": 2, "episodes": 8, "environment steps": 200, "seconds": 2,
        "return, IQM": 1, "95 % low": 0, "95 % high": 2,
        "episode return, mean": (1 + 11) / 2, "episode return, lowest": 1, "episode return, highest": 11,
        "policy entropy, mean": (1 + 11) / 2, "policy entropy, lowest": 1, "policy entropy, highest": 11,
    }  # fmt: skip


def test_the_table_is_short_and_spread_over_the_run() -> None:
    table = numbers(progress(updates=400), ["gradient"])
    shown = [row["update"] for row in table]
    assert (len(shown), shown[0], shown[-1]) == (20, 1, 400)
    assert set(np.diff(shown)) == {21}
    assert [row["update"] for row in numbers(progress(updates=3), [])] == [1, 2, 3]
    assert numbers(None, []) == numbers(progress(updates=0), []) == []


def test_the_table_leaves_out_what_is_not_a_number() -> None:
    values = np.float32([[math.nan, 1], [math.nan, math.nan]])
    first, second = numbers(progress(updates=2, entropy=values), ["entropy"])
    assert [first[f"policy entropy, {name}"] for name in ("mean", "lowest", "highest")] == [1, 1, 1]
    assert [second[f"policy entropy, {name}"] for name in ("mean", "lowest", "highest")] == [None] * 3


def test_large_counts_stay_exact_in_the_table() -> None:
    many = {"update": np.array([1_234_566]), "episodes": np.array([4_938_268])}
    (row,) = numbers(progress(updates=1, **many), [])
    assert (row["update"], row["episodes"]) == (1_234_567, 4_938_268)


def test_numbers_are_written_with_five_significant_digits() -> None:
    rng = np.random.default_rng(0)
    values = np.float32(rng.normal(size=1000) * 10.0 ** rng.integers(-12, 12, 1000))
    values[:6] = 0, 99999.5, 0.1, np.nan, np.inf, -np.inf
    expected = [float(f"{number:.5g}") if np.isfinite(number) else None for number in values.tolist()]
    assert plain(values) == expected
    assert plain(np.array([123456789, -1])) == [123456789, -1]
