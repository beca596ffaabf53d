"""Which of several readings of the same answers count: metrics, filters, and runs appended to one file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

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
    tell it: those hold the answers of a document in the order of `filters`, the harness's own, in one pass
    over all documents per filter, or in such passes of one process after the other. asked: the filter that
    counts, by default the first of `filters`; a log that knows only one has no choice where the task has
    none of its own, or that is `none`. Of runs appended to one file, the one with the most documents
    counts, and of those the newest.
    """
    wanted = asked or next(iter(filters), None)
    if labels.null_count < len(labels):
        label = _label(set(labels.unique().drop_null().to_pylist()), filters, asked)
        rows = np.flatnonzero(pc.equal(labels, pa.scalar(label, pa.string())).fill_null(False))
        passes = [rows[part] for part in _passes(codes[rows], np.arange(len(rows)), len(rows))]
    else:
        passes = _passes(codes, places, n_places)
        if len(filters) > 1:
            if len(passes) == 1:
                passes = _turns(codes, len(filters)) or passes
            if len(passes) > 1:
                passes = passes[filters.index(wanted) :: len(filters)] if wanted in filters else []
    chosen = max(passes, key=lambda rows: (len(rows), rows[0]), default=np.arange(0))
    rest = np.delete(np.arange(len(codes)), chosen)
    if len(rest) == 0:
        return chosen, rest, rest
    replaced = np.isin(codes[rest], codes[chosen]) | np.isin(rest, np.concatenate([chosen, *passes]))
    return chosen, rest[replaced], rest[~replaced]


class Found(NamedTuple):
    """A score of a record. metric: position among the names of the metric. name: what it stands under.
    label: the answer filter in that name, if any.
    """

    metric: int
    name: str
    label: str | None = None


_CHAR_NORM = "acc:logprob_normalization=LogProbCharNorm"  # lighteval's acc_norm since 0.11


def find_score(
    names: Collection[str], metrics: Sequence[str], filters: Sequence[str] = (), asked: str | None = None
) -> Found | None:
    """The first of some metrics that a record has, with the filter that counts; None where it has none.

    A name may hold the filter after a comma (`exact_match,strict-match`), or parameters of the metric after
    a colon, as lighteval writes them.
    """
    for at, metric in enumerate(metrics):
        if metric in names:
            return Found(at, metric)
        labels = {name[len(metric) + 1 :] for name in names if name.startswith(f"{metric},")}
        label = _label(labels, filters, asked) if labels else None
        if label in labels:
            return Found(at, f"{metric},{label}", label)
        starts = (f"{metric}:", _CHAR_NORM) if metric == "acc_norm" else f"{metric}:"
        detailed = min((name for name in names if name.startswith(starts)), default=None)
        if detailed is not None:
            return Found(at, detailed)
    return None


def _label(names: Collection[str], filters: Sequence[str], asked: str | None) -> str | None:
    """The filter to read among those that a log names; None where the wanted one is not there."""
    wanted = asked or next(iter(filters), None)
    if wanted in names:
        return wanted
    if len(names) == 1 and asked is None and len(filters) < 2:
        return next(iter(names))
    return NO_FILTER if wanted is None or set(names) == {NO_FILTER} else None


def _turns(codes: np.ndarray, n_filters: int) -> list[np.ndarray]:
    """The k-th rows of all documents, for each k; none where the rows are no turns of all filters.

    A document that lacks a row is left out: nobody can tell which filter's is gone.
    """
    if len(codes) == 0:
        return []
    counts = np.bincount(codes)
    turns = int(np.bincount(counts[counts > 0]).argmax())
    whole = counts == turns
    if turns % n_filters or np.count_nonzero(whole) < WHOLE * np.count_nonzero(counts):
        return []
    by_document = np.argsort(codes, kind="stable")
    by_document = by_document[whole[codes[by_document]]].reshape(-1, turns)
    return [np.sort(rows) for rows in by_document.T]


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
