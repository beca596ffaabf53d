"""The tables people read of an evaluation, at most 80 characters wide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from textwrap import fill
from typing import TYPE_CHECKING

from .curve_rows import of_kinds
from .intervals import FEW_ITEMS
from .metrics import METRICS, TABLE_ORDER
from .plain import plain
from .spending import COST_METRICS
from .task import SEEN

if TYPE_CHECKING:
    from .results import Difference, Estimate, Row

FEW = "~"
STAR = "*: the router is shown the test scores; an upper bound."

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
    + "[..]: 95% interval of the area. p: choices under a budget follow probabilities, not estimated scores. "
    "-: undefined, or no interval that holds; cost_notes of --format json says why.",
    80,
)


def mean_table(means: Sequence[Row]) -> str:
    """The means over kinds, at most 80 characters wide."""
    if not means:
        return "nothing was evaluated\n"
    marks = [STAR] if any(row.sees_test_scores for row in means) else []
    return "\n\n".join([*_blocks(means), *marks, *_few_items(means), LEGEND]) + "\n"


def cost_table(means: Sequence[Row]) -> str:
    """Score over cost of the means over kinds, at most 80 characters wide."""
    priced = [row for row in means if row.spending is not None and row.spending.unit is not None]
    if not priced:
        return "no group has costs\n"
    marks = [STAR] if any(row.sees_test_scores for row in priced) else []
    return "\n\n".join([*_cost_blocks(priced), *marks, *_few_items(priced), COST_LEGEND]) + "\n"


def difference_table(differences: Iterable[Difference], overall: Sequence[Difference] = ()) -> str:
    """Differences of the means over kinds, then over benchmarks; * where the test of the difference in mu_o
    rejects, as one of all of either sort.
    """
    shown = [*(d for d in differences if d.kind == "mean"), *overall]
    lines = []
    for head, block in groupby(shown, _place):
        first, *others = block
        lines += [
            "",
            head + of_kinds(first.n_kinds, first.method),
            f"  {'a - b':<26}{'mu_o':>8}  {'95% interval':<18}{'V_B tr':>7}{'p Holm':>9}{'mdd':>7}",
        ]
        for d in (first, *others):
            mu = d.metrics["mu_o"]
            lines.append(
                f"  {plain(f'{d.router_a} - {d.router_b}')[:25]:<26}{_number(mu.value, 8)}{_star(d.p_holm)} "
                f"{interval(mu):<18}{_number(d.metrics['v_b_train'].value, 7)}{_p(d.p_holm):>9}"
                f"{d.mdd:>7.3f}"
            )
    legend = fill(
        "*: p Holm is below 0.05: the p-value of the paired t-test of mu_o, Holm over "
        f"{_families(shown, len(overall))}. [..]: 95% interval of one difference by itself.",
        80,
    )
    return "\n".join([*lines[1:], "", legend, *_few_items(shown)])


def cost_difference_table(differences: Iterable[Difference], overall: Sequence[Difference] = ()) -> str:
    """The same in the area of score over cost."""
    overall = [d for d in overall if d.spending is not None]
    shown = [*(d for d in differences if d.kind == "mean" and d.spending is not None), *overall]
    if not shown:
        return "no group has costs\n"
    lines = []
    for head, block in groupby(shown, _place):
        first, *others = block
        told = first.spending
        assert told is not None
        lines += [
            "",
            head,
            f"  costs: {told.kind}, {told.unit}" + of_kinds(first.n_kinds, first.method),
            f"  {'a - b':<32}{'area':>8}   {'95% interval':<18}{'p Holm':>9}",
        ]
        for d in (first, *others):
            assert d.spending is not None
            area, p = d.spending.metrics["area_cap"], d.spending.p_holm
            excludes = area.lo is not None and area.hi is not None and not area.lo <= 0 <= area.hi
            lines.append(
                f"  {plain(f'{d.router_a} - {d.router_b}')[:31]:<32}{_number(area.value, 8)}"
                f"{'+' if excludes else ' '}{_star(p)} {interval(area):<18}{_p(p):>9}"
            )
    legend = fill(
        "area: mean score over all caps on the cost of one answer. +: the 95% interval of the difference, by "
        "itself, excludes 0 (RouterBench+). *: p Holm is below 0.05: the p-value of the paired t-test, Holm "
        f"over {_families(shown, len(overall))}.",
        80,
    )
    return "\n".join([*lines[1:], "", legend, *_few_items(shown)])


def _families(shown: Sequence[Difference], overall: int) -> str:
    """Which comparisons Holm's method counts together."""
    apart = f" ({overall} over all benchmarks, counted apart)" if overall else ""
    return f"{len(shown) - overall} comparisons, those of this table{apart}"


def _star(p: float | None) -> str:
    return "*" if p is not None and p < 0.05 else " "


def _p(p: float | None) -> str:
    return "<0.001" if p is not None and p < 0.001 else _number(p, 0)


def _place(row: Row | Difference) -> str:
    track = "" if row.track == SEEN else f"  track: {row.track}"
    return f"{row.benchmark}  m={row.m}  groups: {row.method}  split: {row.scheme}{track}"


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
            + of_kinds(first.n_kinds, first.method),
            *_reference(first),
            *_beside(first),
        ]
        heads = [f"{metric.head or metric.title:>{metric.width}}" for metric in _SHOWN]
        heads[0] += f" {'95% interval':<15}"
        lines.append(f"  {'router':<13}{''.join(heads)}")
        for r in members:
            cells = [_number(r.metrics[of.name].value, of.width, of.digits) for of in _SHOWN]
            cells[0] += f" {interval(r.metrics[_SHOWN[0].name]):<15}"
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
            f"{head}\n  {members[0].n_test} test items  costs: {told.kind}, {told.unit}"
            + of_kinds(members[0].n_kinds, members[0].method),
            f"  {'router':<12}{''.join(heads)}",
        ]
        for row in members:
            assert row.spending is not None
            found = row.spending.metrics
            cells = [_short(found[of.name].value, of.width) for of in _PRICED]
            cells[0] += f" {interval(found[_PRICED[0].name]):<16}"
            mark = "*" if row.sees_test_scores else "p" if row.spending.made_of == "probabilities" else ""
            lines.append(f"  {plain(row.router)[:11] + mark:<12}{''.join(cells)}")
        yield "\n".join(lines)


def short(value: float) -> str:
    """A number of any size in few letters."""
    if 0 < abs(value) < 0.001:
        return f"{value:.2g}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"


def _short(value: float | None, width: int) -> str:
    return f"{'-' if value is None else short(value):>{width}}"


def _reference(row: Row) -> Iterator[str]:
    """What a candidate scores that no router of track `unseen` could tell to be the best."""
    if row.best_on_own_train is not None:
        yield f"  best on its own train: {row.best_on_own_train:.3f}"


def _beside(row: Row) -> Iterator[str]:
    """Lines that say how much of a cell's headroom is real, and how good its groups are, where known."""
    if row.noise_oracle is not None:
        floor = _limits(row.noise_oracle_lo, row.noise_oracle_hi)
        real = "" if row.headroom_real is None else f"  of the headroom {row.headroom_real:.2f} is real"
        yield f"  oracle {row.oracle_score:.3f}  noise {row.noise_oracle:.3f} {floor}{real}"
    if row.optimal:
        yield "  groups: optimal on train"
    elif row.covered is not None and row.at_most is not None:
        yield f"  groups: {row.covered:.1f} train items covered, at most {row.at_most:.1f} can be"


def _number(value: float | None, width: int, digits: int = 3) -> str:
    return f"{'-' if value is None else format(value, f'.{digits}f'):>{width}}"


def interval(estimate: Estimate) -> str:
    """Limits to three decimals, a mark where they are of few items; a dash where there are none."""
    return _limits(estimate.lo, estimate.hi, FEW if estimate.few_items else "")


def _limits(lo: float | None, hi: float | None, mark: str = "") -> str:
    return "-" if lo is None or hi is None else f"[{lo:.3f}, {hi:.3f}]{mark}"
