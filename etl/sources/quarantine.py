"""Records that cannot count: what is kept of them, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from routerset.etl.sources.base import Dump
from routerset.schemas.tables import QUARANTINE, Reason

EXCERPT = 500


@dataclass(frozen=True)
class BadRow:
    """One record that cannot count. row: from 0; excerpt is cut to 500 characters."""

    row: int | None
    reason: Reason
    detail: str
    model_id: str | None = None
    benchmark: str | None = None
    excerpt: str | None = None


def quarantine(dump: Dump, rows: Sequence[BadRow]) -> pa.Table:
    """Quarantine table (schema QUARANTINE) of some rows of one file."""
    return quarantine_columns(
        len(rows),
        source=dump.source,
        file=dump.file,
        row=[r.row for r in rows],
        model_id=[r.model_id for r in rows],
        benchmark=[r.benchmark for r in rows],
        reason=[r.reason.value for r in rows],
        detail=[printable(r.detail) for r in rows],
        excerpt=[printable(r.excerpt) for r in rows],
    )


Values: TypeAlias = str | Sequence[object] | np.ndarray | None


def quarantine_columns(
    n: int,
    *,
    source: Values,
    file: Values,
    model_id: Values,
    benchmark: Values,
    reason: Values,
    detail: Values,
    row: Values = None,
    excerpt: Values = None,
) -> pa.Table:
    """Quarantine table of `n` records given as columns; a single string, or None, stands for all rows."""
    if n == 0:
        return QUARANTINE.empty_table()
    given = {
        "source": source,
        "file": file,
        "row": row,
        "model_id": model_id,
        "benchmark": benchmark,
        "reason": reason,
        "detail": detail,
        "excerpt": excerpt,
    }
    columns = []
    for field in QUARANTINE:
        value = given[field.name]
        single = value is None or isinstance(value, str)
        columns.append(pa.repeat(pa.scalar(value, field.type), n) if single else pa.array(value, field.type))
    return pa.table(columns, schema=QUARANTINE)


def printable(text: str | None) -> str | None:
    """Text cut to the length of an excerpt and safe to store as UTF-8."""
    return None if text is None else text[:EXCERPT].encode("utf-8", "backslashreplace").decode()
