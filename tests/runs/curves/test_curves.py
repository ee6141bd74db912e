import numpy as np
import pytest

from pg_core.runs.curves import curves as module
from pg_core.runs.curves.curves import CACHED_RUNS, MAX_EPISODES, MAX_ROWS, CurveCache
from pg_core.runs.curves.thinning import extremes, min_max
from pg_core.runs.store.schema import UPDATES, write


@pytest.fixture
def config(small):
    return small.changed(num_updates=10_000).model_copy(update={"episodes_per_update": 3})


@pytest.fixture
def run_id(store, config):
    return store.create(config, process="me")


def test_a_run_without_updates_has_empty_curves(store, run_id):
    curves = CurveCache(store).curves(store.run(run_id))
    assert curves.mean_return.shape == (0, 2) and curves.iqm.shape == (0, 3)
    assert curves.episode_return.shape == (0,)


def test_short_curves_are_complete(store, run_id, make_update, keep):
    updates = [make_update(index) for index in range(4)]
    keep(store, run_id, updates)
    curves = CurveCache(store).curves(store.run(run_id))
    np.testing.assert_array_equal(curves.update, [0, 1, 2, 3])
    np.testing.assert_array_equal(curves.episodes, [3, 6, 9, 12])
    np.testing.assert_array_equal(curves.env_steps, [30, 60, 90, 120])
    np.testing.assert_array_equal(curves.seconds, [1, 2, 3, 4])
    np.testing.assert_array_equal(curves.entropy, [update.entropy for update in updates])
    np.testing.assert_array_equal(curves.iqm, [update.iqm for update in updates])
    assert np.isnan(curves.grad_snr).all()


def test_each_episode_knows_its_agent_number_and_steps(store, run_id, make_update, keep):
    updates = [make_update(index, episodic_returns=[[1, 2, 3], [4, 5, 6]]) for index in range(2)]
    keep(store, run_id, updates)
    curves = CurveCache(store).curves(store.run(run_id))
    np.testing.assert_array_equal(curves.episode_update, [0] * 6 + [1] * 6)
    np.testing.assert_array_equal(curves.episode_agent, [0, 0, 0, 1, 1, 1] * 2)
    np.testing.assert_array_equal(curves.episode_number, [0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5])
    np.testing.assert_array_equal(curves.episode_return, [1, 2, 3, 4, 5, 6] * 2)
    np.testing.assert_array_equal(curves.episode_env_steps, [10, 20, 30] * 2 + [40, 50, 60] * 2)
    np.testing.assert_array_equal(curves.episode_seconds, [1.0] * 6 + [2.0] * 6)


def test_long_curves_are_bounded_and_keep_a_single_collapse(store, run_id, make_update, keep):
    cache, returns = CurveCache(store), np.full((2, 3), 500.0)
    for start in range(0, 6000, 1000):
        updates = [make_update(index, episodic_returns=returns) for index in range(start, start + 1000)]
        if start == 2000:
            updates[345].episodic_returns[1, 2] = 9
            updates[678].mean_return[:] = 0
        keep(store, run_id, updates)
        curves = cache.curves(store.run(run_id))
    assert len(curves.update) <= MAX_ROWS and len(curves.episode_update) <= MAX_EPISODES
    assert (curves.update[0], curves.update[-1]) == (0, 5999)
    assert 2678 in curves.update
    collapse = np.flatnonzero(curves.episode_return == 9)
    assert (curves.episode_update[collapse], curves.episode_agent[collapse]) == (2345, 1)
    grown = cache._growing[run_id]
    assert len(grown._rows["update"]) <= 4 * MAX_ROWS and len(grown._episodes["update"]) <= 4 * MAX_EPISODES


def test_a_run_that_grows_is_read_from_where_it_was(store, run_id, make_update, keep):
    cache = CurveCache(store)
    keep(store, run_id, [make_update(0), make_update(1)])
    cache.curves(store.run(run_id))
    with write(store.engine) as connection:
        connection.execute(UPDATES.delete())
    keep(store, run_id, [make_update(2)])
    np.testing.assert_array_equal(cache.curves(store.run(run_id)).update, [0, 1, 2])


def test_a_run_that_was_rewound_is_read_again(store, run_id, make_update, keep):
    cache = CurveCache(store)
    keep(store, run_id, [make_update(index) for index in range(4)])
    cache.curves(store.run(run_id))
    store.rewind(run_id, "me", 2)
    keep(store, run_id, [make_update(2, episodic_returns=7)])
    curves = cache.curves(store.run(run_id))
    np.testing.assert_array_equal(curves.update, [0, 1, 2])
    np.testing.assert_array_equal(curves.episode_return[-6:], [7] * 6)


def test_chunks_join_without_a_gap(store, run_id, make_update, keep, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 2)
    keep(store, run_id, [make_update(index) for index in range(5)])
    np.testing.assert_array_equal(CurveCache(store).curves(store.run(run_id)).update, range(5))


def test_a_long_run_is_read_little_by_little(store, run_id, make_update, keep, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 2)
    keep(store, run_id, [make_update(index) for index in range(5)])
    cache, run = CurveCache(store), store.run(run_id)
    polls = [cache.curves(run, seconds=0) for _ in range(4)]
    assert [len(curves.update) for curves in polls] == [2, 4, 5, 5]
    assert [curves.complete for curves in polls] == [False, False, True, True]


def test_of_a_long_run_few_updates_are_read_in_full(store, run_id, make_update, keep, monkeypatch):
    monkeypatch.setattr(module, "MAX_EPISODES", 20)
    monkeypatch.setattr(module, "MAX_ROWS", 20)
    updates = [make_update(index, episodic_returns=100) for index in range(300)]
    updates[123].episodic_returns[1, 2] = 9
    updates[234].mean_return[:] = -1
    keep(store, run_id, updates, summary={"updates": 300})
    read, of_store = [], store.updates_at
    monkeypatch.setattr(store, "updates_at", lambda *asked: read.extend(asked[2]) or of_store(*asked))
    curves = CurveCache(store).curves(store.run(run_id))
    assert len(read) < 150 and {0, 123, 234, 299} <= set(read)
    assert {234, 299} <= set(curves.update.tolist())
    collapse = np.flatnonzero(curves.episode_return == 9)
    assert (curves.episode_update[collapse], curves.episode_agent[collapse]) == (123, 1)
    assert curves.episode_number[collapse] == 123 * 3 + 2
    assert curves.episode_env_steps[collapse] == 123 * 30 + 30


def test_a_viewer_needs_only_what_is_new(store, run_id, make_update, keep, monkeypatch):
    monkeypatch.setattr(module, "MAX_ROWS", 20)
    monkeypatch.setattr(module, "MAX_EPISODES", 30)
    cache, rng, done, seen, news = CurveCache(store), np.random.default_rng(0), 0, [], 0
    for count in rng.integers(1, 7, 60):
        keep(store, run_id, [make_update(index) for index in range(done, done + count)])
        done += int(count)
        curves = cache.curves(store.run(run_id))
        for before in seen:
            updates, episodes = curves.known(before.version)
            np.testing.assert_array_equal(before.update[:updates], curves.update[:updates])
            np.testing.assert_array_equal(before.mean_return[:updates], curves.mean_return[:updates])
            np.testing.assert_array_equal(before.episode_number[:episodes], curves.episode_number[:episodes])
            np.testing.assert_array_equal(before.episode_return[:episodes], curves.episode_return[:episodes])
        if seen:
            assert curves.version > seen[-1].version
            news += len(curves.update) - curves.known(seen[-1].version)[0]
        seen.append(curves)
    assert curves.known(curves.version) == (len(curves.update), len(curves.episode_update))
    assert news < 60 * 5  # a stretch has two points; all twenty come again only when stretches double
    assert cache.curves(store.run(run_id)).version == curves.version


def test_what_was_read_anew_is_all_new(store, run_id, make_update, keep):
    keep(store, run_id, [make_update(0)])
    first, second = (CurveCache(store).curves(store.run(run_id)) for _ in range(2))
    assert second.version > first.version
    assert second.known(first.version) == (0, 0) == first.known(second.version)


def test_only_the_last_runs_are_cached(store, config):
    cache = CurveCache(store)
    ids = [store.create(config) for _ in range(CACHED_RUNS + 2)]
    for run_id in ids:
        cache.curves(store.run(run_id))
    assert list(cache._growing) == ids[2:]


@pytest.mark.parametrize("count", [0, 1, 7, 100, 101, 999, 12345])
@pytest.mark.parametrize("first", [0, 37])
def test_min_max_keeps_ends_and_extremes_within_its_limit(count, first):
    x, y = np.arange(first, first + count), np.random.default_rng(count).normal(size=count)
    chosen = min_max(x, y, limit=100)
    assert len(chosen) <= 100 and (np.diff(chosen) > 0).all()
    assert len(chosen) >= min(count, 25)
    if count:
        assert {0, count - 1, int(y.argmin()), int(y.argmax())} <= set(chosen.tolist())


def test_min_max_bounds_many_points_at_one_place():
    x = np.repeat(np.arange(3), 1000)
    assert len(min_max(x, np.arange(3000.0), limit=50)) <= 50


def test_min_max_by_hand():
    # Stretches of two: (5, 5), (nan, 1), (2, 2), (3, 4), (0, 0). Of equals the first lowest and the last highest stay.
    y = np.array([5, 5, np.nan, 1, 2, 2, 3, 4, 0, 0, 7])
    assert extremes(np.arange(11), y, width=2).tolist() == list(range(11))
    # Stretches of four: lowest at 3, highest (not a number) at 2; 8 and 10; and the ends.
    assert extremes(np.arange(11), y, width=4).tolist() == [0, 2, 3, 4, 7, 8, 10]


def test_points_stay_chosen_while_a_curve_grows():
    y = np.random.default_rng(0).normal(size=1000)
    shorter, longer = (set(min_max(np.arange(n), y[:n], limit=200).tolist()) for n in (900, 1000))
    assert {index for index in shorter if index < 896} <= longer
