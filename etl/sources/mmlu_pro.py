"""TIGER-Lab's MMLU-Pro results: `model_outputs_<MODEL>_<k>shots[_<time>][.json][.zip]`, one list per file.

A row scores 1 where `pred` is `answer`. A null `pred` is an answer that could not be parsed: 0, and counted
as `parse_failed`. Documents are keyed by `question_id`; files differ in the text of some.
"""

from __future__ import annotations

import codecs
import io
import json
import re
import zipfile
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import UNSET, UnsetType

from routerset.etl.sources import files
from routerset.etl.sources.base import Columns, Dump, DumpUnreadable, Found, Reading, Runs, Source, SourceSpec
from routerset.etl.sources.blocks import Cells, blocks_of, clean_costs, docs_table
from routerset.etl.sources.names import TIME, resolve_key_space
from routerset.etl.sources.parse.answer_texts import cells_of
from routerset.etl.sources.parse.archives import UNREADABLE, is_plain, opened, refusal
from routerset.etl.sources.parse.jsonlines import (
    MAX_LINE,
    MAX_VALUES,
    as_text,
    decode_line,
    holds_too_much,
    key_of,
    kind_of,
)
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
MAX_BYTES = 256 << 20  # of the inflated list; 12,032 rows take about 20 MB
MAX_ROWS = 1 << 18  # that are scored
MAX_TEXT = 1 << 26  # characters of their questions and options; 12,032 have 10 million
MAX_ELEMENT = 1 << 22  # characters of an element that can be told from the end of a list that was cut
WHOLE = 1 << 26  # bytes of a file that is decoded at once
_NOTHING = object()
_NAME = re.compile(
    rf"model_outputs_(?P<model>.+?)[_-](?P<shots>\d{{1,4}}|zero|one|few)[-_ ]?shots?"
    rf"(?:[-_](?P<time>{TIME}|\d{{4}}-?\d\d-?\d\d.*?))?(?:\.jsonl?|(?:\.jsonl?)?\.zip)",
    re.IGNORECASE,
)
_SHOTS = {"zero": 0, "one": 1}
_PIECE = 1 << 20
_SPACE = re.compile(r"[ \t\n\r]*")


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
_OBJECT: msgspec.json.Decoder[object] = msgspec.json.Decoder(dict[str, object])


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
    elements = _elements(dump, _LIST if spec.tokenizer is None else _LIST_ANSWERED)
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


# --- bytes to rows ---------------------------------------------------------------------------------


@contextmanager
def _opened(dump: Dump) -> Iterator[io.BufferedReader]:
    """The one JSON file of an archive, whose name is never used as a path; or the file, if it is none."""
    if not dump.name.lower().endswith(".zip"):
        with files.open_inflated(dump.path) as stream:
            yield io.BufferedReader(_Bounded(stream, "a JSON list"), _PIECE)
        return
    expected = "a zip archive with one JSON file"
    with opened(dump.path, expected) as archive:
        try:
            inner = archive.open(_member(archive))
        except DumpUnreadable:
            raise
        except UNREADABLE as error:
            raise DumpUnreadable(f"expected {expected}: {error}") from error
        with inner:
            yield io.BufferedReader(_Bounded(inner, expected), _PIECE)


def _member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The one file whose name, all of it, ends as JSON does; notes of macOS and links are none."""
    members = [m for m in archive.infolist() if m.orig_filename.lower().endswith(".json") and is_plain(m)]
    if len(members) != 1:
        raise DumpUnreadable(f"found {len(members)} JSON files in the archive, expected one")
    refused = refusal(members[0], MAX_BYTES)
    if refused is not None:
        raise DumpUnreadable(refused)
    return members[0]


class _Bounded(io.RawIOBase):
    """Bytes of a stream up to a limit, whatever it claims to hold. Raises DumpUnreadable."""

    def __init__(self, stream: IO[bytes], expected: str) -> None:
        self._stream, self._expected, self._left = stream, expected, MAX_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        try:
            data = self._stream.read(min(len(view), _PIECE))
        except UNREADABLE as error:
            raise DumpUnreadable(f"expected {self._expected}: {error}") from error
        self._left -= len(data)
        if self._left < 0:
            raise DumpUnreadable(f"found a list of more than {MAX_BYTES} bytes")
        view[: len(data)] = data
        return len(data)


def _elements(dump: Dump, decoder: msgspec.json.Decoder[Any]) -> Iterator[object]:
    """Elements of a JSON list or of JSON lines; what comes after the last whole one of a list is a BadRow."""
    with _opened(dump) as stream:
        data = b"".join(islice(iter(lambda: stream.read(_PIECE), b""), WHOLE // _PIECE))
    if len(data) < WHOLE and not holds_too_much(data, 2 * MAX_VALUES):
        try:
            yield from decoder.decode(data)
            return
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # element by element, then: json is slower, but tells where it stops and takes NaN
    with _opened(dump) as stream:
        start = data[:_PIECE].removeprefix(BOM_UTF8).lstrip()
        if start.startswith(b"{") and b'"question_id"' in start.partition(b"\n")[0]:
            yield from (decode_line(line, number, _OBJECT) for number, line in enumerate(_lines(stream)))
        else:
            yield from _one_by_one(_Window(stream))


def _lines(stream: io.BufferedReader) -> Iterator[bytes]:
    """Lines that are not blank; what is longer than a line may be is cut."""
    while line := stream.readline(MAX_LINE):
        if line.strip():
            yield line
        while line and not line.endswith(b"\n"):
            line = stream.readline(_PIECE)


class _Window:
    """A piece of a text that is read on as it is asked for. before: characters that are gone already."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.text, self.before = "", 0
        self.more()
        self.text = self.text.removeprefix("\ufeff")

    def more(self) -> bool:
        """Read as much again; whether there was anything."""
        data = self._stream.read(max(_PIECE, len(self.text)))
        more = self._decoder.decode(data, final=not data)
        self.text += more
        return bool(more)

    def skip(self, at: int) -> int:
        """Position of the first character from `at` on that is no white space."""
        while True:
            if at > _PIECE:
                self.text, self.before, at = self.text[at:], self.before + at, 0
            found = _SPACE.match(self.text, at)
            at = found.end() if found else at
            if at < len(self.text) or not self.more():
                return at


def _one_by_one(window: _Window) -> Iterator[object]:
    """Elements of a list."""
    at = window.skip(0)
    if window.text[at : at + 1] != "[":
        raise DumpUnreadable(f"expected a JSON list, found {window.text[at : at + 20]!a}")
    decoder = json.JSONDecoder()
    n = 0
    at = window.skip(at + 1)
    try:
        while window.text[at : at + 1] != "]":
            if n:
                if window.text[at : at + 1] != ",":
                    raise ValueError(f"expected ',' or ']' at character {window.before + at}")
                at = window.skip(at + 1)
            while True:
                try:
                    element, end = decoder.raw_decode(window.text, at)
                except ValueError:
                    if len(window.text) - at > MAX_ELEMENT or not window.more():
                        raise
                    continue
                if end < len(window.text) or not window.more():  # a number may go on
                    break
            yield element
            n += 1
            at = window.skip(end)
        at = window.skip(at + 1)
        if at < len(window.text):
            raise ValueError(f"expected the end at character {window.before + at}")
    except (ValueError, RecursionError) as error:
        detail = f"expected a whole JSON list: {error}"
        yield BadRow(n, Reason.MALFORMED_ROW, detail, excerpt=window.text[at : at + EXCERPT])


# --- rows to a block -------------------------------------------------------------------------------


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
