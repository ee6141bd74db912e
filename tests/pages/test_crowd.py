"""How often pages look, by how many look."""

import pytest

from pages.widgets import crowd
from pg_core.lab import Visitor


@pytest.mark.parametrize(
    ("viewers", "seconds"), [(0, 0.4), (1, 0.4), (8, 0.4), (9, 0.75), (15, 0.75), (16, 1.0), (1000, 5.0)]
)
def test_the_more_look_the_less_often(monkeypatch: pytest.MonkeyPatch, viewers: int, seconds: float) -> None:
    now = [100.0]
    monkeypatch.setattr(crowd, "_looked", {})
    monkeypatch.setattr(crowd.time, "monotonic", lambda: now[0])
    for viewer in range(viewers):
        monkeypatch.setattr(crowd, "present", lambda viewer=viewer: Visitor(None, str(viewer), True))
        crowd.seconds_between_looks(True)
    assert crowd.seconds_between_looks(False) == seconds
    assert crowd.seconds_between_questions() == max(0.4, viewers / 100)
    now[0] += crowd.GONE_SECONDS + 1
    assert crowd.seconds_between_looks(False) == 0.4  # they have left
