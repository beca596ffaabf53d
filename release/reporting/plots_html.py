"""Figures of the page: inline SVG with the colours of the page, legible on light and on dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from routerset.release.evaluator.routers import row_for
from routerset.release.evaluator.scaling import PROBABILITIES, Curve, spread_sizes
from routerset.release.reporting.colours import css
from routerset.release.reporting.grid import KINDS, label, number, tell
from routerset.release.reporting.panels import (
    ACROSS_GAP,
    DASHES,
    UP_GAP,
    Panel,
    pool_axis,
    spread,
    tick_words,
)
from routerset.release.reporting.paper_tables import KindRow, beside, placed
from routerset.release.reporting.plots_png import BANDS

WIDTH, HEIGHT = 320, 236
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 8, 22, 44
_VALUES = 44
"""Room for values of p at the ends of lines."""
_LABELS = 112
"""Room for names at the ends of lines."""
_LINE = 13.5 / (HEIGHT - _TOP - _BOTTOM)
"""Height of a line of words, of 1."""
_MARKERS = {
    "o": "m-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0-6.8 0z",
    "s": "m-3.4-3.4h6.8v6.8h-6.8z",
    "^": "m0-4.2l4 7.2h-8z",
    "v": "m0 4.2l4-7.2h-8z",
    "D": "m0-4.4l4.4 4.4l-4.4 4.4l-4.4-4.4z",
    "P": "m-1.3-3.9h2.6v2.6h2.6v2.6h-2.6v2.6h-2.6v-2.6h-2.6v-2.6h2.6z",
    "x": "m0-1l2.9-2.9l1 1l-2.9 2.9l2.9 2.9l-1 1l-2.9-2.9l-2.9 2.9l-1-1l2.9-2.9l-2.9-2.9l1-1z",
}
"""Matplotlib's name of a marker -> its outline, from its middle."""


def scaling_panel(curve: Curve) -> Markup:
    """One benchmark of Figure 2: r_o(p) over m, with bands that hold 95% of the subsets."""
    sizes = spread_sizes(curve.pool)
    axis = pool_axis(curve.pool)
    xs = [_x(axis.place(int(m)), _VALUES) for m in sizes]
    marks = []
    for p in PROBABILITIES:
        mean, low, high = (values.tolist() for values in curve.mean_and_band(p, sizes))
        band = [*zip(xs, map(_y, high), strict=True), *reversed([*zip(xs, map(_y, low), strict=True)])]
        style = css(p)
        tip = f"r_o({p:g}): {number(mean[0], 3)} with 1 candidate, {number(mean[-1], 3)} with {curve.pool}"
        if p in BANDS:
            marks.append(f'<polygon points="{_points(band)}" fill="{style}" class="band"/>')
        line = _points(zip(xs, map(_y, mean), strict=True))
        marks.append(
            f'<polyline points="{line}" stroke="{style}" class="line"><title>{tip}</title></polyline>'
        )
    if curve.reference_score is not None:
        marks.append(_reference(curve.reference_model or "reference LLM", curve.reference_score))
    right = WIDTH - _VALUES
    last = [float(curve.mean(p, (curve.pool,))[0]) for p in PROBABILITIES]
    for p, end, place in zip(PROBABILITIES, last, spread(last, _LINE), strict=True):
        leader = _points([(right, _y(end)), (right + 5, _y(place))])
        marks.append(
            f'<g style="color:{css(p)}"><polyline points="{leader}" class="leader"/></g>'
            f'<text x="{right + 7}" y="{_y(place) + 4:.1f}" class="name">{"p = " * (p == 1)}{p:g}</text>'
        )
    ticks = [(_x(axis.place(m), _VALUES), f"{m:,.0f}") for m in axis.labelled(ACROSS_GAP)]
    ends_of = {p: curve.mean(p, (1, curve.pool)) for p in (0.0, 0.5, 1.0)}
    summary = f"{label(curve.benchmark)}, {curve.pool} models: " + "; ".join(
        f"r_o({p:g}) goes from {number(float(v[0]), 2)} to {number(float(v[-1]), 2)}"
        for p, v in ends_of.items()
    )
    return _framed(summary, ticks, _SCORES, marks, _VALUES, "candidates m, log scale")


def _reference(name: str, score: float) -> str:
    """A dashed line, explained in the corner below all curves."""
    y, right = _y(score), WIDTH - _VALUES
    words = f"- - {escape(name)} {number(score, 2)}"
    return (
        f'<line x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" class="ref"/>'
        f'<text x="{right - 3}" y="{_y(0.05):.1f}" text-anchor="end">{words}</text>'
    )


def kinds_panel(rows: Sequence[KindRow], floors: Sequence[KindRow]) -> Markup:
    """One benchmark of Figure 3: mu_o of each router in the three kinds of groups. rows: of one m.

    floors: what noise alone reaches, a line below the routers of each kind.
    """
    marks = []
    floors = beside(floors, rows[0].benchmark, rows[0].m)
    for row, k, _, value, e in placed(floors, 0):
        tip = f"{label(row.router)}, {[*KINDS.values()][k]}: {tell(e)}"
        ends = f'x1="{_x((k + 0.08) / len(KINDS)):.1f}" x2="{_x((k + 0.92) / len(KINDS)):.1f}"'
        line = f'<line {ends} y1="{_y(value):.1f}" y2="{_y(value):.1f}" class="floor"/>'
        if e.lo is not None and e.hi is not None:
            left, right = (_x((k + share) / len(KINDS)) for share in (0.08, 0.92))
            line += (
                f'<rect x="{left:.1f}" y="{_y(e.hi):.1f}" width="{right - left:.1f}" '
                f'height="{_y(e.lo) - _y(e.hi):.1f}" class="worlds"/>'
            )
        marks.append(f"<g><title>{escape(tip)}</title>{line}</g>")
    for row, k, offset, value, e in placed(rows, 0.76):
        x, y = _x((k + 0.5 + offset) / len(KINDS)), _y(value)
        tip = f"{label(row.router)}, {[*KINDS.values()][k]}: {tell(e)}"
        shape = _marker(row.router, x, y)
        if e.lo is not None and e.hi is not None:
            ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{_y(e.lo):.1f}" y2="{_y(e.hi):.1f}"'
            shape = f'<line {ends} class="whisker"/>{shape}'
        colour = f"color:{css(row.router)}"
        marks.append(f'<g style="{colour}" class="mark"><title>{escape(tip)}</title>{shape}</g>')
    ticks = [(_x((k + 0.5) / len(KINDS)), words) for k, words in enumerate(KINDS.values())]
    summary = f"{label(rows[0].benchmark)}, m = {rows[0].m}: " + "; ".join(
        f"{label(row.router)} "
        + ", ".join(f"{KINDS[k]} {number(row.kinds[k].value, 2)}" for k in KINDS if k in row.kinds)
        for row in [*rows, *floors]
    )
    return _framed(summary, ticks, _SCORES, marks, _RIGHT, "kind of group")


def curve_panel(panel: Panel, across: str) -> Markup:
    """Lines with their names at their ends, points with intervals, and dots. across: what its axis counts."""

    def x(value: float) -> float:
        return _x(panel.across.place(value), _LABELS)

    def y(value: float) -> float:
        return _y(panel.up.place(value))

    marks = [
        f'<g class="dot"><title>{escape(name)}: {number(score, 3)} at {tick_words(cost)}</title>'
        f'<circle cx="{x(cost):.1f}" cy="{y(score):.1f}" r="3"/></g>'
        for cost, score, name in panel.dots
    ]
    right = WIDTH - _LABELS
    for line, end, place in panel.labels(_LINE):
        corners = [(x(a), y(b)) for a, b in line.corners]
        on, off = DASHES.get(line.name, (1, 0))
        tip = f"<title>{escape(line.words)}</title>"
        leader = [corners[-1], (right + 3, _y(end)), (right + 9, _y(place))]
        marks.append(
            f'<g style="color:{css(line.name)}"><polyline points="{_points(corners)}" class="line" '
            f'stroke-dasharray="{on} {off}">{tip}</polyline><polyline points="{_points(leader)}" '
            f'class="leader"/></g><text x="{right + 12}" y="{_y(place) + 4:.1f}" class="name">'
            f"{escape(line.words)}</text>"
        )
    for point in panel.points:
        at, e = x(point.x), point.y
        shape = _marker(point.name, at, y(e.value or 0.0))
        if e.lo is not None and e.hi is not None:
            ends = f'x1="{at:.1f}" x2="{at:.1f}" y1="{y(e.lo):.1f}" y2="{y(e.hi):.1f}"'
            shape = f'<line {ends} class="whisker"/>{shape}'
        tip = f"{label(point.name)}, no budget: {tell(e)} at {tick_words(point.x)}"
        colour = f"color:{css(point.name)}"
        marks.append(f'<g style="{colour}" class="mark"><title>{escape(tip)}</title>{shape}</g>')
    ticks = [(x(tick), tick_words(tick)) for tick in panel.across.labelled(ACROSS_GAP)]
    rows = [(y(tick), tick_words(tick)) for tick in panel.up.labelled(UP_GAP)]
    return _framed(panel.summary, ticks, rows, marks, _LABELS, across)


def key(router: str) -> Markup:
    """The marker of a router, for a legend."""
    style = f'style="color:{css(router)}"'
    return Markup(
        f'<svg class="key" viewBox="0 0 14 14" aria-hidden="true" {style}>{_marker(router, 7, 7)}</svg>'
    )


def _marker(router: str, x: float, y: float) -> str:
    """A marker; routers differ in shape as well as colour."""
    row = row_for(router)
    shape = _MARKERS.get(row.marker, _MARKERS["v"])
    hollow = ' class="hollow"' if row.hollow else ""
    return f'<path d="M{x:.1f} {y:.1f}{shape}"{hollow}/>'


def _framed(
    summary: str,
    ticks: Sequence[tuple[float, str]],
    rows: Sequence[tuple[float, str]],
    marks: Sequence[str],
    right: float,
    across: str,
) -> Markup:
    """A panel: horizontal lines, words beside them and below, then the marks.

    right: room beside it. across: what the lower axis counts; the other one is of mean scores.
    """
    axes = []
    for y, words in rows:
        axes.append(f'<line x1="{_LEFT}" x2="{WIDTH - right}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        axes.append(f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{words}</text>')
    for x, words in ticks:
        axes.append(f'<text x="{x:.1f}" y="{HEIGHT - 26}" text-anchor="middle">{words}</text>')
    axes.append('<text x="2" y="11" class="axis-title">mean score</text>')
    axes.append(
        f'<text x="{WIDTH - right:.0f}" y="{HEIGHT - 7}" text-anchor="end" class="axis-title">'
        f"{escape(across)}</text>"
    )
    opening = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(summary)}">'
    return Markup("".join([opening, *axes, *marks, "</svg>"]))


def _x(share: float, right: float = _RIGHT) -> float:
    return _LEFT + share * (WIDTH - _LEFT - right)


def _y(score: float) -> float:
    return HEIGHT - _BOTTOM - score * (HEIGHT - _TOP - _BOTTOM)


_SCORES = [(_y(score), f"{score:g}") for score in (0, 0.2, 0.4, 0.6, 0.8, 1)]
"""Places and words of an axis of scores from 0 to 1."""


def _points(pairs: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)
