"""Data Docs that can be read with no network: what they would fetch from elsewhere is taken out or replaced."""

from __future__ import annotations

from pathlib import Path


def make_self_contained(folder: Path) -> None:
    """Rewrite every page below `folder` in place."""
