"""Pieces that pages share."""

from pathlib import Path

ASSETS = Path(__file__).parents[2] / "assets"
