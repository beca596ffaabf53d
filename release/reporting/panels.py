"""What figures of score over cost show, before anything is drawn: lines, points, axes, places of labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

import numpy as np

from routerset.release.evaluator.curve_rows import BESIDE, Curve
from routerset.release.evaluator.results import Estimate
from routerset.release.evaluator.routers import row_for
from routerset.release.reporting.costs import CostFindings
from routerset.release.reporting.grid import KINDS, label

DRAWN = 80
"""Points of a line, at most; of more, as many are taken."""
DASHES = {"zero": (4, 3), "random": (1.5, 2.5)}
"""Lines that differ from those of routers by more than colour: length of dash and gap."""
ACROSS_GAP, UP_GAP = 0.2, 0.09
"""How near to the end of an axis, of 1, no tick stands."""
_FEW, _MIXTURES = 20, 8
"""Lines of no more points than this have so many mixtures between two of them."""
_WIDE = 12.0
"""Costs that lie further apart than this stand on a log scale, where a figure may have one."""


@dataclass(frozen=True)
class Axis:
    """low, high: what it shows. ticks: places of its ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def place(self, value: float) -> float:
        """0 at its low end, 1 at its high end."""
        if self.log:
            return log10(max(value, self.low) / self.low) / log10(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def labelled(self, gap: float) -> tuple[float, ...]:
        """Its ticks and both its ends; a tick nearer to an end than `gap`, of 1, makes room for it."""
        inside = (tick for tick in self.ticks if gap <= self.place(tick) <= 1 - gap)
        return (self.low, *inside, self.high)


@dataclass(frozen=True)
class Line:
    """One router, or what stands beside all. x, y: points; step: y holds from each x to the next one."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    step: bool = False

    @property
    def words(self) -> str:
        """What stands at its end."""
        return label(self.name).removesuffix(" r_o")

    @property
    def corners(self) -> list[tuple[float, float]]:
        """Points that straight lines join."""
        if not self.step:
            return [*zip(self.x, self.y, strict=True)]
        pairs = zip(self.x, self.y, (self.y[0], *self.y), strict=False)
        return [corner for x, y, before in pairs for corner in ((x, before), (x, y))][1:]


@dataclass(frozen=True)
class Point:
    """A router's own choice, without a budget. y: its mean score with the interval."""

    name: str
    x: float
    y: Estimate


@dataclass(frozen=True)
class Panel:
    """One panel. note: what its title says besides the name. dots: single candidates, (x, y, name)."""

    name: str
    note: str
    across: Axis
    up: Axis
    lines: tuple[Line, ...]
    points: tuple[Point, ...] = ()
    dots: tuple[tuple[float, float, str], ...] = ()

    @property
    def summary(self) -> str:
        """What it shows, in words."""
        ends = "; ".join(
            f"{line.words} from {line.y[0]:.2f} at {line.x[0]:.3g} to {line.y[-1]:.2f} at {line.x[-1]:.3g}"
            for line in self.lines
        )
        return f"{label(self.name)}, {self.note}: {ends}"

    def labels(self, gap: float) -> Iterator[tuple[Line, float, float]]:
        """Each line with the height of its end and of its label, 0 to 1; labels are `gap` apart at least."""
        ends = [self.up.place(line.y[-1]) for line in self.lines]
        return zip(self.lines, ends, spread(ends, gap), strict=True)


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Places in [0, 1] near those wanted, in the same order, of equal ones the first on top.

    They are `gap` apart, or less where so many do not fit.
    """
    gap = min(gap, 1 / max(len(wanted) - 1, 1))
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], -i))
    blocks: list[
        tuple[float, int]
    ] = []  # mean of wanted places, had all of a block that of its first; number
    for rank, i in enumerate(order):
        mean, n = wanted[i] - rank * gap, 1
        while blocks and blocks[-1][0] > mean:
            before, k = blocks.pop()
            mean, n = (mean * n + before * k) / (n + k), n + k
        blocks.append((mean, n))
    most = 1 - (len(order) - 1) * gap
    starts = [min(max(mean, 0.0), most) for mean, n in blocks for _ in range(n)]
    places = [0.0] * len(wanted)
    for rank, (i, start) in enumerate(zip(order, starts, strict=True)):
        places[i] = start + rank * gap
    return places


def pool_axis(pool: int) -> Axis:
    """Numbers of candidates of a pool, on a log scale."""
    return Axis(1, max(pool, 2), tuple(10.0**k for k in range(1, 5) if 10**k < pool), log=True)


def plane_panels(costs: CostFindings) -> list[Panel]:
    """The cost-quality plane of each benchmark: single candidates, and the curves over the mean cost."""
    panels = []
    for name, curves in _of(costs, "mean"):
        dots = tuple((single.cost, single.score, single.model) for single in costs.singles[name])
        points = tuple(
            Point(spent.router, cost.value, score)
            for spent in costs.cells[name]
            if row_for(spent.router).compared
            for cost, score in [[spent.spending.metrics[of] for of in ("cost_bmax", "acc_bmax")]]
            if cost.value is not None and score.value is not None
        )
        panels.append(_panel(name, curves, points, dots, log=True))
    return panels


def cap_panels(costs: CostFindings) -> list[Panel]:
    """Score over the highest cost that one answer may have, on a linear axis: areas below are `area_cap`."""
    return [_panel(name, curves, (), (), log=False) for name, curves in _of(costs, "cap")]


def rate_panels(costs: CostFindings) -> list[Panel]:
    """Score over the share of items that goes to the small one of two candidates."""
    panels = []
    for name in dict.fromkeys(rate.benchmark for rate in costs.rates):
        rates = [rate for rate in costs.rates if rate.benchmark == name and _is_shown(rate.router)]
        lines = tuple(Line(rate.router, *_thin(rate.shares, rate.scores)) for rate in rates)
        heights = [y for line in lines for y in line.y]
        note = f"{rates[0].small} or {rates[0].large}"
        panels.append(Panel(name, note, Axis(0, 1, (0, 0.25, 0.5, 0.75, 1)), _up(heights), lines))
    return panels


def _of(costs: CostFindings, curve: str) -> Iterator[tuple[str, tuple[Curve, ...]]]:
    for (kind, name), curves in costs.curves.items():
        if kind == curve:
            yield name, tuple(one for one in curves if _is_shown(one.router))


def _is_shown(router: str) -> bool:
    """A yardstick that is none of cost would hide another line."""
    row = row_for(router)
    return router in BESIDE or row.compared or row.sees_test_scores


def _panel(
    name: str,
    curves: Sequence[Curve],
    points: tuple[Point, ...],
    dots: tuple[tuple[float, float, str], ...],
    log: bool,
) -> Panel:
    step = curves[0].curve == "cap"
    reach = max(float(curve.cost[-1]) for curve in curves)
    lines = []
    for curve in curves:
        x, y = _mixed(*_thin(curve.cost, curve.score)) if log else _thin(curve.cost, curve.score)
        far = step and x[-1] < reach
        lines.append(Line(curve.router, (*x, reach) if far else x, (*y, y[-1]) if far else y, step))
    costs = [x for line in lines for x in line.x] + [point.x for point in points] + [dot[0] for dot in dots]
    limits = [v for point in points for v in (point.y.lo, point.y.hi) if v is not None]
    heights = [y for line in lines for y in line.y] + limits + [dot[1] for dot in dots]
    note = f"m = {curves[0].m}, {KINDS.get(curves[0].kind, curves[0].kind)}"
    return Panel(name, note, _across(costs, log), _up(heights), tuple(lines), points, dots)


def _thin(x: np.ndarray, y: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    at = np.unique(np.linspace(0, len(x) - 1, min(len(x), DRAWN)).round().astype(int))
    return tuple(x[at].tolist()), tuple(y[at].tolist())


def _mixed(x: tuple[float, ...], y: tuple[float, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mixtures of neighbouring policies, whose costs and scores are straight, which a log scale bends."""
    if not 1 < len(x) <= _FEW:
        return x, y
    at = np.linspace(0, len(x) - 1, (len(x) - 1) * _MIXTURES + 1)
    places = np.arange(len(x))
    return tuple(np.interp(at, places, x).tolist()), tuple(np.interp(at, places, y).tolist())


def _across(costs: Sequence[float], log: bool) -> Axis:
    low, high = min(costs), max(costs)
    if log and low > 0 and high / low > _WIDE:
        every = [
            base * 10.0**k for k in range(floor(log10(low)), ceil(log10(high)) + 1) for base in (1, 2, 5)
        ]
        inside = [tick for tick in every if low * 0.999 <= tick <= high * 1.001]
        decades = [tick for tick in inside if round(log10(tick), 9).is_integer()]
        fit = len(inside) <= 5 and max(len(tick_words(tick)) for tick in inside) <= 4
        return Axis(low, high, tuple(inside if fit else decades), log=True)
    return Axis(low, high, _ticks(low, high, 4)) if high > low else Axis(low - 0.5, low + 0.5, (low,))


def _up(heights: Sequence[float]) -> Axis:
    """From a tenth to a tenth, and at least three of them."""
    low, high = floor(min(heights) * 10 + 1e-9) / 10, ceil(max(heights) * 10 - 1e-9) / 10
    low, high = max(0.0, min(low, high - 0.3)), min(1.0, max(high, low + 0.3))
    return Axis(low, high, _ticks(low, high, 5))


def _ticks(low: float, high: float, n: int) -> tuple[float, ...]:
    """About n round numbers from low to high."""
    rough = (high - low) / n
    power = 10.0 ** floor(log10(rough))
    step = next(base * power for base in (1, 2, 5, 10) if base * power >= rough * (1 - 1e-9))
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return tuple(round(i * step, 12) for i in range(first, last + 1))


def tick_words(value: float) -> str:
    """A tick for people."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
