"""The first records of a file, whatever it holds: names of its columns, and a few values of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import msgspec

from routerset.etl.sources.base import Dump, DumpUnreadable
from routerset.etl.sources.parse.jsonlines import holds_too_much, read_chunks
from routerset.etl.sources.parse.records import is_json
from routerset.etl.sources.parse.tabular import SUFFIXES, read_header, read_rows, values_of

RECORDS = 2000  # that are looked at
COLUMNS = 200  # whose values are
DEPTH = 4  # of objects in objects
_DECODER = msgspec.json.Decoder(dict[str, object])


@dataclass(frozen=True)
class Glimpse:
    """The beginning of a file.

    names: of its columns. columns: values of the first records, by name, or dotted path into nested ones;
    text that spells a number is one. whole: whether these are all records.
    """

    dump: Dump
    names: tuple[str, ...]
    columns: Mapping[str, list[object]]
    whole: bool


def glimpse(dump: Dump) -> Glimpse | None:
    """The first records of a CSV, Parquet or JSON file; None of any other. Raises OSError."""
    if is_json(dump.path):
        records = _json_records(dump)
        if not records:
            raise DumpUnreadable("expected JSON objects, found none")
        names = tuple(dict.fromkeys(name for record in records[:100] for name in record))
    elif dump.path.lower().endswith(SUFFIXES):
        header, dialect = read_header(dump.path)
        names = tuple(name.strip() for name in header)
        rows = next(
            read_rows(dump.path, range(min(len(names), COLUMNS)), (), dialect, RECORDS * len(names)), None
        )
        cells = [] if rows is None else [values_of(column.slice(0, RECORDS)) for column in rows.texts]
        records = [dict(zip(names, values, strict=False)) for values in zip(*cells, strict=True)]
    else:
        return None
    columns: dict[str, list[object]] = {}
    for at, record in enumerate(records):
        for name, value in _flat(record):
            column = columns.setdefault(name, [None] * at)
            if len(column) == at:
                column.append(_plain(value))
        for column in columns.values():
            if len(column) == at:
                column.append(None)
    return Glimpse(dump, names, columns, len(records) < RECORDS)


def _json_records(dump: Dump) -> list[dict[str, object]]:
    """The first objects of a file."""
    records: list[dict[str, object]] = []
    for chunk in islice(read_chunks(dump.path), 8):
        for line in () if holds_too_much(chunk) else chunk.split(b"\n"):
            if line.strip() and len(records) < RECORDS:
                try:
                    records.append(_DECODER.decode(line))
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    continue
    return records


def _flat(record: Mapping[str, object], before: str = "", depth: int = 0) -> list[tuple[str, object]]:
    """Values of an object and of those in it, by dotted path."""
    found: list[tuple[str, object]] = []
    for name, value in islice(record.items(), COLUMNS):
        if isinstance(value, Mapping) and depth < DEPTH:
            found += _flat(value, f"{before}{name}.", depth + 1)
        else:
            found.append((before + name, value))
    return found[:COLUMNS]


def _plain(value: object) -> object:
    """A value; text that spells a number as one, and nothing where nothing stands."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return {"true": True, "false": False, "": None}.get(value.strip().lower(), value)
    return value


def numbers(values: Sequence[object]) -> list[float]:
    """The finite numbers and truth values among some values; none where anything else stands there."""
    found = [value for value in values if value is not None]
    try:
        held = [float(value) for value in found if isinstance(value, bool | int | float)]
    except OverflowError:  # a whole number that no float can hold
        return []
    return [value for value in held if math.isfinite(value)] if len(held) == len(found) else []
