"""Records that cannot count: what is kept of them, and why.

Of one file, benchmark and reason the first thousand have a row each, and one more row counts all others: so a
file of millions of bad records costs no more than one of thousands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa

from routerset.etl.sources.base import Dump
from routerset.schemas.store import JsonObject
from routerset.schemas.tables import QUARANTINE, Reason

EXCERPT = 500
SHOWN = 1000
"""Records of one file, benchmark and reason that have a row of their own."""
_PIECE = 1 << 12
_ALIKE = ("source", "file", "benchmark", "reason")
T = TypeVar("T")
Key: TypeAlias = tuple[object, ...]
_NOTHING = QUARANTINE.empty_table()
Values: TypeAlias = str | Sequence[object] | np.ndarray | pa.Array | None


@dataclass(frozen=True)
class BadRow:
    """One record that cannot count. row: from 0; excerpt is cut to 500 characters."""

    row: int | None
    reason: Reason
    detail: str
    model_id: str | None = None
    benchmark: str | None = None
    excerpt: str | None = None


class Quarantined:
    """Quarantine of records as they come, each file's in its order; holds no more than `table` gives."""

    def __init__(self) -> None:
        self._tables = [_NOTHING]
        self._shown: Counter[Key] = Counter()
        self._others: dict[Key, JsonObject] = {}

    def add(self, table: pa.Table) -> None:
        """More records (schema QUARANTINE)."""
        if len(table) == 0:
            return
        shown: list[int] = []
        others: dict[Key, list[int]] = {}
        for at, key in enumerate(zip(*(table[name].to_pylist() for name in _ALIKE), strict=True)):
            if self._shown[key] < SHOWN:
                self._shown[key] += 1
                shown.append(at)
            else:
                others.setdefault(key, []).append(at)
        self._tables.append(table.take(pa.array(shown, pa.int64())) if others else table)
        for key, places in others.items():
            self._count(key, table.take(pa.array(places)))

    def add_rows(self, dump: Dump, rows: Iterable[BadRow]) -> int:
        """More records of one file; returns how many."""
        n = 0
        for piece in batched(rows):
            n += len(piece)
            self.add(
                quarantine_columns(
                    len(piece),
                    source=dump.source,
                    file=dump.file,
                    row=[r.row for r in piece],
                    model_id=[r.model_id for r in piece],
                    benchmark=[r.benchmark for r in piece],
                    reason=[r.reason.value for r in piece],
                    detail=[printable(r.detail) for r in piece],
                    excerpt=[printable(r.excerpt) for r in piece],
                )
            )
        return n

    def table(self) -> pa.Table:
        """All of them (schema QUARANTINE)."""
        others = [pa.Table.from_pylist([*self._others.values()], QUARANTINE)] if self._others else []
        return pa.concat_tables([*self._tables, *others])

    def _count(self, key: Key, alike: pa.Table) -> None:
        """Add records to the row that stands for those without one of their own."""
        first, last = alike.slice(0, 1).to_pylist()[0], alike.slice(len(alike) - 1).to_pylist()[0]
        n = sum(alike["n"].to_pylist())
        models = {*alike["model_id"].unique().to_pylist()}
        if key in self._others:
            first = self._others[key]
            n += first["n"]
            models.add(first["model_id"])
        several = {"n": n, "last_row": last["row"] if last["last_row"] is None else last["last_row"]}
        self._others[key] = first | {"model_id": models.pop() if len(models) == 1 else None}
        self._others[key] |= several if n > 1 else {}


def batched(values: Iterable[T]) -> Iterator[list[T]]:
    """Some thousand values at a time."""
    values = iter(values)
    while piece := list(islice(values, _PIECE)):
        yield piece


def quarantine(dump: Dump, rows: Iterable[BadRow]) -> pa.Table:
    """Quarantine table (schema QUARANTINE) of records of one file."""
    found = Quarantined()
    found.add_rows(dump, rows)
    return found.table()


class Shown(NamedTuple):
    """Records that have a row of their own: their places, how many each stands for, and the last of these."""

    places: np.ndarray
    n: np.ndarray
    last: np.ndarray

    def several(self, values: np.ndarray) -> pa.Array:
        """What `last_row` says, of the row numbers of all records: null where a record stands for itself."""
        return pa.array(values[self.last], pa.int64(), mask=self.n == 1)


def shown(alike: np.ndarray) -> Shown:
    """Which of many records have a row of their own: of those alike a thousand, and one for all others.

    alike: int (records,), equal for records of one file, benchmark and reason.
    """
    if len(alike) == 0:
        return Shown(*(np.empty(0, np.int64) for _ in Shown._fields))
    order = np.argsort(alike, kind="stable")
    starts = np.flatnonzero(np.diff(alike[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    rank = np.arange(len(order)) - np.repeat(starts, sizes)
    picked = np.flatnonzero(rank <= SHOWN)
    picked = picked[np.argsort(order[picked])]
    size = np.repeat(sizes, sizes)[picked]
    n = np.where(rank[picked] == SHOWN, size - SHOWN, 1)
    return Shown(order[picked], n, order[picked + n - 1])


def quarantine_columns(
    n_rows: int,
    *,
    source: Values,
    file: Values,
    model_id: Values,
    benchmark: Values,
    reason: Values,
    detail: Values,
    row: Values = None,
    excerpt: Values = None,
    n: Values = None,
    last_row: Values = None,
) -> pa.Table:
    """Quarantine table given as columns of `n_rows`; a single string, or None, stands for all rows.

    n: by default, every row is one record.
    """
    if n_rows == 0:
        return _NOTHING
    given = {
        "source": source,
        "file": file,
        "row": row,
        "model_id": model_id,
        "benchmark": benchmark,
        "reason": reason,
        "detail": detail,
        "excerpt": excerpt,
        "n": np.ones(n_rows, np.int64) if n is None else n,
        "last_row": last_row,
    }
    columns = []
    for field in QUARANTINE:
        value = given[field.name]
        single = value is None or isinstance(value, str)
        columns.append(
            pa.repeat(pa.scalar(value, field.type), n_rows) if single else pa.array(value, field.type)
        )
    return pa.table(columns, schema=QUARANTINE)


def printable(text: str | None) -> str | None:
    """Text cut to the length of an excerpt and safe to store as UTF-8."""
    return None if text is None else text[:EXCERPT].encode("utf-8", "backslashreplace").decode()[:EXCERPT]
