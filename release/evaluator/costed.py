"""From what routers would choose under a budget to what stands in a row: score over cost, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .agreement import agreement
from .cells import Output
from .costs import CellCosts
from .intervals import FEW_ITEMS, Array, t_limits, wilson
from .metrics import preferred
from .results import Estimate, Spending
from .spending import COST_METRICS, Cell, Spent, spent
from .task import Scores, Task


@dataclass(frozen=True, eq=False)
class Spends:
    """The metrics of one router in one cell, or of several kinds together, before they become estimates."""

    kind: str
    unit: str
    made_of: str
    metrics: dict[str, Spent]

    def estimates(self, n: int) -> Spending:
        """What stands in a row. n: test items."""
        found = {}
        for name, (value, items) in self.metrics.items():
            low, high = np.full(1, np.nan), np.full(1, np.nan)
            if value is None:
                found[name] = Estimate()
                continue
            if items is not None:
                low, high = _interval(name, value, items, n)
            found[name] = Estimate.of(value, float(low[0]), float(high[0]), n < FEW_ITEMS)
        return Spending(self.kind, self.unit, self.made_of, found)


def spend(
    task: Task, outputs: Sequence[Output], Y_test: Scores, costs: CellCosts | None
) -> list[Spends | None]:
    """Metrics of all routers in a cell; None where it has no costs."""
    if costs is None or task.costs is None:
        return [None] * len(outputs)
    found: list[Spends | None] = []
    in_usd = task.costs.kind == "usd" and task.costs.train is not None
    for output in outputs:
        if output.estimates is None:
            found.append(None)
            continue
        cell = Cell(Y_test, output.estimates.known, costs.paid, preferred(task), in_usd)
        metrics = spent(cell, output.estimates.scores)
        metrics["agreement"] = agreement(output.estimates, task)
        found.append(Spends(task.costs.kind, task.costs.unit, output.estimates.made_of, metrics))
    return found


def mean_spends(kinds: Sequence[Sequence[Spends | None]]) -> list[Spends | None]:
    """The unweighted mean over kinds of groups, which share their items; None unless all have costs."""
    found: list[Spends | None] = []
    for of_router in zip(*kinds, strict=True):
        some = [spends for spends in of_router if spends is not None]
        if len(some) < len(of_router) or len({spends.unit for spends in some}) > 1:
            found.append(None)
            continue
        metrics = {name: _mean([spends.metrics[name] for spends in some]) for name in COST_METRICS}
        found.append(Spends(some[0].kind, some[0].unit, some[0].made_of, metrics))
    return found


def _mean(parts: Sequence[Spent]) -> Spent:
    values = [part.value for part in parts if part.value is not None]
    if len(values) < len(parts):
        return Spent(None)
    items = [part.items for part in parts if part.items is not None]
    return Spent(sum(values) / len(values), np.mean(items, axis=0) if len(items) == len(parts) else None)


def _interval(name: str, value: float, items: Array, n: int) -> tuple[Array, Array]:
    if COST_METRICS[name].is_score:
        return wilson(items.mean(keepdims=True), items.var(keepdims=True), n)
    return t_limits(np.array([value]), items.std(keepdims=True) / max(n - 1, 1) ** 0.5, n)
