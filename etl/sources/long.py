"""Long dumps: CSV, Parquet or JSON lines, one record per item and model.

`columns` says where the file has what we need: our name -> name of a column, or dotted path into nested
fields; what it does not say is looked for under our own names. `model` and `score` must be there, and
`doc_key` or a text: a document without a key is keyed by a hash of its text. `benchmark` says what the items
are of, and where that has several subsets, `subset`, a column of subsets, or `subset_pattern`, searched in
that column, or without one in the file name. A record whose `success` is false has no score. Costs are those
of their records.

Records of one model, time and document are one record given twice. Where a key has several texts, each is a
document of its own, told by what it says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from routerset.etl.sources import files
from routerset.etl.sources.base import (
    Block,
    Columns,
    Dump,
    DumpUnreadable,
    Found,
    Reading,
    Runs,
    Source,
    SourceSpec,
    SpecError,
)
from routerset.etl.sources.blocks import ABSENT, blocks_of, docs_table, prints_of
from routerset.etl.sources.names import metric_names, resolve_key_space
from routerset.etl.sources.parse.csv_text import Dialect
from routerset.etl.sources.parse.long_table import (
    NAMES,
    LongOptions,
    LongTable,
    Placed,
    gather,
    misplaced,
    place,
    subset_reader,
    texts_of,
)
from routerset.etl.sources.parse.records import choose_columns, is_json
from routerset.etl.sources.parse.tabular import SUFFIXES
from routerset.etl.sources.quarantine import Quarantined
from routerset.schemas.tables import COST_MEASURES

MAX_RUNS = 1 << 17  # of one file; there are 8,500 models
MAX_VARIANTS = 64  # texts of one key
CELLS = 1 << 20  # of one block
SPARSE = 16  # cells per record, from which on runs do not share a list of all documents


def discover(spec: SourceSpec) -> Found:
    """Every CSV, Parquet and JSON lines file, compressed or not; each is a group of its own."""
    return files.discover(spec, lambda name: name.lower().endswith(SUFFIXES) or is_json(name))


def read(dump: Dump, spec: SourceSpec) -> Iterator[Reading]:
    """Scores and costs of one file, some runs at a time.

    Raises DumpUnreadable where the file lacks a column that the config names, holds no score, or more than
    fits the memory; SpecError where the config does not say what it must.
    """
    options = spec.options_as(LongOptions)
    unknown = sorted(set(options.columns) - set(NAMES))
    if unknown:
        raise SpecError(f"columns: unknown key {unknown[0]!r}; valid keys: {', '.join(NAMES)}")
    if spec.benchmark is None:
        raise SpecError("a long table does not tell the benchmark of its items: set benchmark")
    dialect = Dialect(options.delimiter, options.encoding)
    # lines of JSON do not say beforehand whether they tell subsets and costs
    hidden = ("subset", *COST_MEASURES) if is_json(dump.path) else ()
    known = [name for name in NAMES if name not in hidden]
    columns, dialect = choose_columns(dump.path, options.columns, known, dialect)
    for needed in (("model",), ("score",), ("doc_key", "question", "prompt")):
        if not set(needed) & set(columns):
            raise DumpUnreadable(
                f"found no column {' or '.join(map(repr, needed))}: say which it is, such as "
                f'columns = {{ {needed[0]} = "..." }}'
            )
    subset_of = subset_reader(dump, spec, "subset" in columns)
    bad, notes = Quarantined(), Counter[tuple[str, str]]()
    table = gather(dump, spec.benchmark, columns, dialect, bad, notes)
    placed = place(table, spec, subset_of)
    good = (placed.model >= 0) & (placed.subset >= 0) & (placed.key >= 0)
    bad.add_rows(dump, misplaced(table, placed, spec.benchmark, np.flatnonzero(~good)))
    refused = bad.table()
    yield Reading((), refused, {spec.benchmark: sum(refused["n"].to_pylist())}, notes)
    for of_list, records, documents in _lists(table, placed, spec, np.flatnonzero(good)):
        for blocks, quarantined in _blocks(dump, of_list, table, placed, records, documents):
            n_read = sum(int(block.n_read.sum()) for block in blocks)
            yield Reading(tuple(blocks), pa.concat_tables(quarantined), {spec.benchmark: n_read})


SOURCE = Source(
    name="long",
    discover=discover,
    read=read,
    looks_for="files that end with .csv, .tsv, .jsonl, .ndjson, .json (also with .gz or .zst) or .parquet",
    options=LongOptions,
    unused=("tasks",),
    by_name=False,
)


def _lists(
    table: LongTable, placed: Placed, spec: SourceSpec, records: np.ndarray
) -> Iterator[tuple[Columns, np.ndarray, np.ndarray]]:
    """Lists of documents with distinct keys; the records of each, and the place of each one's document in it.

    The first list of a subset has the most frequent text of every key, the next one the second, and so on.
    """
    for number, subset in enumerate(placed.subsets):
        here = records[placed.subset[records] == number]
        n_documents = len(placed.documents)
        pairs = placed.key[here].astype(np.int64) * n_documents + placed.document[here]
        known, pair, times = np.unique(pairs, return_inverse=True, return_counts=True)
        key = known // n_documents
        order = np.lexsort((known, -times, key))
        starts = np.flatnonzero(np.diff(key[order], prepend=-1))
        rank = np.empty(len(known), np.int64)
        rank[order] = np.arange(len(known)) - np.repeat(starts, np.diff(starts, append=len(known)))
        if rank.max(initial=0) >= MAX_VARIANTS:
            name = placed.keys[int(key[int(np.argmax(rank))])]
            raise DumpUnreadable(
                f"found more than {MAX_VARIANTS} texts under the key {name[:80]!r}: it tells no document; "
                "name another column in columns.doc_key"
            )
        for variant in range(int(rank.max(initial=-1)) + 1):
            mine = np.flatnonzero(rank == variant)
            place = np.full(len(known), -1)
            place[mine] = np.arange(len(mine))
            chosen = np.flatnonzero(rank[pair] == variant)
            of_list = _columns(table, placed, spec, subset, key[mine], known[mine] % n_documents)
            yield of_list, here[chosen], place[pair[chosen]]


def _columns(
    table: LongTable, placed: Placed, spec: SourceSpec, subset: str, keys: np.ndarray, documents: np.ndarray
) -> Columns:
    rows = [texts_of(table, placed.documents[at]) for at in documents.tolist()]
    questions, prompts, choices, golds = zip(*rows, strict=True)
    doc_keys = pa.array([placed.keys[at] for at in keys.tolist()], pa.string())
    docs = docs_table(doc_keys, question=questions, prompt=prompts, choices=choices, gold=golds)
    benchmark = str(spec.benchmark)
    return Columns(
        benchmark=benchmark,
        subset=subset,
        metric=metric_names(benchmark, spec)[0],
        key_space=resolve_key_space(spec, benchmark),
        doc_keys=doc_keys,
        prints=prints_of(docs),
        docs=lambda: docs,
        bounds=spec.registry[benchmark].range,
    )


def _blocks(
    dump: Dump, columns: Columns, table: LongTable, placed: Placed, records: np.ndarray, documents: np.ndarray
) -> Iterator[tuple[list[Block], list[pa.Table]]]:
    """Blocks of the records of one list of documents: of many runs at a time, but for runs with repeats."""
    n_moments, n_docs = len(placed.moments) + 1, len(columns.doc_keys)
    codes = placed.model[records].astype(np.int64) * n_moments + placed.moment[records] + 1
    known, run = np.unique(codes, return_inverse=True)
    if len(known) > MAX_RUNS:
        raise DumpUnreadable(f"found more than {MAX_RUNS} models and times, expected fewer")
    cells, times = np.unique(run * n_docs + documents, return_counts=True)
    alone = np.zeros(len(known), bool)
    alone[cells[times > 1] // n_docs] = True
    order = np.argsort(run, kind="stable")
    bounds = np.searchsorted(run[order], np.arange(len(known) + 1))

    def runs(which: Sequence[int], rows: np.ndarray) -> Runs:
        models = tuple(placed.models[known[at] // n_moments] for at in which)
        moments = (int(known[at] % n_moments) - 1 for at in which)
        return Runs(models, tuple(None if at < 0 else placed.moments[at] for at in moments), rows)

    together = np.flatnonzero(~alone)
    sparse = len(known) * n_docs > SPARSE * len(records)
    for some in _windows(together, np.diff(bounds)[together] if sparse else n_docs):
        mine = np.concatenate([order[bounds[at] : bounds[at + 1]] for at in some.tolist()])
        docs, place = np.unique(documents[mine], return_inverse=True)
        if not sparse:
            docs, place = np.arange(n_docs), documents[mine]
        spot = np.searchsorted(some, run[mine]), place
        at = records[mine]
        shape = (len(some), len(docs))
        found = replace(
            table.score,
            values=_filled(shape, spot, table.score.values[at], np.nan),
            state=_filled(shape, spot, table.score.state[at], ABSENT),
        )
        costs = {name: _filled(shape, spot, of[at], np.nan) for name, of in table.costs.items()}
        which = runs(some.tolist(), _filled(shape, spot, table.rows[at], 0))
        yield blocks_of(dump, columns.take(docs) if sparse else columns, which, found, costs)
    for each in np.flatnonzero(alone).tolist():
        mine = order[bounds[each] : bounds[each + 1]]
        at = records[mine][None, :]
        costs = {name: of[at] for name, of in table.costs.items()}
        own = columns.take(documents[mine])
        yield blocks_of(dump, own, runs([each], table.rows[at]), table.score.take(at), costs)


def _windows(runs: np.ndarray, widths: np.ndarray | int) -> Iterator[np.ndarray]:
    """Some runs at a time, in a matrix of at most `CELLS`: as wide as one, or as all of them together."""
    start = width = 0
    for at, own in enumerate(np.broadcast_to(widths, runs.shape).tolist()):
        width = width + own if isinstance(widths, np.ndarray) else own
        if at > start and (at - start + 1) * width > CELLS:
            yield runs[start:at]
            start, width = at, own
    if len(runs):
        yield runs[start:]


def _filled(
    shape: tuple[int, int], spot: tuple[np.ndarray, np.ndarray], values: np.ndarray, nothing: float
) -> np.ndarray:
    """A matrix that holds some values at their spots, and nothing elsewhere."""
    matrix = np.full(shape, nothing, values.dtype)
    matrix[spot] = values
    return matrix
