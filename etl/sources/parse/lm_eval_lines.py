"""Lines of the harness's sample logs to rows: usual lines many at a time, all others one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain, repeat
from operator import attrgetter
from typing import Annotated, NamedTuple, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import UNSET, UnsetType

from routerset.etl.sources.parse.answer_filters import find_score
from routerset.etl.sources.parse.jsonlines import (
    as_text,
    decode_line,
    is_utf8,
    key_of,
    numbered_chunks,
    show,
)
from routerset.etl.sources.parse.scores import score_of
from routerset.etl.sources.parse.task_files import PLACEHOLDER, TaskFile, subset_of
from routerset.etl.sources.quarantine import BadRow
from routerset.schemas import ids
from routerset.schemas.tables import Reason

DIGITS = 64  # of a SHA-256
BATCH = 1 << 12  # lines whose columns are built together
ROWS = pa.schema(
    [
        ("row", pa.int64()),
        ("doc_key", pa.string()),
        ("filter", pa.string()),
        ("print", pa.string()),
        ("metric", pa.int8()),
        ("score", pa.float64()),
        ("text", pa.string()),
        ("subset", pa.string()),
    ]
)
"""One row per usable line. metric: position among the metric's names. text: of a score that is no number."""


_OBJECT = msgspec.json.Decoder(dict[str, object])
_NO_METRIC = {
    *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"),
    *("doc_hash", "prompt_hash", "target_hash"),
}
_Sha256: TypeAlias = Annotated[str, msgspec.Meta(min_length=DIGITS, max_length=DIGITS)]


class _Usual(msgspec.Struct, gc=False):
    """What is read of the usual line besides its score."""

    doc_id: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    doc_hash: _Sha256
    target_hash: _Sha256
    filter: str | None = None


_FIELDS = tuple(attrgetter(name) for name in _Usual.__struct_fields__)


@cache
def _usual_decoder(metrics: tuple[str, ...]) -> msgspec.json.Decoder[msgspec.Struct]:
    """Decoder of the usual line: numbered, hashed, with a number, a boolean or a list as its score."""
    score = bool | float | list[bool | float | None] | None | UnsetType
    slots = [f"metric_{i}" for i in range(len(metrics))]
    fields: list[str | tuple[str, object, object]] = [(slot, score, UNSET) for slot in slots]
    names = dict(zip(slots, metrics, strict=True))
    row = msgspec.defstruct("Row", fields, bases=(_Usual,), rename=names, gc=False, kw_only=True)
    return msgspec.json.Decoder(row)


class _Decoded(NamedTuple):
    """Usual lines of one chunk. prints: joined, all of one length. metric: position of their score's name."""

    first: int
    doc_ids: list[int]
    prints: str
    filters: list[str | None]
    metric: int
    scores: np.ndarray


def parse_lines(run: TaskFile, asked: str | None = None) -> Iterator[tuple[pa.Table, list[BadRow], int]]:
    """Rows and bad lines of a file, in order, and the number of lines that they came from.

    asked: the answer filter that counts, by default the first of `run.filters`.
    """
    decoder = None if PLACEHOLDER.search(run.subset) else _usual_decoder(run.metrics)
    pending: list[_Decoded] = []
    n_pending = 0
    for first, n, chunk in numbered_chunks(run.dump.path):
        decoded = decoder and _decode(chunk, first, n, decoder)
        if decoded is not None:
            pending.append(decoded)
            n_pending += n
        if pending and (decoded is None or n_pending > BATCH):
            yield _columns(pending, run), [], n_pending
            pending, n_pending = [], 0
        if decoded is None:
            yield _decode_one_by_one(chunk, first, run, asked)
    if pending:
        yield _columns(pending, run), [], n_pending


def _decode(
    chunk: bytes, first: int, n: int, decoder: msgspec.json.Decoder[msgspec.Struct]
) -> _Decoded | None:
    """The `n` lines of a chunk if all are usual ones, with one number each as their score."""
    try:
        lines = decoder.decode_lines(chunk)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if len(lines) != n or not is_utf8(chunk):
        return None
    found = _scores(lines)
    if found is None:
        return None
    doc_ids, doc_hashes, target_hashes, filters = (list(map(field, lines)) for field in _FIELDS)
    # what stays behind of a chunk is small, and near: strings of every line would be neither
    prints = "".join(chain.from_iterable(zip(doc_hashes, repeat(":", n), target_hashes, strict=True)))
    filters = [filters[0]] * n if len(set(filters)) == 1 else filters
    return _Decoded(first, doc_ids, prints, filters, *found) if prints.isascii() else None


def _scores(lines: Sequence[msgspec.Struct]) -> tuple[int, np.ndarray] | None:
    """Position of the name that all scores stand under, and the scores, if each is one number or null."""
    for metric in range(len(lines[0].__struct_fields__) - len(_FIELDS)):
        found = list(map(attrgetter(f"metric_{metric}"), lines))
        if found.count(UNSET) == len(found):
            continue
        try:
            scores = np.array(found, np.float64)
        except (ValueError, TypeError):  # lists among numbers or of several lengths, or unset ones
            return None
        return (metric, scores.reshape(-1)) if scores.size == len(found) else None
    return None


def _columns(chunks: Sequence[_Decoded], run: TaskFile) -> pa.Table:
    """Rows of usual lines."""
    starts, sizes = [chunk.first for chunk in chunks], [len(chunk.scores) for chunk in chunks]
    n = sum(sizes)
    offsets = np.arange(n + 1, dtype=np.int32) * (2 * DIGITS + 1)
    prints = "".join([chunk.prints for chunk in chunks]).encode()
    doc_ids = pa.array(list(chain.from_iterable(chunk.doc_ids for chunk in chunks)), pa.int64())
    columns = [
        pa.array(np.arange(n) + np.repeat(np.array(starts) - np.cumsum([0, *sizes[:-1]]), sizes)),
        doc_ids.cast(pa.string()),
        pa.array(list(chain.from_iterable(chunk.filters for chunk in chunks)), pa.string()),
        pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(prints)),
        pa.array(np.repeat(np.array([chunk.metric for chunk in chunks], np.int8), sizes)),
        pa.array(np.concatenate([chunk.scores for chunk in chunks])),
        pa.nulls(n, pa.string()),
        pa.repeat(pa.scalar(run.subset, pa.string()), n),
    ]
    return pa.table(columns, schema=ROWS)


def _decode_one_by_one(
    chunk: bytes, first: int, run: TaskFile, asked: str | None
) -> tuple[pa.Table, list[BadRow], int]:
    """What `parse_lines` yields for one chunk of lines of any kind."""
    good: list[tuple[object, ...]] = []
    bad: list[BadRow] = []
    for number, line in enumerate(chunk.split(b"\n"), first):
        if line.strip():
            row = _row(line, number, run, asked)
            if isinstance(row, BadRow):
                bad.append(row)
            else:
                good.append(row)
    columns = zip(*good, strict=True) if good else [()] * len(ROWS)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, ROWS, strict=True)]
    return pa.table(arrays, schema=ROWS), bad, len(good) + len(bad)


def _row(line: bytes, number: int, run: TaskFile, asked: str | None) -> tuple[object, ...] | BadRow:
    """One line as a row of `ROWS`, or why it is none."""
    record = decode_line(line, number, _OBJECT)
    if isinstance(record, BadRow):
        return replace(record, model_id=run.model, benchmark=run.benchmark)
    doc_id, label, doc = record.get("doc_id"), record.get("filter"), record.get("doc")
    key = key_of(doc_id)
    if key is None:
        detail = f"expected doc_id as a whole number or a name, found {as_text(doc_id) or 'none'}"
        return run.bad(number, Reason.MISSING_KEY, detail, show(line))
    if not isinstance(label, str | None):
        detail = f"expected filter as a string, found {as_text(label)}"
        return run.bad(number, Reason.MALFORMED_ROW, detail, show(line))
    found = find_score(record, run.metrics, run.filters, asked)
    values, more = record, record.get("metrics")
    if found is None and isinstance(more, dict):
        found, values = find_score(more, run.metrics, run.filters, asked), more
    if found is None:
        names = ", ".join(sorted({*record, *(more if isinstance(more, dict) else ())} - _NO_METRIC)) or "none"
        detail = f"document {key}: expected metric {' or '.join(run.metrics)}, found {names}"
        return run.bad(number, Reason.MISSING_METRIC, detail)
    subset = subset_of(run, doc)
    if subset is None:
        detail = f"document {key}: expected the document to hold a usable name for {run.subset}"
        return run.bad(number, Reason.UNKNOWN_TASK, detail)
    hashes = record.get("doc_hash"), record.get("target_hash")
    if all(isinstance(one, str) for one in hashes):
        mark = ":".join(map(str, hashes))
    else:
        told = hashes[0] if isinstance(hashes[0], str) else as_text(doc)
        mark = ids.digest(told or "", as_text(record.get("target")) or "")
    score, text = score_of(values[found.name])
    return number, key, found.label if label is None else label, mark, found.metric, score, text, subset
