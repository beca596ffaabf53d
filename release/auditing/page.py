"""The page of an audit: one HTML file without a link to any other host, in the style of the report's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from routerset.release.auditing import figures
from routerset.release.auditing.audit import Audited, rows_of
from routerset.release.auditing.detectors import DETECTORS
from routerset.release.auditing.finding import Cell, Detector, Finding
from routerset.release.pages import page_template
from routerset.release.reporting.page import SCRIPT, STYLE
from routerset.schemas.escape import plain

TEMPLATE = Path(__file__).with_name("audit.html.jinja")
MOST = 500
"""Rows of a table on the page."""


@dataclass(frozen=True)
class _Drawn:
    """A figure of each benchmark's finding, and how to read it."""

    draw: Callable[[Finding], Markup | None]
    legend: str


_FIGURES: Mapping[str, _Drawn] = {
    "specialists": _Drawn(
        figures.specialists,
        "A line for each category: a ring for the naive score, a dot for the cross-fitted one, a tick for "
        "what the naive score is by chance. A ring at its tick, with its dot at 0, is no specialist.",
    ),
    "dominance": _Drawn(
        figures.dominance,
        "Mean ranks of the five best models, from 1 on the left to the middle rank; ticks are the ranks that "
        "the best five have by chance, where models differ in ability alone.",
    ),
    "twins": _Drawn(
        figures.counts,
        "Bars are what was found, on a scale of roots; ticks are what chance alone gives.",
    ),
    "redundancy": _Drawn(
        figures.heat_map,
        "Centred cosines of categories, in the order of the table: dark is near, light is far. By chance the "
        "square is as light as the diagonal's neighbours are on average; a dark block is one thing twice.",
    ),
}


@dataclass(frozen=True)
class _Section:
    detector: Detector
    findings: list[tuple[str, Finding]]
    figures: list[tuple[str, Markup]]
    legend: str
    heads: list[tuple[str, bool]]
    rows: list[list[str]]
    more: int


def render_audit(source: str, found: Sequence[Audited]) -> str:
    """The page. The same findings give the same text."""
    return page_template(TEMPLATE).render(
        source=source,
        found=found,
        sections=[_section(detector, found) for detector in DETECTORS.values()],
        style=Markup(STYLE.read_text(encoding="utf-8")),
        script=Markup(SCRIPT.read_text(encoding="utf-8")),
    )


def _section(detector: Detector, found: Sequence[Audited]) -> _Section:
    rows = [*rows_of(detector, found)]
    numbers = [
        bool(rows) and all(not isinstance(row[k], str) for row in rows)
        for k in range(len(detector.columns) + 1)
    ]
    drawn = _FIGURES.get(detector.name)
    findings = [(one.benchmark, one.findings[detector.name]) for one in found]
    pictures = [(name, drawn.draw(finding)) for name, finding in findings] if drawn else []
    return _Section(
        detector,
        findings,
        [(name, picture) for name, picture in pictures if picture is not None],
        drawn.legend if drawn else "",
        [*zip(("Benchmark", *(title for _, title in detector.columns)), numbers, strict=True)],
        [[_cell(cell) for cell in row] for row in rows[:MOST]],
        max(0, len(rows) - MOST),
    )


def _cell(cell: Cell) -> str:
    """A cell as typeset: a real minus sign, and a dash where it is undefined."""
    if cell is None:
        return "\u2013"
    if isinstance(cell, str):
        return plain(cell)
    return (f"{cell:,}" if isinstance(cell, int) else f"{cell:,.3f}").replace("-", "\u2212")
