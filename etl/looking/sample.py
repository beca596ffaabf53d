"""What a source will give: its files counted, and the beginnings of a few read as a build reads them."""

from __future__ import annotations

import re
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import pyarrow as pa

from routerset.etl.sources.base import Dump, Reading, SourceSpec
from routerset.etl.sources.files import inflated, is_remote, open_binary, without_compression
from routerset.etl.sources.names import TIME
from routerset.etl.sources.parse.csv_text import UNREADABLE
from routerset.etl.sources.parse.item_columns import make_of
from routerset.etl.sources.parse.tabular import MAX_CELLS, is_parquet, open_parquet
from routerset.etl.sources.registry import SOURCES
from routerset.schemas import store
from routerset.schemas.exits import UNREADABLE as CODE
from routerset.schemas.tables import Reason

MAX_FILES = 5  # of a source that are read
MAX_MAKES = 50  # names of files, where one of each is read
MAX_TASKS = 1000
MAX_SECONDS = 5.0  # after which no other file is begun
BEGINNING = 1 << 22  # bytes that are read of a file larger than WHOLE
WHOLE = 1 << 23  # bytes of a file that is read to its end
_LINES = (".csv", ".tsv", ".jsonl", ".ndjson")
Note = Callable[[str], None]


def once_a_second(say: Note) -> Note:
    """Says what it is told, but not in the first second, and not more often than once in one."""
    last = time.monotonic()

    def note(text: str) -> None:
        nonlocal last
        if time.monotonic() - last > 1.0:
            last = time.monotonic()
            say(text)

    return note


@dataclass
class Tally:
    """What readings told. records: by benchmark, None where it is unknown. models: by group of files.
    subsets:
    by benchmark. measures: of costs. aside: records for quarantine by reason; such_as: the first of each.
    tasks: what is said of
    tasks that are not known."""

    records: Counter[str | None] = field(default_factory=Counter)
    models: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    subsets: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    measures: set[str] = field(default_factory=set)
    aside: Counter[str] = field(default_factory=Counter)
    tasks: set[str] = field(default_factory=set)
    such_as: dict[str, str] = field(default_factory=dict)

    def add(self, dump: Dump, reading: Reading) -> None:
        """Count a reading of a file."""
        self.records.update(reading.n_read)
        for row in reading.quarantined.select(["file", "reason", "detail", "n"]).to_pylist():
            self.aside[row["reason"]] += row["n"]
            if row["reason"] == Reason.UNKNOWN_TASK and len(self.tasks) < MAX_TASKS:
                self.tasks.add(row["detail"])
            self.such_as.setdefault(row["reason"], f"{row['file']}: {row['detail']}")
        for block in reading.blocks:
            self.models[dump.group].update(block.runs.models)
            self.subsets[block.columns.benchmark].add(block.columns.subset)
            self.measures.update(block.costs)


@dataclass(frozen=True)
class Sample:
    """What a source holds.

    dumps: its files. read: those that were looked into, and `unread` those that could not be, with why.
    whole: whether all were read to their ends. share: of the bytes that was read. tally: of what was.
    """

    spec: SourceSpec
    dumps: tuple[Dump, ...]
    read: tuple[Dump, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False
    share: float = 0.0
    tally: Tally = field(default_factory=Tally)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(dump.size for dump in self.dumps)

    @property
    def models(self) -> list[str]:
        """Models that were met."""
        return sorted(set(chain.from_iterable(self.tally.models.values())))

    def told_records(self) -> str:
        """Number of records: as counted, or about so many by the bytes of what was not read."""
        n = self.tally.records.total()
        if self.whole:
            return f"{n:,}"
        return f"about {_rounded(n / self.share):,}" if self.share and n else "not known"

    def told_models(self) -> str:
        """Number of models: as counted, at least so many, or about so many where files have their own."""
        n, of = len(self.models), self.tally.models
        if self.whole:
            return f"{n:,}"
        if not n:
            return "not known"
        if len(of) == 1 or sum(map(len, of.values())) > n:
            return f"at least {n:,}"
        return f"about {_rounded(n * len({dump.group for dump in self.dumps}) / len(of)):,}"


def _rounded(n: float) -> int:
    """A number with two digits that say something."""
    return int(float(f"{n:.2g}"))


def look(spec: SourceSpec, note: Note = lambda _: None, *, every_task: bool = False) -> Sample:
    """Count a source's files, and read some of them, only the beginnings of those that are large.

    every_task: whether one file of each name is read, but for numbers. note: told what is read. Remote files
    are listed, and not read. Raises SpecError where the config does not say what it must, DumpUnreadable
    where nothing is there, SourceUnavailable.
    """
    dumps = SOURCES[spec.format].discover(spec).dumps
    if is_remote(spec.path):
        return Sample(spec, dumps)
    chosen = _of_each_make(dumps) if every_task else _spread(dumps)
    read: list[Dump] = []
    unread: dict[str, str] = {}
    tally, seen, start = Tally(), 0, time.monotonic()
    whole = len(chosen) == len(dumps)
    with tempfile.TemporaryDirectory(prefix="routerset-") as folder:
        for number, dump in enumerate(chosen, 1):
            spent = time.monotonic() - start
            if read and spent > MAX_SECONDS:
                whole = False
                break
            note(f"{spec.format}: looking into file {number} of {len(chosen)}: {dump.file}")
            try:
                part, size = _beginning(dump, Path(folder))
                if part is not None:
                    for reading in SOURCES[spec.format].read(part, spec):
                        tally.add(dump, reading)
                    read.append(dump)
                    seen += size
                whole = whole and part is dump
            except OSError as error:  # a build puts it to quarantine, and goes on
                if getattr(error, "exit_code", CODE) != CODE:
                    raise
                unread[dump.file] = str(error).replace(dump.path, dump.file)
    total = sum(dump.size for dump in dumps)
    return Sample(spec, dumps, tuple(read), unread, whole, seen / total if total else 1.0, tally)


def _spread(dumps: Sequence[Dump]) -> list[Dump]:
    """Some files, from all over the list: of folders as many as may be."""
    by_group = sorted(dumps, key=lambda dump: (dump.group, dump.file))
    n = min(MAX_FILES, len(by_group))
    return [by_group[at * len(by_group) // n] for at in range(n)]


def _of_each_make(dumps: Sequence[Dump]) -> list[Dump]:
    """One file of each name, but for numbers and times: of each task."""
    makes: dict[str, Dump] = {}
    for dump in dumps:
        makes.setdefault(make_of(re.split(TIME, dump.name)[0]), dump)
    chosen = list(makes.values())[:MAX_MAKES]
    return chosen if len(chosen) >= MAX_FILES else list(dict.fromkeys([*chosen, *_spread(dumps)]))


def _beginning(dump: Dump, folder: Path) -> tuple[Dump | None, int]:
    """A file, or a copy of its beginning where it is large, and how many bytes of it that is; None where it
    has no beginning that means something alone. Raises OSError where it cannot be read.
    """
    if dump.size <= WHOLE:
        return dump, dump.size
    copy = folder / f"part{Path(without_compression(dump.name)).suffix}"
    try:
        with open_binary(dump.path) as stream:
            if is_parquet(dump.path):
                file = open_parquet(stream)
                rows = max(1, MAX_CELLS // max(1, len(file.schema_arrow)))
                table = pa.Table.from_batches([next(file.iter_batches(rows))])
                store.write_table(copy, table.schema, table)
                size = dump.size * len(table) // max(1, file.metadata.num_rows)
            elif copy.suffix.lower() in _LINES:
                text = inflated(stream)  # closes the stream when it goes
                start = text.read(BEGINNING)
                copy.write_bytes(start[: start.rfind(b"\n") + 1])
                size = min(dump.size, stream.tell())
            else:
                return None, 0
    except (*UNREADABLE, StopIteration) as error:
        raise OSError(f"{dump.file}: {error}") from error
    return replace(dump, path=str(copy), size=copy.stat().st_size), size
