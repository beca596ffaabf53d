"""A table of a report, and its text as Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

from routerset.release.evaluator.paper_tables import ROUTER_TITLES, TITLES
from routerset.release.evaluator.results import Estimate

Cell = str | int | float | Estimate | None
KINDS = {"all_strong": "all-strong", "all_weak": "all-weak", "strong_to_weak": "strong-to-weak"}
"""Kinds of groups, in the order of Table 3."""

_SYMBOL = re.compile(r"\b(mu|V|E|r)_(\w)\b")


@dataclass(frozen=True)
class Column:
    """key: its name in CSV. title: for people. choose: the page offers to filter by its values; bar: the page
    draws its values, which lie between 0 and 1. digits: decimals shown to people.
    """

    key: str
    title: str
    choose: bool = False
    bar: bool = False
    digits: int = 3


@dataclass(frozen=True)
class Grid:
    """caption: says what the rows are. rows: one cell per column; an Estimate gives CSV two columns more."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def estimates(self, index: int) -> bool:
        """Whether a column holds values with intervals."""
        return any(isinstance(row[index], Estimate) for row in self.rows)

    def numbers(self, index: int) -> bool:
        """Whether a column holds numbers of any sort."""
        return all(not isinstance(row[index], str) for row in self.rows)


def label(name: str) -> str:
    """What people call a benchmark, a router or a kind of group."""
    return TITLES.get(name) or ROUTER_TITLES.get(name) or KINDS.get(name, name)


def number(value: float | None, digits: int) -> str:
    """A value with a fixed number of decimals, "-" where undefined; never -0."""
    return "-" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


def text(cell: Cell, column: Column, interval: str = "{value} [{lo}, {hi}]") -> str:
    """A cell for people. interval: template for a value with its limits."""
    if isinstance(cell, Estimate):
        parts = {k: number(getattr(cell, k), column.digits) for k in ("value", "lo", "hi")}
        return parts["value"] if cell.lo is None else interval.format(**parts)
    if isinstance(cell, float):
        return number(cell, column.digits)
    return "-" if cell is None else label(str(cell))


def to_markdown(grid: Grid) -> str:
    """Caption and table; 95% intervals below each value."""
    heads = [column.title.replace("|", "\\|") for column in grid.columns]
    lines = [
        grid.caption,
        "",
        "| " + " | ".join(heads) + " |",
        "|" + "".join("---:|" if grid.numbers(i) else "---|" for i in range(len(heads))),
    ]
    for row in grid.rows:
        cells = (
            text(cell, column, "{value}<br><sub>{lo}..{hi}</sub>")
            for cell, column in zip(row, grid.columns, strict=True)
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def to_latex(grid: Grid) -> str:
    """A `longtable` (needs booktabs and longtable); intervals as sub- and superscripts."""
    kinds = "".join("r" if grid.numbers(i) else "l" for i in range(len(grid.columns)))
    lines = [
        rf"{{\scriptsize\begin{{longtable}}{{{kinds}}}",
        rf"\caption{{{_latex(grid.caption)}}}\\\toprule",
        " & ".join(_latex(column.title) for column in grid.columns) + r" \\\midrule\endhead",
    ]
    for row in grid.rows:
        cells = (
            text(cell, column, "${value}_{{{lo}}}^{{{hi}}}$")
            if isinstance(cell, Estimate)
            else _latex(text(cell, column))
            for cell, column in zip(row, grid.columns, strict=True)
        )
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule\end{longtable}}", ""])


def _latex(words: str) -> str:
    """Words for LaTeX, their symbols such as V_B in math mode."""
    parts = []
    end = 0
    for match in _SYMBOL.finditer(words):
        letter = match[1].replace("mu", r"\mu")
        parts += [_escape(words[end : match.start()]), f"${letter}_{match[2]}$"]
        end = match.end()
    return "".join([*parts, _escape(words[end:])])


def _escape(words: str) -> str:
    return re.sub(r"([&%$#_{}])", r"\\\1", words)


def to_csv(grid: Grid) -> str:
    """Names as in the release's data; three columns (value, `_lo`, `_hi`) for a value with its interval."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    wide = [grid.estimates(i) for i in range(len(grid.columns))]
    suffixes = [("", "_lo", "_hi") if w else ("",) for w in wide]
    writer.writerow(c.key + s for c, of_column in zip(grid.columns, suffixes, strict=True) for s in of_column)
    for row in grid.rows:
        values: list[str | int | float | None] = []
        for cell, is_wide in zip(row, wide, strict=True):
            if isinstance(cell, Estimate):
                values += [cell.value, cell.lo, cell.hi]
            else:
                values += [cell, None, None] if is_wide else [cell]
        writer.writerow(values)
    return out.getvalue()
