"""Results in the formats of other programs: any flat dictionaries.

CSV and JSON have every field; Markdown and LaTeX the columns of a `View`, of which each sort of results
has one.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence

from .latex import to_latex
from .layouts import Record, View, columns_of, in_rows, is_bound, layout_of, limits_of, text_of
from .plain import plain


def to_csv(records: Sequence[Record]) -> str:
    """RFC 4180, but that lines end in LF; null is empty, and truth is true or false.

    Control characters of a text are escaped as in Python, and one that a spreadsheet would take for a formula
    has an apostrophe before it.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    keys = columns_of(records)
    writer.writerow(_cell(key) for key in keys)
    writer.writerows([_cell(record.get(key)) for key in keys] for record in records)
    return out.getvalue().rstrip("\n")


_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def _cell(value: object) -> str | int | float | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, int | float):
        return value
    text = plain(value if isinstance(value, str) else json.dumps(value))
    return f"'{text}" if _FORMULA.match(text) else text


def to_markdown(view: View, shown: Sequence[Record]) -> str:
    """A table as GitHub renders it, its caption above."""
    layout = layout_of(view, shown)
    places, columns = layout.places, layout.columns
    heads = [*(column.key for column in places), *(column.head for column in columns)]
    numeric = [layout.is_number(column) for column in (*places, *columns)]
    lines = [
        markdown(layout.caption),
        "",
        "| " + " | ".join(map(markdown, heads)) + " |",
        "|" + "|".join("---:" if number else "---" for number in numeric) + "|",
    ]
    for record in shown:
        cells = [markdown(text_of(record, column)) for column in places]
        for column in columns:
            limits = limits_of(record, column, "[{}, {}]")
            star = "*" if is_bound(record, column) else ""
            cells.append(markdown(text_of(record, column) + star) + (f" {limits}" if limits else ""))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


_MARKDOWN = re.compile(r"[\\`*<>|~$&]|\[(?=[^\]]*\][(\[:])|(?<![^\W_])_|_(?![^\W_])")


def markdown(text: str) -> str:
    """Text that GitHub's Markdown shows as it is, on one line, also in a table."""
    return _MARKDOWN.sub(lambda m: "\\" + m[0], plain(text))


PAGES = {"md": to_markdown, "latex": to_latex}
FORMATS = ("json", "csv", *PAGES)


def export(form: str, view: View, records: Sequence[Record], shown: Sequence[Record] | None = None) -> str:
    """Results in a format of `FORMATS`. records: flat, or with lists: see `in_rows`. shown: those
    that people read, where others.
    """
    if form == "json":
        return json.dumps([dict(record) for record in records], indent=1)
    if form == "csv":
        return to_csv(in_rows(records))
    keys = {column.key for column in view.columns}
    kept = [
        {key: value for key, value in record.items() if not (keys and isinstance(value, list)) or key in keys}
        for record in (records if shown is None else shown)
    ]
    return PAGES[form](view, in_rows(kept))
