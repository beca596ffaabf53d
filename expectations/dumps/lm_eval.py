"""lm-evaluation-harness logs: `samples_<task>_<time>.jsonl` (or `.json`), JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from routerset.expectations.dumps.base import file_row, metrics_of, number, views

_NAME = re.compile(r"samples_(?P<task>.+?)(?:_(?P<time>\d{4}-\d\d-\d\d[T_ ].*))?\.jsonl?", re.IGNORECASE)


def matches(path: Path) -> bool:
    """Whether the file's name is one of the harness, or says JSON lines."""
    return _NAME.fullmatch(path.name) is not None or path.suffix == ".jsonl"


def read(paths: Sequence[Path], root: Path) -> dict[str, pa.Table]:
    """Every line of every file."""
    files: list[dict[str, object]] = []
    rows: list[dict[str, object]] = []
    for path in paths:
        named = _NAME.fullmatch(path.name)
        name = path.relative_to(root).as_posix()
        before = len(rows)
        header = file_row(root, path, named["task"] if named else None, 0)
        wanted = metrics_of(str(header["benchmark"]) if header["benchmark"] else None)
        with path.open("rb") as stream:
            rows += [
                {"file": name, "row": at, "model": path.parent.name, **_row(line, wanted)}
                for at, line in enumerate(stream)
                if line.strip()
            ]
        problem = "no line in it" if len(rows) == before else None
        files.append(header | {"rows": len(rows) - before, "problem": problem})
    return views(files, rows)


def _row(line: bytes, wanted: Sequence[str]) -> dict[str, object]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        return {"problem": f"no JSON: {error}"[:80], "text": line[:80].decode("utf-8", "replace")}
    if not isinstance(record, dict):
        return {"problem": f"a {type(record).__name__}, not an object", "text": str(record)[:80]}
    metric = next((name for name in (*wanted, *metrics_of(None)) if name in record), None)
    row: dict[str, object] = {
        "key": None if record.get("doc_id") is None else str(record["doc_id"]),
        "filter": record.get("filter") if isinstance(record.get("filter"), str) else None,
        "content": record.get("doc_hash") if isinstance(record.get("doc_hash"), str) else None,
        "gold": record.get("target_hash") if isinstance(record.get("target_hash"), str) else None,
    }
    if row["key"] is None:
        return row | {"problem": "no doc_id"}
    if metric is None:
        return row | {"problem": f"no metric {' or '.join(wanted)}"[:80]}
    score, text = number(record[metric])
    return row | {"score": score, "text": text, "metric": None if metric in wanted else metric}
