"""The columns of a file of predictions, in CSV or Parquet, whoever made it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from .errors import InputError, UsageError
from .files import open_regular

CELL_COLUMNS = ("benchmark", "m", "kind")
MAX_ROWS = 1 << 26
"""Four times the rows of a file that answers every cell of the largest release, candidate by candidate."""
MAX_HEADER = 1 << 20
Rows = npt.NDArray[np.int64]


def read_columns(path: Path) -> pa.Table:
    """The columns of a file: texts as dictionaries, what may be numbers as they are.

    Raises UsageError for another type of file or column, InputError for an unreadable one.
    """
    try:
        if path.suffix not in (".csv", ".parquet"):
            raise UsageError(f"{path}: expected a file named *.csv or *.parquet")
        with open_regular(path) as stream:
            return _read_parquet(path, stream) if path.suffix == ".parquet" else _read_csv(stream)
    except UsageError:  # which is a ValueError
        raise
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        raise InputError(f"{path}: unreadable ({error})") from error


def _read_csv(stream: BinaryIO) -> pa.Table:
    start = stream.read(MAX_HEADER).decode("utf-8-sig", errors="replace")
    stream.seek(0)
    coded = pa.dictionary(pa.int32(), pa.string())
    header = next(csv.reader(io.StringIO(start, newline="")), [])
    types = {name: coded if name in ("item_id", "model", *CELL_COLUMNS) else pa.string() for name in header}
    return pa_csv.read_csv(stream, convert_options=pa_csv.ConvertOptions(column_types=types))


def _read_parquet(path: Path, stream: BinaryIO) -> pa.Table:
    with pq.ParquetFile(stream) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
    if rows > MAX_ROWS:
        raise InputError(f"{path}: found {rows:,} rows, expected {MAX_ROWS:,} at most")
    for column in schema:
        if not (
            is_text(column.type) or pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        ):
            raise UsageError(
                f"{path}: column {column.name!r:.80}: found {column.type!s:.80}, expected texts or numbers"
            )
    stream.seek(0)
    return pq.read_table(stream, read_dictionary=[column.name for column in schema if is_text(column.type)])


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds texts, or nothing."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of texts: `values`, each once, the last one null; `codes`, which of them each row has."""

    codes: npt.NDArray[np.int32]
    values: pa.Array

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Texts:
        """A column of texts or numbers."""
        if not pa.types.is_dictionary(column.type):
            column = column.cast(pa.string()).dictionary_encode()
        whole = column.unify_dictionaries().combine_chunks()
        if isinstance(whole, pa.ChunkedArray):
            whole = whole.chunk(0) if whole.num_chunks else pa.array([], pa.string()).dictionary_encode()
        values = whole.dictionary.cast(pa.large_string())
        codes = whole.indices.cast(pa.int32()).fill_null(len(values))
        return cls(
            codes.to_numpy(zero_copy_only=False), pa.concat_arrays([values, pa.nulls(1, pa.large_string())])
        )

    def positions(self, rows: Rows | slice, known: Sequence[str]) -> Rows:
        """Where the texts of some rows stand in `known`, -1 where they are not in it."""
        codes, values = self.codes[rows], self.values
        if len(values) > 2 * len(codes):  # so that many cells do not search the texts of all others again
            used, places = np.unique(codes, return_inverse=True)
            codes, values = places.astype(np.int32), values.take(pa.array(used))
        found = pc.index_in(values, pa.array(known, pa.large_string())).fill_null(-1)
        return np.asarray(found.to_numpy(zero_copy_only=False)[codes], np.int64)

    def __getitem__(self, row: int) -> str | None:
        """The text of a row."""
        text: str | None = self.values[int(self.codes[row])].as_py()
        return text
