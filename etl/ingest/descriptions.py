"""What files say of models: CSV or Parquet, their columns under our names."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from routerset.etl.ingest.sizes import billions
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
from routerset.schemas.tables import MODELS

if TYPE_CHECKING:
    from routerset.etl.config import ModelsSpec

_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})
_NUMBER = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*([BM]?)\s*", re.ASCII | re.IGNORECASE)
_UNKNOWN = re.compile(r"\s*(?:-\s*\d+\.?\d*|0+\.?0*)\s*[BM]?\s*", re.ASCII | re.IGNORECASE)
"""Sizes that leaderboards give where they know none: -1 and 0."""
_OURS = ("usd_per_mtok_in", "usd_per_mtok_out", "price_as_of", "size_source")
"""Columns of `models` that a price table or we ourselves fill."""
VALID = tuple(name for name in MODELS.names if name not in _OURS)


@dataclass(frozen=True)
class Described:
    """What is known of models, by folded id, and columns with values of no meaning.

    unclear: per file and column, the values and whose they are.
    """

    facts: Mapping[str, Mapping[str, object]]
    unclear: Sequence[tuple[str, str, Sequence[tuple[str, str]]]] = ()

    def of(self, model: str) -> Mapping[str, object]:
        """Facts of a model, by column."""
        return self.facts.get(ids.fold_model(model), {})

    def warnings(self, counting: Iterable[str]) -> Iterator[str]:
        """A warning per file and column, of the models that count."""
        models = {ids.fold_model(model): model for model in counting}
        for path, column, values in self.unclear:
            found = [f"{text!r} of {models[name]}" for name, text in values if name in models]
            if found:
                yield (
                    f"{path}: {column}: left empty for {len(found)} models, such as {found[0]}: expected "
                    f"{_EXPECTED[column]}"
                )


NOTHING = Described({})


def describe(specs: Sequence[ModelsSpec]) -> Described:
    """What the files of `[[models]]` say: of several descriptions of one model, the first value that means
    something counts, files in the config's order.

    Raises DumpUnreadable where a file cannot be read, and SpecError where its columns are not those that the
    config names.
    """
    facts: dict[str, dict[str, object]] = {}
    unclear: dict[tuple[int, str], list[tuple[str, str]]] = {}
    for number, spec in enumerate(specs):
        for row in _read(spec):
            name = ids.fold_model(ids.model_id(row.pop("model_id")) or "")
            if not name:
                continue
            known = facts.setdefault(name, {})
            for column, text in row.items():
                value = _PARSED[column](text) if column in _PARSED else text
                if value not in ("", None):
                    known.setdefault(column, value)
                elif text.strip() not in NULLS and not (column in SIZES and _UNKNOWN.fullmatch(text)):
                    unclear.setdefault((number, column), []).append((name, text[:40]))
    return Described(facts, [(specs[n].path, column, rows) for (n, column), rows in unclear.items()])


def _read(spec: ModelsSpec) -> list[dict[str, str]]:
    """Rows of one description file under our column names, as text."""
    with _readable(spec.path):
        table = (
            _read_parquet(spec)
            if is_parquet(spec.path)
            else read_csv(spec.path, spec.columns.values(), spec.encoding)
        )
    if "model_id" not in spec.columns:
        raise SpecError(
            f"{spec.path}: [[models]] columns: model_id is missing; name the column that holds it, one of "
            f"{', '.join(table.column_names)}"
        )
    for ours, theirs in spec.columns.items():
        if table.column_names.count(theirs) != 1 or ours not in VALID:
            raise SpecError(
                f"{spec.path}: [[models]] columns maps {ours!r} to {theirs!r}; ours are "
                f"{', '.join(VALID)}; the file has {', '.join(table.column_names)}"
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


def read_csv(path: str, wanted: Collection[str], encoding: str = "utf-8") -> pa.Table:
    """A small CSV's rows, all of it as text. wanted: names of columns, which help to tell the delimiter.

    Raises DumpUnreadable, and what Arrow does.
    """
    header, dialect = read_header(path, Dialect(encoding=encoding), wanted)
    with open_binary(path) as stream:
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
    return (billions(match[1], match[2]) or None) if match else None


SIZES, _FLAGS = ("params_b", "active_params_b"), ("is_merge", "is_moe")
_PARSED: Mapping[str, Callable[[str], object]] = {
    **dict.fromkeys(SIZES, _billions),
    **dict.fromkeys(_FLAGS, _flag),
}
_EXPECTED = {
    **dict.fromkeys(SIZES, "billions, such as 7.24, 7.24B or 350M"),
    **dict.fromkeys(_FLAGS, "true or false"),
}
