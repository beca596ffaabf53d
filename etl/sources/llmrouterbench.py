"""LLMRouterBench results: `results/bench/DATASET/SPLIT/MODEL/...YYYYMMDD_HHMMSS.json`, a run each.

A file is one object: `dataset_name`, `split`, `model_name`, and a list `records` of answers with their score,
their tokens and what they cost. What a file says counts, not the names of its folders; the time is in its
name. `index` tells a document within its split only, so the split is part of the key. Splits of one dataset
are parts of one benchmark, and no splits of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.etl.sources import files
from routerset.etl.sources.base import Dump, DumpUnreadable, Found, Reading, Settings, Source, SourceSpec
from routerset.etl.sources.parse.json_parts import Part, parts_of
from routerset.etl.sources.parse.jsonlines import as_text, decode_line, joined, kind_of, numbered, show
from routerset.etl.sources.parse.long_table import NUMERIC
from routerset.etl.sources.parse.records import Records, json_records
from routerset.etl.sources.parse.task_files import refuse, unknown_task
from routerset.etl.sources.quarantine import BadRow
from routerset.etl.sources.recorded import named_task, readings_of
from routerset.schemas.tables import Reason

COLUMNS = {
    "doc_key": "index",
    "question": "origin_query",
    "prompt": "prompt",
    "gold": "ground_truth",
    "score": "score",
    "usd": "cost",
    "prompt_tokens": "prompt_tokens",
    "completion_tokens": "completion_tokens",
}
"""Our column -> field of a record."""
DEMO, OTHER_COUNT = "demo_run", "other_count_than_told"
_NEEDED = ("dataset_name", "split", "model_name")
_KNOWN = frozenset({*_NEEDED, "demo", "counts", "records"})
_TIME = re.compile(r"(?<!\d)\d{8}_\d{6}$")
_MEMBERS = msgspec.json.Decoder(dict[str, object])


def discover(spec: SourceSpec) -> Found:
    """Every JSON file, compressed or not; each is a group of its own."""
    return files.discover(spec, lambda name: files.without_compression(name).lower().endswith(".json"))


def read(dump: Dump, spec: SourceSpec) -> Iterator[Reading]:
    """Scores and costs of one run.

    Raises DumpUnreadable where the file is no object, lacks a member that must be there, or holds more than
    fits the memory.
    """
    header = _header(dump)
    task = named_task(header["dataset_name"], spec, Settings(f"{header['dataset_name']}/{header['split']}"))
    seen: dict[str, object] = {}
    if task is None:
        n = sum(len(records.numbers) + len(records.bad) for records in _records(dump, header, {}, seen))
        why = BadRow(None, Reason.UNKNOWN_TASK, unknown_task(header["dataset_name"]))
        yield refuse(dump, why, np.arange(n))
        return
    columns = {**COLUMNS, **({"subset": task.subset_field} if task.subset_field else {})}
    records = _records(dump, header, columns, seen)
    for number, reading in enumerate(readings_of(dump, spec, task, records, None)):
        told = {} if number else {(task.benchmark, note): 1 for note in _notes(seen)}
        yield replace(reading, notes={**reading.notes, **told})


def _header(dump: Dump) -> dict[str, str]:
    """What the file says that it is of. Raises DumpUnreadable."""
    found: dict[str, object] = {}
    listed = False
    for kind, part in _parts(dump):
        listed = listed or kind is Part.LIST
        if kind is Part.MEMBER:
            found |= _member(part)
        if listed and all(isinstance(found.get(name), str) for name in _NEEDED):
            break
    for name in _NEEDED:
        if not isinstance(found.get(name), str) or not str(found[name]).strip():
            raise DumpUnreadable(f"expected a text under {name!r}, found {_shown(found, name)}")
    if not listed:
        raise DumpUnreadable(f"expected a list under 'records', found {_shown(found, 'records')}")
    return {name: str(found[name]) for name in _NEEDED}


def _shown(found: Mapping[str, object], name: str) -> str:
    """What stands under a name, in words."""
    return f"{kind_of(found[name])} ({ascii(as_text(found[name]))[:40]})" if name in found else "nothing"


def _records(
    dump: Dump, header: Mapping[str, str], columns: Mapping[str, str], seen: dict[str, object]
) -> Iterator[Records]:
    """Records of a file by our names. seen: is told the other members, and the number of `records`."""
    time = _TIME.search(files.without_compression(dump.name)[: -len(".json")])
    same = {"model": header["model_name"], **({"timestamp": time[0]} if time else {})}
    rest: list[bytes] = []
    n = 0
    for first, lines, chunk in numbered(joined(_elements(dump, seen, rest))):
        n = first + lines
        for records in json_records([(first, lines, chunk)], columns, NUMERIC):
            texts = {name: _all(text, len(records.numbers)) for name, text in same.items()}
            if "doc_key" in records.texts:
                texts["doc_key"] = _below(header["split"], records.texts["doc_key"])
            yield replace(records, texts={**records.texts, **texts})
    seen["records"] = n
    for left in rest:
        detail = "expected the end of the list and of the file, found something else: is the file cut short?"
        bad = BadRow(n, Reason.MALFORMED_ROW, detail, excerpt=show(left))
        yield replace(next(json_records([(n, 0, b"")], columns, NUMERIC)), bad=[bad])


def _elements(dump: Dump, seen: dict[str, object], rest: list[bytes]) -> Iterator[bytes]:
    """Records as JSON. seen: is told the other members. rest: what is left where the file breaks off."""
    empty = True
    for kind, part in _parts(dump):
        if kind is Part.MEMBER:
            seen |= _member(part)
        elif kind is Part.REST:
            rest.append(part)
        elif kind is Part.ELEMENT:
            empty = False
            yield part
    if empty:
        raise DumpUnreadable("expected some records under 'records', found none that is whole")


def _parts(dump: Dump) -> Iterator[tuple[Part, bytes]]:
    try:
        with files.open_inflated(dump.path) as stream:
            yield from parts_of(stream, "records")
    except DumpUnreadable:
        raise
    except OSError as error:
        raise DumpUnreadable(f"expected JSON: {error}") from error


def _member(part: bytes) -> dict[str, object]:
    """A member that is looked at; nothing where it is another, or no JSON."""
    found = decode_line(b"{" + part + b"}", 0, _MEMBERS)
    return {} if isinstance(found, BadRow) else {k: v for k, v in found.items() if k in _KNOWN}


def _notes(seen: Mapping[str, object]) -> Iterator[str]:
    """What to report of a run: that it is one of few documents, or has other records than it says."""
    if seen.get("demo") is True:
        yield DEMO
    if seen.get("counts", seen["records"]) != seen["records"]:
        yield OTHER_COUNT


def _all(text: str, n: int) -> pa.DictionaryArray:
    """A text that holds for n records."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([text], pa.string()))


def _below(folder: str, keys: pa.DictionaryArray) -> pa.DictionaryArray:
    """Keys that mean something in one split only, as keys among all of them."""
    told = pc.binary_join_element_wise(folder, keys.dictionary, "/")
    return pa.DictionaryArray.from_arrays(keys.indices, told)


SOURCE = Source(
    name="llmrouterbench",
    discover=discover,
    read=read,
    looks_for="files that end with .json (also with .gz or .zst), such as "
    "bench/<dataset>/<split>/<model>/<dataset>-<split>-<model>-<time>.json",
    by_name=False,
)
