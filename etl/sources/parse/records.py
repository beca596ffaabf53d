"""Records of a table or of JSON lines, some thousand at a time: columns that a config names, by our names.

A name may be a dotted path into nested fields. Texts come as dictionaries, since a question stands in many
records; scores and costs as cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.etl.sources.base import DumpUnreadable
from routerset.etl.sources.blocks import Cells
from routerset.etl.sources.files import without_compression
from routerset.etl.sources.parse import tabular
from routerset.etl.sources.parse.csv_text import NO_VALUE, Dialect
from routerset.etl.sources.parse.jsonlines import as_text, decode_line, holds_too_much, numbered_chunks
from routerset.etl.sources.parse.scores import NULLS, number_of, score_of
from routerset.etl.sources.quarantine import EXCERPT, BadRow
from routerset.schemas.tables import Reason

JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_OBJECT = msgspec.json.Decoder(dict[str, object])
Chosen: TypeAlias = Mapping[str, str]
"""Our column -> name or dotted path in the file."""


@dataclass(frozen=True)
class Records:
    """Some records of a file.

    numbers: int64, of the records in the file, from 0. texts: dictionaries of strings, null where nothing
    stands. cells: of one dimension. bad: what was met on the way and is no record. other: which of them score
    an answer in another way than the one that counts.
    """

    numbers: np.ndarray
    texts: Mapping[str, pa.DictionaryArray]
    cells: Mapping[str, Cells]
    bad: Sequence[BadRow] = ()
    other: np.ndarray | None = None

    def take(self, places: np.ndarray) -> Records:
        """Some of the records, and nothing that is none."""
        at = pa.array(places)
        return Records(
            self.numbers[places],
            {name: column.take(at) for name, column in self.texts.items()},
            {name: cells.take(places) for name, cells in self.cells.items()},
            other=None if self.other is None else self.other[places],
        )


def is_json(path: str) -> bool:
    """Whether a file's name says JSON lines; otherwise it is a table."""
    return without_compression(path).lower().endswith(JSON_SUFFIXES)


def choose_columns(
    path: str, wanted: Chosen, known: Sequence[str], dialect: Dialect
) -> tuple[Chosen, Dialect]:
    """Where a file has our columns, and how it is written: those that are wanted, and others of our names.

    Raises DumpUnreadable where a table lacks a column that is wanted; what a line of JSON lacks is missing.
    """
    free = [name for name in known if name not in wanted and name not in wanted.values()]
    if is_json(path):
        return {**{name: name for name in free}, **wanted}, dialect
    header, dialect = tabular.read_header(path, dialect, tuple(wanted.values()))
    header = [name.strip() for name in header]
    for ours, theirs in wanted.items():
        if find_column(header, theirs) is None:
            shown = ", ".join(repr(name[:80]) for name in header[:20])
            reason = Reason.MISSING_METRIC if ours == "score" else Reason.UNREADABLE_FILE
            raise DumpUnreadable(f"expected a column {theirs!r} ({ours}), found {shown}", reason)
    return {**{name: name for name in free if name in header}, **wanted}, dialect


def read_records(path: str, columns: Chosen, numeric: Sequence[str], dialect: Dialect) -> Iterator[Records]:
    """Records of a file in order. columns, dialect: of `choose_columns`. numeric: those that are cells."""
    if is_json(path):
        yield from json_records(numbered_chunks(path), columns, numeric)
    else:
        numbers = [name for name in columns if name in numeric]
        texts = [name for name in columns if name not in numeric]
        yield from _table_records(path, columns, texts, numbers, dialect)


# --- tables -----------------------------------------------------------------------------------------


def find_column(header: Sequence[str], name: str) -> tuple[int, list[str]] | None:
    """Column of a name, and the path inside of it: the longest name that the header has."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        head = ".".join(parts[:end])
        if head in header:
            return header.index(head), parts[end:]
    return None


def _table_records(
    path: str, columns: Chosen, texts: Sequence[str], numbers: Sequence[str], dialect: Dialect
) -> Iterator[Records]:
    header, dialect = tabular.read_header(path, dialect, tuple(columns.values()))
    header = [name.strip() for name in header]
    places = {name: found for name in columns if (found := find_column(header, columns[name])) is not None}
    order = list(dict.fromkeys(at for at, _ in places.values()))
    for rows in tabular.read_rows(path, order, (), dialect):
        arrays = dict(zip(order, rows.texts, strict=True))
        inside = {name: inside_of(arrays[at], path) for name, (at, path) in places.items()}
        yield Records(
            rows.numbers,
            {name: as_texts(inside[name]) for name in texts},
            {name: as_cells(inside[name]) for name in numbers},
            rows.bad,
        )


def inside_of(column: pa.Array, path: Sequence[str]) -> pa.Array:
    """A field of a nested column; nothing where it has no such field."""
    for name in path:
        kind = column.type
        if not pa.types.is_struct(kind) or kind.get_field_index(name) < 0:
            return pa.nulls(len(column), pa.string())
        column = pc.struct_field(column, name)
    return column


def as_texts(column: pa.Array) -> pa.DictionaryArray:
    """A column as a dictionary of strings; empty ones are null."""
    if not pa.types.is_dictionary(column.type):
        kind = column.type
        if pa.types.is_nested(kind) or pa.types.is_floating(kind):
            column = pa.array([as_text(_whole(value)) for value in tabular.values_of(column)], pa.string())
        column = column.dictionary_encode()
    values = [_decoded(value) for value in tabular.values_of(column.dictionary)]
    gone = np.array([value is None for value in values], bool)
    codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    lost = np.append(gone, True)[codes]
    return pa.DictionaryArray.from_arrays(
        pa.array(np.where(lost, 0, codes).astype(np.int32), mask=lost),
        pa.array([value or "" for value in values], pa.string()),
    )


def _whole(value: object) -> object:
    """A whole number as such: pandas makes floats of them where some are missing."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _decoded(value: object) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    text = value if isinstance(value, str) or value is None else str(value)
    return None if text is None or not text.strip() else text


def as_cells(column: pa.Array) -> Cells:
    """A column as cells: a NaN that is written down is none that stands for nothing."""
    found = column
    if (
        pa.types.is_binary(found.type)
        or pa.types.is_string(found.type)
        or pa.types.is_large_string(found.type)
    ):
        found = _spelled(found)
    if found is not None and not pa.types.is_nested(found.type) and not pa.types.is_dictionary(found.type):
        try:
            numbers = found.cast(pa.float64())
        except NO_VALUE:
            numbers = None
        if numbers is not None:
            wrong = np.flatnonzero(pc.fill_null(pc.is_nan(numbers), False).to_numpy(zero_copy_only=False))
            return Cells.of(numbers.to_numpy(zero_copy_only=False), dict.fromkeys(wrong.tolist(), "nan"))
    encoded = column if pa.types.is_dictionary(column.type) else None
    if encoded is None and not pa.types.is_nested(column.type):
        encoded = column.dictionary_encode()
    if encoded is None:
        return cells_of(tabular.values_of(column))
    each = [_cell_of(value) for value in tabular.values_of(encoded.dictionary)]
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    values = np.append(np.array([number for number, _ in each], np.float64), np.nan)[codes]
    spelled = np.append(np.array([text is not None for _, text in each], bool), False)[codes]
    texts = {at: str(each[codes[at]][1]) for at in np.flatnonzero(spelled).tolist()}
    return Cells.of(values, texts)


def _spelled(column: pa.Array) -> pa.Array | None:
    """Text without what stands for nothing; None where it is no UTF-8."""
    try:
        text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    except NO_VALUE:
        return None
    return pc.if_else(pc.is_in(text, _nothing()), pa.scalar(None, pa.string()), text)


@cache
def _nothing() -> pa.Array:
    """Texts that stand where there is none; made when needed, since the first array imports pandas."""
    return pa.array(sorted({text for text in NULLS if "nan" not in text.lower()}), pa.string())


def _cell_of(value: object) -> tuple[float, str | None]:
    """The number of a cell, or NaN and what stands there."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    number = number_of(value)
    shown = str(value).strip()[:EXCERPT]
    if number is None:
        return np.nan, shown
    return number, shown if np.isnan(number) and "nan" in shown.lower() else None


# --- JSON lines -------------------------------------------------------------------------------------


def json_records(
    chunks: Iterable[tuple[int, int, bytes]], columns: Chosen, numeric: Sequence[str]
) -> Iterator[Records]:
    """Records of lines as `numbered` gives them. columns, numeric: as of `read_records`."""
    numbers = [name for name in columns if name in numeric]
    texts = [name for name in columns if name not in numeric]
    names = [*texts, *numbers]
    decoder, getters = _decoder(tuple(columns[name] for name in names))
    for first, n, chunk in chunks:
        bad: list[BadRow] = []
        try:
            rows = [] if holds_too_much(chunk) else decoder.decode_lines(chunk)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            rows = []
        if len(rows) == n:
            values = [list(map(get, rows)) for get in getters]
            at = np.arange(first, first + n)
        else:
            values, at, bad = _one_by_one(chunk, first, [columns[name].split(".") for name in names])
        found = dict(zip(names, values, strict=True))
        yield Records(
            at,
            {name: text_column(found[name]) for name in texts},
            {name: cells_of(found[name]) for name in numbers},
            bad,
        )


@cache
def _decoder(
    paths: tuple[str, ...],
) -> tuple[msgspec.json.Decoder[msgspec.Struct], list[Callable[[msgspec.Struct], object]]]:
    """Decoder of what stands at some paths, and what gets each."""
    tree: dict[str, Any] = {}
    for path in paths:
        node = tree
        for part in path.split("."):
            node = node.setdefault(part, {})
    decoder = msgspec.json.Decoder(_struct(tree))
    return decoder, [_getter(tree, path.split(".")) for path in paths]


def _struct(tree: Mapping[str, Any]) -> type[msgspec.Struct]:
    fields: list[str | tuple[str, object, object]] = [
        (f"f{at}", _struct(inner) | None if inner else object, None) for at, inner in enumerate(tree.values())
    ]
    names = {f"f{at}": name for at, name in enumerate(tree)}
    return msgspec.defstruct("Record", fields, rename=names, gc=False)


def _getter(tree: Mapping[str, Any], path: Sequence[str]) -> Callable[[object], object]:
    slots = []
    for part in path:
        slots.append(f"f{list(tree).index(part)}")
        tree = tree[part]

    def get(row: object) -> object:
        for slot in slots:
            row = getattr(row, slot, None)
        return row

    return get


def _one_by_one(
    chunk: bytes, first: int, paths: Sequence[Sequence[str]]
) -> tuple[list[list[object]], np.ndarray, list[BadRow]]:
    """Values at some paths of lines of any kind, their numbers, and lines that are no objects."""
    records, at, bad = objects_of(chunk, first)
    return [values_at(records, path) for path in paths], at, bad


def objects_of(chunk: bytes, first: int) -> tuple[list[dict[str, object]], np.ndarray, list[BadRow]]:
    """Objects in lines of any kind, their numbers, and lines that are no objects. first: of these lines."""
    records: list[dict[str, object]] = []
    at, bad = [], []
    for number, line in enumerate(chunk.split(b"\n"), first):
        if not line.strip():
            continue
        record = decode_line(line, number, _OBJECT)
        if isinstance(record, BadRow):
            bad.append(record)
        else:
            at.append(number)
            records.append(record)
    return records, np.array(at, np.int64), bad


def values_at(records: Sequence[object], path: Sequence[str]) -> list[object]:
    """What stands at a path in each of some JSON values; None where there is nothing."""
    for part in path:
        records = [each.get(part) if isinstance(each, dict) else None for each in records]
    return list(records)


def text_column(values: Sequence[object]) -> pa.DictionaryArray:
    """JSON values as a dictionary of strings; empty ones are null."""
    texts = [value if isinstance(value, str) else as_text(_whole(value)) for value in values]
    return as_texts(pa.array([text and printable_text(text) for text in texts], pa.string()))


def printable_text(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates become question marks."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def cells_of(values: Sequence[object]) -> Cells:
    """JSON values as cells."""
    if all(type(value) is float or type(value) is int or value is None for value in values):
        try:
            return Cells.of(np.array(values, np.float64))
        except OverflowError:
            pass
    found = [score_of(value) for value in values]
    texts = {at: text for at, (_, text) in enumerate(found) if text is not None}
    return Cells.of([number for number, _ in found], texts)
