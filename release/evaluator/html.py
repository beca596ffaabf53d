"""Small tables for notebooks; what they hold of others is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from .plain import plain

SHOWN = 20
"""Rows of a table; how many there are beyond is told."""


def small_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]], more: str = "") -> str:
    """A table under a title; None is an empty cell, floats have four digits. more: what shows the rest."""
    from html import escape  # which no command line needs

    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows[:SHOWN])
    rest = f"<p>and {len(rows) - SHOWN} more rows{more}</p>" if len(rows) > SHOWN else ""
    return (
        f"<div><strong>{escape(plain(title))}</strong><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>{rest}</div>"
    )


def _cell(value: object) -> str:
    from html import escape

    if value is None:
        return "<td></td>"
    if isinstance(value, int | float):
        text = f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
        return f'<td style="text-align:right">{text}</td>'
    return f"<td>{escape(plain(value))}</td>"
