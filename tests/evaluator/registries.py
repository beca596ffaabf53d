"""Adds a router and a metric to a copy of the evaluator, as anyone would."""

from __future__ import annotations

from pathlib import Path

ROUTER = """\
import numpy as np


class Last:
    uses_vectors = False

    def fit(self, task):
        pass

    def predict_proba(self, task):
        return np.tile(np.eye(task.m)[-1], (task.n_test, 1))
"""
ROUTER_ROW = 'RouterRow("last", Last, "The last one", trained=True, colour=("#123456", "#abcdef")),'
METRIC = """\
def regret(cell: Weighted) -> Array:
    return cell.oracle - cell.value


"""
METRIC_ROW = (
    'Metric("regret", "Regret", "what the oracle has and the router has not", regret, False, "regr", 6),'
)


def add_router(package: Path) -> None:
    """One file and one row: router `last`."""
    (package / "routers" / "last.py").write_text(ROUTER)
    registry = package / "routers" / "__init__.py"
    insert(registry, "from .linear import", "from .last import Last\n")
    insert(registry, '    RouterRow("knn"', f"    {ROUTER_ROW}\n")


def add_metric(package: Path) -> None:
    """One function and one row: metric `regret`, which is good where it is low."""
    registry = package / "metrics.py"
    insert(registry, "@dataclass(frozen=True)\nclass Metric:", METRIC)
    insert(registry, ")  # fmt: skip\n\nMETRICS", f"    {METRIC_ROW}\n")


def insert(path: Path, before: str, text: str) -> None:
    """Put text before a place that the file has once."""
    found = path.read_text()
    assert found.count(before) == 1
    path.write_text(found.replace(before, text + before))
