"""lm-evaluation-harness sample logs (`--log_samples`), those of the Open LLM Leaderboard v2 included.

`ORG__MODEL/samples_<task>_<time>.jsonl` (or `.json`): JSON lines, one per document and answer filter;
before harness 0.4.3, `<model_args>_<task>.jsonl`: one list, its filters one after the other. Of the model,
the results file beside a log tells more than names do.
Lines that hold what every current log holds are decoded a chunk at a time, without their text; others,
one at a time. Documents are keyed by `doc_id`, which means something within its task only: tasks share
keys where the config gives them one `key_space`, and are matched by content elsewhere.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TypeVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.etl.sources import files
from routerset.etl.sources.base import (
    DOCS,
    Block,
    Columns,
    Dump,
    DumpUnreadable,
    Found,
    Options,
    Reading,
    Runs,
    Source,
    SourceSpec,
)
from routerset.etl.sources.blocks import NO_COSTS, Cells, Costs, blocks_of, clean_costs, docs_table
from routerset.etl.sources.names import TIME
from routerset.etl.sources.parse.answer_filters import NO_FILTER, choose_rows
from routerset.etl.sources.parse.answer_texts import cells_of, count_exchanges, exchange_of
from routerset.etl.sources.parse.jsonlines import as_text, decode_line, numbered_chunks
from routerset.etl.sources.parse.lm_eval_lines import parse_lines
from routerset.etl.sources.parse.questions import (
    FIRST_REQUEST,
    choices_of,
    gold_of,
    prompt_of,
    question_of,
    text_of,
)
from routerset.etl.sources.parse.results_json import (
    facts_of_arguments,
    model_of,
    parse_arguments,
    read_facts,
    with_results,
)
from routerset.etl.sources.parse.task_files import TaskFile, companions, identify, refuse
from routerset.etl.sources.quarantine import BadRow, Quarantined, quarantine
from routerset.schemas import ids
from routerset.schemas.tables import TOKENS, Reason
from routerset.schemas.tasks import TASKS

MAX_BYTES = 1 << 27  # of what is kept of a file's lines, without their text; 12,032 take 3 MB
MAX_TEXT = 1 << 28  # bytes of the text of a file's documents; 12,032 with five shots take 70 MB
_NAME = re.compile(rf"samples_(?P<task>.+?)(?:_(?P<time>{TIME}))?\.jsonl?", re.IGNORECASE)
_OLD_NAME = re.compile(
    r"(?P<rest>(?:.*,)?(?:peft|delta|pretrained|model|path|engine)(?:__|=).+)\.jsonl?", re.IGNORECASE
)


@dataclass(frozen=True)
class LmEvalOptions(Options):
    """Keys of an `lm_eval` source.

    filter: the answer filter that counts, instead of the one that the registry names, such as
    `"strict-match"`.
    """

    filter: str | None = None


def discover(spec: SourceSpec) -> Found:
    """Sample logs below `spec.path`, grouped by the folder that names the model."""
    found = files.discover(spec, _named, PurePosixPath.as_posix)
    return with_results(found, lambda dump: _named(dump.name)["time"])  # type: ignore[index]


def _named(name: str) -> Mapping[str, str | None] | None:
    """What a log's name tells: its task and time, or what stands before both in the names of old logs."""
    name = files.without_compression(name)
    match = _NAME.fullmatch(name) or _OLD_NAME.fullmatch(name)
    return match and {"task": None, "time": None, "rest": None, **match.groupdict()}


def read(dump: Dump, spec: SourceSpec) -> Iterator[Reading]:
    """One log as one reading, a block per subset.

    Raises DumpUnreadable where the file cannot be read or holds no line.
    """
    named = _named(dump.name)
    if named is None:
        raise DumpUnreadable(f"expected a name like {SOURCE.looks_for}")
    if named["task"] is None:
        run = _old_log(dump, spec, str(named["rest"]))
    else:
        folder = PurePosixPath(dump.file).parent.name or PurePosixPath(dump.path).parent.name
        run = identify(dump, spec, named["task"], folder, named["time"])
    if isinstance(run, BadRow):
        yield refuse(dump, run, _line_numbers(dump))
        return
    tables: list[pa.Table] = []
    bad, n_read, size = Quarantined(), 0, 0
    for table, found, n in parse_lines(run, spec.options_as(LmEvalOptions).filter):
        tables.append(table)
        bad.add_rows(dump, found)
        n_read += n
        size += table.nbytes
        if size > MAX_BYTES:
            raise DumpUnreadable(f"found keys and scores of more than {MAX_BYTES} bytes in {n_read} lines")
    rows = pa.concat_tables(tables).combine_chunks().to_batches()
    notes = Counter(run.notes)
    blocks, quarantined = _blocks(rows[0], n_read, run, notes) if rows else ([], [])
    yield Reading(
        tuple(blocks), pa.concat_tables([bad.table(), *quarantined]), {run.benchmark: n_read}, notes
    )


def _old_log(dump: Dump, spec: SourceSpec, stem: str) -> TaskFile | BadRow:
    """What `<model_args>_<task>` stands for, the names of logs before harness 0.4.3.

    The task is the longest that is known. A results file of the same arguments spells the model better; one
    of other arguments is of a later run, which wrote over that of this one.
    """
    ends = (stem[at + 1 :] for at, letter in enumerate(stem) if letter == "_")
    task = next((end for end in ends if end in spec.tasks or end in TASKS), None)
    facts = read_facts(dump)
    arguments = parse_arguments(stem if task is None else stem[: -len(task) - 1])
    model = model_of(arguments) or ""
    if facts.model is None or ids.model_id(facts.model) != ids.model_id(model):
        facts = facts_of_arguments(arguments)
    return identify(dump, spec, task or stem, model, None, facts)


SOURCE = Source(
    "lm_eval",
    discover,
    read,
    "samples_<task>_<time>.jsonl or .json, <model_args>_<task>.jsonl, any of them with .gz or .zst",
    companions=companions,
    options=LmEvalOptions,
    has_texts=True,
)


def _line_numbers(dump: Dump) -> np.ndarray:
    """Numbers of the lines that are not blank."""
    numbers = [np.empty(0, np.int64)]
    for first, _, chunk in numbered_chunks(dump.path):
        found = [number for number, line in enumerate(chunk.split(b"\n"), first) if line.strip()]
        numbers.append(np.array(found, np.int64))
    return np.concatenate(numbers)


# --- rows to blocks --------------------------------------------------------------------------------


def _blocks(
    rows: pa.RecordBatch, n_lines: int, run: TaskFile, notes: Counter[tuple[str, str]]
) -> tuple[list[Block], list[pa.Table]]:
    """A block per subset of the rows of a file of `n_lines` lines, and quarantine tables.

    notes: are told of costs.
    """
    keys, labels = rows["doc_key"], rows["filter"]
    codes = keys.dictionary_encode().indices.to_numpy()
    places = rows["row"].to_numpy()
    asked = run.spec.options_as(LmEvalOptions).filter
    chosen, replaced, other = choose_rows(codes, places, n_lines, labels, run.filters, asked)
    wanted = asked or next(iter(run.filters), NO_FILTER)
    orphans = (
        run.bad(
            rows["row"][i].as_py(),
            Reason.MISSING_METRIC,
            f"document {keys[i]}: expected an answer read by filter {wanted}, found {labels[i] or 'another'}",
        )
        for i in other.tolist()
    )
    costs = _costs(run, chosen, places, notes)
    subsets = rows["subset"].dictionary_encode()
    numbers = subsets.indices.to_numpy()
    n_replaced = np.bincount(numbers[replaced], minlength=len(subsets.dictionary))
    blocks, quarantined = [], [quarantine(run.dump, orphans)]
    for subset, number in sorted(zip(subsets.dictionary.to_pylist(), range(len(n_replaced)), strict=True)):
        here = chosen[numbers[chosen] == number]
        if len(here) == 0 and n_replaced[number] == 0:
            continue
        part = rows if len(here) == len(rows) else rows.take(pa.array(here))
        (block,), bad = _block(part, subset, run, {name: of[here] for name, of in costs.items()})
        n = n_replaced[number]
        blocks.append(replace(block, n_read=block.n_read + n, n_superseded=block.n_superseded + n))
        quarantined += bad
    return blocks, quarantined


def _costs(run: TaskFile, chosen: np.ndarray, places: np.ndarray, notes: Counter[tuple[str, str]]) -> Costs:
    """Tokens of all rows, counted in the lines of the chosen ones, where the config names a tokenizer.

    places: line of every row.
    """
    tokenizer = run.spec.tokenizer
    if tokenizer is None or not len(chosen):
        return NO_COSTS
    numbers, which = np.unique(places[chosen], return_inverse=True)
    parts = [
        count_exchanges(tokenizer, [exchange_of(said.arguments, said.resps) for said in of_chunk])
        for of_chunk in _decoded(run.dump, numbers, _SAID)
    ]
    counts = {name: np.concatenate([part[name] for part in parts])[which] for name in TOKENS}
    told, more = clean_costs(run.dump, run.benchmark, places[chosen], cells_of(counts))
    notes.update(more)
    costs = {name: np.full(len(places), np.nan, np.float32) for name in told}
    for name, values in told.items():
        costs[name][chosen] = values
    return costs


def _block(
    rows: pa.RecordBatch, subset: str, run: TaskFile, costs: Costs
) -> tuple[list[Block], list[pa.Table]]:
    numbers = rows["row"].to_numpy()
    keys = rows["doc_key"]
    preferred = pc.min(rows["metric"]).as_py() or 0
    texts = {i: rows["text"][i].as_py() for i in np.flatnonzero(rows["text"].is_valid()).tolist()}
    columns = Columns(
        benchmark=run.benchmark,
        subset=subset,
        metric=run.metrics[preferred],
        key_space=run.spec.key_space or f"{run.spec.format}:{run.task}",
        doc_keys=keys,
        prints=rows["print"],
        docs=lambda: _documents(run, numbers, keys),
        bounds=run.bounds,
        prompt_fixed=False,
    )
    cells = Cells.of(rows["score"].to_numpy()[None, :], texts)
    runs = Runs((run.model,), (run.timestamp,), numbers[None, :], run.settings)
    of_run = {name: of[None, :] for name, of in costs.items()}
    blocks, quarantined = blocks_of(run.dump, columns, runs, cells, of_run)
    if run.spec.tokenizer is not None:
        blocks = [replace(block, tokens_from=run.spec.tokenizer.name) for block in blocks]
    return blocks, quarantined


# --- text ------------------------------------------------------------------------------------------


class _Text(msgspec.Struct, gc=False):
    """What is read of a line for its text."""

    doc: object = None
    doc_hash: object = None
    target: object = None
    arguments: msgspec.Raw = msgspec.Raw(b"null")


class _Said(msgspec.Struct, gc=False):
    """What is read of a line for its tokens."""

    arguments: object = None
    resps: object = None


_LineT = TypeVar("_LineT", _Text, _Said)
_TEXT = msgspec.json.Decoder(_Text)
_SAID = msgspec.json.Decoder(_Said)
_REQUESTS = msgspec.json.Decoder(dict[str, msgspec.Raw] | list[msgspec.Raw])


def _documents(run: TaskFile, numbers: np.ndarray, keys: pa.Array) -> pa.Table:
    """Text of the documents in some lines, in ascending order (schema DOCS)."""
    tables, size, at = [DOCS.empty_table()], 0, 0
    field = run.spec.registry[run.benchmark].category_field
    for found in _decoded(run.dump, numbers, _TEXT):
        choices = [choices_of(text.doc) for text in found]
        table = docs_table(
            keys.slice(at, len(found)),
            question=[question_of(text.doc) for text in found],
            prompt=[prompt_of(_first_request(text.arguments)) for text in found],
            choices=choices,
            gold=[gold_of(t.doc, t.target, options) for t, options in zip(found, choices, strict=True)],
            hash=[_hash(text) for text in found],
            category=[text_of(text.doc, field) for text in found],
        )
        tables.append(table)
        at += len(found)
        size += table.nbytes
        if size > MAX_TEXT:
            raise DumpUnreadable(f"found documents with more than {MAX_TEXT} bytes of text")
    return pa.concat_tables(tables).combine_chunks()


def _decoded(
    dump: Dump, numbers: np.ndarray, decoder: msgspec.json.Decoder[_LineT]
) -> Iterator[list[_LineT]]:
    """Some lines of a file, in ascending order, a chunk at a time; empty ones in place of bad ones."""
    at = 0
    for first, n, chunk in numbered_chunks(dump.path):
        here = numbers[(numbers >= first) & (numbers < first + n)]
        if not len(here):
            continue
        lines = chunk.split(b"\n")
        found: list[_LineT] = []
        for number in here.tolist():
            line = decode_line(lines[number - first], number, decoder)
            found.append(decoder.decode(b"{}") if isinstance(line, BadRow) else line)
        yield found
        at += len(here)
    if at != len(numbers):
        raise DumpUnreadable(f"found {at} of {len(numbers)} documents: the file changed while it was read")


def _hash(text: _Text) -> str | None:
    """The harness's hash of a document; of old logs, which have none, a hash of the document as text."""
    if isinstance(text.doc_hash, str):
        return text.doc_hash
    return None if text.doc is None else ids.digest("doc", as_text(text.doc) or "")


def _first_request(arguments: msgspec.Raw) -> object:
    """`arguments` with its first request only: the others repeat the prompt, and make most of a line."""
    try:
        requests = _REQUESTS.decode(arguments)
        if isinstance(requests, dict):
            return {name: msgspec.json.decode(raw) for name, raw in requests.items() if name == FIRST_REQUEST}
        return [msgspec.json.decode(raw) for raw in requests[:1]]
    except (msgspec.DecodeError, RecursionError):
        return None
