"""Means over benchmarks: values from different test items, so that their errors are independent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from math import hypot, nan
from statistics import NormalDist
from typing import TypeVar

from .intervals import NORMAL
from .limits import Limits
from .results import Difference, Estimate, Row, Spending, adjust
from .spending import COST_METRICS

ALL = "all benchmarks"
"""Stands where the name of a benchmark stands; none has a space in its name."""
NAMED = 3
"""Absent results that a note names, at most."""

Result = TypeVar("Result", Row, Difference)


def difference(a: Estimate, b: Estimate) -> Estimate:
    """a - b with its 95% interval, for values from different items."""
    return _combine([(1, a), (-1, b)], 1)


def average(estimates: Sequence[Estimate], small: bool = False) -> Estimate:
    """Unweighted mean of values from different items, with its 95% interval. small: see `Estimate.of`."""
    return _combine([(1, estimate) for estimate in estimates], len(estimates), small)


def _combine(signed: Sequence[tuple[int, Estimate]], n: int, small: bool = False) -> Estimate:
    """The sum of signed values over n; undefined where there is no value, or one is undefined.

    Each limit combines the distances of the values to theirs as independent errors (the method of variance
    estimates recovery: Zou and Donner, Statistics in Medicine 27, 2008).
    """
    values: list[float] = []
    spans: list[tuple[float, ...]] = []
    for sign, e in signed:
        if e.value is None:
            return Estimate()
        values.append(sign * e.value)
        if e.lo is not None and e.hi is not None:
            spans.append((e.value - e.lo, e.hi - e.value)[::sign])
    few = any(e.few_items for _, e in signed)
    if not values:
        return Estimate()
    total = sum(values) / n
    if len(spans) < len(values):
        return Estimate(total)
    below, above = (hypot(*side) / n for side in zip(*spans, strict=True))
    return Estimate.of(total, total - below, total + above, few, small)


def mean_over_benchmarks(means: Iterable[Row]) -> tuple[tuple[Row, ...], list[str]]:
    """A row of benchmark `ALL` per m and router, and why an m has none: not every router ran everywhere.

    means: over the kinds of groups. Their metrics and scores are averaged without weights; n_test is the sum,
    mdd that of the mean. What stands beside scores (`Limits`) is left out.
    """
    every = list(means)
    names = list(dict.fromkeys(row.benchmark for row in every))
    found: list[Row] = []
    notes: list[str] = []
    for m in sorted({row.m for row in every}) if len(names) > 1 else ():
        ran = {(row.router, row.benchmark): row for row in every if row.m == m}
        routers = list(dict.fromkeys(router for router, _ in ran))
        absent = [f"{r} on {name}" for r in routers for name in names if (r, name) not in ran]
        if absent:
            more = f" and {len(absent) - NAMED} more" if len(absent) > NAMED else ""
            notes.append(f"m = {m}: no mean over benchmarks, without {', '.join(absent[:NAMED])}{more}")
        else:
            found += [_mean_row([ran[router, name] for name in names]) for router in routers]
    return tuple(found), notes


def differences_over_benchmarks(
    differences: Iterable[Difference], rows: Iterable[Row]
) -> tuple[Difference, ...]:
    """The same for differences between routers, of which `rows` are the means over benchmarks.

    p is of the mean difference in mu_o: 2 Phi(-1.96 |d| / h), h half its 95% interval, so that it is below
    0.05 where the interval excludes 0. Holm over these comparisons alone.
    """
    sizes = {row.m for row in rows}
    pairs: dict[tuple[int, str, str], list[Difference]] = {}
    for d in differences:
        if d.kind == "mean" and d.m in sizes:
            pairs.setdefault((d.m, d.router_a, d.router_b), []).append(d)
    return adjust(_mean_difference(parts) for parts in pairs.values())


def _mean_row(parts: Sequence[Row]) -> Row:
    def mean(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return round(sum(known) / len(parts), 6) if len(known) == len(parts) else None

    encoders = {row.encoder for row in parts}
    return replace(
        _joined(parts),
        encoder=parts[0].encoder if len(encoders) == 1 else None,
        n_test=sum(row.n_test for row in parts),
        best_single_score=mean([row.best_single_score for row in parts]) or 0.0,
        oracle_score=mean([row.oracle_score for row in parts]) or 0.0,
        reference_score=mean([row.reference_score for row in parts]),
        best_on_own_train=mean([row.best_on_own_train for row in parts]),
        p_best_train=None,
        v_r_note=next((row.v_r_note for row in parts if row.v_r_note), None),
        spending=_mean_spending([row.spending for row in parts]),
        **asdict(Limits()),
    )


def _mean_difference(parts: Sequence[Difference]) -> Difference:
    joined = _joined(parts)
    known = [d.spending for d in parts if d.spending is not None]
    spent = None
    if len(known) == len(parts) and len({told.unit for told in known}) == 1:
        metrics = _means([told.metrics for told in known])
        spent = replace(known[0], metrics=metrics, p=_p(metrics["area_cap"]))
    return replace(joined, p=_p(joined.metrics["mu_o"]), spending=spent)


def _joined(parts: Sequence[Result]) -> Result:
    return replace(
        parts[0],
        benchmark=ALL,
        n_kinds=min(part.n_kinds for part in parts),
        metrics=_means([part.metrics for part in parts]),
        mdd=round(hypot(*(part.mdd for part in parts)) / len(parts), 6),
        few_items=any(part.few_items for part in parts),
        interval_note=next((part.interval_note for part in parts if part.interval_note), None),
    )


def _mean_spending(parts: Sequence[Spending | None]) -> Spending | None:
    """Nothing unless every benchmark has costs, in one unit."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    why = next((part.notes for part in known if part.notes), None)
    if len({part.unit for part in known}) > 1:
        nothing = dict.fromkeys(known[0].metrics, Estimate())
        return Spending(known[0].kind, None, None, nothing, "not all benchmarks have costs in one unit")
    ways = {part.made_of for part in known}
    metrics = _means([part.metrics for part in known])
    return Spending(known[0].kind, known[0].unit, known[0].made_of if len(ways) == 1 else None, metrics, why)


def _means(parts: Sequence[dict[str, Estimate]]) -> dict[str, Estimate]:
    found = {}
    for name in parts[0]:
        small = name in COST_METRICS and COST_METRICS[name].is_cost
        mean = average([metrics[name] for metrics in parts], small)
        alone = mean.value is not None and mean.lo is None
        found[name] = Estimate.of(mean.value or 0.0, nan, nan, small=small) if alone else mean
    return found


def _p(e: Estimate) -> float | None:
    if e.value is None or e.lo is None or e.hi is None:
        return None
    return 2 * NormalDist().cdf(-abs(e.value) * 2 * NORMAL / (e.hi - e.lo))
