"""The results on the card: the report's main table, and its pictures."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from routerset.release.card import MAIN_TABLE, Figure, figures, render_card
from routerset.release.errors import ReleaseInputError
from routerset.release.manifest import read_manifest
from routerset.release.reporting.report import FILES
from routerset.schemas.released import RELEASED

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


def documented(card: str) -> dict[str, list[re.Pattern[str]]]:
    """What the card's tables of columns name, by config: letters in capitals stand for any others."""
    sections = re.findall(
        r"<details><summary>Columns of <code>(.+?)</code></summary>(.+?)</details>", card, re.DOTALL
    )
    names = {
        title: re.findall(r"^\| `(\w+)` \| .+ \| \w[^|]+ \|$", text, re.MULTILINE) for title, text in sections
    }
    return {
        title: [re.compile(re.sub("METHOD|M|KIND", r"\\w+", name)) for name in of]
        for title, of in names.items()
    }


def test_every_column_of_every_file_is_documented(release: Path) -> None:
    card = documented((release / "README.md").read_text("utf-8"))
    files = [(table, path) for table in RELEASED.values() for path in release.glob(table.pattern)]
    assert {path for _, path in files} == set(release.rglob("*.parquet"))
    for title, patterns in card.items():
        names = {name for table, path in files if table.title == title for name in pq.read_schema(path).names}
        assert [name for name in names if not any(p.fullmatch(name) for p in patterns)] == [], title
        assert [p for p in patterns if not any(p.fullmatch(name) for name in names)] == [], title
    assert card.keys() == {table.title for table, _ in files}
