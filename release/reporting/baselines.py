"""Baseline cells of a report: what a release claims, written, and computed again for `verify`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from routerset.release.evaluator import (
    TRAINING_FREE,
    EvaluatorError,
    InputError,
    Release,
    evaluate,
    load_release,
)
from routerset.release.evaluator.metrics import METRICS
from routerset.release.evaluator.results import Value
from routerset.release.layout import REPORTS
from routerset.release.reporting.evaluation import Findings, one_thread
from routerset.release.verify import Problem

BASELINES = Path(REPORTS) / "baselines.json"
CELL = ("benchmark", "m", "kind", "method", "scheme", "compat", "encoder", "router")
"""Entries that together name a row."""
TOLERANCE = 5e-5  # half of the fourth decimal

Row = dict[str, Value]


def baselines_text(found: Findings) -> str:
    """Rows of the evaluator, one a line, of routers that need no training: what anyone can check quickly."""
    rows = [row.to_dict() for row in (*found.rows, *found.family) if row.router in TRAINING_FREE]
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"


def check_baselines(release: Path) -> Iterator[Problem]:
    """A problem per published value that comes out differently now; for `verify`.

    A release without a report claims nothing, so nothing is checked; nor are routers that need training.
    """
    if not (release / BASELINES).exists():
        return
    path = BASELINES.as_posix()
    try:
        checked = _published(release / BASELINES)
        loaded = load_release(release)
        with one_thread():
            recomputed = _recomputed(loaded, checked)
    except EvaluatorError as error:
        yield Problem(path, str(error), "rows that the evaluator can compute again")
        return
    for row in checked:
        now = recomputed.get(_cell(row))
        where = f"{row['benchmark']} m={row['m']} {row['kind']} {row['method']} {row['router']}"
        if now is None:
            yield Problem(path, f"{where}: this release has no such cell", "the published value")
            continue
        for metric in METRICS:
            was, value = row.get(metric), now[metric]
            if not _same(was, value):
                said = f"{where}: published {metric} {was}, recomputed {value}"
                yield Problem(path, said, "the published value")


def _published(path: Path) -> list[Row]:
    """Rows of routers that need no training. Raises InputError where the file holds anything but rows."""
    try:
        published: list[Row] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: missing or unreadable ({error}); this release publishes no baselines"
        ) from error
    rows = published if isinstance(published, list) else [published]
    if not all(isinstance(row, dict) and {*CELL} <= row.keys() for row in rows):
        raise InputError(f"{path}: found other things than rows of the evaluator; make the report again")
    return [row for row in rows if row["router"] in TRAINING_FREE]


def _recomputed(release: Release, checked: list[Row]) -> dict[tuple[Value, ...], Row]:
    found: dict[tuple[Value, ...], Row] = {}
    for method, scheme, compat, encoder in sorted({_settings(row) for row in checked}):
        chosen = [row for row in checked if _settings(row) == (method, scheme, compat, encoder)]
        result = evaluate(
            release,
            sorted({str(row["router"]) for row in chosen}),
            benchmarks=sorted({str(row["benchmark"]) for row in chosen}),
            encoder=encoder or None,
            method=method,
            scheme=scheme,
            compat=compat,
            resamples=0,
        )
        found |= {_cell(row): row for row in (r.to_dict() for r in result.rows)}
    return found


def _settings(row: Row) -> tuple[str, str, bool, str]:
    return str(row["method"]), str(row["scheme"]), bool(row["compat"]), str(row["encoder"] or "")


def _cell(row: Row) -> tuple[Value, ...]:
    return tuple(row[key] for key in CELL)


def _same(published: Value, recomputed: Value) -> bool:
    if isinstance(published, float | int) and isinstance(recomputed, float | int):
        return abs(published - recomputed) <= TOLERANCE
    return published == recomputed
