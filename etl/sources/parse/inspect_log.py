"""Logs of Inspect AI, `.json` or `.eval` (a zip of the same in parts): the run and its samples.

https://inspect.aisi.org.uk/eval-logs.html. Which of the two a log is, its first bytes tell.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from routerset.etl.sources.base import Dump, DumpUnreadable
from routerset.etl.sources.files import MAX_INFLATED, open_binary
from routerset.etl.sources.parse.archives import MAX_RATIO, UNREADABLE, is_plain, opened, refusal
from routerset.etl.sources.parse.json_members import MAX_MEMBER, read_members
from routerset.etl.sources.parse.jsonlines import as_text, decode_line, holds_too_much, key_of, show
from routerset.etl.sources.parse.scores import score_of
from routerset.etl.sources.quarantine import EXCERPT, BadRow
from routerset.schemas.tables import Reason

GRADES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
"""What letters stand for: correct, incorrect, partly correct, no answer."""
_WORDS = {"yes": 1.0, "no": 0.0}
_FACTS = ("status", "eval", "results")
_HEADERS = ("start.json", "_journal/start.json", "results.json", "header.json")  # later ones say more
_SAMPLES = "samples"
_FOLDER = f"{_SAMPLES}/"
_EXPECTED = "an Inspect log, a zip archive with header.json and samples"
_ZSTANDARD = 93
_NULL = msgspec.Raw(b"null")
_MAX_NAMES = 64  # scores of one sample; fields of its metadata
_MAX_FIELD = 64  # characters of a name of a subset


class _Eval(msgspec.Struct):
    """What a log says of its run."""

    task: object = None
    task_registry_name: object = None
    model: object = None
    created: object = None


class _Results(msgspec.Struct):
    scores: object = None


class _Sample(msgspec.Struct, gc=False):
    """What is read of a sample; messages, events and attachments, most of its bytes, are skipped."""

    id: msgspec.Raw = _NULL
    epoch: msgspec.Raw = _NULL
    input: msgspec.Raw = _NULL
    choices: msgspec.Raw = _NULL
    target: msgspec.Raw = _NULL
    scores: msgspec.Raw = _NULL
    score: msgspec.Raw = _NULL
    metadata: msgspec.Raw = _NULL
    model_usage: msgspec.Raw = _NULL
    total_time: msgspec.Raw = _NULL
    working_time: msgspec.Raw = _NULL
    invalidation: msgspec.Raw = _NULL


_SAMPLE = msgspec.json.Decoder(_Sample)
_EVAL = msgspec.json.Decoder(_Eval)
_RESULTS = msgspec.json.Decoder(_Results)
_STATUS = msgspec.json.Decoder(dict[str, str | None])
_HEADER = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True)
class Log:
    """A run. All as spelled; None where it does not say. reducers: scorer -> its reducers of epochs."""

    status: str | None
    task: str | None
    registry_name: str | None
    model: str | None
    created: str | None
    reducers: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer. row: its number in the log. texts: question, prompt, choices (as JSON) and gold answer.

    fields: short values of its metadata. scores: by scorer, or `SCORER.KEY` where it gives several: a number,
    NaN where nothing stands, or NaN and what stands there. usage: per model, its tokens and costs as found.
    """

    row: int
    key: str
    epoch: int
    texts: Mapping[str, str | None]
    fields: Mapping[str, str | int]
    scores: Mapping[str, tuple[float, str | None]]
    usage: Mapping[str, Mapping[str, object]]
    latency: object


def read_parts(dump: Dump, facts: dict[str, bytes], notes: Counter[str]) -> Iterator[bytes | BadRow]:
    """Samples of a log as JSON. facts, notes: are told, on the way, what else it says and what was left out.

    Raises DumpUnreadable.
    """
    with open_binary(dump.path) as stream:
        is_zip = stream.read(2) == b"PK"
    yield from _zipped(dump, facts, notes) if is_zip else _plain(dump, facts)


def _plain(dump: Dump, facts: dict[str, bytes]) -> Iterator[bytes | BadRow]:
    try:
        for name, value, whole in read_members(dump.path, _SAMPLES, _FACTS):
            if not whole:
                detail = f"expected a whole log: it breaks off inside {name or 'the object'}"
                yield BadRow(None, Reason.MALFORMED_ROW, detail, excerpt=show(value or b""))
            elif name != _SAMPLES:
                facts.setdefault(name, value or b"null")
            elif value is None:
                yield BadRow(None, Reason.MALFORMED_ROW, f"expected at most {MAX_MEMBER} bytes, found more")
            elif value.strip() != b"null":
                yield value
    except DumpUnreadable:
        raise
    except OSError as error:
        raise DumpUnreadable(f"expected an Inspect log: {error}") from error


def _zipped(dump: Dump, facts: dict[str, bytes], notes: Counter[str]) -> Iterator[bytes | BadRow]:
    with opened(dump.path, _EXPECTED) as archive:
        plain = [member for member in archive.infolist() if is_plain(member)]
        found = {member.orig_filename: member for member in plain}  # the last of a name is what it holds
        left, said = max(MAX_INFLATED, MAX_RATIO * dump.size), False
        for name in _HEADERS:
            if name in found:
                data = _inflated(archive, found[name])
                if isinstance(data, str):
                    raise DumpUnreadable(f"{name}: {data}")
                facts |= _header(name, data)
                left, said = left - len(data), True
        if "header.json" not in found:
            facts.setdefault("status", b'"started"')
        if not said:
            raise DumpUnreadable(f"expected {_EXPECTED}, found {len(found)} files without a header.json")
        samples = [n for n in found if n.startswith(_FOLDER) and n.endswith(".json")]
        n_samples = sum(m.orig_filename.startswith(_FOLDER) and m.orig_filename in found for m in plain)
        notes["samples_written_again"] += n_samples - len(samples)
        for name in samples:
            data = _inflated(archive, found[name])
            if isinstance(data, str):
                yield BadRow(None, Reason.MALFORMED_ROW, data, excerpt=name)
                continue
            left -= len(data)
            if left < 0:
                raise DumpUnreadable(f"found more than {MAX_RATIO} times the bytes of the file when inflated")
            yield data


def _inflated(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | str:
    """A member, or why it cannot be read."""
    if member.compress_type == _ZSTANDARD:
        return (
            "found Zstandard compression, expected deflate: write the log again with "
            "`inspect log convert --to json`"
        )
    refused = refusal(member, MAX_MEMBER)
    if refused is not None:
        return refused
    try:
        with archive.open(member) as stream:
            return stream.read(MAX_MEMBER)
    except UNREADABLE as error:
        return f"expected JSON: {error}"


def _header(name: str, data: bytes) -> dict[str, bytes]:
    found = decode_line(data, 0, _HEADER)
    if isinstance(found, BadRow):
        raise DumpUnreadable(f"{name}: {found.detail}")
    return {key: bytes(found[key]) for key in _FACTS if key in found}


# --- what a log says -------------------------------------------------------------------------------


def log_of(facts: Mapping[str, bytes]) -> Log:
    """The run. Raises DumpUnreadable where a log does not tell what it is of."""
    spec = decode_line(facts.get("eval", b"null"), 0, _EVAL)
    if isinstance(spec, BadRow):
        raise DumpUnreadable(f"expected an Inspect log, found no object `eval`: {spec.detail}")
    results = decode_line(facts.get("results", b"null"), 0, _RESULTS)
    status = decode_line(b'{"status":' + facts.get("status", b"null") + b"}", 0, _STATUS)
    scores = () if isinstance(results, BadRow) or not isinstance(results.scores, list) else results.scores
    reducers: dict[str, list[str]] = {}
    for score in scores:
        if isinstance(score, dict) and isinstance(score.get("reducer"), str):
            for name in {str(score.get("name")), str(score.get("scorer"))}:
                reducers.setdefault(name, []).append(score["reducer"])
    return Log(
        None if isinstance(status, BadRow) else status.get("status"),
        _text(spec.task),
        _text(spec.task_registry_name),
        _text(spec.model),
        _text(spec.created),
        reducers,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


# --- samples ---------------------------------------------------------------------------------------


def sample_of(data: bytes, row: int) -> Sample | BadRow:
    """A sample as far as it counts, or why it cannot."""
    try:
        found: _Sample | BadRow = _SAMPLE.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = decode_line(data, row, _SAMPLE)  # which takes NaN
    if isinstance(found, BadRow):
        return found
    try:
        return _sample(found, row)
    except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError, ValueError) as error:
        return BadRow(row, Reason.MALFORMED_ROW, f"expected a sample: {error}", excerpt=show(data))


def _sample(found: _Sample, row: int) -> Sample | BadRow:
    key = key_of(_value(found.id))
    if key is None:
        shown = as_text(_value(found.id)) or "none"
        return BadRow(row, Reason.MISSING_KEY, f"expected id as a whole number or a name, found {shown[:80]}")
    epoch = _value(found.epoch)
    question, prompt = _asked(_value(found.input))
    choices, target = _value(found.choices), _value(found.target)
    metadata, usage = _value(found.metadata), _value(found.model_usage)
    working = _value(found.working_time)
    options = (
        as_text([as_text(each) or "" for each in choices]) if isinstance(choices, list) and choices else None
    )
    if isinstance(target, list) and len(target) == 1:
        target = target[0]
    invalid = bytes(found.invalidation) != b"null"
    return Sample(
        row,
        key,
        epoch if isinstance(epoch, int) and not isinstance(epoch, bool) else 1,
        {"question": question, "prompt": prompt, "choices": options, "gold": as_text(target)},
        _fields(metadata if isinstance(metadata, dict) else {}),
        {} if invalid else dict(_scores(_value(found.scores), _value(found.score))),
        {name: of for name, of in usage.items() if isinstance(of, dict)} if isinstance(usage, dict) else {},
        _value(found.total_time) if working is None else working,
    )


def _value(raw: bytes | msgspec.Raw) -> object:
    """A JSON value. Raises ValueError where it holds more than is worth the memory."""
    data = bytes(raw)
    if holds_too_much(data):
        raise ValueError(f"{len(data)} bytes of values")
    return msgspec.json.decode(data)


def _fields(metadata: Mapping[str, object]) -> dict[str, str | int]:
    short: dict[str, str | int] = {}
    for name, value in metadata.items():
        if len(name) > _MAX_FIELD or len(short) == _MAX_NAMES:
            continue
        if isinstance(value, int) or (isinstance(value, str) and len(value) <= _MAX_FIELD):
            short[name] = value
    return short


def _asked(asked: object) -> tuple[str | None, str | None]:
    """Question and prompt: of messages, the only one of the user, or all of them, is the question."""
    if not isinstance(asked, list):
        return as_text(asked), None
    told = [(each.get("role"), _content(each.get("content"))) for each in asked if isinstance(each, dict)]
    users = [text for role, text in told if role == "user"]
    whole = "\n\n".join(f"{role}: {text}" for role, text in told)
    question = users[0] if len(users) == 1 else whole
    return question or None, whole if len(told) > 1 else None


def _content(content: object) -> str:
    """The text of a message, which may come in parts."""
    if isinstance(content, list):
        parts = [part.get("text") or part.get("type") for part in content if isinstance(part, dict)]
        return "\n".join(part for part in parts if isinstance(part, str))
    return as_text(content) or ""


def _scores(scores: object, only: object) -> Iterator[tuple[str, tuple[float, str | None]]]:
    """Every score of a sample. only: that of the first version of the format, which had one."""
    if not isinstance(scores, dict):
        scores = {} if only is None else {"score": only}
    if len(scores) > _MAX_NAMES:
        raise ValueError(f"{len(scores)} scores, expected at most {_MAX_NAMES}")
    for scorer, score in scores.items():
        value = score.get("value") if isinstance(score, dict) else score
        if isinstance(value, dict) and len(value) <= _MAX_NAMES:
            yield from ((f"{scorer}.{key}"[:EXCERPT], grade(each)) for key, each in value.items())
        else:
            yield scorer[:EXCERPT], grade(value)


def grade(value: object) -> tuple[float, str | None]:
    """The number of a score: NaN where nothing stands, NaN and what stands there where it is no number."""
    if isinstance(value, str):
        known = GRADES.get(value.strip(), _WORDS.get(value.strip().lower()))
        if known is not None:
            return known, None
    return score_of(value)
