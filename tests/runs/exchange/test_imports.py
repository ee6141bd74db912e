"""What comes in: a run exactly as it was exported, or a sentence and nothing at all."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.lib import recfunctions

from pg_core.config import Config
from pg_core.runs.exchange import archive, derived, exports, imports, untrusted
from pg_core.runs.exchange.untrusted import ImportRefused
from pg_core.runs.store.records import ARITHMETIC, Run
from pg_core.runs.store.schema import ARRAYS, CHANGES, CHECKPOINTS, MEASURED_LATER, RUNS, UPDATES, read
from pg_core.runs.store.store import Store
from pg_core.runs.workers.replay import Replay, compare
from pg_core.runs.workers.session import Leave
from pg_core.runs.workers.worker import work
from tests.runs.exchange.hostile import HOSTILE, NAN, UPDATES_FILE, Parts, pack, saved, with_array, with_json

TABLES = (UPDATES, CHECKPOINTS, CHANGES)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("imports") / "lab")
    yield store
    store.close()


@pytest.fixture(scope="module")
def config() -> Config:
    return Config(
        num_agents=2, episodes_per_update=3, hidden_layers=(8,), num_updates=12, pace=30, stop_when_solved=False
    )


@pytest.fixture(scope="module")
def left(store: Store, config: Config) -> str:
    """A run that was changed in its fourth update and left after its sixth, with a change that waits."""
    run_id, leave = store.create(config, "left alone", "me"), Leave()
    for update in work(store, run_id, "me", leave):
        if update.index == 2:
            store.request(run_id, {"learning_rate": 0.5})
        if update.index == 5:
            leave.set()
    assert store.run(run_id).updates == 6
    store.request(run_id, {"gamma": 0.5})
    return run_id


@pytest.fixture(scope="module")
def exported(store: Store, left: str) -> bytes:
    return export(store, left)


@pytest.fixture(scope="module")
def parts(exported: bytes) -> Parts:
    with zipfile.ZipFile(io.BytesIO(exported)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def export(store: Store, run_id: str) -> bytes:
    file = io.BytesIO()
    exports.write_zip(store, store.run(run_id), file)
    return file.getvalue()


def bring(store: Store, data: bytes) -> str:
    return imports.import_run(store, io.BytesIO(data))


def rows(store: Store, run_id: str) -> list[list[tuple]]:
    """Return all that is stored of a run but what numbers and names its rows."""
    with read(store.engine) as connection:
        return [
            [
                tuple(value for name, value in row._mapping.items() if name not in ("run_id", "id"))
                for row in connection.execute(sa.select(table).where(table.c.run_id == run_id).order_by(order))
            ]
            for table, order in (
                (UPDATES, UPDATES.c.update),
                (CHECKPOINTS, CHECKPOINTS.c.update),
                (CHANGES, CHANGES.c.id),
            )
        ]


def everything(store: Store) -> list[int]:
    with read(store.engine) as connection:
        return [connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in (RUNS, *TABLES)]


def summary(run: Run) -> dict:
    own = "id", "created_at", "state", "reason", "processors"  # the last is not exported
    known = {name: value for name, value in vars(run).items() if name not in own}
    return known | {"requests": [(request.values, request.update) for request in run.requests]}


def test_a_run_that_comes_in_is_out_of_sight_until_it_is_whole(store: Store, exported: bytes, monkeypatch) -> None:
    before, transition, seen = store.runs(), Store.transition, []

    def look_and_pass(*arguments, **values) -> bool:
        seen.append(store.runs())
        return transition(*arguments, **values)

    monkeypatch.setattr(Store, "transition", look_and_pass)
    run_id = bring(store, exported)
    assert seen and all(found == before for found in seen)
    assert store.run(run_id) in store.runs()


def test_an_import_equals_what_was_exported(store: Store, left: str, exported: bytes) -> None:
    run_id = bring(store, exported)
    assert rows(store, run_id) == rows(store, left)
    # How long it waited for its pace is not exported: what is known is how long it trained.
    known = summary(store.run(left)) | {"elapsed_seconds": store.run(left).wall_seconds}
    assert summary(store.run(run_id)) == known
    assert (store.run(run_id).state, store.run(run_id).reason) == ("stopped", "")


def test_how_fast_it_trained_is_computed(store: Store, left: str, parts: Parts) -> None:
    run_id = bring(store, pack(with_json(parts, "manifest.json", steps_per_second=1e300)))
    assert store.run(run_id).steps_per_second == store.run(left).steps_per_second
    instantly = with_array(parts, UPDATES_FILE, "seconds", 0.0)
    assert store.run(bring(store, pack(instantly))).steps_per_second == 0


@pytest.mark.parametrize(("agents", "episodes", "scale"), [(1, 130, 1.0), (5, 7, 1e4), (16, 1, 1e-3)])
def test_what_is_derived_is_what_the_trainer_derives(agents: int, episodes: int, scale: float) -> None:
    from pg_core.learning import episode_statistics, trainer

    rng, kind = (
        np.random.default_rng(agents),
        archive.update_type(Config(num_agents=agents, episodes_per_update=episodes)),
    )
    updates, statistics = np.zeros(150, kind), episode_statistics.initial_statistics(agents)
    updates["update"] = np.arange(len(updates))
    updates["episodic_returns"] = scale * rng.normal(size=updates["episodic_returns"].shape)  # whose mean is almost 0
    for update in updates:
        statistics = episode_statistics.add_episodes(
            statistics, update["episodic_returns"], np.ones((agents, 1)), np.inf
        )
        update["mean_return"] = episode_statistics.mean_return(statistics)
    updates["iqm"] = trainer._population_iqm(updates["mean_return"])
    for wrong in (False, True):
        recent = np.zeros((agents, derived.WINDOW), "<f4")
        for part in (updates[:20], updates[20:]):
            assert derived.mean_return_agrees(recent, part).all() != wrong
            assert derived.iqm_agrees(part).all()
            recent = derived.following(recent, part)[:, -derived.WINDOW :]
        updates["mean_return"] *= 1.001
        updates["iqm"] *= 1.001
    updates["iqm"] *= 1.001
    assert not derived.iqm_agrees(updates).all(axis=1).any()


def test_an_import_goes_on_as_the_original_does(store: Store, left: str, exported: bytes) -> None:
    run_ids = bring(store, exported), bring(store, exported)
    for run_id in run_ids:
        assert store.enqueue(run_id, "run") and store.transition(run_id, ["queued"], state="starting", process="me")
        list(work(store, run_id, "me"))
        assert (store.run(run_id).state, store.run(run_id).updates) == ("finished", 12)
    other = store.create(store.run(left).config, process="me")
    for update in work(store, other, "me"):
        changes = {2: {"learning_rate": 0.5}, 5: {"gamma": 0.5}}.get(update.index)
        if changes:
            store.request(other, changes)
    whole, *resumed = ([row[2:] for row in rows(store, run_id)[0]] for run_id in (other, *run_ids))  # without seconds
    assert resumed == [whole, whole]


def test_a_run_that_has_ended_has_ended(store: Store, parts: Parts) -> None:
    for state, reason in (("failed", "It diverged."), ("finished", ""), ("solved", "")):
        run = store.run(bring(store, pack(with_json(parts, "manifest.json", state=state, reason=reason))))
        assert (run.state, run.reason) == (state, reason)


def test_what_a_person_said_of_a_run_comes_along(store: Store, parts: Parts) -> None:
    said = {"name": "<b>bold</b>", "note": "one\ntwo ![x](http://example.org)", "tags": ["a", "b"]}
    run = store.run(bring(store, pack(with_json(parts, "manifest.json", **said))))
    assert (run.name, run.note, run.tags) == (said["name"], said["note"], ("a", "b"))


def test_a_run_that_has_not_begun_can_be_imported(store: Store, config: Config) -> None:
    run_id = bring(store, export(store, store.create(config)))
    assert (store.run(run_id).updates, store.run(run_id).state) == (0, "stopped")


def test_the_layout_of_checkpoints_is_that_of_the_trainer(config: Config) -> None:
    from pg_core.learning.trainer import Trainer

    seen = {"normalize_observations": True, "baseline": "value"}
    several = {"env_id": "tests.own.ten_environments:Ten/Dials-v0", "normalize_observations": True}
    gaussian = {"env_id": "Pendulum-v1", "hidden_layers": (), **seen}
    for values in ({}, {"baseline": "value"}, seen, several, gaussian):
        trainer = Trainer(Config(**{**config.model_dump(), **values}))
        dtype = archive.checkpoint_type(trainer.config, 0, full=True)
        joined = archive.join(trainer.policy(), trainer.checkpoint(), dtype)
        policy, checkpoint = archive.split(joined)
        for theirs, ours in ((trainer.policy(), policy), (trainer.checkpoint(), checkpoint)):
            assert theirs.keys() == ours.keys()
            assert all(np.array_equal(theirs[name], ours[name]) for name in theirs)
        trainer.close()


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_lab_has_written_is_refused(store: Store, parts: Parts, name: str) -> None:
    make, words = HOSTILE[name]
    made = make(parts)
    data = made if isinstance(made, bytes) else pack(made)
    before, folder = everything(store), files(store.folder.parent)
    with pytest.raises(ImportRefused) as caught:
        bring(store, data)
    assert words in str(caught.value)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500
    assert everything(store) == before and files(store.folder.parent) == folder


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.name.endswith("-journal")}


def test_the_corpus_itself_is_made_well(store: Store, parts: Parts) -> None:
    for made in (parts, with_json(parts, "config.json"), with_array(parts, UPDATES_FILE, "grad_snr", NAN)):
        bring(store, pack(made))
        bring(store, pack(made, zipfile.ZIP_STORED))


def test_all_together_must_not_be_too_much(store: Store, parts: Parts, exported: bytes, monkeypatch) -> None:
    with monkeypatch.context() as less:
        less.setattr(untrusted, "MAX_BYTES", sum(map(len, parts.values())) - 1)
        with pytest.raises(ImportRefused, match="All members together"):
            bring(store, exported)
        less.setattr(untrusted, "MAX_FILE", len(exported) - 1)
        with pytest.raises(ImportRefused, match=f"The file must have at most {len(exported) - 1:,} bytes"):
            bring(store, exported)


def test_the_upload_is_capped_as_the_import_is() -> None:
    from streamlit import config

    assert config.get_option("server.maxUploadSize") * 2**20 == archive.MAX_FILE


def accepted_or_refused(store: Store, data: bytes) -> None:
    """Import bytes: they give a run that can be exported again, or an ImportRefused and nothing else."""
    before, folder = everything(store), files(store.folder.parent)
    try:
        run_id = bring(store, data)
    except ImportRefused:
        assert everything(store) == before
    else:
        assert bring(store, export(store, run_id)) != run_id
    assert files(store.folder.parent) == folder


_quick = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_quick
@given(data=st.binary(max_size=300))
def test_any_bytes_are_refused(store: Store, data: bytes) -> None:
    accepted_or_refused(store, data)
    accepted_or_refused(store, data + b"PK\x05\x06" + bytes(18))


@_quick
@given(edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_zip_with_other_bytes_is_refused_or_a_run(store: Store, exported: bytes, edits: list) -> None:
    data = bytearray(exported)
    for place, value in edits:
        data[int(place * len(data))] = value
    accepted_or_refused(store, bytes(data))


@_quick
@given(
    which=st.integers(0, 99),
    place=st.floats(0, 1, exclude_max=True),
    new=st.binary(max_size=8),
    cut=st.integers(0, 8),
)
def test_members_with_other_bytes_are_refused_or_a_run(store: Store, parts: Parts, which, place, new, cut) -> None:
    name = sorted(parts)[which % len(parts)]
    at = int(place * len(parts[name]))
    accepted_or_refused(store, pack({**parts, name: parts[name][:at] + new + parts[name][at + cut :]}))


def as_version_1(parts: Parts) -> Parts:
    """The members as the lab of format version 1 wrote them: numbered arrays of a state, fewer measurements."""
    old = {name: data for name, data in parts.items()}
    for name in [name for name in parts if name.startswith("checkpoints/")]:
        array = np.load(io.BytesIO(parts[name]))
        numbers = iter(range(99))
        array.dtype.names = tuple(
            f"state_{next(numbers)}" if "/" in field or field == "step" else field for field in array.dtype.names
        )
        old[name] = saved(array)
    for name in [name for name in parts if name.startswith("updates/")]:
        array = np.load(io.BytesIO(parts[name]))
        known = [field for field in array.dtype.names if field not in MEASURED_LATER]
        old[name] = saved(recfunctions.repack_fields(array[known]))
    old = as_version_3(old)
    manifest = json.loads(old["manifest.json"]) | {"format_version": 1}
    del manifest["arithmetic"]
    return {**old, "manifest.json": json.dumps(manifest).encode()}


def as_version_3(parts: Parts) -> Parts:
    """The members as the lab of format version 3 wrote them: of an environment only its id and which reward it pays."""
    config = json.loads(parts["config.json"])
    for name in ("env_kwargs", "max_episode_steps", "normalize_observations", "reward_scale"):
        del config[name]
    manifest = json.loads(parts["manifest.json"]) | {"format_version": 3}
    members = {"config.json": config | {"sutton_barto_reward": False}, "manifest.json": manifest}
    return {**parts, **{name: json.dumps(values).encode() for name, values in members.items()}}


def test_an_archive_of_version_3_comes_in_as_the_run_that_it_was(store, left, parts):
    run_id = bring(store, pack(as_version_3(parts)))
    assert store.run(run_id).config == store.run(left).config
    assert store.checkpoint(run_id).keys() == store.checkpoint(left).keys()
    with pytest.raises(ImportRefused, match="`sutton_barto_reward` is not a hyperparameter"):
        bring(store, pack(with_json(as_version_3(parts), "manifest.json", format_version=4)))


def test_the_owners_own_modules_come_in(store, parts, monkeypatch):
    mine = pack(with_json(parts, "config.json", env_id="tests.own.ten_environments:Ten/Long-v0"))
    for named, words in (
        (None, "must not name a module that"),
        ("tests.own.ten_environments", "`checkpoints/0000000.npy` must have at most"),
    ):
        monkeypatch.setenv("PG_LAB_ENVIRONMENTS", named or "")
        with pytest.raises(ImportRefused, match=words):  # the second is another environment's run: it got that far
            bring(store, mine)


def test_an_archive_of_version_1_comes_in_and_says_that_its_arithmetic_was_another(store, left, parts):
    run_id = bring(store, pack(as_version_1(parts)))
    assert (store.run(run_id).arithmetic, store.run(left).arithmetic) == (1, ARITHMETIC)
    kept, theirs = store.checkpoint(run_id), store.checkpoint(left)
    assert kept.keys() == theirs.keys() and "policy_slots/kernel_0/first" in kept
    assert all(kept[name].tobytes() == theirs[name].tobytes() for name in kept)
    *_, replayed = compare(store, run_id)
    assert replayed == Replay(updates=6, identical=6, arithmetic=1)
    rows, known = (store.updates(one, list(ARRAYS), 0, 9) for one in (run_id, left))
    for row, other in zip(rows, known, strict=True):
        for name, kind in ARRAYS.items():
            undefined = np.isnan(np.frombuffer(getattr(row, name), kind)).all()
            assert undefined if name in MEASURED_LATER else getattr(row, name) == getattr(other, name)
