"""Raw dumps: what ingest would make of them, told by readers that are handed in, since they stand above."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

VIEWS = ("dump_quarantine", "dump_runs", "dump_items", "dump_notes", "dump_accounting")
"""Views of raw dumps: rows of QUARANTINE and RUNS; items of every subset; counts that readers report of what
is odd; what became of the records of every source and benchmark."""
ReadDumps: TypeAlias = Callable[[], Mapping[str, pa.Table]]
"""Reads dumps; gives a table for each of `VIEWS`."""


def _find_none(path: Path, wanted: str | None) -> ReadDumps | None:
    return None


@dataclass(frozen=True)
class DumpReader:
    """How the gate reads raw dumps.

    formats: names of the formats. find: what reads the dumps at a path, of one format where one is wanted;
    None where there is none. configured: a config says what they are, so that nothing else is looked for.
    """

    formats: tuple[str, ...] = ()
    find: Callable[[Path, str | None], ReadDumps | None] = _find_none
    configured: bool = False


NO_DUMPS = DumpReader()
"""Knows no format."""
