"""Baseline cells of a report: what a release claims of routers that anyone can evaluate quickly."""

from __future__ import annotations

import json

from routerset.release.evaluator import TRAINING_FREE
from routerset.release.reporting.evaluation import PAPER, Findings


def baselines_text(found: Findings) -> str:
    """Rows of the evaluator, one a line, of routers that need no training: what anyone can check quickly."""
    published = found.published if found.method != PAPER else ()  # else they are among the first
    told = (*found.rows, *found.family, *published)
    rows = [row.to_dict() for row in told if row.router in TRAINING_FREE]
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"
