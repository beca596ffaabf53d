"""From what routers would choose under a budget to what stands in a row: score over cost, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .agreement import agreement
from .cells import Output
from .costs import CellCosts, NoCosts
from .curves import front_of
from .intervals import FEW_ITEMS, FEWEST, LEVEL, t_limits, wilson
from .ladders import Array
from .metrics import preferred
from .results import Estimate, Spending
from .routers import RouterRow
from .spending import COST_METRICS, SHOWN, Cell, Choices, Interval, Spent, choices, spent
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
        wrong = n * (1 - (self.metrics["acc_bmax"].value or 0.0))
        for name, of in self.metrics.items():
            metric, why = COST_METRICS[name], of.why
            found[name] = Estimate()
            if of.value is not None:
                why = metric.no_interval(n, wrong)
                low, high = limits_of(of, metric.interval if intervals and not why else None, n)
                found[name] = Estimate.of(of.value, low, high, n < FEW_ITEMS, metric.is_cost)
                if found[name].lo is None:
                    why = f"no interval: {why or 'items hardly differ'}" if intervals else ""
            if why:
                reasons.setdefault(why, []).append(name)
        return Spending(self.kind, self.unit, self.made_of, found, _listed(reasons, len(found)))


def spend(
    task: Task,
    outputs: Sequence[Output],
    Y_test: Scores,
    costs: CellCosts | NoCosts | None,
    routers: Sequence[RouterRow],
    counts: Scores,
) -> list[Spends | None]:
    """Metrics of all routers in a cell; None where no costs were asked for.

    outputs: of these routers. counts: (resamples, n) how often each test item is drawn.
    """
    if costs is None:
        return [None] * len(outputs)
    if isinstance(costs, NoCosts):
        return [_nothing(costs.kind, costs.why)] * len(outputs)
    told = costs.costs
    in_usd = told.kind == "usd" and told.train is not None
    order = preferred(task)
    caps = float(np.min(told.mean)), float(np.max(told.mean))
    cells, chosen = [], []
    for output in outputs:
        known = costs.paid if output.estimates is None else output.estimates.known
        cells.append(Cell(Y_test, known, costs.paid, order, in_usd, task.compat, caps))
        chosen.append(_choices(cells[-1], output))
    real = [of.points for of, row in zip(chosen, routers, strict=True) if not row.sees_test_scores]
    front = front_of([*real, cells[0].singles()])
    return [
        Spends(
            told.kind,
            told.unit,
            None if output.estimates is None else output.estimates.made_of,
            spent(cell, of, SHOWN if row.sees_test_scores else front, counts)
            | {"agreement": agreement(output.estimates, task, caps)},
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
    mean = sum(values) / len(values)
    return Spent(
        mean, _averaged([part.items for part in parts]), "", _averaged([p.replicates for p in parts])
    )


def _averaged(parts: Sequence[Array | None]) -> Array | None:
    """The mean of arrays over the same items, or the same resamples; None unless all are there."""
    there = [part for part in parts if part is not None]
    return np.asarray(np.mean(there, axis=0)) if len(there) == len(parts) else None


def limits_of(of: Spent, made: Interval | None, n: int) -> Limits:
    """95% interval of a value from n items; NaN where none is made.

    Means by t have its skewness corrected: costs are skewed (Hall, J. R. Statist. Soc. B 54, 1992). One of
    the bootstrap is made of resamples of which all but a few define the value.
    """
    nothing = np.nan, np.nan
    if n < FEWEST or of.value is None:
        return nothing
    if made == "resampled" and of.replicates is not None:
        defined = of.replicates[~np.isnan(of.replicates)]
        outside = (1 - LEVEL) / 2
        if len(defined) < (1 - outside) * len(of.replicates) or not len(defined):
            return nothing
        low, high = np.quantile(defined, (outside, 1 - outside))
        return (float(low), float(high)) if high - low > 1e-9 else nothing
    if of.items is None or made not in ("score", "items"):
        return nothing
    mean, variance = of.items.mean(keepdims=True), of.items.var(keepdims=True)
    if made == "score":
        below, above = wilson(mean, variance, n)
        return float(below[0]), float(above[0])
    # limits do not tell a small error from none
    unit = abs(of.value) or 1.0
    error = float(variance[0]) ** 0.5 / (n - 1) ** 0.5
    below, above = t_limits(np.zeros(1), np.array([error / unit]), n)
    if not below[0] < above[0]:
        return nothing
    skew = float((((of.items - mean) / variance**0.5) ** 3).mean())
    low, high = (
        of.value - _unskewed(float(limit[0]) * unit / error, skew, n) * error for limit in (above, below)
    )
    return low, high


def _unskewed(t: float, skew: float, n: int) -> float:
    """The value that Student's t of skewed items has as often as t of normal ones reaches `t`."""
    slope = skew / (3 * n**0.5)
    if abs(slope) < 1e-9:
        return t
    return float((np.cbrt(1 + 3 * slope * (t - slope / 2)) - 1) / slope)


def _listed(reasons: dict[str, list[str]], every: int) -> str | None:
    """Reasons, each behind the metrics that have it."""
    told = [why if len(of) == every else f"{', '.join(of)}: {why}" for why, of in reasons.items()]
    return "; ".join(told) or None
