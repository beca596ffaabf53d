"""TIGER-Lab's MMLU-Pro results: `model_outputs_<MODEL>_<k>shots[_<time>][.json][.zip]`, one list per file.

A row scores 1 where `pred` is `answer`. A null `pred` is an answer that could not be parsed: 0, and counted
as `parse_failed`. Documents are keyed by `question_id`; files differ in the text of some.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import UNSET, UnsetType

from routerset.etl.sources import files
from routerset.etl.sources.base import Columns, Dump, DumpUnreadable, Found, Reading, Runs, Source, SourceSpec
from routerset.etl.sources.blocks import Cells, blocks_of, docs_table
from routerset.etl.sources.names import TIME, resolve_key_space
from routerset.etl.sources.parse.jsonlines import as_text, decode_line, key_of, kind_of
from routerset.etl.sources.parse.questions import resolve_gold
from routerset.etl.sources.parse.results_json import RunFacts
from routerset.etl.sources.parse.task_files import TaskFile, identify, refuse
from routerset.etl.sources.quarantine import EXCERPT, BadRow, quarantine
from routerset.schemas import ids
from routerset.schemas.tables import Reason

TASK = "mmlu_pro"
METRIC = "acc"
PARSE_FAILED = "parse_failed"
MAX_BYTES = 256 << 20  # of the inflated list; 12,032 rows take about 20 MB
MAX_RATIO = 200  # inflated to compressed; real files have 4 to 6
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
    pred: str | UnsetType | None = UNSET


_LIST = msgspec.json.Decoder(list[_Row | str | int | float | bool | list[msgspec.Raw] | None])
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
    elements, cut = _elements(_inflate(dump))
    if not elements and cut is None:
        raise DumpUnreadable("expected rows, found an empty list")
    if isinstance(run, BadRow):
        yield refuse(dump, run, np.arange(len(elements) + (cut is not None)))
        return
    yield _reading(elements, cut, run)


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
)


# --- bytes to rows ---------------------------------------------------------------------------------


def _inflate(dump: Dump) -> bytes:
    """The one JSON member of an archive, whose name is never used as a path; or the file, if it is none."""
    if not dump.name.lower().endswith(".zip"):
        return _inflate_plain(dump)
    try:
        with files.open_binary(dump.path) as stream, zipfile.ZipFile(stream) as archive:
            members = [m for m in archive.infolist() if m.filename.lower().endswith(".json")]
            members = [m for m in members if "__MACOSX" not in m.filename]
            if len(members) != 1:
                raise DumpUnreadable(f"found {len(members)} JSON files in the archive, expected one")
            member = members[0]
            if member.file_size > min(MAX_BYTES, MAX_RATIO * max(member.compress_size, 1 << 10)):
                sizes = f"{member.compress_size} bytes that inflate to {member.file_size}"
                raise DumpUnreadable(f"found {sizes}, expected at most {MAX_RATIO} times and {MAX_BYTES}")
            if member.flag_bits & 1:
                raise DumpUnreadable("found an encrypted file in the archive, expected a plain one")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DumpUnreadable(f"found compression method {member.compress_type}, expected deflate")
            with archive.open(member) as inner:  # piece by piece: a whole read trusts no declared size
                return b"".join(iter(lambda: inner.read(_PIECE), b""))
    except DumpUnreadable:
        raise
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise DumpUnreadable(f"expected a zip archive with one JSON file: {error}") from error


def _inflate_plain(dump: Dump) -> bytes:
    try:
        with files.open_inflated(dump.path) as stream:
            data = stream.read(MAX_BYTES + 1)
    except DumpUnreadable:
        raise
    except OSError as error:
        raise DumpUnreadable(f"expected a JSON list: {error}") from error
    if len(data) > MAX_BYTES:
        raise DumpUnreadable(f"found a list of more than {MAX_BYTES} bytes")
    return data


def _elements(data: bytes) -> tuple[Sequence[object], BadRow | None]:
    """Elements of a JSON list or of JSON lines, and what comes after the last whole one of a list cut off."""
    try:
        return _LIST.decode(data), None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # element by element, then: json is slower, but tells where it stops and takes NaN
    text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    at = _skip(text, 0)
    if text[at : at + 1] == "{" and '"question_id"' in text[at:].partition("\n")[0]:
        lines = [line for line in data.split(b"\n") if line.strip()]
        return [decode_line(line, at, _OBJECT) for at, line in enumerate(lines)], None
    if text[at : at + 1] != "[":
        raise DumpUnreadable(f"expected a JSON list, found {text[at : at + 20]!a}")
    decoder = json.JSONDecoder()
    elements: list[object] = []
    at = _skip(text, at + 1)
    try:
        while text[at : at + 1] != "]":
            if elements:
                if text[at : at + 1] != ",":
                    raise ValueError(f"expected ',' or ']' at character {at}")
                at = _skip(text, at + 1)
            element, end = decoder.raw_decode(text, at)
            elements.append(element)
            at = _skip(text, end)
        at = _skip(text, at + 1)
        if at < len(text):
            raise ValueError(f"expected the end at character {at}")
    except (ValueError, RecursionError) as error:
        detail = f"expected a whole JSON list: {error}"
        return elements, BadRow(len(elements), Reason.MALFORMED_ROW, detail, excerpt=text[at : at + EXCERPT])
    return elements, None


def _skip(text: str, at: int) -> int:
    """Position of the first character from `at` on that is no white space."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


# --- rows to a block -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Scored:
    """A row that counts. row: its number in the list. score: NaN where the row has no gold answer."""

    row: int
    key: str
    score: float
    content: _Row


def _reading(elements: Sequence[object], cut: BadRow | None, run: TaskFile) -> Reading:
    good: list[_Scored] = []
    bad: list[BadRow] = [] if cut is None else [run.bad(cut.row, cut.reason, cut.detail, cut.excerpt)]
    for number, element in enumerate(elements):
        scored = _score(element, number, run)
        if isinstance(scored, BadRow):
            bad.append(scored)
        else:
            good.append(scored)
    keys = pa.array([each.key for each in good], pa.string())
    columns = Columns(
        benchmark=run.benchmark,
        subset=run.subset,
        metric=METRIC,
        key_space=resolve_key_space(run.spec, run.benchmark),
        doc_keys=keys,
        prints=pa.array([_print(each.content) for each in good], pa.string()),
        docs=lambda: _docs([each.content for each in good], keys),
    )
    runs = Runs(
        (run.model,), (run.timestamp,), np.array([[each.row for each in good]], np.int64), run.settings
    )
    blocks, quarantined = blocks_of(run.dump, columns, runs, Cells.of([[each.score for each in good]]))
    failed = sum(each.content.pred is None for each in good)
    return Reading(
        tuple(blocks) if good else (),
        pa.concat_tables([*quarantined, quarantine(run.dump, bad)]),
        {run.benchmark: len(elements) + (cut is not None)},
        {(run.benchmark, PARSE_FAILED): failed} if failed else {},
    )


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
        row = msgspec.convert(element, _Row)
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


def _docs(rows: Sequence[_Row], keys: pa.Array) -> pa.Table:
    return docs_table(
        keys,
        question=[row.question for row in rows],
        choices=[row.options for row in rows],
        gold=[_gold(row) for row in rows],
    )
