"""The columns of a wide file: which tell the model and the time, and which document each other one scores."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from routerset.etl.sources.base import PATH, Dump, DumpUnreadable, Options, SourceSpec, SpecError
from routerset.etl.sources.parse.csv_text import Dialect
from routerset.etl.sources.parse.item_columns import make_of, no_items_by_name
from routerset.etl.sources.parse.table_kinds import LONG, Other, what_else
from routerset.etl.sources.parse.tabular import MAX_CELLS, read_header, read_rows, score_cells
from routerset.etl.sources.quarantine import BadRow
from routerset.schemas.tables import Reason

INDEX_COLUMNS = ("", "Unnamed: 0", "__index_level_0__")
"""Names under which pandas and R write row numbers."""
SAMPLE = 64
"""Rows that are read to see which columns hold scores."""
LOOKED_AT = 4
"""Columns that are read for that, of those whose names differ in their numbers alone."""


@dataclass(frozen=True)
class WideOptions(Options):
    """Keys of a `wide` source.

    subset_pattern: regular expression with a group `subset`, searched in the file name, such as
    `'BBH__(?P<subset>.+)_results'`.
    column_pattern: regular expression on whole names of item columns, with a group `doc_key`, and `subset`
    where they tell it, such as `'(?P<subset>.+)[.](?P<doc_key>[0-9]+)'`.
    items: file with the texts of items, relative to the config; may hold `{subset}`, such as
    `"prompts/{subset}.csv"`.
    item_columns: our column (doc_key, question, prompt, choices, gold) -> column of that file, such as
    `{ doc_key = "id", question = "prompt" }`.
    model_column: column that names the models.
    timestamp_column: column with the times of runs, where there is one.
    ignore_columns: columns that are no items, such as `["norm_score"]`.
    delimiter: of CSV files; one that is not named is told by the header, such as `";"`.
    encoding: of the text of CSV files.
    """

    subset_pattern: str | None = None
    column_pattern: str | None = None
    items: str | None = field(default=None, metadata=PATH)
    item_columns: Mapping[str, str] = field(default_factory=dict)
    model_column: str = "model"
    timestamp_column: str = "timestamp"
    ignore_columns: tuple[str, ...] = ()
    delimiter: str | None = None
    encoding: str = "utf-8"

    def dialect(self) -> Dialect:
        """How the source's CSV files are written, as far as the config says it. Raises SpecError."""
        return Dialect(self.delimiter, self.encoding)


@dataclass(frozen=True)
class Layout:
    """Where things stand in a file.

    identity: positions of the model column and, if there is one, the timestamp column.
    items: subset -> positions and document keys of its columns.
    bad: columns that hold no item, one record each. bounds: least and greatest score.
    """

    benchmark: str
    header: list[str]
    dialect: Dialect
    identity: tuple[int, ...]
    items: Mapping[str, list[tuple[int, str]]]
    bad: tuple[BadRow, ...]
    bounds: tuple[float, float] = (0.0, 1.0)


def read_layout(dump: Dump, spec: SourceSpec) -> Layout:
    """Layout of a file by its header, its name and the config.

    Raises DumpUnreadable where the file lacks a header, a model column or item columns, or its name does
    not match `subset_pattern`; ValueError where the config does not say what it must.
    """
    if spec.benchmark is None:
        raise SpecError("[[source]] format 'wide' needs benchmark: its files do not tell it")
    options = spec.options_as(WideOptions)
    pattern = options.column_pattern and _pattern("column_pattern", options.column_pattern, "doc_key")
    named = bool(pattern and "subset" in pattern.groupindex)
    subset = None if named else _file_subset(dump, spec)
    names, dialect = read_header(dump.path, options.dialect(), (options.model_column,))
    header = [name.strip() for name in names]
    identity = _identity(header, options)
    items: dict[str, list[tuple[int, str]]] = {}
    bad = []
    for at, name in enumerate(header):
        if at in identity or name in options.ignore_columns:
            continue
        match = pattern.fullmatch(name) if pattern else None
        key = match["doc_key"] if match else None if pattern else name
        found = match["subset"] if match and named else subset
        if name in INDEX_COLUMNS:
            bad.append(_no_item(spec, name, Reason.MISSING_KEY, "looks like row numbers"))
        elif key is None or found is None:
            what = f"does not match column_pattern {options.column_pattern!r}"
            bad.append(_no_item(spec, name, Reason.UNKNOWN_TASK, what))
        else:
            renamed = spec.subsets.get(found, found) if named else found
            items.setdefault(renamed, []).append((at, key))
    if not items:
        raise DumpUnreadable(f"found no item column, only {_listed(header)}")
    bounds = spec.registry[spec.benchmark].range
    return Layout(spec.benchmark, header, dialect, identity, items, tuple(bad), bounds)


def only_items(
    dump: Dump, options: WideOptions, layout: Layout, known: Collection[str]
) -> tuple[Layout, dict[str, str]]:
    """The layout without columns that are no items, and why each is none.

    known: columns that the items file has. With `column_pattern`, there is nothing to guess.
    Raises DumpUnreadable where no item is left.
    """
    if options.column_pattern is not None:
        return layout, {}
    entries = [entry for of_subset in layout.items.values() for entry in of_subset]
    left_out = no_items_by_name([name for _, name in entries], known)
    entries = [(at, name) for at, name in entries if name not in left_out]
    if entries and not {*known} & {name for _, name in entries}:
        left_out |= dict.fromkeys(_unscored(dump, layout, entries), "holds no score")
    if not left_out:
        return layout, {}
    items = {
        subset: [(at, name) for at, name in of_subset if name not in left_out]
        for subset, of_subset in layout.items.items()
    }
    if not any(items.values()):
        why = ", ".join(f"{name[:80]!r} {why}" for name, why in list(left_out.items())[:5])
        raise DumpUnreadable(f"found no item column: {why}; if some are items, set column_pattern")
    return replace(layout, items=items), left_out


def _unscored(dump: Dump, layout: Layout, entries: Sequence[tuple[int, str]]) -> list[str]:
    """Names of columns that hold something, but no score in the whole file, while others do.

    Columns whose names differ in their numbers alone are of one make: one score among them speaks for all.
    """
    makes: dict[str, list[int]] = {}
    counts = Counter(layout.header)
    for at, name in entries:
        if counts[name] == 1:
            makes.setdefault(make_of(name), []).append(at)
    first = {make: places[:LOOKED_AT] for make, places in makes.items()}
    filled, scored = _holds(dump, layout, first, max_cells=SAMPLE * len(layout.header))
    doubted = {make: makes[make] for make in filled - scored} if scored else {}
    if doubted:
        doubted = {make: makes[make] for make in doubted.keys() - _holds(dump, layout, doubted)[1]}
    return [layout.header[at] for places in doubted.values() for at in places]


def _holds(
    dump: Dump, layout: Layout, makes: Mapping[str, list[int]], max_cells: int | None = None
) -> tuple[set[str], set[str]]:
    """Makes whose columns hold something, and those that hold a score: in the first cells, or anywhere."""
    owners = [make for make, places in makes.items() for _ in places]
    places = [at for of_make in makes.values() for at in of_make]
    filled, scored = np.zeros(len(places), bool), np.zeros(len(places), bool)
    low, high = layout.bounds
    for rows in read_rows(dump.path, places, (), layout.dialect, max_cells or MAX_CELLS):
        cells = score_cells(rows.texts, len(rows.numbers))
        filled |= ((cells.state > 0) | ~np.isnan(cells.values)).any(axis=0)
        scored |= ((cells.values >= low) & (cells.values <= high)).any(axis=0)
        if max_cells and len(rows.numbers):
            break
    return {owners[i] for i in np.flatnonzero(filled)}, {owners[i] for i in np.flatnonzero(scored)}


def _no_item(spec: SourceSpec, name: str, reason: Reason, what: str) -> BadRow:
    detail = (
        f"column {name[:80]!r} {what}: it counts as one record; if it is no item, put it in ignore_columns"
    )
    return BadRow(None, reason, detail, None, spec.benchmark)


def _pattern(key: str, text: str, group: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise SpecError(f"{key} = {text!r} is no regular expression: {error}") from error
    if group not in pattern.groupindex:
        raise SpecError(f"{key} = {text!r} needs a group (?P<{group}>...)")
    return pattern


def _file_subset(dump: Dump, spec: SourceSpec) -> str:
    """Subset of the columns that do not tell it themselves."""
    if spec.subset is not None:
        return spec.subset
    subset_pattern = spec.options_as(WideOptions).subset_pattern
    if subset_pattern is None:
        subsets = list(spec.registry[spec.benchmark or ""].subsets)
        if len(subsets) > 1:
            raise SpecError(
                f"{spec.benchmark} has {len(subsets)} subsets: set subset, subset_pattern, or column_pattern "
                "with a group (?P<subset>...)"
            )
        return subsets[0]
    match = _pattern("subset_pattern", subset_pattern, "subset").search(dump.name)
    if match is None or match["subset"] is None:
        raise DumpUnreadable(
            f"the name of the file does not match subset_pattern {subset_pattern!r}: leave the file out "
            "of path, or extend the pattern",
            Reason.UNKNOWN_TASK,
        )
    return spec.subsets.get(match["subset"], match["subset"])


def other_format(dump: Dump, options: WideOptions) -> Other | None:
    """What a file is that is not wide, where its header leaves no doubt and the config says nothing that only
    a wide one could have.
    """
    default = WideOptions()
    if options.items or options.item_columns or options.column_pattern:
        return None
    names, _ = read_header(dump.path, options.dialect(), (options.model_column,))
    other = what_else([name.strip() for name in names], options.model_column)
    if other is None or other.format is None:
        return None
    return other if other.format == LONG or options.model_column == default.model_column else None


def _identity(header: list[str], options: WideOptions) -> tuple[int, ...]:
    """Positions of the model column and, if there is one, the timestamp column."""
    for name in (options.model_column, options.timestamp_column):
        if header.count(name) > 1:
            raise DumpUnreadable(f"found {header.count(name)} columns {name!r}, expected one")
    what = what_else(header, options.model_column)
    if what is not None:
        raise DumpUnreadable(f"{what.says}; its columns are {_listed(header)}")
    if options.model_column not in header:
        raise DumpUnreadable(
            f"expected a column {options.model_column!r}, found {_listed(header)}: set model_column, or add "
            "a header if the file has none"
        )
    names = [options.model_column, *({options.timestamp_column} & set(header))]
    return tuple(header.index(name) for name in names)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:80]) for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
