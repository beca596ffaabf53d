"""Runs of one subset given as a matrix: what `wide` files and RouterEval pickles have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from routerset.etl.sources.base import DOCS, Block, Dump
from routerset.etl.sources.blocks import column_block, matrix_block
from routerset.schemas import ids

CellTexts: TypeAlias = Mapping[int, Mapping[int, str]]
"""Row -> column -> what a file holds in a cell that is no number."""


@dataclass(frozen=True)
class Columns:
    """The documents of one subset in a file, one per column, and what their scores count for.

    doc_keys, prints, docs: as in `Block`; doc_keys may hold repeats.
    """

    benchmark: str
    subset: str
    metric: str
    key_space: str
    doc_keys: pa.Array
    prints: pa.Array
    docs: Callable[[], pa.Table]


def grid_blocks(
    dump: Dump,
    columns: Columns,
    *,
    models: Sequence[str],
    timestamps: Sequence[str | None],
    rows: np.ndarray,
    scores: np.ndarray,
    texts: CellTexts,
) -> tuple[list[Block], list[pa.Table]]:
    """Blocks of some runs of a file, and tables of the records that are quarantined.

    rows: int64 (runs,) or (runs, documents), row numbers in the file. scores: float (runs, documents),
    NaN where missing, infinite where `texts` tells what stands there instead.
    Rows of one model and timestamp are one run given twice, and so are columns of one key: a repeat of
    the same score is superseded, two different ones (a missing one counts as different) are quarantined.
    """
    n_docs = len(columns.doc_keys)
    runs: dict[tuple[str, str | None], list[int]] = {}
    for at, run in enumerate(zip(models, timestamps, strict=True)):
        runs.setdefault(run, []).append(at)
    distinct = len(columns.doc_keys.unique()) == n_docs
    single = [places[0] for places in runs.values() if len(places) == 1 and distinct]
    merged = [places for places in runs.values() if len(places) > 1 or not distinct]
    whole = len(single) == len(scores)
    results = []
    if single:
        results.append(
            matrix_block(
                dump,
                benchmark=columns.benchmark,
                subset=columns.subset,
                metric=columns.metric,
                key_space=columns.key_space,
                models=[models[at] for at in single],
                timestamps=[timestamps[at] for at in single],
                rows=rows if whole else rows[single],
                doc_keys=columns.doc_keys,
                prints=columns.prints,
                scores=scores if whole else scores[single],
                docs=columns.docs,
                texts={(i, j): t for i, at in enumerate(single) for j, t in texts.get(at, {}).items()},
            )
        )
    lines = rows if rows.ndim == 2 else np.broadcast_to(rows[:, None], scores.shape)
    for places in merged:
        order = pa.array(np.tile(np.arange(n_docs), len(places)))
        results.append(
            column_block(
                dump,
                benchmark=columns.benchmark,
                subset=columns.subset,
                metric=columns.metric,
                key_space=columns.key_space,
                model=models[places[0]],
                timestamp=timestamps[places[0]],
                rows=lines[places].reshape(-1),
                doc_keys=columns.doc_keys.take(order),
                prints=columns.prints.take(order),
                scores=scores[places].reshape(-1),
                docs=lambda order=order: columns.docs().take(order),  # type: ignore[misc]
                texts={
                    i * n_docs + j: t for i, at in enumerate(places) for j, t in texts.get(at, {}).items()
                },
            )
        )
    return [block for block, _ in results], [table for _, table in results]


def docs_table(doc_keys: pa.Array, **texts: pa.Array) -> pa.Table:
    """Documents (schema DOCS) with the columns that are known; the others are null."""
    given = {"doc_key": doc_keys, **texts}
    return pa.table([given.get(f.name, pa.nulls(len(doc_keys), f.type)) for f in DOCS], schema=DOCS)


def prints_of(docs: pa.Table) -> pa.Array:
    """Fingerprints of documents (schema DOCS): of text and gold answer, or of the key where all are null."""
    prints = []
    for key, *content in zip(*(docs[name].to_pylist() for name in DOCS.names), strict=True):
        known = any(part is not None for part in content)
        prints.append(ids.digest("content", repr(content)) if known else ids.digest("key", key))
    return pa.array(prints, pa.string())
