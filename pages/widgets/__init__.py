"""Pieces that pages share."""

from pathlib import Path

from pg_core.environments import registration

registration.serve_strangers()  # whoever shows pages does

ASSETS = Path(__file__).parents[2] / "assets"
