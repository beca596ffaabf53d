"""What an evaluation returns: rows, differences between routers, and the table people read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from textwrap import fill
from typing import TYPE_CHECKING

from .curve_rows import Curve
from .intervals import FEW_ITEMS, holm
from .limits import Limits
from .metrics import METRICS, TABLE_ORDER
from .plain import plain
from .spending import COST_METRICS
from .task import KINDS, PAIR

if TYPE_CHECKING:
    from .pair_rows import Routing
    from .selection_rows import Selection

Value = str | int | float | bool | None
SEEN, UNSEEN = TRACKS = ("seen", "unseen")
"""Where routers learn: on the benchmark's own train items, or on all other benchmarks."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval; None where it is undefined (a zero denominator), or no interval holds.

    few_items: it has an interval from so few test items that tables mark it with FEW.
    """

    value: float | None = None
    lo: float | None = None
    hi: float | None = None
    few_items: bool = False

    @classmethod
    def of(cls, value: float, lo: float, hi: float, few_items: bool = False) -> Estimate:
        """Rounds to 6 decimals; an undefined value has no interval, and none has the width 0."""
        if math.isnan(value):
            return cls()
        value, lo, hi = (round(float(v), 6) + 0.0 for v in (value, lo, hi))
        return cls(value, lo, hi, few_items) if lo < hi else cls(value)


@dataclass(frozen=True)
class Spending:
    """Score over cost of one router in one cell.

    kind, unit: of costs. made_of: what choices under a budget follow: `scores` that the router estimates, its
    `probabilities` in their place, or a `draw`. metrics: by name of `spending.COST_METRICS`.
    """

    kind: str
    unit: str
    made_of: str
    metrics: dict[str, Estimate]

    def to_dict(self) -> dict[str, Value]:
        """Flat, each metric as `aiq`, `aiq_lo`, `aiq_hi`."""
        flat: dict[str, Value] = {"costs": self.kind, "cost_unit": self.unit, "estimates": self.made_of}
        for name, e in self.metrics.items():
            flat |= {name: e.value, f"{name}_lo": e.lo, f"{name}_hi": e.hi}
        return flat


@dataclass(frozen=True)
class Row(Limits):
    """One router in one cell; `kind` is "mean" for the unweighted mean over the kinds (the paper's tables).

    n_kinds: kinds of groups that were evaluated at this m, of the three. metrics: by name of
    `metrics.METRICS`. mdd: the smallest true difference in mu_o that this cell's test items can show between
    two routers that choose independently (5% two-sided, 80% power). best_single_score: test score of the best
    single candidate. reference_score: denominator of V_R. sees_test_scores: an upper bound, no real router.
    track: `unseen` where routers learnt from the other benchmarks. best_on_own_train: there, the test score
    of the candidate that is best on this benchmark's own train items, which no router saw; else null.
    p_best_train: two-sided p-value of the hypothesis that V_B train is 1, by its standard error. few_items:
    fewer test items than `intervals.FEW_ITEMS`. interval_note, v_r_note: why there are no intervals, no V_R.
    spending: score over cost, where asked for and known.
    """

    benchmark: str
    m: int
    kind: str
    method: str
    scheme: str
    router: str
    encoder: str | None
    compat: bool
    n_test: int
    n_kinds: int
    metrics: dict[str, Estimate]
    mdd: float
    best_single_score: float
    oracle_score: float
    reference_score: float | None
    sees_test_scores: bool = False
    track: str = SEEN
    best_on_own_train: float | None = None
    p_best_train: float | None = None
    few_items: bool = False
    interval_note: str | None = None
    v_r_note: str | None = None
    spending: Spending | None = None

    def to_dict(self) -> dict[str, Value]:
        """Flat: each metric as `mu_o`, `mu_o_lo`, `mu_o_hi`."""
        return _flat(self)


@dataclass(frozen=True)
class Difference:
    """Router a minus router b in one cell, on the same items.

    metrics: differences by name. mdd: the smallest true difference in mu_o that a paired test of these two
    would show (5% two-sided, 80% power). p: of the paired t-test of mu_o; None where there is no interval.
    p_holm, n_comparisons: for means over kinds, p as one of all such comparisons of the evaluation (Holm),
    and how many these are. few_items, interval_note: see `Row`.
    """

    benchmark: str
    m: int
    kind: str
    method: str
    scheme: str
    router_a: str
    router_b: str
    n_kinds: int
    metrics: dict[str, Estimate]
    mdd: float
    track: str = SEEN
    p: float | None = None
    p_holm: float | None = None
    n_comparisons: int | None = None
    few_items: bool = False
    interval_note: str | None = None

    def to_dict(self) -> dict[str, Value]:
        """Flat, as `Row.to_dict`."""
        return _flat(self)


def _flat(record: Row | Difference) -> dict[str, Value]:
    flat: dict[str, Value] = {}
    for field in sorted(fields(record), key=lambda field: bool(field.kw_only)):
        if field.name == "metrics":
            for name in METRICS:
                e = record.metrics[name]
                flat |= {name: e.value, f"{name}_lo": e.lo, f"{name}_hi": e.hi}
            continue
        value = getattr(record, field.name)
        if isinstance(value, Spending):
            flat |= value.to_dict()
        elif field.name != "spending":
            flat[field.name] = value
    return flat


@dataclass(frozen=True)
class Evaluation:
    """rows: one per cell and router. means: the same, averaged over the kinds. differences: where asked for,
    every pair of routers in every cell and mean. notes: what was left out, and why. curves: of score over
    cost, where asked for, in every cell and mean. selections: likewise, scores under budgets.
    routings: of two models that were named, a row per router and benchmark.
    """

    rows: tuple[Row, ...]
    means: tuple[Row, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    curves: tuple[Curve, ...] = ()
    selections: tuple[Selection, ...] = ()
    routings: tuple[Routing, ...] = ()

    def table(self) -> str:
        """The means over kinds, at most 80 characters wide."""
        if not self.means:
            return "nothing was evaluated\n"
        marks = [STAR] if any(row.sees_test_scores for row in self.means) else []
        return "\n\n".join([*_blocks(self.means), *marks, *_few_items(self.means), LEGEND]) + "\n"

    def cost_table(self) -> str:
        """Score over cost of the means over kinds, at most 80 characters wide."""
        priced = [row for row in self.means if row.spending is not None]
        if not priced:
            return "no group has costs\n"
        return "\n\n".join([*_cost_blocks(priced), *_few_items(priced), COST_LEGEND]) + "\n"

    def difference_table(self) -> str:
        """Differences of the means over kinds; * where the test of the difference in mu_o, as one of all that
        the table holds, rejects.
        """
        shown = [d for d in self.differences if d.kind == "mean"]
        lines = []
        for head, (first, *others) in groupby(shown, _place):
            lines += [
                "",
                head + _few(first),
                f"  {'a - b':<26}{'mu_o':>8}  {'95% interval':<18}{'V_B tr':>7}{'p Holm':>9}{'mdd':>7}",
            ]
            for d in (first, *others):
                mu = d.metrics["mu_o"]
                star = "*" if d.p_holm is not None and d.p_holm < 0.05 else " "
                p = "<0.001" if d.p_holm is not None and d.p_holm < 0.001 else _number(d.p_holm, 0)
                lines.append(
                    f"  {plain(f'{d.router_a} - {d.router_b}')[:25]:<26}{_number(mu.value, 8)}{star} "
                    f"{_interval(mu):<18}{_number(d.metrics['v_b_train'].value, 7)}{p:>9}"
                    f"{d.mdd:>7.3f}"
                )
        legend = fill(
            f"*: p Holm is below 0.05: the p-value of the paired t-test of mu_o, Holm over {len(shown)} "
            "comparisons, those of this table. [..]: 95% interval of one difference by itself.",
            80,
        )
        return "\n".join([*lines[1:], "", legend, *_few_items(shown)])


FEW = "~"


def adjust(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """Differences with the p-values of the means over kinds adjusted for their number."""
    every = list(differences)
    places = [i for i, d in enumerate(every) if d.kind == "mean"]
    for i, p in zip(places, holm([every[i].p for i in places]), strict=True):
        every[i] = replace(every[i], p_holm=p, n_comparisons=len(places))
    return tuple(every)


_SHOWN = [METRICS[name] for name in TABLE_ORDER]
LEGEND = fill(
    "".join(f"{metric.head or metric.title}: {metric.says}. " for metric in _SHOWN)
    + "[..]: 95% interval. mdd: the smallest difference between two routers that these test items would show "
    "with 80% power.",
    80,
)


_PRICED = [metric for metric in COST_METRICS.values() if metric.head and metric.width]
COST_LEGEND = fill(
    "".join(f"{metric.head}: {metric.says}. " for metric in _PRICED)
    + "[..]: 95% interval of the area. p: choices under a budget follow probabilities, not estimated scores.",
    80,
)


STAR = "*: the router is shown the test scores; an upper bound."


def _place(row: Row | Difference) -> str:
    track = "" if row.track == SEEN else f"  track: {row.track}"
    return f"{row.benchmark}  m={row.m}  groups: {row.method}  split: {row.scheme}{track}"


def _few(row: Row | Difference) -> str:
    """A mark of a mean over fewer kinds than the paper's."""
    return "" if row.n_kinds == len(KINDS) or row.method == PAIR else f"  {row.n_kinds} of {len(KINDS)} kinds"


def _few_items(rows: Sequence[Row | Difference]) -> list[str]:
    """The legend of FEW, where it is in use."""
    return [f"{FEW}: fewer than {FEW_ITEMS} test items."] if any(row.few_items for row in rows) else []


def _blocks(rows: Iterable[Row]) -> Iterator[str]:
    for head, block in groupby(rows, _place):
        members = list(block)
        first = members[0]
        encoder = next((r.encoder for r in members if r.encoder), None)
        title = head + (f"  vectors: {encoder}" if encoder else "")
        lines = [
            title,
            f"  {first.n_test} test items  mdd {first.mdd:.3f}"
            + ("  compat" if first.compat else "")
            + _few(first),
            *_reference(first),
            *_beside(first),
        ]
        heads = [f"{metric.head or metric.title:>{metric.width}}" for metric in _SHOWN]
        heads[0] += f" {'95% interval':<15}"
        lines.append(f"  {'router':<13}{''.join(heads)}")
        for r in members:
            cells = [_number(r.metrics[of.name].value, of.width, of.digits) for of in _SHOWN]
            cells[0] += f" {_interval(r.metrics[_SHOWN[0].name]):<15}"
            name = f"{plain(r.router)[:12]}*" if r.sees_test_scores else plain(r.router)[:13]
            lines.append(f"  {name:<13}{''.join(cells)}")
        yield "\n".join(lines)


def _cost_blocks(rows: Iterable[Row]) -> Iterator[str]:
    for head, block in groupby(rows, _place):
        members = list(block)
        told = members[0].spending
        assert told is not None
        heads = [f"{metric.head:>{metric.width}}" for metric in _PRICED]
        heads[0] += f" {'95% interval':<16}"
        lines = [
            f"{head}\n  {members[0].n_test} test items  costs: {told.kind}, {told.unit}" + _few(members[0]),
            f"  {'router':<12}{''.join(heads)}",
        ]
        for row in members:
            assert row.spending is not None
            found = row.spending.metrics
            cells = [_short(found[of.name].value, of.width) for of in _PRICED]
            cells[0] += f" {_interval(found[_PRICED[0].name]):<16}"
            mark = "*" if row.sees_test_scores else "p" if row.spending.made_of == "probabilities" else ""
            lines.append(f"  {plain(row.router)[:11] + mark:<12}{''.join(cells)}")
        yield "\n".join(lines)


def _short(value: float | None, width: int) -> str:
    """A number of any size in few letters."""
    return f"{'-' if value is None else f'{value:.3f}' if value < 10 else f'{value:.4g}':>{width}}"


def _reference(row: Row) -> Iterator[str]:
    """What a candidate scores that no router of track `unseen` could tell to be the best."""
    if row.best_on_own_train is not None:
        yield f"  best on its own train: {row.best_on_own_train:.3f}"


def _beside(row: Row) -> Iterator[str]:
    """Lines that say how much of a cell's headroom is real, and how good its groups are, where known."""
    if row.noise_oracle is not None:
        floor = Estimate(row.noise_oracle, row.noise_oracle_lo, row.noise_oracle_hi)
        real = "" if row.headroom_real is None else f"  of the headroom {row.headroom_real:.2f} is real"
        yield f"  oracle {row.oracle_score:.3f}  noise {row.noise_oracle:.3f} {_interval(floor)}{real}"
    if row.optimal:
        yield "  groups: optimal on train"
    elif row.covered is not None and row.at_most is not None:
        yield f"  groups: {row.covered:.1f} train items covered, at most {row.at_most:.1f} can be"


def _number(value: float | None, width: int, digits: int = 3) -> str:
    return f"{'-' if value is None else format(value, f'.{digits}f'):>{width}}"


def _interval(estimate: Estimate) -> str:
    if estimate.lo is None or estimate.hi is None:
        return "-"
    return f"[{estimate.lo:.3f}, {estimate.hi:.3f}]{FEW if estimate.few_items else ''}"
