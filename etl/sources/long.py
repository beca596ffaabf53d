"""Long dumps: CSV, Parquet or JSON lines, one record per item and model.

`columns` says where the file has what we need: our name -> name of a column, or dotted path into nested
fields; what it does not say is looked for under our own names. `model` and `score` must be there, and
`doc_key` or a text: a document without a key is keyed by a hash of its text. `benchmark` says what the items
are of, and where that has several subsets, `subset`, a column of subsets, or `subset_pattern`, searched in
that column, or without one in the file name. A record whose `success` is false has no score. Costs are those
of their records.
"""

from __future__ import annotations

from collections.abc import Iterator

from routerset.etl.sources import files
from routerset.etl.sources.base import Dump, DumpUnreadable, Found, Reading, Source, SourceSpec, SpecError
from routerset.etl.sources.parse.csv_text import Dialect
from routerset.etl.sources.parse.long_table import NAMES, NUMERIC, LongOptions, subset_reader
from routerset.etl.sources.parse.records import choose_columns, is_json, read_records
from routerset.etl.sources.parse.tabular import SUFFIXES
from routerset.etl.sources.recorded import Task, readings_of
from routerset.schemas.tables import COST_MEASURES


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
    task = Task(spec.benchmark, subset_reader(dump, spec, "subset" in columns))
    yield from readings_of(
        dump, spec, task, read_records(dump.path, columns, NUMERIC, dialect), columns["score"]
    )


SOURCE = Source(
    name="long",
    discover=discover,
    read=read,
    looks_for="files that end with .csv, .tsv, .jsonl, .ndjson, .json (also with .gz or .zst) or .parquet",
    options=LongOptions,
    unused=("tasks",),
    by_name=False,
)
