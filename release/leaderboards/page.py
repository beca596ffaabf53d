"""The page of a leaderboard: one HTML file without anything from another host, in the style of a report."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from routerset.release.evaluator.intervals import FEW_ITEMS
from routerset.release.evaluator.tables import FEW
from routerset.release.leaderboards.boards import Lead
from routerset.release.leaderboards.declaration import is_url
from routerset.release.leaderboards.results import Leaderboard
from routerset.release.pages import Functions, page_template
from routerset.release.reporting.grid import label, number
from routerset.release.reporting.page import SCRIPT, STYLE

TEMPLATE = Path(__file__).with_name("leaderboard.html.jinja")


def render_leaderboard(found: Leaderboard) -> str:
    """The page. The same leaderboard gives the same text."""
    filters: Functions = {"shown": _shown, "lead": _lead, "label": label, "number": number}
    return page_template(TEMPLATE, filters, {"url": is_url}).render(
        found=found,
        handed=found.handed,
        declared={s.name: s.declared for s in found.handed.submissions},
        few=FEW,
        few_items=FEW_ITEMS,
        style=Markup(STYLE.read_text(encoding="utf-8")),
        script=Markup(SCRIPT.read_text(encoding="utf-8")),
    )


def _shown(value: float | None) -> str:
    """A number as typeset: a real minus sign, and a dash where it is undefined."""
    return "\u2013" if value is None else number(value, 3).replace("-", "\u2212")


def _lead(lead: Lead | None) -> str:
    """A difference with its sign, and a star where it is told apart from 0."""
    if lead is None or lead.value.value is None:
        return "\u2013"
    sign = "+" if lead.value.value > 0 else ""
    return f"{sign}{_shown(lead.value.value)}{'*' if lead.proven else ''}"
