"""Published baseline cells: what a release claims, and whether it still comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from .errors import InputError
from .metrics import METRICS
from .reader import Release
from .results import Value
from .routers import TRAINING_FREE
from .scoring import evaluate

BASELINES = Path("reports") / "baselines.json"
CELL = ("benchmark", "m", "kind", "method", "scheme", "compat", "encoder", "router")
"""Entries that together name a row."""
TOLERANCE = 5e-5  # half of the fourth decimal

Progress = Callable[[int, int, str], None]


def check_baselines(release: Release, progress: Progress = lambda done, total, label: None) -> list[str]:
    """Recompute the published cells; one sentence per value that differs, none if all agree.

    Published rows of routers that need training are not recomputed. Raises InputError if there are none.
    """
    path = release.path / BASELINES
    try:
        published: list[dict[str, Value]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: missing or unreadable ({error}); this release publishes no baselines"
        ) from error
    rows = published if isinstance(published, list) else [published]
    if not all(isinstance(row, dict) and {*CELL} <= row.keys() for row in rows):
        raise InputError(f"{path}: found other things than rows of the evaluator; make the report again")
    checked = [row for row in rows if row["router"] in TRAINING_FREE]
    recomputed: dict[tuple[Value, ...], dict[str, Value]] = {}
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
            progress=progress,
        )
        recomputed |= {_cell(row.to_dict()): row.to_dict() for row in result.rows}
    problems = []
    for row in checked:
        now = recomputed.get(_cell(row))
        where = f"{path.name}: {row['benchmark']} m={row['m']} {row['kind']} {row['method']} {row['router']}"
        if now is None:
            problems.append(f"{where}: this release has no such cell")
            continue
        problems += [
            f"{where}: published {metric} {row.get(metric)}, recomputed {now[metric]}"
            for metric in METRICS
            if not _same(row.get(metric), now[metric])
        ]
    return problems


def _settings(row: dict[str, Value]) -> tuple[str, str, bool, str]:
    return str(row["method"]), str(row["scheme"]), bool(row["compat"]), str(row["encoder"] or "")


def _cell(row: dict[str, Value]) -> tuple[Value, ...]:
    return tuple(row[key] for key in CELL)


def _same(published: Value, recomputed: Value) -> bool:
    if isinstance(published, float | int) and isinstance(recomputed, float | int):
        return abs(published - recomputed) <= TOLERANCE
    return published == recomputed
