"""What the readers of raw dumps share: numbers, names, and the columns of their views."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from routerset.schemas.benchmarks import BENCHMARKS, TASKS

FILES = pa.schema(
    [
        ("file", pa.string()),
        ("task", pa.string()),
        ("benchmark", pa.string()),
        ("subset", pa.string()),
        ("expected_items", pa.int64()),
        ("rows", pa.int64()),
        ("problem", pa.string()),
    ]
)
"""`dump_files`. problem: why nothing of the file could be read."""
ROWS = pa.schema(
    [
        ("file", pa.string()),
        ("row", pa.int64()),
        ("key", pa.string()),
        ("model", pa.string()),
        ("score", pa.float64()),
        ("text", pa.string()),
        ("problem", pa.string()),
        ("filter", pa.string()),
        ("content", pa.string()),
        ("gold", pa.string()),
        ("metric", pa.string()),
    ]
)
"""`dump_rows`. score: null where missing; text: what stands there instead of a number; key: of the document;
problem: why the row is none; content: hash of the document; gold: its right answer; metric: what the score
is one of, where it is not the metric that counts."""


def file_row(
    root: Path, path: Path, task: str | None, rows: int, problem: str | None = None
) -> dict[str, object]:
    """A row of `dump_files`; the benchmark is the one that the registry names for the task."""
    benchmark, subset = TASKS.get(task or "", (None, None))
    expected = BENCHMARKS[benchmark].subsets.get(subset) if benchmark and subset else None
    return {
        "file": path.relative_to(root).as_posix(),
        "task": task,
        "benchmark": benchmark,
        "subset": subset,
        "expected_items": expected,
        "rows": rows,
        "problem": problem,
    }


def number(value: object) -> tuple[float | None, str | None]:
    """A score as dumps spell it: (number, None), (None, text) for anything else, both None where missing."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None, None
    if isinstance(value, bool | int | float):
        return float(value), None
    return None, str(value)[:80]


def metrics_of(benchmark: str | None) -> tuple[str, ...]:
    """Metrics that may count for a benchmark; all that count for any, where it is not known."""
    rows = [BENCHMARKS[benchmark]] if benchmark else list(BENCHMARKS.values())
    names = [name for row in rows for name in (row.metric, *row.metric_aliases)]
    return tuple(dict.fromkeys(names))


def views(files: Sequence[Mapping[str, object]], rows: Sequence[Mapping[str, object]]) -> dict[str, pa.Table]:
    """The two views that every format has."""
    return {
        "dump_files": pa.Table.from_pylist([dict(f) for f in files], schema=FILES),
        "dump_rows": pa.Table.from_pylist([dict(r) for r in rows], schema=ROWS),
    }
