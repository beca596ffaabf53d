"""Columns of Parquet files that several questions are asked of, each read once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from .reader import read_parquet

MOST = 1 << 28
"""Bytes of columns that are kept, at most; what comes after them is read whenever it is asked for."""


class Remembered:
    """A reader of `Release.read` for a release that nobody writes to meanwhile."""

    def __init__(self, most: int = MOST) -> None:
        self._room = most
        self._columns: dict[Path, dict[str, pa.ChunkedArray | None]] = {}

    def __call__(self, path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> pa.Table:
        """As `read_parquet`, whose errors it raises."""
        known = self._columns.get(path, {})
        lacking = [name for name in columns if known.get(name) is None]
        perhaps = [name for name in optional if name not in known]
        if lacking or perhaps:
            read = read_parquet(path, lacking, perhaps)
            told = dict(zip(read.column_names, read.columns, strict=True))
            known = {**known, **dict.fromkeys(perhaps), **told}
            if read.nbytes <= self._room:
                self._room -= read.nbytes
                self._columns[path] = known
        found = {name: known[name] for name in (*columns, *optional)}
        return pa.table({name: column for name, column in found.items() if column is not None})
