"""Figures of the audit's page: inline SVG with the colours of the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from routerset.release.auditing.finding import Cell, Finding
from routerset.schemas.escape import plain

WIDTH, LINE, LEFT = 320, 13, 110
MOST = 60
"""Lines of a figure."""
_MARK = "var(--accent)"
_Line = tuple[str, list[float | None]]


def specialists(finding: Finding) -> Markup | None:
    """Naive and cross-fitted scores of each category, with the naive ones of chance."""
    rows = _lines(finding, 0, (2, 3, 4))[:MOST]
    values = _values(rows)
    if not values:
        return None
    low, high = min(0.0, *values), max(0.0, *values)
    marks = [_rule(_x(0.0, low, high), len(rows))]
    for at, (name, (naive, by_chance, fitted)) in enumerate(rows):
        y = _y(at)
        marks.append(_name(name, y, f"naive {naive}, by chance {by_chance}, cross-fitted {fitted}"))
        if by_chance is not None:
            marks.append(_tick(_x(by_chance, low, high), y))
        if naive is not None:
            marks.append(_dot(_x(naive, low, high), y, hollow=True))
        if fitted is not None:
            marks.append(_dot(_x(fitted, low, high), y))
    return _svg(
        f"Specialist scores of {len(rows)} categories, from {low:.3f} to {high:.3f}", marks, len(rows)
    )


def dominance(finding: Finding) -> Markup | None:
    """Mean ranks of the best models, and what chance gives their places."""
    rows = _lines(finding, 1, (2, 3))
    values = _values(rows)
    if not values:
        return None
    high = max(values) + 1
    marks = [_rule(_x(1.0, 1.0, high), len(rows))]
    for at, (name, (rank, by_chance)) in enumerate(rows):
        marks.append(_name(name, _y(at), f"rank {rank}, by chance {by_chance}"))
        if rank is not None:
            marks.append(_dot(_x(rank, 1.0, high), _y(at)))
        if by_chance is not None:
            marks.append(_tick(_x(by_chance, 1.0, high), _y(at)))
    return _svg(f"Mean ranks from 1 to {high:.0f}", marks, len(rows))


def counts(finding: Finding) -> Markup | None:
    """Bars of what was found, with what chance gives."""
    rows = _lines(finding, 0, (1, 2))
    values = [value**0.5 for value in _values(rows)]
    if not values or not max(values):
        return None
    high, marks = max(values), list[str]()
    for at, (name, (number, by_chance)) in enumerate(rows):
        marks.append(_name(name, _y(at), f"{number}, by chance {by_chance}"))
        if number is not None:
            x = _x(number**0.5, 0.0, high)
            marks.append(
                f'<rect x="{LEFT}" y="{_y(at) - 4}" width="{x - LEFT:.1f}" height="8" '
                f'fill="{_MARK}" opacity=".6"/>'
            )
        if by_chance is not None:
            marks.append(_tick(_x(by_chance**0.5, 0.0, high), _y(at)))
    return _svg("Numbers of models and pairs", marks, len(rows))


def heat_map(finding: Finding) -> Markup | None:
    """The matrix of centred cosines, a square for each pair of categories."""
    matrix, names = finding.values.get("matrix_centred"), finding.values.get("categories")
    if not isinstance(matrix, list) or not isinstance(names, list) or not matrix:
        return None
    side = WIDTH / len(matrix)
    marks = []
    for i, row in enumerate(matrix):
        for k, value in enumerate(row if isinstance(row, list) else []):
            if value is not None:
                tip = _safe(f"{names[i]}, {names[k]}: {value:.2f}")
                marks.append(
                    f'<rect x="{k * side:.2f}" y="{i * side:.2f}" width="{side:.2f}" height="{side:.2f}" '
                    f'fill="{_MARK}" opacity="{max(0.0, min(1.0, value)):.2f}"><title>{tip}</title></rect>'
                )
    return _wrap(f"Centred cosines of {len(matrix)} categories", marks, WIDTH)


def _lines(finding: Finding, name: int, numbers: Sequence[int]) -> list[_Line]:
    """Some columns of a finding's rows: what a line is called, and its numbers."""
    return [(str(row[name]), [_number(row[k]) for k in numbers]) for row in finding.rows]


def _values(rows: Sequence[_Line]) -> list[float]:
    return [value for _, numbers in rows for value in numbers if value is not None]


def _number(cell: Cell) -> float | None:
    return None if cell is None or isinstance(cell, str) else float(cell)


def _safe(text: str) -> str:
    return str(escape(plain(text)))


def _x(value: float, low: float, high: float) -> float:
    return LEFT + (value - low) / ((high - low) or 1.0) * (WIDTH - LEFT - 8)


def _y(line: int) -> int:
    return LINE * line + LINE


def _name(name: str, y: int, tip: str) -> str:
    shown = name if len(name) <= 20 else f"{name[:19]}\u2026"
    return (
        f'<text x="{LEFT - 6}" y="{y + 3}" text-anchor="end" style="font-size:9.5px">{_safe(shown)}'
        f"<title>{_safe(f'{name}: {tip}')}</title></text>"
    )


def _dot(x: float, y: int, hollow: bool = False) -> str:
    fill = "none" if hollow else _MARK
    return f'<circle cx="{x:.1f}" cy="{y}" r="3" fill="{fill}" stroke="{_MARK}" stroke-width="1.3"/>'


def _tick(x: float, y: int) -> str:
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 5}" y2="{y + 5}" class="floor"/>'


def _rule(x: float, lines: int) -> str:
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{_y(lines)}" class="ref"/>'


def _svg(summary: str, marks: Iterable[str], lines: int) -> Markup:
    return _wrap(summary, [*marks], _y(lines) + 4)


def _wrap(summary: str, marks: Sequence[str], height: int) -> Markup:
    opening = f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{_safe(summary)}">'
    return Markup("".join([opening, *marks, "</svg>"]))
