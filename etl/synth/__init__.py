"""Synthetic dumps in every real layout, from an item-response model whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from routerset.etl.synth.config import build_config
from routerset.etl.synth.plan import Fault, Layout, Plan, Scale, World

if TYPE_CHECKING:
    from routerset.etl.synth.truth import Truth

__all__ = ["Fault", "Layout", "Plan", "Scale", "World", "build_config", "write"]


def write(folder: Path, plan: Plan, progress: Callable[[str], None] = lambda _: None) -> Truth:
    """Write the dumps of `plan` below `folder`: one folder per layout, `models.csv` and `truth.json`.

    The folder appears when it is complete; one that holds the same plan's dumps is left as it is.
    progress: told what is written. Raises NotOurs where `folder` holds anything else, ValueError for
    faults that no file of the plan can show.
    """
    from routerset.etl.synth.writing import write_dumps

    return write_dumps(folder, plan, progress)
