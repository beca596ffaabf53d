"""From what a dump says to what counts: names, times, tasks, missing scores and repeated documents.

Readers parse; the rules that hold for every format are here, on whole columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from routerset.etl.sources.base import Block, Dump, SourceSpec
from routerset.schemas import ids
from routerset.schemas.benchmarks import BENCHMARKS, TASKS
from routerset.schemas.tables import QUARANTINE, Reason

EXCERPT = 500
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T_ ](\d\d)[:-](\d\d)[:-](\d\d)(?:\.(\d{1,6}))?")


@dataclass(frozen=True)
class BadRow:
    """One record that cannot count. row: from 0; excerpt is cut to 500 characters."""

    row: int | None
    reason: Reason
    detail: str
    model_id: str | None = None
    benchmark: str | None = None
    excerpt: str | None = None


def quarantine(dump: Dump, rows: Sequence[BadRow]) -> pa.Table:
    """Quarantine table (schema QUARANTINE) of some rows of one file."""
    return quarantine_columns(
        len(rows),
        source=dump.source,
        file=dump.file,
        row=[r.row for r in rows],
        model_id=[r.model_id for r in rows],
        benchmark=[r.benchmark for r in rows],
        reason=[r.reason.value for r in rows],
        detail=[_printable(r.detail) for r in rows],
        excerpt=[_printable(r.excerpt) for r in rows],
    )


Values: TypeAlias = str | Sequence[object] | np.ndarray | None


def quarantine_columns(
    n: int,
    *,
    source: Values,
    file: Values,
    model_id: Values,
    benchmark: Values,
    reason: Values,
    detail: Values,
    row: Values = None,
    excerpt: Values = None,
) -> pa.Table:
    """Quarantine table of `n` records given as columns; a single string, or None, stands for all rows."""
    if n == 0:
        return QUARANTINE.empty_table()
    given = {
        "source": source,
        "file": file,
        "row": row,
        "model_id": model_id,
        "benchmark": benchmark,
        "reason": reason,
        "detail": detail,
        "excerpt": excerpt,
    }
    columns = []
    for field in QUARANTINE:
        value = given[field.name]
        single = value is None or isinstance(value, str)
        columns.append(pa.repeat(pa.scalar(value, field.type), n) if single else pa.array(value, field.type))
    return pa.table(columns, schema=QUARANTINE)


def _printable(text: str | None) -> str | None:
    """Text cut to the length of an excerpt and safe to store as UTF-8."""
    return None if text is None else text[:EXCERPT].encode("utf-8", "backslashreplace").decode()


def _shown(text: str | None, value: float) -> str:
    """A cell as a message shows it: its number, or else the start of its text."""
    return repr(value) if text is None else ascii(text[:40])


def iso_timestamp(text: str | None) -> str | None:
    """`YYYY-MM-DDThh:mm:ss.ffffff` of any spelling that dumps use, newer sorts last; None without one."""
    match = _TIME.search(text or "")
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction = match.groups()
    spelled = f"{year}-{month}-{day}T{hour}:{minute}:{second}.{(fraction or '').ljust(6, '0')}"
    try:
        return datetime.fromisoformat(spelled).isoformat(timespec="microseconds")
    except ValueError:
        return None


def resolve_task(task: str, spec: SourceSpec) -> tuple[str, str] | None:
    """(benchmark, subset) of a dump's task name, by the config's map and then the registry; None if unknown.

    The subset may hold `{field}`, to be filled from each document.
    """
    target = spec.tasks.get(task)
    if target is None:
        return TASKS.get(task)
    benchmark, _, subset = target.partition("/")
    if benchmark not in BENCHMARKS:
        return None
    return benchmark, subset or next(iter(BENCHMARKS[benchmark].subsets))


def resolve_model(name: str, spec: SourceSpec) -> str | None:
    """Canonical model id of a dump's spelling, after the config's renames; None if unusable."""
    return ids.model_id(spec.models.get(name, name))


def resolve_key_space(spec: SourceSpec, benchmark: str) -> str:
    """Name of the set of document keys that a source speaks."""
    return spec.key_space or f"{spec.format}:{benchmark}"


def metric_names(benchmark: str, spec: SourceSpec) -> tuple[str, ...]:
    """Names under which the metric that counts may stand in a dump, the first one preferred."""
    row = BENCHMARKS[benchmark]
    return (spec.metric,) if spec.metric else (row.metric, *row.metric_aliases)


def matrix_block(
    dump: Dump,
    *,
    benchmark: str,
    subset: str,
    metric: str,
    key_space: str,
    models: Sequence[str],
    timestamps: Sequence[str | None],
    rows: np.ndarray,
    doc_keys: pa.Array,
    prints: pa.Array,
    scores: np.ndarray,
    docs: Callable[[], pa.Table],
    prompt_fixed: bool = True,
    texts: Mapping[tuple[int, int], str] = MappingProxyType({}),
) -> tuple[Block, pa.Table]:
    """Block of a matrix of scores, one row per run, with every cell that is no score quarantined.

    rows: int64 (runs,) or (runs, documents), row numbers in the file. scores: float (runs, documents),
    NaN where missing. doc_keys must be distinct. texts: (run, document) -> what the file holds where
    that is no number (the score there is infinite). Returns the block and its quarantine table.
    """
    values = np.asarray(scores, dtype=np.float64)
    missing = np.isnan(values)
    bad = ~missing & ~((values >= 0.0) & (values <= 1.0))
    clean = np.where(bad, np.nan, values).astype(np.float32) + np.float32(0.0)  # leaves no negative zero
    run, column = np.nonzero(missing | bad)
    lines = rows[run] if rows.ndim == 1 else rows[run, column]
    is_missing = missing[run, column]
    keys = doc_keys.take(pa.array(column))
    cells = list(zip(run.tolist(), column.tolist(), strict=True))
    found = [
        f"document {key}: "
        + ("no score" if gone else f"expected a score in [0, 1], found {_shown(texts.get(cell), value)}")
        for key, gone, cell, value in zip(
            keys.to_pylist(), is_missing.tolist(), cells, values[run, column].tolist(), strict=True
        )
    ]
    reasons = np.where(is_missing, Reason.MISSING_SCORE.value, Reason.SCORE_OUT_OF_RANGE.value)
    quarantined = quarantine_columns(
        len(found),
        source=dump.source,
        file=dump.file,
        row=lines,
        model_id=pa.array(models, pa.string()).take(pa.array(run)),
        benchmark=benchmark,
        reason=reasons,
        detail=found,
        excerpt=[_printable(texts.get(cell)) for cell in cells] if texts else None,
    )
    n_runs, n_docs = values.shape
    block = Block(
        benchmark=benchmark,
        subset=subset,
        metric=metric,
        key_space=key_space,
        models=tuple(models),
        timestamps=tuple(timestamps),
        doc_keys=doc_keys,
        prints=prints,
        scores=clean,
        n_read=np.full(n_runs, n_docs, np.int64),
        n_superseded=np.zeros(n_runs, np.int64),
        lines=rows,
        docs=docs,
        prompt_fixed=prompt_fixed,
    )
    return block, quarantined


def column_block(
    dump: Dump,
    *,
    benchmark: str,
    subset: str,
    metric: str,
    key_space: str,
    model: str,
    timestamp: str | None,
    rows: np.ndarray,
    doc_keys: pa.Array,
    prints: pa.Array,
    scores: np.ndarray,
    docs: Callable[[], pa.Table],
    appended: bool = False,
    texts: Mapping[int, str] = MappingProxyType({}),
    prompt_fixed: bool = True,
) -> tuple[Block, pa.Table]:
    """Block of one run given as columns, one entry per record, documents possibly repeated.

    rows: int64 (records,). scores: float (records,), NaN where missing. docs: text of all records, in
    the order given. appended: the file may hold several whole runs one after the other, the newest last.
    A repeat with the same score is superseded; whole repeated runs of an appended file are superseded by
    the last; any other repeat with another score (or with none) sends all records of that document to
    quarantine. texts: record -> what the file holds where that is no number (the score is infinite).
    """
    values = np.asarray(scores, dtype=np.float64)
    encoded = doc_keys.dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    counts = np.bincount(codes, minlength=len(encoded.dictionary))
    keep = np.ones(len(codes), dtype=bool)
    clash = np.zeros(len(codes), dtype=bool)
    if len(counts) and counts.max() > 1:
        order = np.argsort(codes, kind="stable")
        last = np.zeros(len(codes), dtype=bool)
        last[order[np.cumsum(counts) - 1]] = True
        keep = last
        if not (appended and counts.min() == counts.max()):
            target = values[order[np.cumsum(counts) - 1]][codes]
            differs = ~((values == target) | (np.isnan(values) & np.isnan(target)))
            clash = np.isin(codes, codes[differs])
            keep = last & ~clash
    taken = np.flatnonzero(keep)
    whole = len(taken) == len(codes)
    block, quarantined = matrix_block(
        dump,
        benchmark=benchmark,
        subset=subset,
        metric=metric,
        key_space=key_space,
        models=[model],
        timestamps=[timestamp],
        rows=rows[taken][None, :],
        doc_keys=doc_keys if whole else doc_keys.take(pa.array(taken)),
        prints=prints if whole else prints.take(pa.array(taken)),
        scores=values[taken][None, :],
        docs=docs if whole else lambda: docs().take(pa.array(taken)),
        texts={(0, at): texts[i] for at, i in enumerate(taken.tolist()) if i in texts} if texts else {},
        prompt_fixed=prompt_fixed,
    )
    clashing = [
        BadRow(
            int(rows[i]),
            Reason.DUPLICATE_KEY,
            f"document {doc_keys[i]}: {counts[codes[i]]} records with different scores, expected one",
            model,
            benchmark,
            texts.get(i, f"{values[i]:g}"),
        )
        for i in np.flatnonzero(clash).tolist()
    ]
    fixed: dict[str, object] = {
        "n_read": np.array([len(codes)]),
        "n_superseded": np.array([len(codes) - len(taken) - clash.sum()]),
    }
    return Block(**{**block.__dict__, **fixed}), pa.concat_tables([quarantined, quarantine(dump, clashing)])
