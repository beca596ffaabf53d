"""From records of items and models to readings: for every format whose files hold a record per answer.

Records of one model, time and document are one record given twice. Where a key has several texts, each is a
document of its own, told by what it says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from routerset.etl.sources.base import (
    Block,
    Columns,
    Dump,
    DumpUnreadable,
    Reading,
    Runs,
    Settings,
    SourceSpec,
)
from routerset.etl.sources.blocks import ABSENT, blocks_of, docs_table, prints_of
from routerset.etl.sources.names import metric_names, resolve_key_space
from routerset.etl.sources.parse.long_table import (
    Gathering,
    LongTable,
    Placed,
    Spent,
    categories_of,
    misplaced,
    place,
    recategorised,
    texts_of,
)
from routerset.etl.sources.parse.records import Records
from routerset.etl.sources.parse.task_files import PLACEHOLDER, target_of
from routerset.etl.sources.quarantine import BadRow, Quarantined
from routerset.schemas.ids import file_stem_is_safe
from routerset.schemas.tables import QUARANTINE, Reason

OTHER_CATEGORY = "records_of_another_category"
MAX_RUNS = 1 << 17  # of one file; there are 8,500 models
MAX_VARIANTS = 64  # texts of one key
CELLS = 1 << 20  # of one block
SPARSE = 16  # cells per record, from which on runs do not share a list of all documents
_Run: TypeAlias = tuple[str, str, str | None]  # subset, model, time


@dataclass(frozen=True)
class Task:
    """What the records of a file are of.

    subset_of: the one subset of all, or what tells it of a text in the column `subset`. metric: what the
    score was read from; None for what the registry or the config names. settings: how the LLMs were asked.
    subset_field: the field of a record that tells its subset, where the name of the task says so.
    other_ways: what else the file scores the same answers by.
    prompt_fixed: as of `Columns`.
    """

    benchmark: str
    subset_of: Callable[[str], str | None] | str
    metric: str | None = None
    settings: Settings = field(default_factory=Settings)
    subset_field: str | None = None
    other_ways: tuple[str, ...] = ()
    prompt_fixed: bool = True


def named_task(name: str, spec: SourceSpec, settings: Settings) -> Task | None:
    """What the records of a task are of, by its name and the config; None where nobody knows it."""
    target = target_of(name, spec)
    if target is None:
        return None
    benchmark, subset = target
    placeholder = PLACEHOLDER.search(subset)
    if placeholder is None:
        return Task(benchmark, spec.subsets.get(subset, subset), settings=settings)

    def subset_of(text: str) -> str | None:
        found = subset.replace(placeholder[0], text)
        found = spec.subsets.get(found, found)
        return found if file_stem_is_safe(found) else None

    return Task(benchmark, subset_of, settings=settings, subset_field=placeholder[1])


def readings_of(
    dump: Dump, spec: SourceSpec, task: Task, records: Iterable[Records], score_name: str | None
) -> Iterator[Reading]:
    """Scores and costs of one file, some runs at a time.

    score_name: what the file calls the score; None where a file may lack all of them.
    Raises DumpUnreadable where the file holds no record, no score, or more than fits the memory.
    """
    bad, notes = Quarantined(), Counter[tuple[str, str]]()
    gathering = Gathering(dump, task.benchmark, bad, notes, Spent())
    for some in records:
        gathering.add(some)
    refused = bad.table()
    if score_name is None and gathering.empty and len(refused):
        yield Reading((), refused, {task.benchmark: sum(refused["n"].to_pylist())}, notes)
        return
    table = gathering.table()
    if score_name is not None and not ((table.score.state > 0) | ~np.isnan(table.score.values)).any():
        raise DumpUnreadable(f"found no score in {score_name!r}, expected some", Reason.MISSING_METRIC)
    yield from _readings(dump, spec, task, table, bad, notes)


def readings_of_tasks(
    dump: Dump, spec: SourceSpec, records: Iterable[tuple[Task, Records]], bad: Quarantined
) -> Iterator[Reading]:
    """Scores and costs of one file that holds several tasks, some runs at a time.

    bad: records that are of no task, which `records` may add to. Raises as `readings_of` does.
    """
    spent, notes = Spent(), Counter[tuple[str, str]]()
    tasks: dict[Task, tuple[Gathering, Quarantined]] = {}
    for task, some in records:
        if task not in tasks:
            own = Quarantined()
            tasks[task] = Gathering(dump, task.benchmark, own, notes, spent), own
        tasks[task][0].add(some)
    refused = bad.table()
    if not tasks and not len(refused):
        raise DumpUnreadable("found no record that can be read, expected at least one")
    n_read: Counter[str | None] = Counter()
    for benchmark, n in zip(refused["benchmark"].to_pylist(), refused["n"].to_pylist(), strict=True):
        n_read[benchmark] += n
    yield Reading((), refused, n_read, notes)
    for task, (gathering, own) in tasks.items():
        yield from _readings(dump, spec, task, gathering.table(), own, Counter())


def _readings(
    dump: Dump,
    spec: SourceSpec,
    task: Task,
    table: LongTable,
    bad: Quarantined,
    notes: Counter[tuple[str, str]],
) -> Iterator[Reading]:
    """Scores and costs of the records of a task, those that are no scores first."""
    placed = place(table, spec, task.subset_of)
    good = (placed.model >= 0) & (placed.subset >= 0) & (placed.key >= 0)
    bad.add_rows(dump, misplaced(table, placed, task.benchmark, np.flatnonzero(~good)))
    replaced, orphans = _other_ways(table, placed, good)
    metric = task.metric or metric_names(task.benchmark, spec)[0]
    ways = ", ".join(f"{way[:80]!a}" for way in task.other_ways[:20])
    why = Reason.MISSING_METRIC, f"expected a score by {metric}, found {ways}: say which counts, in `metric`"
    models = (placed.models[at] for at in placed.model[orphans].tolist())
    rows = zip(table.rows[orphans].tolist(), models, strict=True)
    bad.add_rows(dump, (BadRow(row, *why, model, task.benchmark) for row, model in rows))
    refused = bad.table()
    yield Reading((), refused, {task.benchmark: sum(refused["n"].to_pylist())}, notes)
    for of_list, places, documents in lists_of(
        table, placed, spec, task, np.flatnonzero(good & ~table.other)
    ):
        if other := recategorised(table, of_list.categories, places, documents):
            told = {(task.benchmark, OTHER_CATEGORY): other}
            yield Reading((), QUARANTINE.empty_table(), {task.benchmark: 0}, told)
        for found, quarantined in _blocks(dump, of_list, task, table, placed, places, documents):
            blocks = [_with_replaced(block, replaced) for block in found]
            n_read = sum(int(block.n_read.sum()) for block in blocks)
            yield Reading(tuple(blocks), pa.concat_tables(quarantined), {task.benchmark: n_read})


def _other_ways(table: LongTable, placed: Placed, good: np.ndarray) -> tuple[Counter[_Run], np.ndarray]:
    """Of records that do not count: how many of each run another one stands for, and places of the rest."""
    others = np.flatnonzero(good & table.other)
    if not len(others):
        return Counter(), others
    answers = np.zeros(len(good), np.int64)
    for column in (placed.model, placed.moment, placed.subset, placed.key):
        answers = np.unique(answers * (int(column.max()) + 2) + column + 1, return_inverse=True)[1]
    there = np.isin(answers[others], answers[good & ~table.other])
    beaten = others[there]
    runs = zip(
        placed.subset[beaten].tolist(), placed.model[beaten].tolist(), placed.moment[beaten], strict=True
    )
    return Counter(
        (placed.subsets[s], placed.models[m], None if t < 0 else placed.moments[t]) for s, m, t in runs
    ), others[~there]


def _with_replaced(block: Block, replaced: Counter[_Run]) -> Block:
    """A block that accounts for the records of its runs that were replaced, which are told once."""
    runs = zip(block.runs.models, block.runs.timestamps, strict=True)
    more = np.array([replaced.pop((block.columns.subset, *run), 0) for run in runs], np.int64)
    return replace(block, n_read=block.n_read + more, n_superseded=block.n_superseded + more)


def lists_of(
    table: LongTable, placed: Placed, spec: SourceSpec, task: Task, records: np.ndarray
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
            own, at = here[chosen], place[pair[chosen]]
            told = categories_of(table, own, at, len(mine))
            columns = _columns(table, placed, spec, task, subset, key[mine], known[mine] % n_documents, told)
            yield columns, own, at


def _columns(
    table: LongTable,
    placed: Placed,
    spec: SourceSpec,
    task: Task,
    subset: str,
    keys: np.ndarray,
    documents: np.ndarray,
    categories: pa.Array,
) -> Columns:
    rows = [texts_of(table, placed.documents[at]) for at in documents.tolist()]
    questions, prompts, choices, golds = zip(*rows, strict=True)
    doc_keys = pa.array([placed.keys[at] for at in keys.tolist()], pa.string())
    texts = {"question": questions, "prompt": prompts, "choices": choices, "gold": golds}
    docs = docs_table(doc_keys, **texts, category=categories)
    told = docs if task.prompt_fixed else docs_table(doc_keys, **{**texts, "prompt": [None] * len(rows)})
    return Columns(
        benchmark=task.benchmark,
        subset=subset,
        metric=task.metric or metric_names(task.benchmark, spec)[0],
        key_space=resolve_key_space(spec, task.benchmark),
        doc_keys=doc_keys,
        prints=prints_of(told),
        docs=lambda: docs,
        categories=categories,
        bounds=spec.registry[task.benchmark].range,
        prompt_fixed=task.prompt_fixed,
    )


def _blocks(
    dump: Dump,
    columns: Columns,
    task: Task,
    table: LongTable,
    placed: Placed,
    records: np.ndarray,
    documents: np.ndarray,
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
        return Runs(
            models, tuple(None if at < 0 else placed.moments[at] for at in moments), rows, task.settings
        )

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
