"""From what routers would choose under a budget to what stands in a row: score over cost, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .cells import Output
from .costs import CellCosts, NoCosts
from .curves import front_of
from .intervals import FEW_ITEMS, Array, Interval, interval_note, t_limits, wilson
from .metrics import preferred
from .results import Estimate, Spending
from .routers import RouterRow
from .spending import COST_METRICS, SHOWN, Cell, Choices, Spent, choices, spent
from .task import Scores, Task

Limits = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Spends:
    """The metrics of one router in one cell, or of several kinds together, before they become estimates.

    unit: None where there are no costs. made_of: None where choices under a budget are not defined.
    """

    kind: str
    unit: str | None
    made_of: str | None
    metrics: dict[str, Spent]

    def estimates(self, n: int, intervals: bool = True) -> Spending:
        """What stands in a row. n: test items."""
        found = {}
        reasons: dict[str, list[str]] = {}
        for name, (value, items, why) in self.metrics.items():
            found[name] = Estimate()
            if value is not None:
                made = COST_METRICS[name].interval if intervals else None
                low, high = limits_of(value, items, made, n)
                found[name] = Estimate.of(value, low, high, n < FEW_ITEMS, COST_METRICS[name].is_cost)
                why = "" if found[name].lo is not None or not intervals else _without(name, n)
            if why:
                reasons.setdefault(why, []).append(name)
        return Spending(self.kind, self.unit, self.made_of, found, _listed(reasons, len(found)))


def spend(
    task: Task,
    outputs: Sequence[Output],
    Y_test: Scores,
    costs: CellCosts | NoCosts | None,
    routers: Sequence[RouterRow],
) -> list[Spends | None]:
    """Metrics of all routers in a cell, whose routers are those; None where no costs were asked for."""
    if costs is None:
        return [None] * len(outputs)
    if isinstance(costs, NoCosts) or task.costs is None:
        why = costs.why if isinstance(costs, NoCosts) else "no costs"
        return [_nothing(costs.kind if isinstance(costs, NoCosts) else "", why)] * len(outputs)
    in_usd = task.costs.kind == "usd" and task.costs.train is not None
    order = preferred(task)
    caps = float(np.min(task.costs.mean)), float(np.max(task.costs.mean))
    cells, chosen = [], []
    for output in outputs:
        known = costs.paid if output.estimates is None else output.estimates.known
        cells.append(Cell(Y_test, known, costs.paid, order, in_usd, task.compat, caps))
        chosen.append(_choices(cells[-1], output))
    real = [of.points for of, row in zip(chosen, routers, strict=True) if not row.sees_test_scores]
    front = front_of([*real, cells[0].singles()])
    return [
        Spends(
            task.costs.kind,
            task.costs.unit,
            None if output.estimates is None else output.estimates.made_of,
            spent(cell, of, SHOWN if row.sees_test_scores else front),
        )
        for cell, of, output, row in zip(cells, chosen, outputs, routers, strict=True)
    ]


def mean_spends(kinds: Sequence[Sequence[Spends | None]]) -> list[Spends | None]:
    """The unweighted mean over kinds of groups, which share their items; nothing unless all have costs."""
    found: list[Spends | None] = []
    for of_router in zip(*kinds, strict=True):
        some = [spends for spends in of_router if spends is not None]
        if not some:
            found.append(None)
            continue
        metrics = {name: _mean([spends.metrics[name] for spends in some]) for name in COST_METRICS}
        units, ways = ({getattr(spends, of) for spends in some} for of in ("unit", "made_of"))
        if len(units) > 1:
            found.append(_nothing(some[0].kind, "not all kinds of groups have costs in one unit"))
            continue
        found.append(Spends(some[0].kind, some[0].unit, some[0].made_of if len(ways) == 1 else None, metrics))
    return found


def _nothing(kind: str, why: str) -> Spends:
    return Spends(kind, None, None, dict.fromkeys(COST_METRICS, Spent(None, why=why)))


def _choices(cell: Cell, output: Output) -> Choices:
    if output.estimates is None:
        return choices(cell, None, output.policy)
    return choices(cell, output.estimates.scores)


def _mean(parts: Sequence[Spent]) -> Spent:
    values = [part.value for part in parts if part.value is not None]
    if len(values) < len(parts):
        why = next(part.why for part in parts if part.value is None)
        return Spent(None, why=f"not in all kinds of groups: {why}" if values else why)
    items = [part.items for part in parts if part.items is not None]
    return Spent(sum(values) / len(values), np.mean(items, axis=0) if len(items) == len(parts) else None)


def limits_of(value: float, items: Array | None, made: Interval | None, n: int) -> Limits:
    """95% interval of a value from what each of n items adds to it; NaN where none is made."""
    if items is None or made is None:
        return np.nan, np.nan
    if made == "score":
        low, high = wilson(items.mean(keepdims=True), items.var(keepdims=True), n)
    else:
        unit = abs(value) or 1.0  # limits do not tell a small error from none
        errors = items.std(keepdims=True) / unit / max(n - 1, 1) ** 0.5
        low, high = (limit * unit for limit in t_limits(np.array([value / unit]), errors, n))
    return float(low[0]), float(high[0])


def _without(name: str, n: int) -> str:
    """Why a value has no interval."""
    metric = COST_METRICS[name]
    why = metric.without if metric.interval is None else interval_note(n) or "no item differs"
    return f"no interval: {why}"


def _listed(reasons: dict[str, list[str]], every: int) -> str | None:
    """Reasons, each behind the metrics that have it."""
    told = [why if len(of) == every else f"{', '.join(of)}: {why}" for why, of in reasons.items()]
    return "; ".join(told) or None
