"""Every Eval Ever: `data/COLLECTION/DEVELOPER/MODEL/UUID_samples.jsonl`, beside the aggregate `UUID.json`.

A line is one answer of one model (schema 0.2 or 0.3): `evaluation_name` tells the benchmark, `sample_id` the
document, `input` its text, `evaluation.score` counts. Of a conversation of several turns that is the score of
its end, since a sample has one. Where a line has no score at all, and tells no error, `is_correct` counts,
and the metric is called that; a score of null is missing. A sample that is scored by several metrics has a
line for each: `choose_ways`. The aggregate tells when the run was, and of which revision; one without samples
holds no answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.etl.sources import files
from routerset.etl.sources.base import (
    Dump,
    DumpUnreadable,
    Found,
    Listed,
    Reading,
    Source,
    SourceSpec,
    SpecError,
)
from routerset.etl.sources.blocks import Cells
from routerset.etl.sources.names import resolve_model
from routerset.etl.sources.parse.csv_text import Dialect
from routerset.etl.sources.parse.evaluations import Aggregate, Key, Way, choose_ways, read_aggregate
from routerset.etl.sources.parse.jsonlines import as_text
from routerset.etl.sources.parse.records import Records, read_records
from routerset.etl.sources.parse.scores import score_of
from routerset.etl.sources.parse.task_files import RESULTS_UNREADABLE, companions, unknown_task
from routerset.etl.sources.quarantine import BadRow, Quarantined
from routerset.etl.sources.recorded import Task, readings_of_tasks
from routerset.schemas.tables import Reason

MAX_KEYS = 1 << 12  # evaluations and metrics of one file
BY_CORRECT = "is_correct"
_NAME = re.compile(
    r"(?P<stem>(?:.*_)?)samples\.jsonl?|(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.jsonl", re.I
)
_VERSION = re.compile(r"(?:instance_level_eval_)?v?0\.[23](?:\.\d+)?")
_NAMES = {"name": "evaluation_name", "result": "evaluation_result_id"}
_TOLD = {
    **_NAMES,
    "version": "schema_version",
    "run": "evaluation_id",
    "hash": "sample_hash",
    "evaluation": "evaluation",
    "error": "error",
}
_OURS = {
    "model": "model_id",
    "doc_key": "sample_id",
    "question": "input.raw",
    "prompt": "input.formatted",
    "choices": "input.choices",
    "gold": "input.reference",
    "prompt_tokens": "token_usage.input_tokens",
    "completion_tokens": "token_usage.output_tokens",
    "latency_s": "performance.latency_ms",
}
_NUMBERS = ("prompt_tokens", "completion_tokens", "latency_s")


def discover(spec: SourceSpec) -> Found:
    """Files of samples, each a group of its own, with the aggregate of the same name beside it."""
    found = files.discover(spec, lambda name: _NAME.fullmatch(files.without_compression(name)))
    beside = {
        files.without_compression(listed.path): listed
        for listed in (*found.others, *found.outside)
        if listed.signature
    }
    dumps = tuple(replace(dump, results=_aggregate_of(dump, beside)) for dump in found.dumps)
    used = {dump.results.path for dump in dumps if dump.results is not None}
    return replace(found, dumps=dumps).used(used)


def _aggregate_of(dump: Dump, beside: Mapping[str, Listed]) -> Listed | None:
    named = _NAME.fullmatch(files.without_compression(dump.name))
    stem = named and (named["uuid"] or (named["stem"] or "").removesuffix("_"))
    return beside.get(f"{dump.path.rpartition('/')[0]}/{stem}.json") if stem else None


def read(dump: Dump, spec: SourceSpec) -> Iterator[Reading]:
    """Scores and costs of one file, one evaluation at a time.

    Raises DumpUnreadable where the file cannot be read, or holds more than fits the memory.
    """
    aggregate = read_aggregate(dump)
    ways = choose_ways(_keys(dump), spec, aggregate)
    fields = {way.task.subset_field for way in ways.values()} - {None}
    if len(fields) > 1:
        raise SpecError(f"tasks: expected one field in braces, found {', '.join(sorted(map(str, fields)))}")
    columns = {**_TOLD, **_OURS}
    if fields:
        columns["subset"] = f"metadata.{fields.pop()}"
    bad = Quarantined()
    lines = read_records(dump.path, columns, _NUMBERS, Dialect())
    found = (part for records in lines for part in _split(dump, spec, records, ways, aggregate, bad))
    told = (
        {} if aggregate.readable else {(way.task.benchmark, RESULTS_UNREADABLE): 1 for way in ways.values()}
    )
    for number, reading in enumerate(readings_of_tasks(dump, spec, found, bad)):
        yield reading if number else replace(reading, notes={**reading.notes, **told})


def _keys(dump: Dump) -> set[Key]:
    """Evaluations and results of a file."""
    found: set[Key] = set()
    for records in read_records(dump.path, _NAMES, (), Dialect()):
        names, results = (records.texts[name].to_pylist() for name in _NAMES)
        found |= {(name or "", result) for name, result in zip(names, results, strict=True)}
        if len(found) > MAX_KEYS:
            raise DumpUnreadable(f"found more than {MAX_KEYS} evaluations and metrics, expected fewer")
    return found


# --- records ---------------------------------------------------------------------------------------


class _Evaluation(msgspec.Struct):
    score: object = msgspec.UNSET
    is_correct: object = None


_EVALUATION = msgspec.json.Decoder(_Evaluation)


def _split(
    dump: Dump,
    spec: SourceSpec,
    records: Records,
    ways: Mapping[Key, Way],
    aggregate: Aggregate,
    bad: Quarantined,
) -> Iterator[tuple[Task, Records]]:
    """Records by what they are of. bad: is told those of no task, and of another schema."""
    bad.add_rows(dump, records.bad)
    texts, rows = records.texts, records.numbers
    versions = [_VERSION.fullmatch(text) is not None for text in texts["version"].dictionary.to_pylist()]
    usable = np.append(np.array(versions, bool), True)[_codes(texts["version"])]
    bad.add_rows(
        dump, (_of_version(rows[at], texts["version"][at].as_py()) for at in np.flatnonzero(~usable))
    )
    values, said, by_correct = _scores(texts["evaluation"], texts["error"])
    ours = {name: column for name, column in texts.items() if name not in _TOLD}
    ours["model"] = _mapped(texts["model"], partial(_model, spec=spec, aggregate=aggregate), aggregate.model)
    ours["timestamp"] = _mapped(texts["run"], aggregate.time_of, aggregate.time_of(None))
    ours["gold"] = _mapped(texts["gold"], _gold)
    if texts["doc_key"].null_count:
        ours["doc_key"] = pc.coalesce(
            *(texts[name].cast(pa.string()) for name in ("doc_key", "hash"))
        ).dictionary_encode()
    costs = dict(records.cells)
    costs["latency_s"] = replace(costs["latency_s"], values=costs["latency_s"].values / 1000)
    names, results = (_codes(texts[name]).astype(np.int64) for name in _NAMES)
    groups = ((names + 1) * (len(texts["result"].dictionary) + 1) + results + 1) * 2 + by_correct
    for group in np.unique(groups[usable]).tolist():
        mine = np.flatnonzero(usable & (groups == group))
        name, result = (texts[each][int(mine[0])].as_py() for each in _NAMES)
        way = ways.get((name or "", result))
        if way is None:
            bad.add_rows(
                dump,
                (BadRow(row, Reason.UNKNOWN_TASK, unknown_task(name or "")) for row in rows[mine].tolist()),
            )
            continue
        task, score = way.task, values
        if group % 2:
            low, high = spec.registry[task.benchmark].range
            task, score = replace(task, metric=BY_CORRECT), low + values * (high - low)
        part = Records(rows, ours, costs).take(mine)
        texts_here = {i: said[at] for i, at in enumerate(mine.tolist()) if at in said} if said else {}
        cells = {**part.cells, "score": Cells.of(score[mine], texts_here)}
        yield task, replace(part, cells=cells, other=np.full(len(mine), not way.counts))


def _codes(column: pa.DictionaryArray) -> np.ndarray:
    """Places in a column's dictionary, -1 where nothing stands."""
    codes: np.ndarray = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes


def _mapped(
    column: pa.DictionaryArray, of: Callable[[str], str | None], nothing: str | None = None
) -> pa.DictionaryArray:
    """A column with other texts. nothing: what stands for none."""
    texts = [*map(of, column.dictionary.to_pylist()), nothing]
    codes = _codes(column)
    codes = np.where(codes < 0, len(texts) - 1, codes)
    lost = np.array([text is None for text in texts], bool)[codes]
    indices = pa.array(np.where(lost, 0, codes).astype(np.int32), mask=lost)
    return pa.DictionaryArray.from_arrays(indices, pa.array([text or "" for text in texts], pa.string()))


def _scores(
    evaluations: pa.DictionaryArray, errors: pa.DictionaryArray
) -> tuple[np.ndarray, dict[int, str], np.ndarray]:
    """Scores, NaN where there is none; what stands there that is no number; which are `is_correct`."""
    each = [_score(text) for text in evaluations.dictionary.to_pylist()]
    codes = _codes(evaluations)
    values = np.append(np.array([value for value, _, _ in each], np.float64), np.nan)[codes]
    by_correct = np.append(np.array([by for _, _, by in each], bool), False)[codes]
    spelled = np.append(np.array([text is not None for _, text, _ in each], bool), False)[codes]
    failed = by_correct & (_codes(errors) >= 0)
    values[failed] = np.nan
    places = np.flatnonzero(spelled & ~failed).tolist()
    return values, {at: str(each[codes[at]][1]) for at in places}, by_correct & ~failed


def _score(text: str) -> tuple[float, str | None, bool]:
    """Score of an evaluation, what stands there in place of a number, and whether it is `is_correct`."""
    try:
        found = _EVALUATION.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return np.nan, None, False
    by_correct = found.score is msgspec.UNSET and found.is_correct is not None
    return *score_of(
        found.is_correct if by_correct else None if found.score is msgspec.UNSET else found.score
    ), by_correct


def _model(name: str, spec: SourceSpec, aggregate: Aggregate) -> str | None:
    """A model's name, or its id with the revision that the aggregate tells of it."""
    if aggregate.revision is None or aggregate.model not in (None, name):
        return name
    return resolve_model(name, spec, aggregate.revision) or name


def _gold(text: str) -> str | None:
    """The reference answer, or the list of them where there are several."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
    if not isinstance(found, list):
        return text
    return text if len(found) > 1 else as_text(found[0]) if found else None


def _of_version(row: int, version: str) -> BadRow:
    detail = f"expected schema_version 0.2 or 0.3 of Every Eval Ever, found {version[:80]!a}"
    return BadRow(int(row), Reason.MALFORMED_ROW, detail)


SOURCE = Source(
    "every_eval_ever",
    discover,
    read,
    "<uuid>_samples.jsonl, <uuid>_samples.json or <uuid>.jsonl (also with .gz or .zst), beside <uuid>.json",
    companions=companions,
)
