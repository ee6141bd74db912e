"""The panel that says why a run is not learning, and starts the remedy at a click."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pg_core import lab
from pg_core.config import Config
from pg_core.runs.store.records import Batch, Snapshot
from pg_core.runs.store.schema import ARRAYS
from pg_core.runs.store.store import Store

NAVIGATION = str(Path(__file__).parents[2] / "pages" / "navigation.py")
pytestmark = pytest.mark.usefixtures("folder")
CONFIG = Config(num_agents=2, num_updates=24, episodes_per_update=3)


def ended(folder: Path, **measured: float) -> str:
    """A run of 24 updates that measured the same in all of them, with a checkpoint after 16."""
    store, shape = Store(folder), (2, 3)
    shapes = {"episodic_returns": shape, "episodic_lengths": shape, "iqm": (3,)}
    values = {"env_steps_to_solve": -1, "approx_kl": 0.02, "entropy": 0.6, "grad_snr": 1.5, "cut": 0} | measured
    returns = np.array([[9, 20, 31], [12, 21, 30]])
    updates = []
    for index in range(24):
        arrays = {name: np.full(shapes.get(name, (2,)), values.get(name, 1)).astype(t) for name, t in ARRAYS.items()}
        arrays["episodic_returns"][:] = returns
        updates.append((SimpleNamespace(index=index, **arrays), float(index)))
    run_id = store.create(CONFIG, "stuck", "me")
    store.transition(run_id, ["starting"], state="running")
    policy = {"kernel_0": np.zeros(1)}
    kept = [Snapshot(16, policy, {"update": np.int64(16)}), Snapshot(24, policy, None)]
    store.commit(run_id, "me", Batch(updates, {"updates": 24}, {}, kept))
    store.transition(run_id, ["running"], state="finished")
    store.close()
    return run_id


def page(path: str = "train.py", opened: bool = True, **link: str) -> AppTest:
    app = AppTest.from_file(NAVIGATION, default_timeout=60)
    app.query_params.update(link)
    app.session_state["diagnosis"] = opened
    if path != "train.py":
        app.switch_page(path)
    return app.run()


def texts(app) -> str:
    return " ".join(element.value.replace("\\", "") for element in (*app.text, *app.markdown, *app.caption))


def test_a_closed_panel_reads_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "diagnose", None)
    assert not page(opened=False, run=ended(folder)).exception


def test_a_cause_has_its_numbers_its_derivation_and_a_fork_with_the_remedy(folder: Path) -> None:
    run_id = ended(folder, approx_kl=0.75)
    app = page(run=run_id)
    assert not app.exception and not app.error
    said = texts(app)
    assert "Steps are too long" in said and "a KL divergence of 0.75 nats" in said
    assert "(derivations?statement=trust_region)" in said and "(derivations?statement=surrogate_loss)" in said
    assert "The best policy that is kept is that after 16 updates" in said
    remedy = app.button(key="remedy long_step")
    assert remedy.label == "Fork after 16 updates: α 0.025 → 0.003, Updates 24 → 40"
    remedy.click().run()
    assert not app.exception and not app.error
    child = lab.run(app.session_state.run_id)
    assert (child.parent_id, child.parent_update, child.state) == (run_id, 16, "queued")
    assert child.current == CONFIG.changed(learning_rate=0.003, num_updates=40)
    assert app.session_state.beside == [run_id]


def test_a_fixed_setting_takes_a_new_run(folder: Path) -> None:
    run_id = ended(folder, grad_snr=0.97)
    app = page(run=run_id)
    app.button(key="remedy noise").click().run()
    assert not app.exception and not app.error
    new = lab.run(app.session_state.run_id)
    assert new.parent_id is None and new.config == Config(**{**dict(CONFIG), "episodes_per_update": 12})


def test_the_runs_page_says_it_of_the_selected_run_and_opens_the_remedy(folder: Path) -> None:
    app = page("runs.py", selected=ended(folder, approx_kl=0.75))
    assert not app.exception
    app.button(key="remedy long_step").click().run()
    assert not app.exception and app.get_by_key("pause") is not None


def test_without_a_run_or_a_cause_a_sentence_says_so(folder: Path) -> None:
    assert "will be told here" in texts(page())
    assert "no cause that is known here shows" in texts(page(run=ended(folder)))
