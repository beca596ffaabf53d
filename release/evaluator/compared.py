"""Differences between routers in score over cost, on the same items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from .costed import Spends
from .intervals import FEW_ITEMS, t_limits, t_test
from .results import Difference, Estimate, SpendingDifference
from .spending import COST_METRICS, FEWEST_WRONG, CostMetric, Spent


def with_costs(
    differences: Iterable[Difference], spends: Sequence[Spends | None], n: int, intervals: bool
) -> Iterator[Difference]:
    """Differences of one cell with those in cost metrics. spends: of its routers. n: test items."""
    for d, (a, b) in zip(differences, combinations(spends, 2), strict=True):
        priced = a is not None and b is not None and a.unit is not None and a.unit == b.unit
        yield replace(d, spending=_difference(a, b, n, intervals)) if a and b and priced else d


def _difference(a: Spends, b: Spends, n: int, intervals: bool) -> SpendingDifference:
    metrics, p = {}, {}
    for name, of_a in a.metrics.items():
        metrics[name], p[name] = _paired(COST_METRICS[name], of_a, b.metrics[name], n, intervals)
    return SpendingDifference(a.kind, a.unit or "", metrics, p["area_cap"])


def _paired(metric: CostMetric, a: Spent, b: Spent, n: int, intervals: bool) -> tuple[Estimate, float | None]:
    """a - b, with an interval and a p-value by the paired t-test where the metric has an interval, and both
    say what each item adds.
    """
    if a.value is None or b.value is None:
        return Estimate(), None
    value, low, high, p = a.value - b.value, np.nan, np.nan, np.nan
    holds = intervals and not metric.no_interval(n, FEWEST_WRONG)
    if a.items is not None and b.items is not None and holds:
        unit = max(abs(a.value), abs(b.value)) or 1.0  # limits do not tell a small error from none
        scaled = np.array([value / unit])
        errors = (a.items - b.items).std(keepdims=True) / unit / max(n - 1, 1) ** 0.5
        low, high = (float(limit[0]) * unit for limit in t_limits(scaled, errors, n))
        p = float(t_test(scaled, errors, n)[0])
    found = Estimate.of(value, low, high, n < FEW_ITEMS, metric.is_cost)
    return found, None if np.isnan(p) else p
