"""Item-major dumps: CSV, Parquet, JSON or a pickle of pandas, a row per item, and a column per model.

`columns` says which columns tell the item: our name -> name of a column, or dotted path; others are looked
for under our own names. Every other column of numbers is a model, unless its name says something else; what
is left out is named in a note. `model_columns` or `model_pattern` leave nothing to guess. What a model's
answers cost stands beside its scores (`cost_columns`), or inside of its column (`fields`). Where `columns`
names `score`, one column holds what all models scored: a mapping, or a list beside the list of names in
`model`.

Records are cells. A row without a key and a text counts as one record, and so does a column whose name is no
model's. Rows of one document are one record each, of which one that is missing gives way; columns that
stand for one model are one run given twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

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
from routerset.etl.sources.blocks import Cells, add_cost_notes, blocks_of, clean_costs
from routerset.etl.sources.names import no_model, resolve_model
from routerset.etl.sources.parse.csv_text import Dialect
from routerset.etl.sources.parse.frames import Frame, open_frame
from routerset.etl.sources.parse.item_columns import left_out_notes
from routerset.etl.sources.parse.item_major_layout import (
    OF_ITEMS,
    ItemMajorOptions,
    ModelColumn,
    cells_of_scores,
    find_models,
    text_places,
    unused_columns,
)
from routerset.etl.sources.parse.long_table import LongTable, gathered, misplaced, place, subset_reader
from routerset.etl.sources.parse.models_in_cells import Nested, nested_records
from routerset.etl.sources.parse.records import Records, as_cells, as_texts, is_json
from routerset.etl.sources.parse.tabular import MAX_CELLS, SUFFIXES
from routerset.etl.sources.pickles.frames import is_frame
from routerset.etl.sources.quarantine import BadRow, Quarantined
from routerset.etl.sources.recorded import CELLS, Task, lists_of, readings_of
from routerset.schemas.tables import COST_MEASURES, QUARANTINE, Reason

WINDOW = 1 << 22  # cells of scores and costs that are held at a time
MAX_REPEATED = 1 << 25  # cells of the columns of one model
MAX_TEXTS = 1 << 16  # of cells that are no numbers, which are told each
KEYS = "ignore_columns, model_columns"


def discover(spec: SourceSpec) -> Found:
    """Every CSV, Parquet, JSON and pickle file, compressed or not; each is a group of its own."""
    return files.discover(
        spec, lambda name: name.lower().endswith(SUFFIXES) or is_json(name) or is_frame(name)
    )


def read(dump: Dump, spec: SourceSpec) -> Iterator[Reading]:
    """Scores and costs of one file, some models at a time.

    Raises DumpUnreadable where the file lacks a column that the config names, has no column of scores, or
    holds more than fits the memory; SpecError where the config does not say what it must.
    """
    options = spec.options_as(ItemMajorOptions)
    options.check()
    if spec.benchmark is None:
        raise SpecError("a table of items does not tell the benchmark that they are of: set benchmark")
    dialect = Dialect(options.delimiter, options.encoding)
    frame = open_frame(dump.path, dialect, (*options.columns.values(), *OF_ITEMS))
    texts = text_places(frame, options)
    task = Task(spec.benchmark, subset_reader(dump, spec, "subset" in texts))
    if "score" in texts:
        left_out = unused_columns(frame, options, texts)
        notes = left_out_notes(spec.benchmark, left_out, KEYS)
        yield Reading((), QUARANTINE.empty_table(), {spec.benchmark: 0}, notes)
        records = nested_records(
            frame,
            Nested(
                {name: at for name, at in texts.items() if name in OF_ITEMS},
                texts.get("model"),
                texts["score"],
                {name: texts[name] for name in COST_MEASURES if name in texts},
                options.fields,
            ),
        )
        yield from readings_of(dump, spec, task, records, options.columns["score"])
    else:
        yield from _read_columns(dump, spec, frame, task)


def _read_columns(dump: Dump, spec: SourceSpec, frame: Frame, task: Task) -> Iterator[Reading]:
    """Readings of a file with a column per model."""
    options = spec.options_as(ItemMajorOptions)
    texts = text_places(frame, options)
    found, left_out = find_models(frame, options, texts, spec.registry[task.benchmark].range)
    bad, notes = Quarantined(), left_out_notes(task.benchmark, left_out, KEYS)
    known_bad: set[int | None] = set()

    def items() -> Iterator[Records]:
        for rows in frame.read(list(texts.values()), (), MAX_CELLS):
            known_bad.update(row.row for row in rows.bad)
            columns = {name: as_texts(column) for name, column in zip(texts, rows.texts, strict=True)}
            # what `gathered` wants of a record, which this is not yet
            yield Records(rows.numbers, columns, {"score": Cells.of(np.zeros(len(rows.numbers)))}, rows.bad)

    table = gathered(dump, task.benchmark, items(), bad, notes)
    placed = place(table, spec, task.subset_of)
    lost = np.flatnonzero((placed.subset < 0) | (placed.key < 0))
    whole = replace(placed, models=[""], model=np.zeros(len(table.rows), np.int32))
    for row in misplaced(table, whole, task.benchmark, lost):
        detail = f"{row.detail}: the row counts as one record"
        bad.add_rows(dump, [replace(row, model_id=None, detail=detail)])
    models: dict[str, list[ModelColumn]] = {}
    for column in found:
        ident = resolve_model(column.name, spec)
        if ident is None:
            detail = f"{no_model(column.name[:80])}: the column counts as one record"
            bad.add_rows(dump, [BadRow(None, Reason.INVALID_MODEL, detail, None, task.benchmark)])
        else:
            models.setdefault(ident, []).append(column)
    refused = bad.table()
    yield Reading((), refused, {task.benchmark: sum(refused["n"].to_pylist())}, notes)
    good = np.flatnonzero((placed.subset >= 0) & (placed.key >= 0))
    lists = list(lists_of(table, placed, spec, task, good))
    for some in _windows(models, len(table.rows)):
        matrix, bad, notes = _read_matrix(dump, task.benchmark, frame, table, some, known_bad)
        refused = bad.table()
        yield Reading((), refused, {task.benchmark: sum(refused["n"].to_pylist())}, notes)
        for of_list, rows, places in lists:
            yield from _readings(dump, task, some, matrix, table, of_list, rows, places)


def _windows(models: Mapping[str, list[ModelColumn]], n_rows: int) -> Iterator[dict[str, list[ModelColumn]]]:
    """Some models at a time, each with all of its columns."""
    window: dict[str, list[ModelColumn]] = {}
    size = 0
    for ident in sorted(models):
        columns = models[ident]
        own = n_rows * sum(1 + len(column.costs) for column in columns)
        if len(columns) > 1 and own > MAX_REPEATED:
            raise DumpUnreadable(f"found {len(columns)} columns of the model {ident!r}, expected one")
        if window and size + own > WINDOW:
            yield window
            window, size = {}, 0
        window[ident] = columns
        size += own
    if window:
        yield window


@dataclass(frozen=True)
class _Matrix:
    """Cells (rows, columns of models) of some models, and their costs, of that shape."""

    models: list[str]
    cells: Cells
    costs: Mapping[str, np.ndarray]


def _read_matrix(
    dump: Dump,
    benchmark: str,
    frame: Frame,
    table: LongTable,
    models: Mapping[str, list[ModelColumn]],
    known_bad: set[int | None],
) -> tuple[_Matrix, Quarantined, Counter[tuple[str, str]]]:
    """Scores and costs of some models on all rows, and what was met on the way for the first time.

    Where a part of the columns cannot be read, nothing stands.
    """
    columns = [column for of_model in models.values() for column in of_model]
    shape = (len(table.rows), len(columns))
    bad, notes = Quarantined(), Counter[tuple[str, str]]()
    values, state = np.full(shape, np.nan), np.zeros(shape, np.int32)
    measures = [name for name in COST_MEASURES if any(name in column.costs for column in columns)]
    costs = {name: np.full(shape, np.nan, np.float32) for name in measures}
    wanted = [(name, at) for name in measures for at, each in enumerate(columns) if name in each.costs]
    said: list[str] = []
    for rows in frame.read(
        [columns[at].costs[name] for name, at in wanted], [each.score for each in columns], MAX_CELLS
    ):
        new = [row for row in rows.bad if row.row not in known_bad]
        known_bad.update(row.row for row in new)
        bad.add_rows(dump, (replace(row, benchmark=benchmark) for row in new))
        at = np.minimum(np.searchsorted(table.rows, rows.numbers), len(table.rows) - 1)
        there = table.rows[at] == rows.numbers
        at, numbers = at[there], rows.numbers[there]
        cells = cells_of_scores(list(rows.scores), len(rows.numbers)).take(there)
        values[at] = cells.values
        state[at] = np.where(cells.state > 0, np.minimum(cells.state + len(said), MAX_TEXTS), cells.state)
        said = [*said, *cells.texts][: MAX_TEXTS - 1]
        for (name, column), array in zip(wanted, rows.texts, strict=True):
            found = as_cells(array).take(there)
            known, told = clean_costs(dump, benchmark, numbers, {name: found})
            costs[name][at, column] = known[name]
            add_cost_notes(notes, told)
    said += ["a text among too many to be told"]
    names = [ident for ident, of_model in models.items() for _ in of_model]
    if len(said) < MAX_TEXTS:
        state = np.minimum(state, len(said))
    return _Matrix(names, Cells(values, state, said), costs), bad, notes


def _readings(
    dump: Dump,
    task: Task,
    models: Mapping[str, Sequence[ModelColumn]],
    matrix: _Matrix,
    table: LongTable,
    of_list: Columns,
    rows: np.ndarray,
    places: np.ndarray,
) -> Iterator[Reading]:
    """Readings of one list of documents, some models at a time. rows: those of the list. places: in it."""
    own = of_list if np.array_equal(places, np.arange(len(of_list.doc_keys))) else of_list.take(places)
    start = 0
    for some in _groups([len(of_model) for of_model in models.values()], len(rows)):
        stop = start + some
        runs = Runs(
            tuple(matrix.models[start:stop]),
            (None,) * some,
            np.broadcast_to(table.rows[rows].astype(np.int64), (some, len(rows))),
            task.settings,
        )
        spot = np.ix_(rows, np.arange(start, stop))
        cells = replace(matrix.cells, values=matrix.cells.values[spot].T, state=matrix.cells.state[spot].T)
        costs = {name: of[spot].T for name, of in matrix.costs.items()}
        blocks, quarantined = blocks_of(dump, own, runs, cells, costs)
        yield _reading(task, blocks, quarantined)
        start = stop


def _groups(sizes: Sequence[int], width: int) -> Iterator[int]:
    """Numbers of columns, those of some models at a time, in matrices of at most `CELLS`."""
    total = 0
    for size in sizes:
        if total and (total + size) * width > CELLS:
            yield total
            total = 0
        total += size
    if total:
        yield total


def _reading(task: Task, blocks: Sequence[Block], quarantined: Sequence[pa.Table]) -> Reading:
    n_read = sum(int(block.n_read.sum()) for block in blocks)
    return Reading(tuple(blocks), pa.concat_tables(quarantined), {task.benchmark: n_read})


SOURCE = Source(
    name="item_major",
    discover=discover,
    read=read,
    looks_for="files that end with .csv, .tsv, .jsonl, .ndjson, .json, .pkl (also .gz or .zst) or .parquet",
    options=ItemMajorOptions,
    unused=("tasks",),
    by_name=False,
)
