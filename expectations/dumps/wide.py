"""CSV or Parquet, one row per model and run, one column per item.

A column is an item where its name holds a digit; others (model, timestamp, aggregates) are not scores.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from routerset.expectations.dumps.base import file_row, number, views

MODEL_COLUMNS = ("model", "model_id", "model_name", "name")
TIME_COLUMNS = ("timestamp", "time", "date")
_SUFFIXES = (".csv", ".csv.gz", ".parquet")
_NULLS = ["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "none"]
_CELLS = pa.schema(
    [
        ("file", pa.string()),
        ("row", pa.int64()),
        ("model", pa.string()),
        ("column", pa.string()),
        ("found", pa.string()),
    ]
)
_COLUMNS = pa.schema(
    [
        ("file", pa.string()),
        ("column", pa.string()),
        ("times", pa.int64()),
        ("missing", pa.int64()),
        ("rows", pa.int64()),
    ]
)
MAX_CELLS = 1000
"""Bad cells listed of one file at most."""


def matches(path: Path) -> bool:
    """Whether the file is a table with a column of models."""
    names = _names(path) or []
    return any(name in MODEL_COLUMNS for name in names) and any(_is_item(name) for name in names)


def damaged(path: Path) -> bool:
    """Whether the file is a table by its name, and no column of it can be read."""
    return path.name.lower().endswith(_SUFFIXES) and not _names(path)


def _names(path: Path) -> list[str] | None:
    """Columns of a table; None where the file is none, or cannot be read."""
    if not path.name.lower().endswith(_SUFFIXES):
        return None
    if path.suffix != ".parquet":
        return _header(path)
    try:
        names: list[str] = pq.read_schema(path).names
    except (OSError, UnicodeDecodeError, pa.ArrowException):
        return None
    return names


def read(paths: Sequence[Path], root: Path) -> dict[str, pa.Table]:
    """Models of every row, columns of items, and cells that are no score."""
    files, rows = [], []
    cells: list[dict[str, object]] = []
    columns: list[dict[str, object]] = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        try:
            table, names = _table(path)
        except (OSError, pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
            files.append(file_row(root, path, None, 0, f"cannot be read: {error}"[:120]))
            continue
        problem = None if any(map(_is_item, names)) else "no column of an item: none has a digit in its name"
        files.append(file_row(root, path, None, len(table), problem))
        models = _texts(table, names, MODEL_COLUMNS)
        times = _texts(table, names, TIME_COLUMNS)
        missing = np.zeros(len(table), np.int64)
        repeated = Counter(names)
        for place, column in enumerate(names):
            if not _is_item(column):
                continue
            absent, bad = _bad_cells(table.column(place))
            missing += absent
            cells += [
                {"file": name, "row": at, "model": models[at], "column": column, "found": text}
                for at, text in bad
                if len(cells) < MAX_CELLS
            ]
            columns.append(
                {
                    "file": name,
                    "column": column,
                    "times": repeated[column],
                    "missing": int(absent.sum()),
                    "rows": len(table),
                }
            )
        n_items = sum(map(_is_item, names))
        rows += [
            {
                "file": name,
                "row": at,
                "model": model,
                "key": time,
                "score": float(missing[at]),
                "content": str(n_items),
            }
            for at, (model, time) in enumerate(zip(models, times, strict=True))
        ]
    return views(files, rows) | {
        "dump_cells": pa.Table.from_pylist(cells, schema=_CELLS),
        "dump_columns": pa.Table.from_pylist(columns, schema=_COLUMNS),
    }


def _is_item(name: str) -> bool:
    return any(character.isdigit() for character in name)


def _header(path: Path) -> list[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as stream:
            return next(csv.reader(stream), [])
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error):
        return []


def _table(path: Path) -> tuple[pa.Table, list[str]]:
    if path.suffix == ".parquet":
        table = pq.ParquetFile(path).read()
        return table, table.schema.names
    names = _header(path)
    places = [str(i) for i in range(len(names))]
    types = dict.fromkeys((p for p, n in zip(places, names, strict=True) if not _is_item(n)), pa.string())
    table = pacsv.read_csv(
        path,
        pacsv.ReadOptions(column_names=places, skip_rows=1, block_size=1 << 26),
        convert_options=pacsv.ConvertOptions(
            column_types=types, null_values=_NULLS, strings_can_be_null=True
        ),
    )
    return table, names


def _texts(table: pa.Table, names: Sequence[str], wanted: Sequence[str]) -> list[str | None]:
    place = next((names.index(name) for name in wanted if name in names), None)
    if place is None:
        return [None] * len(table)
    return [None if value is None else str(value) for value in table.column(place).to_pylist()]


def _bad_cells(column: pa.ChunkedArray) -> tuple[np.ndarray, Iterator[tuple[int, str]]]:
    """Which cells are missing, and those that are neither missing nor a share."""
    kind = column.type
    if (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_null(kind)
    ):
        values = column.cast(pa.float64()).to_numpy()
        absent = np.isnan(values)
        outside = np.flatnonzero(~absent & ~((values >= 0) & (values <= 1)))
        return absent, ((int(at), f"{values[at]:g}") for at in outside)
    found = [number(_parsed(value)) for value in column.to_pylist()]
    absent = np.array([score is None and text is None for score, text in found], bool)
    bad = (
        (at, text if text is not None else f"{score:g}")
        for at, (score, text) in enumerate(found)
        if text is not None or (score is not None and not 0 <= score <= 1)
    )
    return absent, bad


def _parsed(value: object) -> object:
    """A cell's number, where it is text that spells one."""
    if not isinstance(value, str):
        return value
    text = value.strip().removeprefix("[").removesuffix("]").strip().lower()
    if text in {"true", "false"}:
        return text == "true"
    try:
        return float(text) if text else None
    except ValueError:
        return value
