"""Open LLM Leaderboard v1 and lighteval: `details_<task>_<time>.parquet`, flat or nested columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routerset.expectations.dumps.base import file_row, metrics_of, number, views

_NAME = re.compile(r"details_(?P<task>.+?)(?:_(?P<time>\d{4}-\d\d-\d\d[T_ ].*))?\.parquet", re.IGNORECASE)
_STRUCTS = ("metrics", "metric", "__metric__")
_DOCUMENTS = ("doc", "__doc__")
_TEXT = ("query", "example", "full_prompt")
_IDENTITY = ("query", "example", "choices", "gold", "gold_index")


def matches(path: Path) -> bool:
    """Whether the file's name is one of the leaderboard's."""
    return _NAME.fullmatch(unquote(path.name)) is not None


def read(paths: Sequence[Path], root: Path) -> dict[str, pa.Table]:
    """Every row of every file; token columns are not read."""
    files, rows = [], []
    for path in paths:
        named = _NAME.fullmatch(unquote(path.name))
        found, problem = _rows(path, named["task"] if named else None)
        name = path.relative_to(root).as_posix()
        header = file_row(root, path, named["task"] if named else None, len(found), problem)
        rows += [
            {"file": name, "row": at, "model": path.parent.parent.name, **row} for at, row in enumerate(found)
        ]
        files.append(header)
    return views(files, rows)


def _rows(path: Path, task: str | None) -> tuple[list[dict[str, object]], str | None]:
    try:
        file = pq.ParquetFile(path)
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        return [], f"no Parquet: {error}"[:120]
    header = file_row(path.parent, path, task, 0)
    wanted = metrics_of(str(header["benchmark"]) if header["benchmark"] else None)
    schema = file.schema_arrow
    places = {field.name: (field.name,) for field in schema}
    for outer in (*_STRUCTS, *_DOCUMENTS):
        if outer in places and pa.types.is_struct(schema.field(outer).type):
            places |= {inner.name: (outer, inner.name) for inner in schema.field(outer).type}
    metric = next((name for name in wanted if name in places), None)
    if not any(name in places for name in _TEXT):
        return [], f"no column {' or '.join(_TEXT)}"
    names = [name for name in _IDENTITY if name in places]
    try:
        table = file.read(columns=[".".join(places[n]) for n in [*names, *([metric] if metric else [])]])
        columns = {name: _column(table, places[name]) for name in names}
        scores = _column(table, places[metric]) if metric else [None] * len(table)
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        return [], f"damaged: {error}"[:120]
    rows: list[dict[str, object]] = []
    for at in range(len(table)):
        content = [columns[name][at] for name in names if name in ("query", "example", "choices")]
        gold = [columns[name][at] for name in names if name in ("gold", "gold_index")]
        score, text = number(scores[at])
        rows.append(
            {
                "content": blake2b(repr(content).encode(), digest_size=8).hexdigest(),
                "gold": repr(gold[0]) if gold else None,
                "score": score,
                "text": text,
                "problem": None if metric else f"no metric {' or '.join(wanted)}"[:80],
            }
        )
    return rows, None


def _column(table: pa.Table, place: tuple[str, ...]) -> list[object]:
    column = table[place[0]]
    return list((pc.struct_field(column, place[1]) if len(place) > 1 else column).to_pylist())
