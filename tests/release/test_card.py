"""The results on the card: the report's main table, and its pictures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from routerset.release.card import MAIN_TABLE, Figure, figures, render_card
from routerset.release.errors import ReleaseInputError
from routerset.release.manifest import read_manifest
from routerset.release.reporting.report import FILES

TABLE = "mu_o.\n\n| m | Router | ARC |\n|---:|---|---:|\n| 3 | PRknn | 0.63<br><sub>0.4..0.8</sub> |\n"


def results(card: str) -> str | None:
    """The section of results, or None."""
    found = re.search(r"\n## Results\n(.*?)\n## ", card, re.DOTALL)
    return found[1] if found else None


def test_the_main_table_stands_above_the_pictures_as_it_is(release: Path) -> None:
    (release / "reports").mkdir()
    (release / "reports/b.png").write_bytes(b"a picture")
    (release / "reports/a.png").write_bytes(b"a picture")
    (release / "reports" / MAIN_TABLE).write_text(TABLE, "utf-8")
    shown = figures(release)
    assert shown == [Figure("reports/summary.md", TABLE), Figure("reports/a.png"), Figure("reports/b.png")]
    section = results(render_card(read_manifest(release), shown)) or ""
    places = [section.find(part) for part in (TABLE, "`reports/report.html`", "a.png", "b.png")]
    assert -1 not in places
    assert places == sorted(places)


def test_the_main_table_is_one_that_reports_write() -> None:
    assert MAIN_TABLE in FILES


def test_without_a_report_there_are_no_results(release: Path) -> None:
    assert figures(release) == []
    assert results(render_card(read_manifest(release))) is None


def test_a_main_table_that_is_no_text_is_named(release: Path) -> None:
    (release / "reports").mkdir()
    (release / "reports" / MAIN_TABLE).write_bytes(b"\xff\xfe")
    with pytest.raises(ReleaseInputError, match=r"reports/summary\.md: unreadable .*build or fetch it again"):
        figures(release)
