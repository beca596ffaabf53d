"""Baseline cells of a report: what a release claims, written, and checked for `verify`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from routerset.release.evaluator import TRAINING_FREE, EvaluatorError, load_release
from routerset.release.evaluator.baselines import BASELINES
from routerset.release.evaluator.baselines import check_baselines as recompute
from routerset.release.reporting.evaluation import Findings, one_thread
from routerset.release.verify import Problem


def baselines_text(found: Findings) -> str:
    """Rows of the evaluator, one a line, of routers that need no training: what anyone can check quickly."""
    rows = [row.to_dict() for row in (*found.rows, *found.family) if row.router in TRAINING_FREE]
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"


def check_baselines(release: Path) -> Iterator[Problem]:
    """A problem per published value that comes out differently now; for `verify`.

    A release without a report claims nothing, so nothing is checked.
    """
    path = BASELINES.as_posix()
    if not (release / BASELINES).exists():
        return
    try:
        loaded = load_release(release)
        with one_thread(loaded):
            differing = recompute(loaded)
    except EvaluatorError as error:
        yield Problem(path, str(error), "rows that the evaluator can compute again")
        return
    for sentence in differing:
        yield Problem(path, sentence.removeprefix(f"{BASELINES.name}: "), "the published value")
