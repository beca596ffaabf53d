"""The models table: every model with a score, described by whatever files the config names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from routerset.etl.sources.base import DumpUnreadable, SpecError
from routerset.etl.sources.files import open_binary
from routerset.etl.sources.parse.csv_text import (
    ENCODING_REMEDY,
    MAX_BYTES,
    NO_VALUE,
    UNREADABLE,
    Dialect,
    open_text,
)
from routerset.etl.sources.parse.jsonlines import is_utf8
from routerset.etl.sources.parse.scores import NULLS
from routerset.etl.sources.parse.tabular import is_parquet, read_header, values_of
from routerset.schemas import ids
from routerset.schemas.benchmarks import BENCHMARKS, Benchmark
from routerset.schemas.tables import MODELS

if TYPE_CHECKING:
    from routerset.etl.config import ModelsSpec

_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})
_NUMBER = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*([BM]?)\s*", re.ASCII | re.IGNORECASE)


def models_table(
    benchmarks_of: Mapping[str, Sequence[str]],
    specs: Sequence[ModelsSpec],
    twins: Mapping[str, str],
    registry: Mapping[str, Benchmark] = BENCHMARKS,
) -> tuple[pa.Table, list[str]]:
    """Models table of the models that have scores, and a warning for each column with values of no meaning.

    benchmarks_of: model -> names of the benchmarks it has scores in. twins: see `twins.twin_of`. registry:
    all benchmarks. Of several descriptions of one model, the first value that means something counts, files
    in the config's order.
    Raises DumpUnreadable where a file cannot be read, and SpecError where its columns are not those that the
    config names.
    """
    spelled = {ids.fold_model(model): model for model in benchmarks_of}
    described: dict[str, dict[str, object]] = {}
    warnings = []
    for spec in specs:
        unclear: dict[str, list[str]] = {}
        for row in _read(spec):
            name = spelled.get(ids.fold_model(ids.model_id(row.pop("model_id")) or ""))
            if name is None:
                continue
            known = described.setdefault(name, {})
            for column, text in row.items():
                value = _PARSED[column](text) if column in _PARSED else text
                if value not in ("", None):
                    known.setdefault(column, value)
                elif text.strip() not in NULLS:
                    unclear.setdefault(column, []).append(f"{text[:40]!r} of {name}")
        warnings += [
            f"{spec.path}: {column}: left empty for {len(found)} models, such as {found[0]}: expected "
            f"{_EXPECTED[column]}"
            for column, found in unclear.items()
        ]
    rows = []
    for model in sorted(benchmarks_of):
        known = described.get(model, {})
        rows.append(
            {
                "model_id": model,
                "org": model.split("/")[0] if "/" in model else None,
                **{k: known.get(k) for k in ("revision", "precision", "architecture", "license", *_PARSED)},
                "twin_of": twins.get(model),
                "leaderboards": sorted({registry[b].leaderboard for b in benchmarks_of[model]}),
            }
        )
    return pa.Table.from_pylist(rows, schema=MODELS), warnings


def _read(spec: ModelsSpec) -> list[dict[str, str]]:
    """Rows of one description file under our column names, as text."""
    with _readable(spec.path):
        table = _read_parquet(spec) if is_parquet(spec.path) else _read_csv(spec)
    if "model_id" not in spec.columns:
        raise SpecError(
            f"{spec.path}: [[models]] columns: model_id is missing; name the column that holds it, one of "
            f"{', '.join(table.column_names)}"
        )
    for ours, theirs in spec.columns.items():
        if table.column_names.count(theirs) != 1 or ours not in MODELS.names:
            raise SpecError(
                f"{spec.path}: [[models]] columns maps {ours!r} to {theirs!r}; ours are "
                f"{', '.join(MODELS.names)}; the file has {', '.join(table.column_names)}"
            )
    with _readable(spec.path):  # columns that nobody asks for may hold anything
        table.select(list(dict.fromkeys(spec.columns.values()))).validate(full=True)
    columns = {ours: _as_text(table[theirs]) for ours, theirs in spec.columns.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@contextmanager
def _readable(path: str) -> Iterator[None]:
    """Raises DumpUnreadable where a file cannot be read, or a value of it."""
    try:
        yield
    except (*UNREADABLE, *NO_VALUE) as error:
        raise DumpUnreadable(
            f"{path}: expected a CSV or Parquet file that describes models: {error}"
        ) from error


def _read_parquet(spec: ModelsSpec) -> pa.Table:
    with open_binary(spec.path) as stream:
        return pq.ParquetFile(stream).read()


def _read_csv(spec: ModelsSpec) -> pa.Table:
    """A CSV's rows, all of it as text."""
    header, dialect = read_header(spec.path, Dialect(encoding=spec.encoding), spec.columns.values())
    with open_binary(spec.path) as stream:
        data = open_text(stream, dialect).read(MAX_BYTES)
    if len(data) == MAX_BYTES:
        raise OSError(f"found {MAX_BYTES} bytes or more")
    if not is_utf8(data):
        raise DumpUnreadable(f"found bytes that are no UTF-8; {ENCODING_REMEDY}")
    return pacsv.read_csv(
        pa.BufferReader(data),
        pacsv.ReadOptions(block_size=len(data) + 1),
        pacsv.ParseOptions(delimiter=str(dialect.delimiter), newlines_in_values=True),
        pacsv.ConvertOptions(column_types=dict.fromkeys(header, pa.string())),
    )


def _as_text(column: pa.ChunkedArray) -> list[str]:
    """A column's values as text, empty where there is none."""
    return ["" if value is None else str(value) for value in values_of(column)]


def _flag(text: str) -> bool | None:
    lowered = text.strip().lower()
    return True if lowered in _TRUE else False if lowered in _FALSE else None


def _billions(text: str) -> float | None:
    """Billions of parameters of a number with or without a unit: `7.24B`, `350M`, `7.24`."""
    match = _NUMBER.fullmatch(text)
    return float(match[1]) / (1000.0 if match[2].upper() == "M" else 1.0) if match else None


_PARSED: Mapping[str, Callable[[str], object]] = {"params_b": _billions, "is_merge": _flag, "is_moe": _flag}
_EXPECTED = {"params_b": "billions, such as 7.24, 7.24B or 350M"} | dict.fromkeys(
    ("is_merge", "is_moe"), "true or false"
)
