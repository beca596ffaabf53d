"""What a dump format is: two functions, and the plain data they pass on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from routerset.schemas.exits import UNREADABLE, USAGE
from routerset.schemas.tables import Reason

DOCS = pa.schema(
    [
        ("doc_key", pa.string()),
        ("question", pa.string()),
        ("prompt", pa.string()),
        ("choices", pa.list_(pa.string())),
        ("gold", pa.string()),
    ]
)
"""Text of the documents behind a block's columns."""


class DumpUnreadable(OSError):
    """A whole file cannot be read; the message says what was found and what was expected.

    reason: the code under which the file goes to quarantine.
    """

    def __init__(self, message: str, reason: Reason = Reason.UNREADABLE_FILE) -> None:
        super().__init__(message)
        self.reason = reason


class SpecError(ValueError):
    """A `[[source]]` cannot be meant as it stands; the message names the key and what is valid."""

    exit_code = USAGE


class ItemsUnreadable(SpecError):
    """The items file of a `[[source]]` is missing, or cannot be read."""

    exit_code = UNREADABLE


@dataclass(frozen=True)
class SourceSpec:
    """One `[[source]]` of a config: where dumps lie and how their names map to benchmarks.

    format: key of `SOURCES`. path: file, folder or glob, absolute or an fsspec URL.
    benchmark, subset: fixed names, where the dump does not tell them itself.
    subset_pattern: regular expression on the file name (`wide`) with a group `subset`.
    column_pattern: regular expression on item columns (`wide`) with groups `subset` and `doc_key`.
    subsets: renames of subsets. tasks: dump task -> `benchmark` or `benchmark/subset`; the subset may
    hold `{field}`, a field of the document. models: renames of models.
    items: items file, may hold `{subset}`; item_columns: our column -> column of that file.
    metric, filter: read this instead of what the registry names.
    key_space: sources with the same key space share document keys (default: format and
    benchmark; for `lm_eval` format and task).
    """

    format: str
    path: str
    benchmark: str | None = None
    subset: str | None = None
    subset_pattern: str | None = None
    column_pattern: str | None = None
    subsets: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    items: str | None = None
    item_columns: Mapping[str, str] = field(default_factory=dict)
    model_column: str = "model"
    timestamp_column: str = "timestamp"
    ignore_columns: tuple[str, ...] = ()
    metric: str | None = None
    filter: str | None = None
    key_space: str | None = None


@dataclass(frozen=True)
class Dump:
    """One file of a dump.

    path: what to open. file: its name below the source's root, as recorded in tables.
    group: dumps of one group are read together (a model's folder). size: bytes.
    signature: changes whenever the file does (size and time, or an ETag).
    """

    source: str
    path: str
    file: str
    group: str
    size: int
    signature: str

    @property
    def name(self) -> str:
        """Name of the file without its folders."""
        return self.file.rpartition("/")[2]


@dataclass(frozen=True)
class Block:
    """Scores of some runs on the documents of one subset, as read from one file.

    models: canonical ids, one per row. timestamps: ISO times or None, one per row.
    doc_keys, prints: string arrays, one per column; a print changes whenever the document's text or
    gold answer does. scores: float32 (rows, columns), NaN where missing.
    n_read, n_superseded: int64 per row; records met in the file, and those that a later record of the
    same file replaced. lines: int64 (rows,) or (rows, columns), where in the file the records stand, from
    0. docs: reads the text (schema DOCS, one row per column), called only for
    documents never seen before. prompt_fixed: prints change with the prompt, too; where they do not
    (each model may have its own chat template), the prompt of one model stands for all.
    """

    benchmark: str
    subset: str
    metric: str
    key_space: str
    models: tuple[str, ...]
    timestamps: tuple[str | None, ...]
    doc_keys: pa.Array
    prints: pa.Array
    scores: np.ndarray
    n_read: np.ndarray
    n_superseded: np.ndarray
    lines: np.ndarray
    docs: Callable[[], pa.Table]
    prompt_fixed: bool = True


@dataclass(frozen=True)
class Reading:
    """What one file, or one part of it, gave.

    n_read: records met, per benchmark (None where it is not known), counted on their own so that
    the accounting identity can be checked. quarantined: schema QUARANTINE.
    notes: counts worth reporting per (benchmark, note), such as `parse_failed`.
    """

    blocks: tuple[Block, ...]
    quarantined: pa.Table
    n_read: Mapping[str | None, int]
    notes: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A dump format.

    discover: lists the dumps below `spec.path`, sorted by file; opens none of them.
    read: reads one dump as a stream of readings, so that a large file never lies in memory whole.
    companions: signatures of other files that the reading of this dump depends on (texts of its items).
    Raises DumpUnreadable where nothing of the file can be read.
    """

    name: str
    discover: Callable[[SourceSpec], Iterator[Dump]]
    read: Callable[[Dump, SourceSpec], Iterator[Reading]]
    companions: Callable[[Dump, SourceSpec], tuple[str, ...]] = lambda dump, spec: ()
