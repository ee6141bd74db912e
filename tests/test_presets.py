"""Presets: complete, valid, and the best one is what the lab starts with."""

import pytest

from pg_core.config import Config
from pg_core.presets import PRESETS


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_is_valid_and_sets_what_the_others_set(preset):
    assert dict(Config(**preset.values)).items() >= preset.values.items()
    assert set(preset.values) == set(PRESETS["plain"].values)
    assert preset.label and preset.help


def test_the_best_preset_is_the_default():
    assert Config(**PRESETS["best"].values) == Config()
