"""A table of a report, and its text as Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from routerset.release.evaluator.results import Estimate
from routerset.release.evaluator.routers import row_for
from routerset.release.evaluator.tables import FEW
from routerset.release.evaluator.task import KINDS as GROUP_KINDS
from routerset.release.evaluator.task import OPEN, kinds_of

Cell = str | int | float | Estimate | None
KINDS = {kind: kind.replace("_", "-") for kind in GROUP_KINDS}
"""Kinds of groups by strength, in the order of Table 3."""
TITLES = {
    "arc": "ARC",
    "hellaswag": "HellaSwag",
    "mmlu": "MMLU",
    "truthfulqa": "TruthfulQA",
    "winogrande": "Winogrande",
    "gsm8k": "GSM8k",
    "ifeval": "IFEval",
    "bbh": "BBH",
    "gpqa": "GPQA",
    "musr": "MUSR",
    "math_lvl5": "MATH Lvl 5",
    "mmlu_pro": "MMLU-PRO",
}
"""Benchmarks as the paper's tables call them, in its order."""
BESIDE = {"noise_oracle": "Noise alone", "headroom_real": "Real headroom"}
"""Rows of tables that stand beside those of routers."""

SYMBOL = re.compile(r"\b(mu|V|E|r)_(\w)\b")
"""A letter and its subscript."""
_TO_ESCAPE = re.compile(SYMBOL.pattern + r"|([&%$#_{}])")


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
    """caption: says what the rows are. rows: one cell per column; an Estimate gives CSV two columns more.
    bold: (row, column) of values that stand out.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    bold: frozenset[tuple[int, int]] = frozenset()

    def estimates(self, index: int) -> bool:
        """Whether a column holds values with intervals."""
        return any(isinstance(row[index], Estimate) for row in self.rows)

    def numbers(self, index: int) -> bool:
        """Whether a column holds numbers of any sort."""
        return all(not isinstance(row[index], str) for row in self.rows)


def label(name: str) -> str:
    """What people call a benchmark, a router or a kind of group."""
    return TITLES.get(name) or kinds_shown({name}).get(name) or BESIDE.get(name) or row_for(name).title


def kinds_shown(found: Collection[str]) -> dict[str, str]:
    """Kinds of groups that stand side by side, and their words: those by strength; `open` where it is found.

    found: kinds of the groups at hand.
    """
    if OPEN not in found:
        return KINDS
    return {kind: words for kind, words in (KINDS | {OPEN: OPEN}).items() if kind in found}


def over_kinds(method: str) -> str:
    """What values of all kinds of groups of a method are."""
    return "one group of each size" if kinds_of(method) == (OPEN,) else "means over the three kinds of groups"


def number(value: float | None, digits: int) -> str:
    """A value with a fixed number of decimals, "-" where undefined; never -0."""
    return "-" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


def text(cell: Cell, column: Column, interval: str = "{value} [{lo}, {hi}]", bare: str = "{value}") -> str:
    """A cell for people. interval, bare: templates for a value with its limits, and without."""
    if isinstance(cell, Estimate):
        parts = {k: number(getattr(cell, k), column.digits) for k in ("value", "lo", "hi")}
        template = interval if cell.lo is not None else bare if cell.value is not None else "{value}"
        return template.format(**parts) + FEW * cell.few_items
    if isinstance(cell, float):
        return number(cell, column.digits)
    if column.key == "kind":
        return KINDS.get(str(cell), str(cell))  # "mean" is a router, too
    return "-" if cell is None else label(str(cell))


def tell(estimate: Estimate, digits: int = 3) -> str:
    """A value with its interval, on one line."""
    return text(estimate, Column("", "", digits=digits))


def to_markdown(grid: Grid) -> str:
    """Caption and table; 95% intervals below each value."""
    heads = [column.title.replace("|", "\\|") for column in grid.columns]
    lines = [grid.caption, ""] if grid.caption else []
    lines += [
        "| " + " | ".join(heads) + " |",
        "|" + "".join("---:|" if grid.numbers(i) else "---|" for i in range(len(heads))),
    ]
    templates = ("{value}<br><sub>{lo}..{hi}</sub>", "**{value}**<br><sub>{lo}..{hi}</sub>", "**{value}**")
    lines += ["| " + " | ".join(cells) + " |" for cells in _texts(grid, *templates)]
    return "\n".join(lines) + "\n"


def to_latex(grid: Grid) -> str:
    """A `longtable` (needs booktabs and longtable); intervals as sub- and superscripts."""
    kinds = "".join("r" if grid.numbers(i) else "l" for i in range(len(grid.columns)))
    lines = [
        rf"{{\scriptsize\begin{{longtable}}{{{kinds}}}",
        rf"\caption{{{latex(grid.caption)}}}\\\toprule",
        " & ".join(latex(column.title) for column in grid.columns) + r" \\\midrule\endhead",
        *(" & ".join(cells) + r" \\" for cells in latex_rows(grid)),
    ]
    return "\n".join([*lines, r"\bottomrule\end{longtable}}", ""])


def latex_rows(grid: Grid) -> Iterator[list[str]]:
    """Cells of each row, for LaTeX."""
    bold = r"$\mathbf{{{value}}}"
    templates = ("${value}_{{{lo}}}^{{{hi}}}$", bold + "_{{{lo}}}^{{{hi}}}$", bold + "$")
    for row, cells in zip(grid.rows, _texts(grid, *templates), strict=True):
        yield [
            c.replace(FEW, r"$\sim$") if isinstance(of, Estimate) else latex(c)
            for of, c in zip(row, cells, strict=True)
        ]


def _texts(grid: Grid, interval: str, bold: str, bold_alone: str) -> Iterator[list[str]]:
    """Cells of each row as text. interval, bold: templates of a value with limits; bold_alone: without."""
    for i, row in enumerate(grid.rows):
        yield [
            text(cell, column, *((bold, bold_alone) if (i, k) in grid.bold else (interval,)))
            for k, (cell, column) in enumerate(zip(row, grid.columns, strict=True))
        ]


def latex(words: str) -> str:
    """Words for LaTeX, their symbols such as V_B in math mode."""
    escaped = _TO_ESCAPE.sub(
        lambda m: "\\" + m[3] if m[3] else f"${m[1]}_{m[2]}$".replace("mu", r"\mu"), words
    )
    return escaped.replace(FEW, r"$\sim$")


def to_csv(grid: Grid) -> str:
    """Names as in the release's data; three columns (value, `_lo`, `_hi`) for a value with its interval."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    wide = [grid.estimates(i) for i in range(len(grid.columns))]
    writer.writerow(
        column.key + suffix
        for column, is_wide in zip(grid.columns, wide, strict=True)
        for suffix in (("", "_lo", "_hi") if is_wide else ("",))
    )
    for row in grid.rows:
        values: list[str | int | float | None] = []
        for cell, is_wide in zip(row, wide, strict=True):
            if isinstance(cell, Estimate):
                values += [cell.value, cell.lo, cell.hi]
            else:
                values += [cell, None, None] if is_wide else [cell]
        writer.writerow(values)
    return out.getvalue()
