"""Tables for LaTeX that fit the text of an A4 page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from .layouts import Column, Record, View, is_bound, layout_of, limits_of, text_of, told
from .plain import plain
from .tables import FEW

PAGE = 45
"""Lines of a LaTeX table that floats; a longer one breaks across pages."""
TEXT_WIDTH = 345
"""Points between the margins of an A4 page of class article, portrait."""
SIZES = {"small": 9, "footnotesize": 8, "scriptsize": 7, "tiny": 5}
"""Of letters, in points."""
GAP = 3
"""Points on each side of a column."""


def to_latex(view: View, shown: Sequence[Record]) -> str:
    """A table that fits the text of an A4 page, with booktabs; a comment says what else it needs.

    The size is the largest of `SIZES` in which it fits, by the number of characters; none: it is scaled down.
    """
    layout = layout_of(view, shown)
    places, columns = layout.places, layout.columns
    blocks: list[str] = []
    wide = [len(column.head) + 0.0 for column in columns]
    n_lines = 0
    for head, block in groupby(shown, lambda record: ", ".join(told(record, places))):
        rows = []
        for record in block:
            cells = []
            for i, column in enumerate(columns):
                value, limits = text_of(record, column), limits_of(record, column, "[{},{}]", short_zero=True)
                wide[i] = max(wide[i], len(value) + 0.75 * len(limits))
                cells.append(_latex_cell(record, column, value, limits))
            rows.append(" & ".join(cells) + r" \\")
        if head:
            rows.insert(0, rf"\multicolumn{{{len(columns)}}}{{l}}{{\textbf{{{latex(head)}}}}} \\")
        n_lines += len(rows)
        blocks.append("\n".join(rows))
    points = 2 * GAP * (len(columns) - 1)
    fits = [size for size, em in SIZES.items() if sum(wide) * em * 0.52 + points <= TEXT_WIDTH]
    kinds = "@{}" + "".join("r" if layout.is_number(column) else "l" for column in columns) + "@{}"
    heads = " & ".join(latex(column.head, symbols=True) for column in columns) + r" \\"
    title = rf"\caption{{{latex(layout.caption, symbols=True)}}}\label{{tab:{view.name}}}"
    body = "\n\\addlinespace\n".join(blocks)
    size = fits[0] if fits else [*SIZES][-1]
    setup = rf"\{size}\setlength{{\tabcolsep}}{{{GAP}pt}}"
    if n_lines > PAGE:
        lines = [
            r"% needs \usepackage{booktabs} and \usepackage{longtable}",
            rf"{{{setup}\begin{{longtable}}{{{kinds}}}",
            rf"{title}\\",
            rf"\toprule {heads} \midrule\endfirsthead",
            rf"\toprule {heads} \midrule\endhead",
            r"\bottomrule\endfoot",
            body,
            r"\end{longtable}}",
        ]
        return "\n".join(lines)
    tabular = "\n".join(
        [
            rf"\begin{{tabular}}{{{kinds}}}",
            rf"\toprule {heads} \midrule",
            body,
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )
    scaled = "" if fits else " and \\usepackage{graphicx}"
    lines = [
        rf"% needs \usepackage{{booktabs}}{scaled}",
        r"\begin{table}",
        rf"\centering{setup}",
        title,
        tabular if fits else rf"\resizebox{{\textwidth}}{{!}}{{%{chr(10)}{tabular}}}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _latex_cell(record: Record, column: Column, value: str, limits: str) -> str:
    known = record.get(column.key)
    if known is None:
        return "--"
    if isinstance(known, bool) or not isinstance(known, int | float):
        return latex(value) + ("$^{*}$" if is_bound(record, column) else "")
    mark = r"\sim" if limits.endswith(FEW) else ""
    below = f"_{{{limits.removesuffix(FEW)}{mark}}}" if limits else ""
    return _EXPONENT.sub(lambda m: rf"\cdot10^{{{int(m[1])}}}", f"${value}{below}$")


_EXPONENT = re.compile(r"e([+-]\d+)")
SYMBOL = re.compile(r"\b(mu|V|E|r)_(\w)\b")
"""A letter and its subscript."""
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\symbol{34}",
    "`": r"\textasciigrave{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{character: f"{{{character}}}" for character in "[]*-"},  # as options of \\, or in ligatures
}


def latex(text: str, symbols: bool = False) -> str:
    """Text that LaTeX shows as it is. symbols: those such as V_B in math mode.

    What the fonts of pdflatex do not have, beyond the Latin letters, is told as U+ and its number.
    """
    found, start, text = [], 0, plain(text)
    for match in SYMBOL.finditer(text) if symbols else ():
        found += [_escaped(text[start : match.start()]), f"${match[1]}_{match[2]}$".replace("mu", r"\mu")]
        start = match.end()
    told = "".join([*found, _escaped(text[start:])])
    return told.replace(_LATEX[FEW], r"$\sim$") if symbols else told


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(c) or (c if c < "\u0180" and c != "\xad" else f"U+{ord(c):04X}") for c in text)
