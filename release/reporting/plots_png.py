"""Figures 2 and 3 of the paper as PNG."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from routerset.release.evaluator.routers import row_for
from routerset.release.evaluator.scaling import PROBABILITIES, Curve, spread_sizes
from routerset.release.reporting.colours import RAMP
from routerset.release.reporting.grid import KINDS, label
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BANDS = (0.0, 1.0)
"""The p whose bands Figure 2 shows: those of all six would hide each other."""
_DPI = 150
_STYLE: dict[Any, object] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9aa3af",
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8eaee",
    "xtick.color": "#4b5563",
    "ytick.color": "#4b5563",
    "legend.frameon": False,
}


def scaling_png(curves: Sequence[Curve]) -> bytes:
    """Figure 2: accuracy of r_o(p) over the number of candidates, a panel per benchmark."""
    with _panels(len(curves)) as (figure, axes):
        for curve, ax in zip(curves, axes, strict=True):
            _scaling_panel(ax, curve)
        figure.supxlabel("number of candidates m (log scale)", fontsize=9)
        figure.supylabel("mean score", fontsize=9)
        return _png(figure, axes[0])


def _scaling_panel(ax: Axes, curve: Curve) -> None:
    sizes = spread_sizes(curve.pool)
    for p in reversed(PROBABILITIES):
        mean, low, high = curve.mean_and_band(p, sizes)
        title = "random, p = 0" if p == 0 else "oracle, p = 1" if p == 1 else f"p = {p:g}"
        ax.plot(sizes, mean, color=RAMP[p][0], linewidth=1.6, label=title)
        if p in BANDS:
            ax.fill_between(sizes, low, high, color=RAMP[p][0], alpha=0.14, linewidth=0)
    ends = [float(curve.mean(p, (curve.pool,))[0]) for p in PROBABILITIES]
    for p, place in zip(PROBABILITIES, spread(ends, 0.075), strict=True):
        ax.annotate(
            f"{p:g}", (1, place), xycoords=("axes fraction", "data"), xytext=(3, 0),
            textcoords="offset points", fontsize=7, va="center",
        )  # fmt: skip
    _reference(ax, curve.reference_score)
    ax.set_xscale("log")
    ax.set_xlim(1, max(curve.pool, 2))
    ticks = pool_axis(curve.pool).labelled(ACROSS_GAP)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_title(f"{label(curve.benchmark)}  (pool of {curve.pool:,})")


def kinds_png(rows: Sequence[KindRow], floors: Sequence[KindRow]) -> bytes:
    """Figure 3: mu_o by kind of group with 95% intervals, a panel per benchmark. rows: of one m.

    floors: what noise alone reaches, a line below the routers of each kind.
    """
    benchmarks = list(dict.fromkeys(row.benchmark for row in rows))
    with _panels(len(benchmarks)) as (figure, axes):
        for name, ax in zip(benchmarks, axes, strict=True):
            for floor, x, _, value, _ in placed(beside(floors, name, rows[0].m), 0):
                ax.plot(
                    [x - 0.42, x + 0.42], [value, value],
                    color="#111827", linewidth=1.1, zorder=1.5, label=label(floor.router),
                )  # fmt: skip
            _kinds_panel(ax, [row for row in rows if row.benchmark == name])
            ax.set_title(label(name))
        figure.supylabel(f"mean score of the chosen LLMs (m = {rows[0].m})", fontsize=9)
        return _png(figure, *axes)


def _kinds_panel(ax: Axes, rows: Sequence[KindRow]) -> None:
    for row, x, offset, value, estimate in placed(rows, 0.72):
        at = x + offset
        router = row_for(row.router)
        colour = router.colour[0]
        if estimate.lo is not None and estimate.hi is not None:
            ax.plot([at, at], [estimate.lo, estimate.hi], color=colour, linewidth=1.2)
        ax.plot(
            [at], [value], router.marker, color=colour, markersize=4,
            fillstyle="none" if router.hollow else "full",
            label=router.title if x == 0 else None,
        )  # fmt: skip
    ax.set_xticks(range(len(KINDS)), list(KINDS.values()))
    ax.set_xlim(-0.5, len(KINDS) - 0.5)
    ax.grid(axis="x", visible=False)


def curves_png(panels: Sequence[Panel], across: str) -> bytes:
    """Score over cost or a share: a panel per benchmark, names at the ends of lines. across: of its axis."""
    with _panels(len(panels)) as (figure, axes):
        for panel, ax in zip(panels, axes, strict=True):
            _curve_panel(ax, panel)
        figure.supxlabel(across, fontsize=9)
        figure.supylabel("mean score", fontsize=9)
        return _png(figure)


def _curve_panel(ax: Axes, panel: Panel) -> None:
    if panel.across.log:
        ax.set_xscale("log")
    ax.set_xlim(panel.across.low, panel.across.high)
    ax.set_ylim(panel.up.low, panel.up.high)
    across, up = panel.across.labelled(ACROSS_GAP), panel.up.labelled(UP_GAP)
    ax.set_xticks(across, [tick_words(tick) for tick in across])
    ax.set_yticks(up, [tick_words(tick) for tick in up])
    ax.minorticks_off()
    for x, y, _ in panel.dots:
        ax.plot([x], [y], "o", color="#6b7280", markersize=4, fillstyle="none", clip_on=False)
    for line, end, place in panel.labels(0.075):
        colour = row_for(line.name).colour[0]
        xs, ys = zip(*line.corners, strict=True)
        style = (0, DASHES[line.name]) if line.name in DASHES else "-"
        ax.plot(xs, ys, color=colour, linewidth=1.5, linestyle=style, clip_on=False)
        reached = panel.across.place(xs[-1])
        ax.plot(
            [reached, 1.02, 1.05], [end, end, place], color=colour, linewidth=0.5, alpha=0.5, clip_on=False,
            transform=ax.transAxes,
        )  # fmt: skip
        ax.text(1.06, place, line.words, transform=ax.transAxes, fontsize=7, va="center")
    for point in panel.points:
        row, e = row_for(point.name), point.y
        if e.lo is not None and e.hi is not None:
            ax.plot([point.x, point.x], [e.lo, e.hi], color=row.colour[0], linewidth=1.2)
        ax.plot([point.x], [e.value or 0.0], row.marker, color=row.colour[0], markersize=5, clip_on=False)
    ax.set_title(f"{label(panel.name)}  ({panel.note})" if len(panel.note) < 26 else label(panel.name))


def _reference(ax: Axes, score: float | None) -> None:
    if score is not None:
        ax.axhline(score, color="#374151", linewidth=1, linestyle=(0, (4, 3)), label="reference LLM")


def pixels(panels: int) -> tuple[int, int]:
    """Width and height of a figure of so many panels."""
    width, height = _inches(panels)
    return int(width * _DPI), int(height * _DPI)


def _grid(panels: int) -> tuple[int, int]:
    """Rows and columns: at most four panels side by side."""
    across = min(4, panels) if panels > 4 else min(2, panels)
    return -(-panels // across), across


def _inches(panels: int) -> tuple[float, float]:
    down, across = _grid(panels)
    return 2.9 * across + 0.4, 2.25 * down + 0.7


@contextmanager
def _panels(n: int) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of n panels, styled whatever the user's own style is."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=_inches(n), layout="constrained")
        axes = [figure.add_subplot(*_grid(n), i + 1) for i in range(n)]
        for ax in axes:
            ax.set_ylim(-0.02, 1.03)
            ax.set_yticks(np.linspace(0, 1, 6))
        yield figure, axes


def _png(figure: Figure, *axes: Axes) -> bytes:
    """The picture, without the date and the name of the program that drew it. axes: those of its legend."""
    shown = {
        words: handle for ax in axes for handle, words in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    if shown:
        figure.legend(list(shown.values()), list(shown), loc="outside upper center", ncols=7)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=_DPI, metadata={"Software": None})
    return out.getvalue()
