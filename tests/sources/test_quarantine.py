"""Records that cannot count: what is kept of them."""

from __future__ import annotations

from routerset.etl.sources.base import Dump
from routerset.etl.sources.quarantine import EXCERPT, BadRow, quarantine
from routerset.schemas.tables import QUARANTINE, Reason

DUMP = Dump("wide", "/somewhere/file.csv", "file.csv", "file.csv", 1, "1")


def test_quarantine_cuts_text_and_escapes_what_is_no_unicode() -> None:
    rows = [
        BadRow(3, Reason.MALFORMED_ROW, "bad \udcff", excerpt="x" * 1000),
        BadRow(None, Reason.MISSING_KEY, "d"),
    ]
    table = quarantine(DUMP, rows)
    assert table.schema.equals(QUARANTINE)
    assert table["detail"].to_pylist() == ["bad \\udcff", "d"]
    assert table["excerpt"].to_pylist() == ["x" * EXCERPT, None]
    assert table["row"].to_pylist() == [3, None]
    assert set(table["file"].to_pylist()) == {"file.csv"}
