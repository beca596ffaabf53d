"""The columns of a wide file: which tell the model and the time, and which document each other one scores."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from routerset.etl.sources.base import PATH, Dump, DumpUnreadable, Options, SourceSpec, SpecError
from routerset.etl.sources.parse.tabular import read_header
from routerset.etl.sources.quarantine import BadRow
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.tables import Reason

INDEX_COLUMNS = ("", "Unnamed: 0", "__index_level_0__")
"""Names under which pandas and R write row numbers."""


@dataclass(frozen=True)
class WideOptions(Options):
    """Keys of a `wide` source.

    subset_pattern: regular expression on the file name with a group `subset`.
    column_pattern: regular expression on item columns with groups `subset` and `doc_key`.
    items: items file, may hold `{subset}`; item_columns: our column -> column of that file.
    """

    subset_pattern: str | None = None
    column_pattern: str | None = None
    items: str | None = field(default=None, metadata=PATH)
    item_columns: Mapping[str, str] = field(default_factory=dict)
    model_column: str = "model"
    timestamp_column: str = "timestamp"
    ignore_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Where things stand in a file.

    identity: positions of the model column and, if there is one, the timestamp column.
    items: subset -> positions and document keys of its columns.
    bad: columns that hold no item, one record each.
    """

    benchmark: str
    header: list[str]
    identity: tuple[int, ...]
    items: Mapping[str, list[tuple[int, str]]]
    bad: tuple[BadRow, ...]


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
    header = read_header(dump.path)
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
    return Layout(spec.benchmark, header, identity, items, tuple(bad))


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
        subsets = list(BENCHMARKS[spec.benchmark or ""].subsets)
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


def _identity(header: list[str], options: WideOptions) -> tuple[int, ...]:
    """Positions of the model column and, if there is one, the timestamp column."""
    for name in (options.model_column, options.timestamp_column):
        if header.count(name) > 1:
            raise DumpUnreadable(f"found {header.count(name)} columns {name!r}, expected one")
    if options.model_column not in header:
        raise DumpUnreadable(
            f"expected a column {options.model_column!r}, found {_listed(header)}: set model_column"
        )
    names = [options.model_column, *({options.timestamp_column} & set(header))]
    return tuple(header.index(name) for name in names)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:80]) for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
