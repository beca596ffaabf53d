"""TIGER-Lab's MMLU-Pro results: `model_outputs_<MODEL>_<k>shots[_<time>][.json][.zip]`, one list per file.

A row scores 1 where `pred` is `answer`. A null `pred` is an answer that could not be parsed: 0, and counted
as `parse_failed`. Documents are keyed by `question_id`; files differ in the text of some.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import UNSET, UnsetType

from routerset.etl.sources import files
from routerset.etl.sources.base import Columns, Dump, DumpUnreadable, Found, Reading, Runs, Source, SourceSpec
from routerset.etl.sources.blocks import Cells, blocks_of, clean_costs, docs_table
from routerset.etl.sources.names import TIME, resolve_key_space
from routerset.etl.sources.parse import json_list
from routerset.etl.sources.parse.answer_texts import cells_of
from routerset.etl.sources.parse.jsonlines import as_text, key_of, kind_of
from routerset.etl.sources.parse.questions import resolve_gold
from routerset.etl.sources.parse.records import printable_text
from routerset.etl.sources.parse.results_json import RunFacts
from routerset.etl.sources.parse.task_files import TaskFile, identify, refuse
from routerset.etl.sources.quarantine import EXCERPT, BadRow, Quarantined, batched
from routerset.etl.sources.tokens import Tokenizer, count_tokens
from routerset.schemas import ids
from routerset.schemas.tables import TOKENS, Reason

TASK = "mmlu_pro"
METRIC = "acc"
COMPLETION = TOKENS[1]
PARSE_FAILED = "parse_failed"
MAX_ROWS = 1 << 18  # that are scored
MAX_TEXT = 1 << 26  # characters of their questions and options; 12,032 have 10 million
_NOTHING = object()
_NAME = re.compile(
    rf"model_outputs_(?P<model>.+?)[_-](?P<shots>\d{{1,4}}|zero|one|few)[-_ ]?shots?"
    rf"(?:[-_](?P<time>{TIME}|\d{{4}}-?\d\d-?\d\d.*?))?(?:\.jsonl?|(?:\.jsonl?)?\.zip)",
    re.IGNORECASE,
)
_SHOTS = {"zero": 0, "one": 1}


class _Row(msgspec.Struct, gc=False):
    """What is read of a row; reasoning and model output are skipped."""

    question_id: int | float | str | None = None
    question: str | None = None
    options: list[str] | None = None
    answer: str | None = None
    answer_index: object = None
    category: object = None
    pred: str | UnsetType | None = UNSET


class _Answered(_Row, gc=False):
    """What is read of a row whose answer is to be counted."""

    model_outputs: object = None
    generated_text: object = None

    def answer_text(self) -> str | None:
        """What the LLM wrote: a text, or the first one of a list of them."""
        given = (self.model_outputs, self.generated_text)
        texts = [each[0] if isinstance(each, list) and each else each for each in given]
        return next((text for text in texts if isinstance(text, str)), None)


_LIST = msgspec.json.Decoder(list[_Row | str | int | float | bool | list[msgspec.Raw] | None])
_LIST_ANSWERED = msgspec.json.Decoder(list[_Answered | str | int | float | bool | list[msgspec.Raw] | None])


def discover(spec: SourceSpec) -> Found:
    """Result files below `spec.path`; each is one model and a group of its own."""
    return files.discover(spec, _named)


def _named(name: str) -> re.Match[str] | None:
    return _NAME.fullmatch(files.without_compression(name))


def read(dump: Dump, spec: SourceSpec) -> Iterator[Reading]:
    """One file as one reading with one block.

    Raises DumpUnreadable where the archive is broken, encrypted or too large, or holds no JSON list.
    """
    named = _named(dump.name)
    if named is None:
        raise DumpUnreadable(f"expected a name like {SOURCE.looks_for}")
    run = identify(dump, spec, TASK, named["model"], named["time"], _facts(named["shots"]))
    elements = json_list.elements(dump, _LIST if spec.tokenizer is None else _LIST_ANSWERED, "question_id")
    first = next(elements, _NOTHING)
    if first is _NOTHING:
        raise DumpUnreadable("expected rows, found an empty list")
    elements = chain([first], elements)
    if isinstance(run, BadRow):
        yield refuse(dump, run, np.arange(sum(1 for _ in elements)))
    else:
        yield _reading(elements, run)


def _facts(shots: str | None) -> RunFacts:
    """What the name of a file tells of its run."""
    few = None if shots is None else _SHOTS.get(shots.lower(), int(shots) if shots.isdecimal() else None)
    return RunFacts(few_shot={} if few is None else {TASK: few})


SOURCE = Source(
    "mmlu_pro",
    discover,
    read,
    "model_outputs_<MODEL>_<k>shots.zip or .json (also with .gz or .zst)",
    unused=("metric",),
    has_texts=True,
)


@dataclass(frozen=True)
class _Scored:
    """A row that counts. row: its number in the list. score: NaN where the row has no gold answer."""

    row: int
    key: str
    score: float
    content: _Row

    @property
    def size(self) -> int:
        """Characters of its question, options and category."""
        texts = (self.content.question, *(self.content.options or ()), self.category)
        return sum(len(text) for text in texts if text is not None)

    @property
    def category(self) -> str | None:
        """What the file says that the question is about."""
        found = self.content.category
        return printable_text(found) if isinstance(found, str) else None


def _reading(elements: Iterable[object], run: TaskFile) -> Reading:
    good: list[_Scored] = []
    counts = [np.empty(0)]
    bad = Quarantined()
    n_bad = 0
    size = 0
    for some in batched(enumerate(elements)):
        rows = [_score(element, number, run) for number, element in some]
        n_bad += bad.add_rows(run.dump, (row for row in rows if isinstance(row, BadRow)))
        good += (row for row in rows if isinstance(row, _Scored))
        counts.append(_written([row.content for row in rows if isinstance(row, _Scored)], run.spec.tokenizer))
        size += sum(row.size for row in rows if isinstance(row, _Scored))
        if len(good) > MAX_ROWS or size > MAX_TEXT:
            raise DumpUnreadable(f"found more than {MAX_ROWS} rows, or {MAX_TEXT} characters of questions")
    keys = pa.array([each.key for each in good], pa.string())
    categories = pa.array([each.category for each in good], pa.string())
    columns = Columns(
        benchmark=run.benchmark,
        subset=run.subset,
        metric=METRIC,
        key_space=resolve_key_space(run.spec, run.benchmark),
        doc_keys=keys,
        prints=pa.array([_print(each.content) for each in good], pa.string()),
        docs=lambda: _docs([each.content for each in good], keys, categories),
        categories=categories,
    )
    runs = Runs(
        (run.model,), (run.timestamp,), np.array([[each.row for each in good]], np.int64), run.settings
    )
    written = {COMPLETION: np.concatenate(counts)[None, :]}
    costs, notes = clean_costs(run.dump, run.benchmark, runs.rows, cells_of(written))
    blocks, quarantined = blocks_of(run.dump, columns, runs, Cells.of([[each.score for each in good]]), costs)
    if run.spec.tokenizer is not None:
        blocks = [replace(block, tokens_from=run.spec.tokenizer.name) for block in blocks]
    failed = sum(each.content.pred is None for each in good)
    if failed:
        notes[run.benchmark, PARSE_FAILED] = failed
    return Reading(
        tuple(blocks) if good else (),
        pa.concat_tables([*quarantined, bad.table()]),
        {run.benchmark: len(good) + n_bad},
        notes,
    )


def _written(rows: Sequence[_Row], tokenizer: Tokenizer | None) -> np.ndarray:
    """Tokens of the answers in some rows, whose texts are not kept; NaN where none is counted."""
    if tokenizer is None:
        return np.full(len(rows), np.nan)
    counts = count_tokens(
        tokenizer, [row.answer_text() if isinstance(row, _Answered) else None for row in rows]
    )
    for row in rows:
        if isinstance(row, _Answered):
            row.model_outputs = row.generated_text = None
    return counts


def _score(element: object, number: int, run: TaskFile) -> _Scored | BadRow:
    row = _row(element, number, run)
    if isinstance(row, BadRow):
        return row
    key = key_of(row.question_id)
    if key is None:
        return run.bad(number, Reason.MISSING_KEY, f"expected question_id, found {row.question_id!r}")
    if row.pred is UNSET:
        detail = f"document {key}: expected a field pred, from which {METRIC} is worked out; found none"
        return run.bad(number, Reason.MISSING_METRIC, detail)
    score = np.nan if row.answer is None else float(row.pred == row.answer)
    return _Scored(number, key, score, row)


def _row(element: object, number: int, run: TaskFile) -> _Row | BadRow:
    """An element of the list as a row, or why it is none."""
    if isinstance(element, BadRow):
        return run.bad(number, element.reason, element.detail, element.excerpt)
    if isinstance(element, _Row):
        return element
    if not isinstance(element, dict):
        detail = f"expected an object, found {kind_of(element)}"
        return run.bad(number, Reason.NOT_AN_OBJECT, detail, _excerpt(element))
    try:
        row = msgspec.convert(element, _Row if run.spec.tokenizer is None else _Answered)
        "\n".join([row.question or "", *(row.options or ()), row.answer or "", str(row.question_id)]).encode()
    except msgspec.ValidationError as error:
        return run.bad(number, Reason.MALFORMED_ROW, str(error), _excerpt(element))
    except UnicodeEncodeError as error:
        return run.bad(number, Reason.MALFORMED_ROW, f"expected UTF-8: {error}", _excerpt(element))
    return row


def _excerpt(element: object) -> str:
    try:
        return (as_text(element) or "null")[:EXCERPT]
    except UnicodeEncodeError:
        return ascii(element)[:EXCERPT]


def _print(row: _Row) -> str:
    return ids.digest(row.question or "", *(row.options or ()), "gold", _gold(row) or "")


def _gold(row: _Row) -> str | None:
    """The text of the option that `pred` is compared with; its position counts where no letter names one."""
    options, at = row.options or [], row.answer_index
    gold = resolve_gold(row.answer, options)
    if gold is None or gold in options or not isinstance(at, int) or not 0 <= at < len(options):
        return gold
    return options[at]


def _docs(rows: Sequence[_Row], keys: pa.Array, categories: pa.Array) -> pa.Table:
    return docs_table(
        keys,
        question=[row.question for row in rows],
        choices=[row.options for row in rows],
        gold=[_gold(row) for row in rows],
        category=categories,
    )
