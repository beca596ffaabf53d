"""Wide dumps: CSV or Parquet, one row per model and run, one column per item.

What the file does not say, the config does: `benchmark` always; where the benchmark has several subsets,
`subset`, or `subset_pattern` (searched in the file name), or `column_pattern` (matched with whole names of
columns). Subsets that a pattern finds go through `subsets`. `{subset}` in `items` is the name after that;
keys of such an items file are document keys, and keys of any other items file are names of columns.

Records are cells. A row that has no usable model or cannot be told apart into cells counts as one record,
and so does a column without a document key. Columns that are no items (costs, ids, notes) are left out, and
a note names each; `column_pattern` and the items file leave nothing to guess. Rows of one model and timestamp
are one run given twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from routerset.etl.sources import files, item_major, long
from routerset.etl.sources.base import (
    Block,
    Columns,
    Dump,
    DumpUnreadable,
    Found,
    ItemsUnreadable,
    Reading,
    Runs,
    Source,
    SourceSpec,
)
from routerset.etl.sources.blocks import Cells, blocks_of, docs_table, prints_of
from routerset.etl.sources.names import iso_timestamp, metric_names, resolve_key_space, resolve_model
from routerset.etl.sources.parse.csv_text import ENCODING_REMEDY
from routerset.etl.sources.parse.item_columns import left_out_notes
from routerset.etl.sources.parse.item_major_layout import ItemMajorOptions
from routerset.etl.sources.parse.items_file import SUBSET, items_path, join_items, read_items
from routerset.etl.sources.parse.long_table import LongOptions
from routerset.etl.sources.parse.table_kinds import ITEM_MAJOR, LONG, Other
from routerset.etl.sources.parse.tabular import SUFFIXES, Rows, read_rows, score_cells, values_of
from routerset.etl.sources.parse.wide_layout import (
    Layout,
    WideOptions,
    only_items,
    other_format,
    read_layout,
)
from routerset.etl.sources.quarantine import BadRow, quarantine
from routerset.schemas.tables import QUARANTINE, Reason

READ_AS = {LONG: "files_read_as_long", ITEM_MAJOR: "files_read_as_item_major"}
"""Notes of files of other formats."""
MAX_RUNS = 1 << 17  # of one file; there are 8,500 models
MAX_REPEATS = 1 << 10  # rows of one run
WAITING = 1 << 23  # cells of rows of the same runs that wait for each other; a row costs as much as 64 more

Run: TypeAlias = tuple[str, str | None]
Notes: TypeAlias = Counter[tuple[str, str]]


@dataclass(frozen=True)
class _Part:
    """Rows of a file. cells: (rows, item columns), in the layout's order."""

    numbers: np.ndarray
    runs: list[Run]
    cells: Cells

    def take(self, places: Sequence[int]) -> _Part:
        if len(places) == len(self.runs):
            return self
        return _Part(self.numbers[places], [self.runs[at] for at in places], self.cells.take(places))


def discover(spec: SourceSpec) -> Found:
    """Every CSV (also gzipped) and Parquet file but the items files; each is a group of its own."""
    found = files.discover(spec, _claims)
    items = {dump.path for dump in _items_files(spec)}
    scores = tuple(dump for dump in found.dumps if dump.path not in items)
    return replace(found, dumps=scores or found.dumps)  # `{subset}` may stand for any name


def _claims(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def companions(dump: Dump, spec: SourceSpec) -> tuple[Dump, ...]:
    """The items files of this source."""
    return _items_files(spec)


def _items_files(spec: SourceSpec) -> tuple[Dump, ...]:
    items = spec.options_as(WideOptions).items
    if items is None:
        return ()
    try:
        return files.discover(replace(spec, path=items.replace(SUBSET, "*")), _claims).dumps
    except DumpUnreadable:
        return ()


def read(dump: Dump, spec: SourceSpec) -> Iterator[Reading]:
    """Scores of one file, some million cells at a time.

    Raises DumpUnreadable where the file has no header, no model column, no item column or no row, or an
    unknown subset; ValueError where the config does not say what it must.
    """
    options = spec.options_as(WideOptions)
    other = other_format(dump, options)
    if other is not None and spec.benchmark is not None:
        yield from _as_other(dump, spec, other)
        return
    layout = read_layout(dump, spec)
    items = _read_items(layout, options)
    known = {key for table, _ in items.values() for key in table["doc_key"].to_pylist()}
    layout, left_out = only_items(dump, options, layout, known)
    columns, notes = _columns(layout, spec, items)
    notes += left_out_notes(layout.benchmark, left_out, "ignore_columns, column_pattern")
    counts, found = _count_runs(dump, spec, layout)
    notes += found
    bad = list(layout.bad)
    positions = [at for entries in layout.items.values() for at, _ in entries]
    for turn, repeated in enumerate(_turns(counts, len(positions))):
        waiting: dict[Run, list[_Part]] = {}
        for rows in read_rows(dump.path, layout.identity, positions, layout.dialect):
            part, refused = _part(rows, spec, counts)
            parts = [] if turn else [part.take([at for at, run in enumerate(part.runs) if counts[run] == 1])]
            for at in [at for at, run in enumerate(part.runs) if run in repeated]:
                repeats = waiting.setdefault(part.runs[at], [])
                repeats.append(part.take([at]))
                if len(repeats) == counts[part.runs[at]]:
                    parts.append(_stack(waiting.pop(part.runs[at])))
            if not turn:
                bad += [replace(row, benchmark=layout.benchmark) for row in (*rows.bad, *refused)]
            yield _reading(dump, columns, parts, bad, notes)
            bad, notes = [], Counter()
        # whatever still waits lost its repeats to a part of the file that cannot be read
        yield from (_reading(dump, columns, [_stack(parts)], [], Counter()) for parts in waiting.values())


def _as_other(dump: Dump, spec: SourceSpec, other: Other) -> Iterator[Reading]:
    """A file that plainly is of another layout, as its format reads it, and a note that it was."""
    options = spec.options_as(WideOptions)
    common = other.columns or {}, options.subset_pattern, options.delimiter, options.encoding
    by_model = other.format == LONG
    keys = (
        LongOptions(*common) if by_model else ItemMajorOptions(*common, ignore_columns=options.ignore_columns)
    )
    read_other = long.read if by_model else item_major.read
    told = {(str(spec.benchmark), READ_AS[str(other.format)]): 1}
    yield Reading((), QUARANTINE.empty_table(), {spec.benchmark: 0}, told)
    yield from read_other(dump, replace(spec, format=str(other.format), options=keys))


def _turns(counts: Mapping[Run, int], width: int) -> Iterator[Collection[Run]]:
    """Runs of several rows, as many at a time as may wait for their rows in memory; at least one time."""
    turn: set[Run] = set()
    size = 0
    for run, n in counts.items():
        if 1 < n <= MAX_REPEATS:
            if size > WAITING:
                yield turn
                turn, size = set(), 0
            turn.add(run)
            size += n * (width + 64)
    yield turn


def _read_items(layout: Layout, options: WideOptions) -> dict[str, tuple[pa.Table, Counter[str]]]:
    """Every items file of the layout's subsets that is there: documents, and counts of what was left out."""
    found: dict[str, tuple[pa.Table, Counter[str]]] = {}
    for path in {items_path(options.items, subset) for subset in layout.items} if options.items else ():
        try:
            if path is not None:
                found[path] = read_items(path, options.item_columns, options.encoding)
        except FileNotFoundError as error:
            if SUBSET not in str(options.items):
                raise ItemsUnreadable(
                    f"items: {options.items}: no such file; check [[source]] items"
                ) from error
    return found


def _columns(
    layout: Layout, spec: SourceSpec, texts: Mapping[str, tuple[pa.Table, Counter[str]]]
) -> tuple[list[Columns], Notes]:
    """Documents of every subset, in the layout's order, with their texts where there is an items file."""
    options = spec.options_as(WideOptions)
    by_path: dict[str | None, list[str]] = {}
    for subset in layout.items:
        by_path.setdefault(options.items and items_path(options.items, subset), []).append(subset)
    columns: dict[str, Columns] = {}
    notes: Notes = Counter()
    for path, subsets in by_path.items():
        entries = [entry for subset in subsets for entry in layout.items[subset]]
        docs = docs_table(pa.array([key for _, key in entries], pa.string()))
        if path is not None and path in texts:
            own_keys = SUBSET in str(options.items)
            names = [key if own_keys else layout.header[at] for at, key in entries]
            items, left_out = texts[path]
            docs, unmatched = join_items(
                items, pa.array(names, pa.string()), docs["doc_key"].combine_chunks()
            )
            notes.update({(layout.benchmark, note): n for note, n in (left_out + unmatched).items()})
        elif options.items is not None:
            notes[layout.benchmark, "subsets_without_items_file"] += 1
        start = 0
        for subset in subsets:
            part = docs.slice(start, len(layout.items[subset]))
            start += len(part)
            columns[subset] = Columns(
                benchmark=layout.benchmark,
                subset=subset,
                metric=metric_names(layout.benchmark, spec)[0],
                key_space=resolve_key_space(spec, layout.benchmark),
                doc_keys=part["doc_key"].combine_chunks(),
                prints=prints_of(part),
                docs=lambda part=part: part,  # type: ignore[misc]
                categories=part["category"].combine_chunks(),
                bounds=layout.bounds,
            )
    return [columns[subset] for subset in layout.items], notes


def _count_runs(dump: Dump, spec: SourceSpec, layout: Layout) -> tuple[Counter[Run], Notes]:
    """Number of rows of every run. Raises DumpUnreadable where the file has no row at all."""
    counts: Counter[Run] = Counter()
    notes: Notes = Counter()
    lost: str | None = "found no row of scores, expected at least one"
    for rows in read_rows(dump.path, layout.identity, (), layout.dialect):
        if len(rows.numbers) or any(row.reason is not Reason.UNREADABLE_FILE for row in rows.bad):
            lost = None
        elif lost and rows.bad:
            lost = rows.bad[0].detail
        for name, time in _names(rows):
            run = _run(name, time, spec)
            if run is not None:
                counts[run] += 1
                notes[layout.benchmark, "timestamps_unreadable"] += bool(time and run[1] is None)
        if len(counts) > MAX_RUNS:
            raise DumpUnreadable(f"found more than {MAX_RUNS} models and times, expected fewer")
    if lost:
        raise DumpUnreadable(lost)
    return counts, +notes


def _names(rows: Rows) -> Iterator[tuple[str, str]]:
    """Name of the model and time of every row, as they stand in the file; empty where there is none."""
    models, *times = ([_text(cell) for cell in values_of(column)] for column in rows.texts)
    yield from zip(models, times[0] if times else [""] * len(models), strict=True)


def _run(name: str, time: str, spec: SourceSpec) -> Run | None:
    """Model id and ISO time; None where the name is unusable."""
    model = resolve_model(name, spec)
    return None if model is None else (model, iso_timestamp(time))


def _text(cell: object) -> str:
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "surrogateescape").strip()
    return "" if cell is None else str(cell).strip()


def _part(rows: Rows, spec: SourceSpec, counts: Mapping[Run, int]) -> tuple[_Part, list[BadRow]]:
    """Rows whose model has a usable name, and the others. counts: rows of every run in the file."""
    kept, runs, bad = [], [], []
    for at, (name, time) in enumerate(_names(rows)):
        run = _run(name, time, spec)
        if run is None:
            remedy = "name it in [source.models]" if name.isascii() or name.isprintable() else ENCODING_REMEDY
            detail = f"expected a model's name, found {name[:80]!a}: the row counts as one record; {remedy}"
            bad.append(BadRow(int(rows.numbers[at]), Reason.INVALID_MODEL, detail))
        elif counts[run] > MAX_REPEATS:
            detail = (
                f"found {counts[run]} rows of this model and time, expected one: each counts as one record"
            )
            bad.append(BadRow(int(rows.numbers[at]), Reason.DUPLICATE_KEY, detail, run[0]))
        else:
            kept.append(at)
            runs.append(run)
    whole = _Part(rows.numbers, [("", None)] * len(rows.numbers), score_cells(rows.scores, len(rows.numbers)))
    return replace(whole.take(kept), runs=runs), bad


def _stack(parts: Sequence[_Part]) -> _Part:
    return _Part(
        np.concatenate([part.numbers for part in parts]),
        [run for part in parts for run in part.runs],
        Cells.stack([part.cells for part in parts]),
    )


def _reading(
    dump: Dump, columns: Sequence[Columns], parts: Sequence[_Part], bad: Sequence[BadRow], notes: Notes
) -> Reading:
    blocks: list[Block] = []
    tables = [quarantine(dump, bad)]
    n_read = len(bad)
    for part in parts:
        start = 0
        n_read += part.cells.values.size
        models = tuple(model for model, _ in part.runs)
        runs = Runs(models, tuple(time for _, time in part.runs), part.numbers)
        for each in columns:
            stop = start + len(each.doc_keys)
            found, quarantined = blocks_of(dump, each, runs, part.cells.take(np.s_[:, start:stop]))
            blocks += found
            tables += quarantined
            start = stop
    return Reading(tuple(blocks), pa.concat_tables(tables), {columns[0].benchmark: n_read}, notes)


SOURCE = Source(
    name="wide",
    discover=discover,
    read=read,
    looks_for="files that end with .csv, .tsv (also with .gz or .zst) or .parquet",
    companions=companions,
    options=WideOptions,
    unused=("tasks",),
    by_name=False,
)
