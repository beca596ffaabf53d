"""Figures 2 to 6 as PNG, drawn on one sheet in inches: axes of matplotlib would take most of the time."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from routerset.release.evaluator.routers import row_for
from routerset.release.evaluator.scaling import PROBABILITIES, Curve, spread_sizes
from routerset.release.reporting.colours import RAMP
from routerset.release.reporting.grid import KINDS, label
from routerset.release.reporting.panels import (
    ACROSS_GAP,
    DASHES,
    UP_GAP,
    Axis,
    Panel,
    pool_axis,
    spread,
    tick_words,
)
from routerset.release.reporting.paper_tables import KindRow, beside, placed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BANDS = (0.0, 1.0)
"""The p whose bands Figure 2 shows: those of all six would hide each other."""
_DPI = 150
_MARGIN, _AXIS, _LEGEND = 0.05, 0.2, 0.18
"""Room around all panels, for the words of a whole axis, and for a row of the legend; all in inches."""
_LEFT, _ABOVE, _BELOW = 0.38, 0.28, 0.26
"""Room around the lines of a panel, for words."""
_VALUES, _NAMES, _NOTHING = 0.28, 0.92, 0.1
"""Room at the ends of lines: for values of p, for names, for nothing."""
_LINE = 0.14
"""Height of a line of words, and at least so far apart are those at the ends of lines."""
_FITS = 36
"""Letters of a title, at most: a name and what is said of it."""
_SCORES = Axis(-0.02, 1.03, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
_TICKS, _EDGE, _GRID = "#4b5563", "#9aa3af", "#e8eaee"
_STYLE: dict[Any, object] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "legend.frameon": False,
    "text.parse_math": False,
}


def scaling_png(curves: Sequence[Curve]) -> bytes:
    """Figure 2: accuracy of r_o(p) over the number of candidates, a panel per benchmark."""
    names = len(PROBABILITIES) + any(curve.reference_score is not None for curve in curves)
    with _sheet(len(curves), _VALUES, "number of candidates m (log scale)", "mean score", names) as sheet:
        for curve, at in zip(curves, sheet.frames, strict=True):
            _scaling_panel(sheet, at, curve)
        return sheet.png()


def _scaling_panel(sheet: _Sheet, at: _Frame, curve: Curve) -> None:
    axis = pool_axis(curve.pool)
    ticks = [(axis.place(tick), f"{tick:g}") for tick in axis.labelled(ACROSS_GAP)]
    sheet.frame(at, label(curve.benchmark), f"pool of {curve.pool:,}", ticks, _SCORE_TICKS)
    sizes = spread_sizes(curve.pool)
    xs = [axis.place(int(m)) for m in sizes]
    for p in reversed(PROBABILITIES):
        mean, low, high = ([_SCORES.place(v) for v in of.tolist()] for of in curve.mean_and_band(p, sizes))
        title = "random, p = 0" if p == 0 else "oracle, p = 1" if p == 1 else f"p = {p:g}"
        sheet.line(at, xs, mean, title, color=RAMP[p][0], linewidth=1.6)
        if p in BANDS:
            sheet.area(at, [*xs, *reversed(xs)], [*low, *reversed(high)], RAMP[p][0])
    ends = [_SCORES.place(float(curve.mean(p, (curve.pool,))[0])) for p in PROBABILITIES]
    for p, place in zip(PROBABILITIES, spread(ends, _LINE / at.height), strict=True):
        sheet.words(at.right + 0.04, at.y(place), f"{p:g}", fontsize=7, va="center")
    if curve.reference_score is not None:
        level = _SCORES.place(curve.reference_score)
        sheet.line(
            at, [0, 1], [level, level], "reference LLM", color="#374151", linewidth=1, linestyle=(0, (4, 3))
        )


def kinds_png(rows: Sequence[KindRow], floors: Sequence[KindRow]) -> bytes:
    """Figure 3: mu_o by kind of group with 95% intervals, a panel per benchmark. rows: of one m.

    floors: what noise alone reaches, a line below the routers of each kind.
    """
    benchmarks = list(dict.fromkeys(row.benchmark for row in rows))
    m, names = rows[0].m, len({row.router for row in [*rows, *floors]})
    with _sheet(len(benchmarks), _NOTHING, "", f"mean score of the chosen LLMs (m = {m})", names) as sheet:
        for name, at in zip(benchmarks, sheet.frames, strict=True):
            of = [row for row in rows if row.benchmark == name]
            _kinds_panel(sheet, at, name, of, beside(floors, name, m))
        return sheet.png()


def _kinds_panel(
    sheet: _Sheet, at: _Frame, name: str, rows: Sequence[KindRow], floors: Sequence[KindRow]
) -> None:
    across = Axis(-0.5, len(KINDS) - 0.5, ())
    ticks = [(across.place(x), words) for x, words in enumerate(KINDS.values())]
    sheet.frame(at, label(name), "", ticks, _SCORE_TICKS, upright=False)
    for floor, x, _, value, _ in placed(floors, 0):
        level = _SCORES.place(value)
        ends = [across.place(x - 0.42), across.place(x + 0.42)]
        sheet.line(at, ends, [level, level], label(floor.router), color="#111827", linewidth=1.1, zorder=1.5)
    for row, x, offset, value, e in placed(rows, 0.72):
        place, router = across.place(x + offset), row_for(row.router)
        if e.lo is not None and e.hi is not None:
            ends = [_SCORES.place(e.lo), _SCORES.place(e.hi)]
            sheet.line(at, [place, place], ends, color=router.colour[0], linewidth=1.2)
        sheet.line(
            at, [place], [_SCORES.place(value)], router.title, color=router.colour[0], marker=router.marker,
            markersize=4, fillstyle="none" if router.hollow else "full", linestyle="none",
        )  # fmt: skip


def curves_png(panels: Sequence[Panel], across: str) -> bytes:
    """Score over cost or a share: a panel per benchmark, names at the ends of lines. across: of its axis."""
    with _sheet(len(panels), _NAMES, across, "mean score") as sheet:
        for panel, at in zip(panels, sheet.frames, strict=True):
            _curve_panel(sheet, at, panel)
        return sheet.png()


def _curve_panel(sheet: _Sheet, at: _Frame, panel: Panel) -> None:
    ticks, rows = (
        [(axis.place(tick), tick_words(tick)) for tick in axis.labelled(gap)]
        for axis, gap in ((panel.across, ACROSS_GAP), (panel.up, UP_GAP))
    )
    sheet.frame(at, label(panel.name), panel.note, ticks, rows)
    x, y = panel.across.place, panel.up.place
    for cost, score, _ in panel.dots:
        sheet.line(
            at, [x(cost)], [y(score)], color="#6b7280", marker="o", markersize=4, fillstyle="none",
            linestyle="none",
        )  # fmt: skip
    for line, end, place in panel.labels(_LINE / at.height):
        colour = row_for(line.name).colour[0]
        xs, ys = [x(of) for of, _ in line.corners], [y(of) for _, of in line.corners]
        style = (0, DASHES[line.name]) if line.name in DASHES else "-"
        sheet.line(at, xs, ys, color=colour, linewidth=1.5, linestyle=style)
        sheet.line(at, [xs[-1], 1.02, 1.05], [end, end, place], color=colour, linewidth=0.5, alpha=0.5)
        sheet.words(at.x(1.06), at.y(place), line.words, fontsize=7, va="center")
    for point in panel.points:
        row, e = row_for(point.name), point.y
        if e.lo is not None and e.hi is not None:
            sheet.line(at, [x(point.x)] * 2, [y(e.lo), y(e.hi)], color=row.colour[0], linewidth=1.2)
        sheet.line(
            at, [x(point.x)], [y(e.value or 0.0)], color=row.colour[0], marker=row.marker, markersize=5,
            linestyle="none",
        )  # fmt: skip


_SCORE_TICKS = [(_SCORES.place(tick), f"{tick:.1f}") for tick in _SCORES.ticks]


def pixels(panels: int) -> tuple[int, int]:
    """Width and height of a figure of so many panels."""
    width, height = _inches(panels)
    return int(width * _DPI), int(height * _DPI)


def _grid(panels: int) -> tuple[int, int]:
    """Rows and columns: at most four panels side by side."""
    across = min(4, panels) if panels > 4 else min(2, panels)
    return -(-panels // across), across


def _inches(panels: int) -> tuple[float, float]:
    """Width and height of a figure of so many panels."""
    down, across = _grid(panels)
    return 2.9 * across + 0.4, 2.25 * down + 0.7


@dataclass(frozen=True)
class _Frame:
    """Where the lines of a panel are on a figure, in inches from its lower left corner."""

    left: float
    bottom: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    def x(self, share: float) -> float:
        return self.left + share * self.width

    def y(self, share: float) -> float:
        return self.bottom + share * self.height


class _Sheet:
    """A figure and the frames of its panels, row by row. Places in a panel are shares of its frame."""

    def __init__(self, figure: Figure, frames: Sequence[_Frame], room: float) -> None:
        self.figure, self.frames, self.room = figure, frames, room
        self._inches = figure.dpi_scale_trans
        self._legend: dict[str, Any] = {}

    def frame(
        self,
        at: _Frame,
        title: str,
        note: str,
        ticks: Sequence[tuple[float, str]],
        rows: Sequence[tuple[float, str]],
        upright: bool = True,
    ) -> None:
        """Axes with their words, of which the title is at the left and what is said of it at the right.

        ticks, rows: places and words across and up. upright: whether lines stand on `ticks`, too.
        """
        from matplotlib.collections import LineCollection

        x, y, tick = [at.x(place) for place, _ in ticks], [at.y(place) for place, _ in rows], 0.045
        top, bottom, left, right = at.y(1), at.bottom, at.left, at.right
        kinds = {
            _GRID: [((left, v), (right, v)) for v in y] + [((v, bottom), (v, top)) for v in x if upright],
            _EDGE: [((left, bottom), (left, top)), ((left, bottom), (right, bottom))],
            _TICKS: [((left - tick, v), (left, v)) for v in y]
            + [((v, bottom - tick), (v, bottom)) for v in x],
        }
        segments = [segment for of in kinds.values() for segment in of]
        colours = [colour for colour, of in kinds.items() for _ in of]
        lines = LineCollection(segments, colors=colours, linewidths=0.8, zorder=0, transform=self._inches)
        self.figure.add_artist(lines)
        for v, (_, words) in zip(x, ticks, strict=True):
            self.words(v, bottom - 0.09, words, color=_TICKS, ha="center", va="top")
        for v, (_, words) in zip(y, rows, strict=True):
            self.words(left - 0.09, v, words, color=_TICKS, ha="right", va="center_baseline")
        self.words(left, top + 0.11, title, fontsize=9, fontweight="bold")
        if note and len(title) + len(note) <= _FITS:
            self.words(right + self.room, top + 0.11, note, color=_TICKS, ha="right")

    def line(
        self, at: _Frame, x: Sequence[float], y: Sequence[float], title: str | None = None, **style: Any
    ) -> None:
        """A line or a marker. title: what the legend says of the first one of its name."""
        from matplotlib.lines import Line2D

        places = [at.x(share) for share in x], [at.y(share) for share in y]
        line = self.figure.add_artist(Line2D(*places, transform=self._inches, **style))
        if title is not None:
            self._legend.setdefault(title, line)

    def area(self, at: _Frame, x: Sequence[float], y: Sequence[float], colour: str) -> None:
        """What lies between the corners."""
        from matplotlib.patches import Polygon

        corners = [(at.x(across), at.y(up)) for across, up in zip(x, y, strict=True)]
        self.figure.add_artist(
            Polygon(corners, color=colour, alpha=0.14, linewidth=0, transform=self._inches)
        )

    def words(self, x: float, y: float, words: str, **style: Any) -> None:
        """Words at a place of the figure."""
        self.figure.text(x, y, words, transform=self._inches, **style)

    def png(self) -> bytes:
        """The picture, without the date and the name of the program that drew it."""
        if self._legend:
            named = [*self._legend.values()], [*self._legend]
            self.figure.legend(*named, loc="upper center", ncols=_across(self.figure.get_figwidth()))
        out = io.BytesIO()
        self.figure.savefig(out, format="png", dpi=_DPI, metadata={"Software": None})
        return out.getvalue()


def _across(width: float) -> int:
    """Columns of a legend."""
    return min(7, int(width / 1.3))


@contextmanager
def _sheet(n: int, room: float, across: str, up: str, names: int = 0) -> Iterator[_Sheet]:
    """A sheet for n panels, styled whatever the user's own style is.

    room: at the right of each panel. across, up: words of the axes of all. names: how many the legend has.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    (width, height), (down, columns) = _inches(n), _grid(n)
    left, below = _MARGIN + _AXIS, _MARGIN + _AXIS * bool(across)
    head = (2 * _MARGIN if names else _MARGIN) + _LEGEND * -(-names // _across(width))
    wide, high = (width - left - _MARGIN) / columns, (height - below - head) / down
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=(width, height))
        frames = [
            _Frame(
                left + i % columns * wide + _LEFT,
                height - head - (i // columns + 1) * high + _BELOW,
                wide - _LEFT - room,
                high - _ABOVE - _BELOW,
            )
            for i in range(n)
        ]
        sheet = _Sheet(figure, frames, room)
        middle = (frames[0].y(1) + frames[-1].bottom) / 2 if down > 1 else height / 2
        sheet.words(_MARGIN, middle, up, fontsize=9, rotation=90, va="center")
        sheet.words(width / 2, _MARGIN, across, fontsize=9, ha="center")
        yield sheet
