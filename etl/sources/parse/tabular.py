"""CSV and Parquet files as batches of rows in bounded memory, and their cells as scores."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from routerset.etl.sources.base import DumpUnreadable
from routerset.etl.sources.blocks import Cells
from routerset.etl.sources.files import open_binary
from routerset.etl.sources.parse import csv_text
from routerset.etl.sources.parse.csv_text import (
    ANY,
    ENCODING_REMEDY,
    NO_VALUE,
    UNREADABLE,
    Dialect,
    csv_records,
    is_record,
    open_text,
    read_csv_header,
)
from routerset.etl.sources.parse.jsonlines import is_utf8
from routerset.etl.sources.parse.scores import NULLS, number_of
from routerset.etl.sources.quarantine import EXCERPT, BadRow
from routerset.schemas.tables import Reason

_TEXT = (".csv", ".tsv")
SUFFIXES = (
    *(f"{text}{more}" for text in _TEXT for more in ("", ".gz", ".zst", ".zip", ".tar", ".tar.gz")),
    ".parquet",
)
"""Endings of the names of tables; of those in an archive too, so that they are told and not passed over."""
MAX_CELLS = 1 << 20  # of one batch: 8 MiB as float64, some hundreds where each is a text of its own
MAX_ROWS = 1 << 16  # of one batch
_QUOTED = re.compile(rb'"[^"]*"')


@dataclass(frozen=True)
class Rows:
    """Some rows of a file.

    numbers: int64, of the rows in the file, from 0. texts, scores: the columns asked for, in that order.
    bad: records met on the way that are no rows.
    """

    numbers: np.ndarray
    texts: tuple[pa.Array, ...]
    scores: tuple[pa.Array, ...]
    bad: tuple[BadRow, ...] = ()


def is_parquet(path: str) -> bool:
    """Whether a file's name says Parquet; otherwise it is CSV, compressed or not."""
    return path.lower().endswith(".parquet")


def read_header(path: str, dialect: Dialect = ANY, wanted: Collection[str] = ()) -> tuple[list[str], Dialect]:
    """Names of a file's columns, in order, and how the file is written; `wanted` names help to tell.

    Raises DumpUnreadable where there is no header to read.
    """
    try:
        with open_binary(path) as stream:
            if is_parquet(path):
                names = list(pq.ParquetFile(stream).schema_arrow.names)
            else:
                names, dialect = read_csv_header(open_text(stream, dialect), dialect, wanted)
        if len(names) > csv_text.MAX_COLUMNS:
            raise DumpUnreadable(f"found {len(names)} columns, expected {csv_text.MAX_COLUMNS} at most")
        return names, dialect
    except (csv.Error, *UNREADABLE) as error:
        expected = "Parquet" if is_parquet(path) else "CSV in UTF-8 that starts with a header"
        found = str(error).replace(path, PurePosixPath(path).name)
        remedy = f"; {ENCODING_REMEDY}" if isinstance(error, UnicodeDecodeError) else ""
        raise DumpUnreadable(f"expected {expected}: {found}{remedy}") from error


def read_rows(
    path: str,
    texts: Sequence[int],
    scores: Sequence[int],
    dialect: Dialect = ANY,
    max_cells: int = MAX_CELLS,
) -> Iterator[Rows]:
    """Rows of a file in order, `max_cells` cells at a time.

    texts, scores: columns wanted, as positions in the header. Parquet's keep their types. A CSV's texts
    are binary; its scores are float64, or binary in batches where a cell is no number. A row that cannot
    be told apart into columns is one bad record, and so is a part of a file that cannot be decoded.
    dialect: as `read_header` tells it.
    """
    with open_binary(path) as stream:
        if is_parquet(path):
            yield from _parquet_rows(stream, texts, scores, max_cells)
        else:
            names, dialect = read_csv_header(text := open_text(stream, dialect), dialect)
            yield from _csv_rows(text, _Shape(len(names), str(dialect.delimiter)), texts, scores, max_cells)


def score_cells(columns: Sequence[pa.Array], n_rows: int) -> Cells:
    """Cells (rows, columns) of some columns.

    Numbers, truth values, text that spells either and lists of one of them are scores.
    """
    if not columns:
        return Cells.of(np.empty((n_rows, 0)))
    texts: dict[int, str] = {}
    flat = pa.concat_arrays([_as_scores(column, at * n_rows, texts) for at, column in enumerate(columns)])
    by_column = Cells.of(flat.to_numpy(zero_copy_only=False).reshape(len(columns), n_rows), texts)
    return replace(by_column, values=np.ascontiguousarray(by_column.values.T), state=by_column.state.T)


def _as_scores(column: pa.Array, start: int, texts: dict[int, str]) -> pa.Array:
    """A column as float64, null where a cell is no number, which `texts` gets, counted from `start`."""
    if column.type == pa.float64():
        return column
    if pa.types.is_dictionary(column.type):
        return _of_dictionary(column, start, texts)
    try:
        return column.cast(pa.float64())
    except NO_VALUE:
        cells = values_of(column)
        scores = [number_of(cell) for cell in cells]
        texts |= {start + row: _text(cells[row]) for row, score in enumerate(scores) if score is None}
        return pa.array(scores, pa.float64())


def _of_dictionary(column: pa.DictionaryArray, start: int, texts: dict[int, str]) -> pa.Array:
    """`_as_scores` of what a few bytes may spell many times: each value of the dictionary is read once."""
    spelled: dict[int, str] = {}
    scores = _as_scores(column.dictionary, 0, spelled)
    if spelled:
        codes = enumerate(column.indices.to_pylist())
        texts |= {start + row: spelled[code] for row, code in codes if code in spelled}
    return scores.take(column.indices)


def values_of(column: pa.Array) -> list[object]:
    """Cells as Python values; as text, or bytes, where Python has no such value.

    Parquet promises UTF-8, and nobody holds a file to it; its times end where no calendar of Python's does.
    """
    if isinstance(column, pa.DictionaryArray):  # one value may stand in millions of rows
        known = values_of(column.dictionary)
        return [None if code is None else known[code] for code in column.indices.to_pylist()]
    try:
        return list(column.to_pylist())
    except NO_VALUE:
        return [value_of(scalar) for scalar in column]


def value_of(scalar: pa.Scalar) -> object:
    """`values_of` for one cell."""
    for kind in (None, pa.large_binary(), pa.string()):
        try:
            return scalar.as_py() if kind is None else scalar.cast(kind).as_py()
        except NO_VALUE:
            continue
    return f"a {scalar.type} that is no value of Python's"


def _text(cell: object) -> str:
    if isinstance(cell, bytes):
        return cell[: 4 * EXCERPT].decode("utf-8", "backslashreplace")[:EXCERPT]
    return str(cell)[:EXCERPT]


def open_parquet(stream: BinaryIO) -> pq.ParquetFile:
    """A Parquet file whose columns of text stay dictionaries: written out, a few bytes can be gigabytes."""
    before = [*_texts_before]
    try:
        file = pq.ParquetFile(stream, read_dictionary=before)
    except KeyError:  # a column that this file lacks
        before, file = [], pq.ParquetFile(stream)
    texts = [field.name for field in file.schema_arrow if _is_text(field.type)]
    if texts == before:
        return file
    _texts_before[:] = texts
    return pq.ParquetFile(stream, metadata=file.metadata, read_dictionary=texts)


_texts_before: list[str] = []
"""Columns of text in the file opened before: mostly this one has the same, and need not be opened twice."""


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind))


def _parquet_rows(
    stream: BinaryIO, texts: Sequence[int], scores: Sequence[int], max_cells: int
) -> Iterator[Rows]:
    file = open_parquet(stream)
    names = file.schema_arrow.names
    # pyarrow selects by name, and a name selects every column that starts with it and a dot
    selected = None if scores or len({*names}) < len(names) else [names[i] for i in texts]
    stop = 0
    for group in range(file.num_row_groups):
        start, stop = stop, stop + file.metadata.row_group(group).num_rows
        try:
            for batch in file.iter_batches(min(MAX_ROWS, max(1, max_cells // len(names))), [group], selected):
                columns = [batch.column(i if selected is None else names[i]) for i in (*texts, *scores)]
                numbers = np.arange(start, start + len(batch))
                yield Rows(numbers, tuple(columns[: len(texts)]), tuple(columns[len(texts) :]))
                start += len(batch)
        except UNREADABLE as error:
            detail = f"{stop - start} rows from this one on cannot be read: {error}"
            yield _lost(start, detail, texts, scores)


def _lost(row: int, detail: str, texts: Sequence[int], scores: Sequence[int]) -> Rows:
    """No rows, and one record in place of those that cannot be read."""
    nothing = pa.array([], pa.binary())
    bad = BadRow(row, Reason.UNREADABLE_FILE, f"{detail}: they count as one record")
    return Rows(np.arange(0), (nothing,) * len(texts), (nothing,) * len(scores), (bad,))


@dataclass(frozen=True)
class _Shape:
    """What every row of a CSV must look like."""

    width: int
    delimiter: str


def _csv_rows(
    stream: BinaryIO, shape: _Shape, texts: Sequence[int], scores: Sequence[int], max_cells: int
) -> Iterator[Rows]:
    height = min(MAX_ROWS, max(1, max_cells // shape.width))
    records: list[bytes] = []
    start = size = 0
    try:
        for record in csv_records(stream, shape.delimiter, shape.width):
            records.append(record)
            size += len(record)
            if len(records) == height or size >= csv_text.MAX_BYTES:
                yield _parse(records, start, shape, texts, scores)
                start += len(records)
                records, size = [], 0
    except UNREADABLE as error:
        yield _parse(records, start, shape, texts, scores)
        detail = f"the file cannot be read from this row on: {error}"
        yield _lost(start + len(records), detail, texts, scores)
    else:
        if records:
            yield _parse(records, start, shape, texts, scores)


def _parse(
    records: Sequence[bytes], start: int, shape: _Shape, texts: Sequence[int], scores: Sequence[int]
) -> Rows:
    """Rows of some records."""
    bad = {}
    for at, record in enumerate(records):
        if record.count(b'"') % 2:
            bad[at] = "a quote that is not closed"
        elif b"\r" in record.rstrip(b"\r\n") and not is_record(record, shape.delimiter, shape.width):
            bad[at] = "a carriage return inside the row"
        elif not (record.isascii() or is_utf8(record)):
            found = _QUOTED.sub(b"", record).count(shape.delimiter.encode()) + 1
            # Arrow cannot hand such a record to `refuse`, and would stop there
            if found != shape.width or not is_record(record, shape.delimiter, shape.width):
                bad[at] = f"{found} cells"
    good = [at for at in range(len(records)) if at not in bad]
    columns, refused = _cells([records[at] for at in good], shape, texts, scores)
    bad |= {good[i]: f"{n} cells" for i, n in refused.items()}
    return Rows(
        np.array([start + at for at in range(len(records)) if at not in bad], np.int64),
        tuple(columns[: len(texts)]),
        tuple(columns[len(texts) :]),
        tuple(
            BadRow(
                start + at,
                Reason.MALFORMED_ROW,
                f"found {bad[at]}, expected {shape.width} cells: the row counts as one record",
                excerpt=_text(records[at][:EXCERPT].rstrip()),
            )
            for at in sorted(bad)
        ),
    )


def _cells(
    records: Sequence[bytes],
    shape: _Shape,
    texts: Sequence[int],
    scores: Sequence[int],
    as_text: bool = False,
) -> tuple[list[pa.Array], dict[int, int]]:
    """Columns of the records that have `width` cells, and the number of cells of those that have not."""
    refused: dict[int, int] = {}

    def refuse(row: pacsv.InvalidRow) -> str:
        refused[row.number - 1] = row.actual_columns
        return "skip"

    data = b"".join(records)
    if not data:
        return [pa.array([], pa.binary()) for _ in (*texts, *scores)], refused
    kinds = {str(i): pa.binary() for i in texts}
    kinds |= {str(i): pa.binary() if as_text else pa.float64() for i in scores}
    table = None
    try:
        table = pacsv.read_csv(
            pa.BufferReader(data),
            pacsv.ReadOptions(
                use_threads=False,
                block_size=len(data) + 1,
                column_names=[str(i) for i in range(shape.width)],
            ),
            pacsv.ParseOptions(delimiter=shape.delimiter, invalid_row_handler=refuse),
            pacsv.ConvertOptions(
                column_types=kinds, include_columns=list(kinds), null_values=list(NULLS), check_utf8=False
            ),
        )
    except pa.ArrowInvalid:
        if not as_text:
            return _cells(records, shape, texts, scores, as_text=True)
    if table is not None and len(table) + len(refused) == len(records):
        return [column.combine_chunks() for column in table.columns], refused
    if len(records) == 1:
        return [pa.array([], pa.binary()) for _ in kinds], {0: 0}
    # a quote in the middle of a cell made one row of several: find them by halves
    half = len(records) // 2
    first, refused_first = _cells(records[:half], shape, texts, scores, as_text=True)
    second, refused_second = _cells(records[half:], shape, texts, scores, as_text=True)
    refused = refused_first | {half + at: n for at, n in refused_second.items()}
    return [pa.concat_arrays(pair) for pair in zip(first, second, strict=True)], refused
