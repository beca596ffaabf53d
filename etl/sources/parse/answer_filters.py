"""Which of several readings of the same answers count: answer filters, and runs appended to one file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NO_FILTER = "none"
WHOLE = 0.9  # share of a file's documents that makes a stretch of rows a pass over all of them


def choose_rows(
    codes: np.ndarray,
    places: np.ndarray,
    n_places: int,
    labels: pa.StringArray,
    filters: Sequence[str],
    asked: str | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows that count, rows that those replace, and rows of documents that no row counts for; ascending.

    codes: int (rows,), the document of each row. places: int (rows,), where it stands among the `n_places`
    records of the log, bad ones included. labels: the answer filter of each row, null in logs that do not
    tell it: those hold one pass over all documents per filter, in the order of `filters`, the harness's
    own. asked: the filter that counts, by default the first of `filters`; a log that knows only the filter
    `none` has no choice. Of runs appended to one file, the one with the most documents counts, and of
    those the newest.
    """
    wanted = asked or next(iter(filters), None)
    if labels.null_count < len(labels):
        label = _label(set(labels.unique().drop_null().to_pylist()), wanted)
        rows = np.flatnonzero(pc.equal(labels, pa.scalar(label, pa.string())).fill_null(False))
        passes = [rows[part] for part in _passes(codes[rows], np.arange(len(rows)), len(rows))]
    else:
        passes = _passes(codes, places, n_places)
        if len(filters) > 1 and len(passes) > 1:
            passes = passes[filters.index(wanted) :: len(filters)] if wanted in filters else []
    chosen = max(passes, key=lambda rows: (len(rows), rows[0]), default=np.arange(0))
    rest = np.delete(np.arange(len(codes)), chosen)
    if len(rest) == 0:
        return chosen, rest, rest
    replaced = np.isin(codes[rest], codes[chosen]) | np.isin(rest, np.concatenate([chosen, *passes]))
    return chosen, rest[replaced], rest[~replaced]


def _label(names: set[str], wanted: str | None) -> str | None:
    """The filter to read among those that a log names; None where the wanted one is not there."""
    if wanted in names:
        return wanted
    if wanted is None and len(names) == 1:
        return next(iter(names))
    return NO_FILTER if wanted is None or names == {NO_FILTER} else None


def _passes(codes: np.ndarray, places: np.ndarray, n_places: int) -> list[np.ndarray]:
    """Rows cut into passes over (nearly) all documents, all in one piece where they are not such passes.

    Cut into as many records each as there are documents, so that bad records keep their place, or else
    before each document that is met again.
    """
    if len(codes) == 0:
        return []
    rows = np.arange(len(codes))
    n_documents = np.count_nonzero(np.bincount(codes))
    if n_documents == len(codes):
        return [rows]
    cuts = [_at_repeats(codes)]
    if n_places % n_documents == 0:
        cuts.insert(0, np.searchsorted(places, np.arange(n_documents, n_places, n_documents)))
    for starts in cuts:
        passes = np.split(rows, starts)
        sizes = [len(part) for part in passes]
        if min(sizes) >= WHOLE * n_documents and sizes == [len(np.unique(codes[part])) for part in passes]:
            return passes
    return [rows]


def _at_repeats(codes: np.ndarray) -> np.ndarray:
    """Rows at which a document is met again, each counted from the one before."""
    starts, seen = [], set[int]()
    for row, code in enumerate(codes.tolist()):
        if code in seen:
            starts.append(row)
            seen.clear()
        seen.add(code)
    return np.array(starts, np.int64)
