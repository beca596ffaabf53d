"""Open LLM Leaderboard v1 details, and lighteval's: one Parquet file per run and task.

`details_ORG__MODEL/<time>/details_<task>_<time>.parquet`, or below `details/ORG/MODEL/` for lighteval.
Three layouts: flat columns (2023), a struct of metrics (in lighteval up to 0.6 every value is text that
spells a Python literal), and lighteval's structs `doc`, `metric` and `model_response` (known from its code
only). The footer tells which columns to read.

Of tokens, only the lengths of their lists count. A prompt is as long as the longest request of a document,
since requests are one prompt with an option each; an answer is as long as all that was generated, and 0 where
options were ranked by their log-likelihood.

There is no document key, and rows stand in no order that can be relied on: a document is known by its
question and options. The question is `query` where there is one, since the oldest files hold an id of the
data set in `example`, and `example` elsewhere. Gold answers are compared as texts, not as positions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from routerset.etl.sources import files
from routerset.etl.sources.base import Columns, Dump, DumpUnreadable, Found, Reading, Runs, Source, SourceSpec
from routerset.etl.sources.blocks import Cells, blocks_of, clean_costs, docs_table
from routerset.etl.sources.names import TIME, resolve_key_space
from routerset.etl.sources.parse.answer_filters import find_score
from routerset.etl.sources.parse.csv_text import NO_VALUE
from routerset.etl.sources.parse.details_layout import (
    ANSWERS,
    FIELDS,
    IDENTITY,
    LIKELIHOODS,
    NOT_A_NUMBER,
    Layout,
    Place,
    is_text,
    layout_of,
    spelled_in,
)
from routerset.etl.sources.parse.details_text import identify_documents, read_texts
from routerset.etl.sources.parse.jsonlines import as_text
from routerset.etl.sources.parse.questions import literal_of
from routerset.etl.sources.parse.results_json import with_results
from routerset.etl.sources.parse.scores import score_of, without_numpy
from routerset.etl.sources.parse.tabular import open_parquet, values_of
from routerset.etl.sources.parse.task_files import TaskFile, companions, identify, refuse
from routerset.etl.sources.parse.token_lists import Lengths, lengths_of
from routerset.etl.sources.quarantine import quarantine
from routerset.schemas.tables import TOKENS, Reason

MAX_ROWS = 1 << 20  # the largest task has 14,042
MAX_BYTES = 1 << 28  # of the columns read, in memory; 12,032 prompts of five shots take less than 100 MB
MAX_TOKENS = 1 << 27  # of one file, by its footer; hellaswag has 18 million
_BATCH = 1 << 12
_TOKEN_BATCH = 1 << 8
_SMALL = 1 << 20  # bytes of a file that is read at once
_SAMPLE = 1 << 6  # rows that tell whether answers were generated
_TIME_FOLDER = re.compile(TIME)
_NAME = re.compile(rf"details_(?P<task>.+?)(?:_(?P<time>{TIME}))?\.parquet", re.IGNORECASE)
_MODEL_FOLDER = re.compile(r"details_(?P<model>.+?)(?:_(?:private|public))?")
_RANKED = re.compile(r"(?:.*_)?(?:acc_norm|mc1|mc2|loglikelihood_acc)(?:_.*)?")
"""Metrics of log-likelihoods, whatever the benchmark."""


def discover(spec: SourceSpec) -> Found:
    """Details files below `spec.path`, grouped by the folder that names the model."""
    found = files.discover(spec, _named, lambda folder: "/".join(_folders(folder)))
    return with_results(found, _time)


def _named(name: str) -> re.Match[str] | None:
    return _NAME.fullmatch(unquote(name))


def _time(dump: Dump) -> str | None:
    """The time of a run, as the name of its file or of a folder spells it."""
    named = _named(dump.name)
    folders = PurePosixPath(dump.file).parts
    return (named and named["time"]) or next(filter(_TIME_FOLDER.fullmatch, folders), None)


def read(dump: Dump, spec: SourceSpec) -> Iterator[Reading]:
    """One file as one reading with one block.

    Raises DumpUnreadable where the file is no Parquet, or holds no row, too many, or no question.
    """
    named = _named(dump.name)
    if named is None:
        raise DumpUnreadable(f"expected a name like {SOURCE.looks_for}")
    run = identify(dump, spec, named["task"], _model(dump), _time(dump))
    with _opened(dump) as file:
        if isinstance(run, TaskFile):
            reading = _reading(file, run)
        else:
            reading = refuse(dump, run, np.arange(file.metadata.num_rows))
    yield reading


@contextmanager
def _opened(dump: Dump) -> Iterator[pq.ParquetFile]:
    """A file with a number of rows that a task can have; what cannot be read in it is DumpUnreadable."""
    try:
        with files.open_binary(dump.path) as opened:
            start = opened.read(_SMALL + 1)
            file = open_parquet(opened if len(start) > _SMALL else pa.BufferReader(start))
            if not 0 < file.metadata.num_rows <= MAX_ROWS:
                raise DumpUnreadable(f"found {file.metadata.num_rows} rows, expected 1 to {MAX_ROWS}")
            yield file
    except DumpUnreadable:
        raise
    except (OSError, *NO_VALUE) as error:  # names may be no UTF-8
        raise DumpUnreadable(f"expected Parquet: {error}") from error


SOURCE = Source("details", discover, read, "details_<task>_<time>.parquet", companions=companions)


def _folders(folder: PurePosixPath) -> list[str]:
    """Names of a folder and of those above it, but for those that name a time."""
    return [part for part in folder.parts if part != "/" and not _TIME_FOLDER.fullmatch(part)]


def _model(dump: Dump) -> str:
    """Name of the model: the folder `details_ORG__MODEL`, or the folders below `details`."""
    for path in (dump.file, dump.path):
        folders = _folders(PurePosixPath(path).parent)
        for folder in reversed(folders):
            if (named := _MODEL_FOLDER.fullmatch(folder)) is not None:
                return named["model"]
        below = folders[folders.index("details") + 1 :] if "details" in folders else folders
        if below:
            return below[-1] if "__" in below[-1] else "/".join(below[-2:])
    return ""


# --- columns ---------------------------------------------------------------------------------------


def _read(file: pq.ParquetFile, schema: pa.Schema, places: Mapping[str, Place]) -> pa.Table:
    """Some columns under our names. Raises DumpUnreadable where they take more memory than any task does."""
    batches, size = [], 0
    columns = [".".join(place[: 1 + pt.is_struct(schema.field(place[0]).type)]) for place in places.values()]
    for batch in file.iter_batches(_BATCH, columns=columns, use_threads=False):
        arrays = [_field(batch[place[0]], *place[1:]) for place in places.values()]
        size += sum(map(_size, arrays))
        if size > MAX_BYTES:
            raise DumpUnreadable(f"found more than {MAX_BYTES} bytes in {', '.join(places)}")
        arrays = [array.cast(_written_out(array.type)) for array in arrays]
        batches.append(pa.RecordBatch.from_arrays(arrays, names=list(places)))
    if not batches:
        raise DumpUnreadable(f"found {file.metadata.num_rows} rows in the footer and none in the file")
    return pa.Table.from_batches(batches).combine_chunks()


def _size(array: pa.Array) -> int:
    """Bytes of an array, each value of a dictionary counted wherever it stands."""
    if not is_text(array.type) or not pt.is_dictionary(array.type):
        return int(array.nbytes)
    lengths = pc.binary_length(array.dictionary).cast(pa.int64()).take(array.indices)
    return (pc.sum(lengths).as_py() or 0) + 4 * len(array)


def _field(column: pa.Array, name: str | None = None) -> pa.Array:
    """A column, or a field of it, as JSON text where the column is text that spells its fields."""
    if name is None:
        return column
    if not is_text(column.type):
        return pc.struct_field(column, name)
    values = {text: as_text(spelled_in(text).get(name)) for text in values_of(column.unique())}
    return pa.array([values[text] for text in values_of(column)], pa.string())


def _written_out(kind: pa.DataType) -> pa.DataType:
    """The type without dictionaries, in which a few bytes stand for gigabytes of text."""
    if pt.is_dictionary(kind):
        return _written_out(kind.value_type)
    if pt.is_list(kind) or pt.is_large_list(kind):
        return (pa.list_ if pt.is_list(kind) else pa.large_list)(_written_out(kind.value_type))
    return kind


# --- rows ------------------------------------------------------------------------------------------


def _reading(file: pq.ParquetFile, run: TaskFile) -> Reading:
    layout = layout_of(file)
    score = find_score(layout.metrics, run.metrics)
    if score is None:
        found = ", ".join(sorted(layout.metrics)) or "none"
        detail = f"expected metric {' or '.join(run.metrics)}, found {found}"
        rows = np.arange(file.metadata.num_rows)
        return refuse(run.dump, run.bad(None, Reason.MISSING_METRIC, detail), rows)
    if "question" not in layout.fields:
        raise DumpUnreadable(f"expected a column {' or '.join(FIELDS['question'])}, found none")
    identity = {name: layout.fields[name] for name in IDENTITY if name in layout.fields}
    table = _read(file, layout.schema, {**identity, "score": layout.metrics[score.name]})
    documents = identify_documents(table.select(list(identity)))
    cells = _cells(table["score"])
    usable, keys = documents.usable, documents.keys
    columns = Columns(
        benchmark=run.benchmark,
        subset=run.subset,
        metric=run.metrics[score.metric],
        key_space=resolve_key_space(run.spec, run.benchmark),
        doc_keys=keys,
        prints=documents.prints,
        docs=lambda: _docs(run.dump, usable, keys),
        bounds=run.bounds,
        prompt_fixed=False,
        mark=documents.mark,
    )
    runs = Runs((run.model,), (run.timestamp,), usable[None, :], run.settings)
    told = _tokens(file, layout, score.name, len(table))
    costs, notes = clean_costs(run.dump, run.benchmark, np.arange(len(table)), told)
    of_run = {name: values[usable[None, :]] for name, values in costs.items()}
    blocks, quarantined = blocks_of(run.dump, columns, runs, cells.take(usable[None, :]), of_run)
    bad = [run.bad(row, reason, detail) for row, (reason, detail) in documents.bad.items()]
    tables = pa.concat_tables([*quarantined, quarantine(run.dump, bad)])
    notes.update(run.notes)
    return Reading(tuple(blocks) if len(usable) else (), tables, {run.benchmark: len(table)}, notes)


def _tokens(file: pq.ParquetFile, layout: Layout, metric: str, n: int) -> dict[str, Cells]:
    """Tokens of `n` rows by measure, of those measures that any row tells; none of them costs a score."""
    prompt, answer = TOKENS
    found: dict[str, Cells] = {}
    if not layout.tokens:
        return found
    try:
        generated = _generated(file, layout, metric)
        for measure, place in layout.tokens.items():
            if measure == answer and generated is not True:
                continue
            lengths = _lengths(file, place, layout.leaves[measure])
            if len(lengths.total) != n:
                raise DumpUnreadable(f"found {len(lengths.total)} rows of tokens, expected {n}")
            cells = lengths.cells(lengths.longest if measure == prompt else lengths.total)
            if lengths.texts or not np.isnan(cells.values).all():
                found[measure] = cells
    except (DumpUnreadable, OSError, *NO_VALUE) as error:
        return {
            measure: Cells.of(np.full(n, np.nan), dict.fromkeys(range(n), str(error))) for measure in TOKENS
        }
    if prompt in found and generated is False:
        found[answer] = Cells.of(np.zeros(n))
    return found


def _lengths(file: pq.ParquetFile, place: Place, leaves: Sequence[int]) -> Lengths:
    """Lengths of the lists of one column. Raises DumpUnreadable where they take more memory than any do."""
    name, groups = ".".join(place), range(file.metadata.num_row_groups)
    file.scan_contents([name])  # or asking a damaged footer about a column would end the process
    if sum(file.metadata.row_group(g).column(i).num_values for g in groups for i in leaves) > MAX_TOKENS:
        raise DumpUnreadable(f"found more than {MAX_TOKENS} tokens in {name}")
    batches = file.iter_batches(_TOKEN_BATCH, columns=[name], use_threads=False)
    return Lengths.concat([lengths_of(_column(batch, place)) for batch in batches])


def _column(batch: pa.RecordBatch, place: Place) -> pa.Array:
    column = batch[place[0]]
    return column if len(place) == 1 else pc.struct_field(column, place[1])


def _generated(file: pq.ParquetFile, layout: Layout, metric: str) -> bool | None:
    """Whether the LLM wrote its answers (True) or options were ranked (False); None where nothing tells."""
    if layout.answers:
        places = {name: ".".join(place) for name, place in layout.answers.items()}
        batch = next(file.iter_batches(_SAMPLE, columns=[*places.values()], use_threads=False))
        said = {name: _column(batch, place) for name, place in layout.answers.items()}
        for name in (name for name in ANSWERS if name in said):
            if _are_numbers(said[name]):
                return False
            answers = [answer for answer in map(_answer, values_of(said[name])) if _says(answer)]
            if answers:
                return not all(map(_ranks, answers))
        if LIKELIHOODS in said and any(map(_says, values_of(said[LIKELIHOODS]))):
            return False
    return False if _RANKED.fullmatch(metric) else None


def _are_numbers(column: pa.Array) -> bool:
    """Whether a column holds lists of numbers, some of them and no null: such as `_ranks` takes each."""
    if not pt.is_list(column.type) or not (
        pt.is_floating(column.type.value_type) or pt.is_integer(column.type.value_type)
    ):
        return False
    numbers = column.flatten()
    return len(numbers) > 0 and numbers.null_count == 0


def _answer(value: object) -> object:
    """A cell, or what it spells where that is a list, or a pair such as `(-1.5, False)`."""
    if not isinstance(value, str):
        return value
    text = without_numpy(value.strip())
    found = literal_of(f"[{NOT_A_NUMBER.sub('0.0', text)}]") if text.startswith(("[", "(")) else None
    return found[0] if isinstance(found, list) and found else value


def _says(answer: object) -> bool:
    """Whether there is anything in what a row holds of an answer."""
    return any(map(_says, answer)) if isinstance(answer, list) else answer is not None and answer != ""


def _ranks(answer: object) -> bool:
    """Whether an answer is numbers, such as `[-1.5, -3.2]` or `["(-1.5, False)"]`."""
    if isinstance(answer, str):
        spelled = _answer(answer)
        return spelled is not answer and _ranks(spelled)
    if isinstance(answer, dict):
        return _ranks(list(answer.values()))
    if isinstance(answer, list | tuple):
        return len(answer) > 0 and all(map(_ranks, answer))
    return isinstance(answer, int | float)


def _cells(column: pa.ChunkedArray) -> Cells:
    """Cells of a column, one per row; a list may hold a single number, and nothing else."""
    if not (pt.is_nested(column.type) or is_text(column.type)):
        return Cells.of(column.cast(pa.float64()).to_numpy())
    found = [score_of(value) for value in values_of(column)]
    return Cells.of([score for score, _ in found], {i: t for i, (_, t) in enumerate(found) if t is not None})


def _docs(dump: Dump, rows: np.ndarray, keys: pa.Array) -> pa.Table:
    """Text of the documents in some rows (schema DOCS)."""
    with _opened(dump) as file:
        layout = layout_of(file)
        table = _read(file, layout.schema, layout.fields).take(pa.array(rows))
    texts = list(read_texts(table))
    return docs_table(
        keys,
        question=[text.question for text in texts],
        prompt=[text.prompt for text in texts],
        choices=[text.choices for text in texts],
        gold=[text.gold for text in texts],
    )
