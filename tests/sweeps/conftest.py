"""Records of updates without training, as tests of runs have them."""

from tests.runs.conftest import make_update

__all__ = ["make_update"]
