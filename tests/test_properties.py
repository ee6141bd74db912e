"""What strangers send: any text as a config, a link, a name. Accepted and kept as it is, or refused with a sentence."""

import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from pages.widgets import link
from pg_core.config import HYPERPARAMETERS, Config, ConfigError
from pg_core.runs.store import library
from pg_core.runs.store.store import Store

SENTENCE = re.compile(r"`[^`]*`|^The config must be one JSON object\.$", re.DOTALL)  # names what is wrong
few = settings(max_examples=60, deadline=None, derandomize=True, database=None)
NAMES = st.sampled_from([*HYPERPARAMETERS])
TEXTS = st.text(max_size=20) | st.integers().map(str) | st.floats().map(str) | st.sampled_from(["nan", "-0", "1e400"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@few
@given(st.dictionaries(NAMES | st.text(max_size=10), TEXTS, max_size=4))
@example({"num_agents": "512", "episodes_per_update": "256"})
@example({"hidden_layers": "٣"})
def test_any_strings_are_a_config_or_get_a_sentence(values):
    try:
        config = Config.from_strings(values)
    except ConfigError as error:
        assert SENTENCE.search(str(error))
        return
    shown = {name: ",".join(map(str, v)) if isinstance(v, tuple) else str(v) for name, v in config}
    assert Config.from_strings(shown) == config
    assert Config.from_json(config.model_dump_json()) == config


@few
@given(st.dictionaries(NAMES, JSON, max_size=4) | JSON)
def test_any_json_is_a_config_or_gets_a_sentence(values):
    stored = json.dumps({**Config().model_dump(mode="json"), **values} if isinstance(values, dict) else values)
    try:
        config = Config.from_json(stored)
    except ConfigError as error:
        assert SENTENCE.search(str(error))
    else:
        assert Config.from_json(config.model_dump_json()) == config


@few
@given(st.dictionaries(NAMES | st.text(max_size=10), TEXTS, max_size=4))
def test_any_link_gives_a_config_and_a_sentence_for_each_part_that_cannot_be(values):
    values = {name: text for name, text in values.items() if name != link.RUN}
    run, config, complaints = link.read(values)
    assert run is None and len(complaints) <= len(values)
    assert Config.from_json(config.model_dump_json()) == config
    accepted = [name for name in values if name in HYPERPARAMETERS and not any(f"`{name}`" in c for c in complaints)]
    if not complaints:
        assert config == Config.from_strings({name: values[name] for name in accepted})


@few
@given(st.sampled_from([*link.CHOICES]), st.lists(TEXTS, min_size=1, max_size=3))
def test_any_choice_in_a_link_is_one_or_gets_a_sentence(name, texts):
    choice = link.CHOICES[name]
    try:
        value = choice.read(name, texts)
    except ConfigError as error:
        assert str(error).startswith(f"`{name}` must be one of ")
        return
    chosen = value if isinstance(choice.default, list) else [value]
    assert not choice.options or set(chosen) <= set(choice.options)


def _page():
    import streamlit as st

    from pages.widgets import link

    link.load()
    link.write("train")
    st.text(st.session_state.complaint)


def test_what_a_link_says_right_is_kept_beside_nonsense(tmp_path, monkeypatch):
    monkeypatch.setenv("PG_LAB_DATA", str(tmp_path))
    app = AppTest.from_function(_page, default_timeout=60)
    app.query_params.update({"gamma": "0.5", "view": "sideways", "over": "seconds", "selected": "nobody", "\0": "<b>"})
    app.run()
    assert not app.exception
    assert dict(app.query_params) == {"gamma": "0.5", "over": "seconds"}
    assert "`view` must be one of gradient, entropy, noise, kl, baseline, loss, got 'sideways'" in app.text[0].value
    assert "No run has the id 'nobody'" in app.text[0].value


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store"))
    yield store
    store.close()


@pytest.fixture(scope="module")
def run_id(store):
    return store.create(Config(), "any")


ANY = st.text(st.characters() | st.sampled_from("\0\u202e\u200f\ud800\n\x1b\N{OTTER}é"), max_size=90)


@few
@given(name=ANY, note=ANY, tags=st.lists(ANY, max_size=3))
@example(name="\N{OTTER} – ə", note="two\nlines", tags=["ß"])
@example(name="NUL\0", note="", tags=[])
@example(name="lone \ud800", note="", tags=[])
@example(name="\u202egnp.exe", note="", tags=[])
def test_names_notes_and_tags_come_back_as_they_were_given_or_are_refused(store, run_id, name, note, tags):
    before = store.run(run_id)
    try:
        library.label(store, run_id, name=name, note=note, tags=tags)
    except ConfigError as error:
        assert re.match(r"`(name|note|tags)` must (have|be) ", str(error))
        assert store.run(run_id) == before
        return
    run = store.run(run_id)
    assert (run.name, run.note) == (name.strip(), note.strip())
    assert run.tags == tuple(dict.fromkeys(tag.strip() for tag in tags))
    for text in (run.name, run.note, *run.tags):
        text.encode()  # no lone surrogate, and no NUL: as every database takes it
        assert text.replace("\n", "").isprintable()
