"""Any file of rows as Arrow columns, some thousand rows at a time: CSV, Parquet, JSON or a pickle of pandas.

This is the one place that knows how a row-per-item file is stored; `item_major` sees columns only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import PurePosixPath
from typing import TypeAlias

import msgspec
import numpy as np
import pyarrow as pa

from routerset.etl.sources.base import DumpUnreadable
from routerset.etl.sources.parse import csv_text, tabular
from routerset.etl.sources.parse.csv_text import Dialect
from routerset.etl.sources.parse.jsonlines import as_text, holds_too_much, numbered_chunks
from routerset.etl.sources.parse.records import (
    find_column,
    inside_of,
    is_json,
    objects_of,
    printable_text,
    values_at,
)
from routerset.etl.sources.parse.tabular import MAX_CELLS, Rows
from routerset.etl.sources.pickles.frames import is_frame, read_frame
from routerset.etl.sources.quarantine import BadRow

Place: TypeAlias = tuple[int, tuple[str, ...]]
"""A column, as position in the header, and the path to a field inside of its values."""
_OBJECTS = msgspec.json.Decoder(dict[str, object])


@dataclass(frozen=True)
class Frame:
    """A file of rows.

    header: names of its columns. read: rows in order, with the columns at some places, and at others that
    hold scores; at most so many cells at a time.
    """

    header: list[str]
    read: Callable[[Sequence[Place], Sequence[Place], int], Iterator[Rows]]

    def find(self, name: str) -> Place | None:
        """Place of a name, or of a dotted path into a nested column."""
        found = find_column(self.header, name)
        return None if found is None else (found[0], tuple(found[1]))

    def places(self, name: str) -> list[int]:
        """Every column of a name."""
        return self._positions.get(name, [])

    @cached_property
    def _positions(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for at, name in enumerate(self.header):
            found.setdefault(name, []).append(at)
        return found


def open_frame(path: str, dialect: Dialect, wanted: Sequence[str] = ()) -> Frame:
    """The rows of a file. wanted: names that help to tell the delimiter of a CSV.

    Raises DumpUnreadable where there is no header to read, or no line of JSON.
    """
    if is_json(path):
        header = _keys(path)
        return Frame(header, partial(_json_rows, path, header))
    if is_frame(path):
        return frame_of(read_frame(path, PurePosixPath(path).name))
    header, dialect = tabular.read_header(path, dialect, wanted)
    return Frame([name.strip() for name in header], partial(_table_rows, path, dialect))


def frame_of(table: pa.Table) -> Frame:
    """The rows of a table in memory."""
    return Frame([name.strip() for name in table.column_names], partial(_memory_rows, table))


def _memory_rows(
    table: pa.Table, texts: Sequence[Place], scores: Sequence[Place], max_cells: int = MAX_CELLS
) -> Iterator[Rows]:
    start = 0
    for batch in table.to_batches(max(1, max_cells // max(1, table.num_columns))):
        found = [
            tuple(inside_of(batch.column(at), inner) for at, inner in places) for places in (texts, scores)
        ]
        yield Rows(np.arange(start, start + len(batch)), found[0], found[1])
        start += len(batch)


def _table_rows(
    path: str, dialect: Dialect, texts: Sequence[Place], scores: Sequence[Place], max_cells: int = MAX_CELLS
) -> Iterator[Rows]:
    """Rows of a CSV or Parquet file: only a CSV has to be told what are scores."""
    parquet = tabular.is_parquet(path)
    plain = list(dict.fromkeys(at for at, _ in (*texts, *(scores if parquet else ()))))
    numeric = [] if parquet else list(dict.fromkeys(at for at, _ in scores))
    numeric = [at for at in numeric if at not in plain]
    for rows in tabular.read_rows(path, plain, numeric, dialect, max_cells):
        columns = dict(zip((*plain, *numeric), (*rows.texts, *rows.scores), strict=True))
        found = [[inside_of(columns[at], inner) for at, inner in places] for places in (texts, scores)]
        yield Rows(rows.numbers, tuple(found[0]), tuple(found[1]), rows.bad)


# --- JSON -------------------------------------------------------------------------------------------


def _objects(path: str) -> Iterator[tuple[np.ndarray, list[dict[str, object]], list[BadRow]]]:
    """Objects of a file, some at a time, with their numbers, and what is none."""
    for first, n, chunk in numbered_chunks(path):
        try:
            records = [] if holds_too_much(chunk) else _OBJECTS.decode_lines(chunk)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            records = []
        if len(records) == n:
            yield np.arange(first, first + n), records, []
        else:
            records, numbers, bad = objects_of(chunk, first)
            yield numbers, records, bad


def _keys(path: str) -> list[str]:
    """Names of all objects' values, in the order of the first of each."""
    keys: dict[str, None] = {}
    for _, records, _ in _objects(path):
        for record in records:
            keys.update(dict.fromkeys(record))
        if len(keys) > csv_text.MAX_COLUMNS:
            raise DumpUnreadable(
                f"found more than {csv_text.MAX_COLUMNS} names of values, expected a column per model"
            )
    return list(keys)


def _json_rows(
    path: str,
    header: Sequence[str],
    texts: Sequence[Place],
    scores: Sequence[Place],
    max_cells: int = MAX_CELLS,
) -> Iterator[Rows]:
    for numbers, records, bad in _objects(path):
        found = [
            tuple(_array(values_at(records, (header[at], *inner))) for at, inner in places)
            for places in (texts, scores)
        ]
        yield Rows(numbers, found[0], found[1], tuple(bad))


def _array(values: Sequence[object]) -> pa.Array:
    """JSON values of one kind as such, of several as text."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {bool}:
        return pa.array(values, pa.bool_())
    try:
        if kinds <= {int}:
            return pa.array(values, pa.int64())
        if kinds <= {int, float}:
            return pa.array(values, pa.float64())
    except (OverflowError, pa.ArrowInvalid):
        pass
    spelled = (value if isinstance(value, str) else as_text(value) for value in values)
    return pa.array([text and printable_text(text) for text in spelled], pa.string())
