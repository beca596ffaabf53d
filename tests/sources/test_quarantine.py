"""Records that cannot count: what is kept of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.etl.sources.base import Dump
from routerset.etl.sources.quarantine import EXCERPT, SHOWN, BadRow, Quarantined, quarantine, shown
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


def test_what_is_no_unicode_is_no_longer_than_an_excerpt() -> None:
    """The gate takes 500 characters, escaped ones too."""
    table = quarantine(DUMP, [BadRow(0, Reason.MALFORMED_ROW, "d", excerpt="\udcff" * 1000)])
    assert len(table["excerpt"][0].as_py()) == EXCERPT


def test_of_thousands_alike_one_row_counts_the_rest() -> None:
    def rows() -> Iterator[BadRow]:
        for at in range(10 * SHOWN):
            yield BadRow(at, Reason.MALFORMED_ROW, f"detail {at}", "org/a" if at % 2 else "org/b")
            if at < 5:
                yield BadRow(at, Reason.MISSING_KEY, "none")

    table = quarantine(DUMP, rows())
    found = [row for row in table.to_pylist() if row["reason"] == "malformed_row"]
    assert [row["row"] for row in found] == list(range(SHOWN + 1))
    assert [row["n"] for row in found] == [1] * SHOWN + [9 * SHOWN]
    last = found[-1]
    assert (last["last_row"], last["detail"], last["model_id"]) == (10 * SHOWN - 1, f"detail {SHOWN}", None)
    assert {row["last_row"] for row in found[:-1]} == {None}
    assert pc.sum(table["n"]).as_py() == 10 * SHOWN + 5


@given(st.lists(st.integers(0, 3 * SHOWN), min_size=1, max_size=4), st.integers(1, 5000))
@settings(deadline=None, max_examples=20)
def test_however_records_come_the_rows_are_the_same(cuts: list[int], n: int) -> None:
    whole = quarantine(DUMP, [BadRow(at, Reason.MALFORMED_ROW, "d", "m") for at in range(n)])
    parts = Quarantined()
    edges = sorted({0, n, *(cut for cut in cuts if cut < n)})
    for start, stop in itertools.pairwise(edges):
        bad = (BadRow(at, Reason.MALFORMED_ROW, "d", "m") for at in range(start, stop))
        parts.add(quarantine(DUMP, bad))
    assert parts.table().to_pylist() == whole.to_pylist()


@given(st.lists(st.integers(0, 2), max_size=30).map(lambda keys: np.array(keys * 200, np.int64)))
@settings(deadline=None)
def test_what_is_shown_stands_for_all(alike: np.ndarray) -> None:
    told = shown(alike)
    assert told.n.sum() == len(alike)
    assert (np.diff(told.places) > 0).all()
    for key in set(alike.tolist()):
        of_key = np.flatnonzero(alike == key)
        here = alike[told.places] == key
        assert told.places[here].tolist() == of_key[: SHOWN + 1].tolist()
        assert told.last[here][-1] == of_key[-1]
