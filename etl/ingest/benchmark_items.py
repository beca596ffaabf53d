"""One benchmark's items, and where the documents of every list go; what was worked out before is kept.

What is kept is named by all that it was made from, and goes when a build no longer asks for it.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from routerset.etl.fingerprints import fingerprint
from routerset.etl.ingest.docsets import read_docset, read_prompts
from routerset.etl.ingest.identity import TEXTS, DocList
from routerset.etl.ingest.items import OWN, Canonical, Placed, Readers, canonical_items
from routerset.etl.records import digest_of, read_sealed, seal_folder, sealed_folder
from routerset.etl.sources.base import Dump, DumpUnreadable, SourceSpec
from routerset.etl.sources.registry import SOURCES
from routerset.schemas import ids, store
from routerset.schemas.benchmarks import Benchmark
from routerset.schemas.families import Families, family_ids
from routerset.schemas.tables import ITEMS

KEPT = "canonical"
RECORD = "kept.json"
_PLACES = pa.schema(
    [
        ("list", pa.int32()),
        ("position", pa.int32()),
        ("rejoined", pa.bool_()),
        ("mended", pa.bool_()),
        ("recategorised", pa.bool_()),
        ("why", pa.string()),
    ]
)
"""One row per list and document, in the list's order; the columns are those of `Placed`."""
_LISTS = pa.schema([("joined_by", pa.string())])
_OWNERS = pa.schema([("list", pa.int32())])
_QUESTIONS = pa.schema([("question_id", pa.string()), ("question", pa.string())])
_FAMILIES = pa.schema([("family_id", pa.string())])
_PROMPTS = pa.schema([("doc_key", pa.string()), ("prompt", pa.string())])


@dataclass(frozen=True)
class Column:
    """Where the documents of one list go.

    target: int32 per document, column of the score matrix, or UNKNOWN or CONFLICT. placed: what else there
    is to know.
    """

    target: np.ndarray
    placed: Placed


def benchmark_items(
    benchmark: str,
    chosen: pd.DataFrame,
    specs: Sequence[SourceSpec],
    staging: Path,
    code: str,
    min_share: float,
) -> tuple[pa.Table, dict[str, Column], Families]:
    """Items table of a benchmark, the column of every document list, and what joined items to families.

    chosen: fragments of the runs that count. code: fingerprint of the code that works this out.
    min_share: of `canonical_items`.
    """
    kept, row = _Kept(staging / KEPT / benchmark, code, specs), specs[0].registry[benchmark]
    parts = [OWN.empty_table()]
    columns: dict[str, Column] = {}
    for subset in sorted(chosen["subset"].unique(), key=row.subset_order):
        offset = sum(len(part) for part in parts)
        rows = chosen[chosen["subset"] == subset]
        names = sorted(rows["docset"].unique())
        spaces = rows.drop_duplicates("docset").set_index("docset")["key_space"]
        lists, texts = _read_lists(staging, names, spaces)
        found = kept.items(benchmark, subset, lists, texts, _readers(rows, names), min_share)
        for owner in np.unique(found.lists).tolist():
            users = rows[rows["docset"] == names[owner]]
            if not users["prompt_fixed"].all():
                prompts = _prompts(benchmark, subset, users, kept)
                found = _with_prompts(benchmark, found, owner, lists[owner], prompts)
        parts.append(found.items)
        for name, placed in zip(names, found.placed, strict=True):
            position = placed.position
            columns[name] = Column(np.where(position >= 0, position + offset, position), placed)
    items, families = _whole(row, pa.concat_tables(parts), kept)
    kept.sweep()
    return items, columns, families


def _whole(benchmark: Benchmark, items: pa.Table, kept: _Kept) -> tuple[pa.Table, Families]:
    """Rows of the items table from those that have what items say by themselves.

    An item keeps the id of what its dump says, also where its question is taken from the prompt. What the
    benchmark says of a subset's category counts before what dumps do.
    """
    own, prompts = items["question"], items["prompt"].to_pylist()
    asked = [None if prompt is None else benchmark.question_in(prompt) for prompt in prompts]
    question = pc.coalesce(own, pa.array(asked, pa.string())).combine_chunks()
    source = pc.if_else(own.is_valid(), "dump", pc.if_else(question.is_valid(), "prompt", pa.scalar(None)))
    names = list(map(ids.question_id, question.to_pylist(), prompts, items["item_id"].to_pylist()))
    family, counts = kept.families(pa.table([names, question], _QUESTIONS.names))
    of_subset = {subset: benchmark.category_of(subset) for subset in items["subset"].unique().to_pylist()}
    known = pa.array([of_subset[subset] for subset in items["subset"].to_pylist()], pa.string())
    columns = {name: items[name] for name in OWN.names} | {
        "category": pc.coalesce(known, items["category"].combine_chunks()),
        "item": np.arange(len(items), dtype=np.int32),
        "question": question,
        "question_source": source,
        "question_id": names,
        "family_id": family,
    }
    return pa.table(columns, schema=ITEMS), counts


def _read_lists(
    staging: Path, names: Sequence[str], spaces: Mapping[str, str]
) -> tuple[list[DocList], pa.Table]:
    """Lists of documents by name, and what their prints stand for (schema TEXTS), read once per print."""
    lists = []
    known = pa.array([], pa.string())
    texts = [TEXTS.empty_table()]
    for name in names:
        docs = read_docset(staging, name, ["doc_key", "print", "category"])
        lists.append(DocList(spaces[name], *docs.columns))
        new = docs.filter(pc.invert(pc.is_in(docs["print"], known)))["print"].unique()
        if len(new):
            whole = read_docset(staging, name)
            texts.append(whole.take(pc.index_in(new, whole["print"].combine_chunks())).select(TEXTS.names))
            known = pa.concat_arrays([known, new])
    return lists, pa.concat_tables(texts).combine_chunks()


def _readers(rows: pd.DataFrame, names: Sequence[str]) -> Readers:
    """Number of models by the lists that each was scored on; one list alone needs no votes."""
    if len(names) == 1:
        return {(0,): 1}
    pairs = rows[["model_id", "docset"]].drop_duplicates()
    places = pairs["docset"].map({name: at for at, name in enumerate(names)})
    return Counter(tuple(sorted(of_model)) for _, of_model in places.groupby(pairs["model_id"]))


def _prompts(benchmark: str, subset: str, users: pd.DataFrame, kept: _Kept) -> pa.Table:
    """Prompts by key (schema _PROMPTS) that the first model by name was sent."""
    for _, run in users.sort_values(["model_id", "timestamp", "sha256", "file"], kind="stable").iterrows():
        try:
            return kept.prompts(benchmark, subset, run)
        except DumpUnreadable:  # its prompts are damaged, its scores are not: the next model's will do
            continue
    return _PROMPTS.empty_table()


def _with_prompts(
    benchmark: str, found: Canonical, owner: int, docs: DocList, prompts: pa.Table
) -> Canonical:
    """Items with the prompts of one list, which also name those that have no other text."""
    position = found.placed[owner].position
    mine = np.flatnonzero((position >= 0) & (found.lists[position] == owner))
    sent = prompts["prompt"].take(pc.index_in(docs.doc_keys.take(pa.array(mine)), prompts["doc_key"]))
    text = np.array(found.items["prompt"].to_pylist(), object)
    text[position[mine]] = sent.to_pylist()
    item_ids = found.items["item_id"].to_pylist()
    repeats: Counter[str] = Counter()
    for at in np.sort(position[mine]).tolist() if found.items["question"].null_count else []:
        content = None if found.items["question"][at].is_valid else ids.content_digest(None, None, text[at])
        if content is not None:
            subset = found.items["subset"][at].as_py()
            item_ids[at] = ids.item_id(benchmark, subset, content, repeats[content])
            repeats[content] += 1
    items = found.items
    for name, column in (("prompt", text.tolist()), ("item_id", item_ids)):
        at = items.column_names.index(name)
        items = items.set_column(at, items.schema.field(name), pa.array(column, pa.string()))
    return replace(found, items=items)


class _Kept:
    """Results in a folder, each named by what it was made from."""

    def __init__(self, folder: Path, code: str, specs: Sequence[SourceSpec]) -> None:
        self._folder = folder
        self._code = code
        self._specs = specs
        self._dumps: dict[int, dict[str, Dump]] = {}
        self._used: set[str] = set()

    def items(
        self,
        benchmark: str,
        subset: str,
        lists: Sequence[DocList],
        texts: pa.Table,
        readers: Readers,
        min_share: float,
    ) -> Canonical:
        """What `canonical_items` returns."""
        inputs = [
            (one.key_space, _digest(pa.table([one.doc_keys, one.prints, one.categories], ["k", "p", "c"])))
            for one in lists
        ]
        counts = sorted(readers.items())
        path = self._path("items", benchmark, subset, inputs, _digest(texts), counts, min_share)
        if not self._is_whole(path):
            _save(path, canonical_items(benchmark, subset, lists, texts, readers, min_share))
        return _load(path, len(lists))

    def families(self, questions: pa.Table) -> tuple[pa.ChunkedArray, Families]:
        """What `family_ids` returns. questions: schema _QUESTIONS."""
        path = self._path("families", _digest(questions))
        if not self._is_whole(path):
            found, counts = family_ids(*(column.to_pylist() for column in questions.columns))
            with store.atomic_folder(path) as folder:
                table = pa.table([found], schema=_FAMILIES)
                store.write_table(folder / "families.parquet", _FAMILIES, table)
                seal_folder(folder / RECORD, path.name, {"families": counts})
        record = read_sealed(path / RECORD) or {}
        return store.read_file(path / "families.parquet")["family_id"], record["families"]

    def prompts(self, benchmark: str, subset: str, run: pd.Series) -> pa.Table:
        """Prompts of one run (schema _PROMPTS). Raises DumpUnreadable."""
        file, order = str(run["file"]), int(run["order"])
        settings = self._specs[order].settings()
        path = self._path("prompts", benchmark, subset, run["sha256"], file, settings)
        if not self._is_whole(path):
            dump = self._dump(order, file)
            found = read_prompts(self._specs[order], dump, benchmark, subset)
            if digest_of(dump.path) != run["sha256"]:
                raise DumpUnreadable(f"{file}: it changed since it was parsed")
            columns = {"doc_key": list(found), "prompt": list(found.values())}
            with store.atomic_folder(path) as folder:
                store.write_table(folder / "prompts.parquet", _PROMPTS, pa.table(columns, schema=_PROMPTS))
                seal_folder(folder / RECORD, path.name, {})
        return store.read_file(path / "prompts.parquet")

    def _is_whole(self, path: Path) -> bool:
        """Whether a folder is as it was written; one that is not, goes."""
        whole = sealed_folder(path / RECORD) is not None
        if not whole:
            shutil.rmtree(path, ignore_errors=True)
        return whole

    def _dump(self, order: int, file: str) -> Dump:
        """The dump that holds a run, found anew: it may lie elsewhere than when it was parsed."""
        if order not in self._dumps:
            spec = self._specs[order]
            self._dumps[order] = {dump.file: dump for dump in SOURCES[spec.format].discover(spec)}
        if file not in self._dumps[order]:
            raise DumpUnreadable(f"{file}: it was there when it was parsed, and is no more")
        return self._dumps[order][file]

    def sweep(self) -> None:
        """Remove what was not asked for."""
        for path in self._folder.glob("[0-9a-f]" * 32):
            if path.name not in self._used:
                shutil.rmtree(path)

    def _path(self, *inputs: object) -> Path:
        name = fingerprint(self._code, *inputs)
        self._used.add(name)
        return self._folder / name


def _save(path: Path, found: Canonical) -> None:
    sizes = [len(placed.position) for placed in found.placed]
    columns = {
        "list": np.repeat(np.arange(len(sizes)), sizes).astype(np.int32),
        "position": np.concatenate([placed.position for placed in found.placed]),
        "rejoined": np.concatenate([placed.rejoined for placed in found.placed]),
        "mended": np.concatenate([placed.mended for placed in found.placed]),
        "recategorised": np.concatenate([placed.recategorised for placed in found.placed]),
        "why": [placed.why.get(row) for placed in found.placed for row in range(len(placed.position))],
    }
    joined = pa.table({"joined_by": [placed.joined_by for placed in found.placed]}, schema=_LISTS)
    with store.atomic_folder(path) as folder:
        store.write_table(folder / "items.parquet", OWN, found.items)
        store.write_table(folder / "owners.parquet", _OWNERS, pa.table({"list": found.lists}, schema=_OWNERS))
        store.write_table(folder / "lists.parquet", _LISTS, joined)
        store.write_table(folder / "places.parquet", _PLACES, pa.table(columns, schema=_PLACES))
        seal_folder(folder / RECORD, path.name, {})


def _load(path: Path, n_lists: int) -> Canonical:
    places = store.read_file(path / "places.parquet")
    joined = store.read_file(path / "lists.parquet")["joined_by"].to_pylist()
    bounds = np.searchsorted(places["list"].to_numpy(), np.arange(n_lists + 1)).tolist()
    placed = []
    for (start, stop), joined_by in zip(pairwise(bounds), joined, strict=True):
        part = places.slice(start, stop - start)
        names = ("position", "rejoined", "mended", "recategorised")
        position, rejoined, mended, recategorised = (part[name].to_numpy() for name in names)
        bad = np.flatnonzero(position < 0)
        why = dict(zip(bad.tolist(), part["why"].take(pa.array(bad)).to_pylist(), strict=True))
        placed.append(Placed(position, rejoined, mended, recategorised, joined_by, why))
    owners = store.read_file(path / "owners.parquet")["list"].to_numpy()
    return Canonical(store.read_file(path / "items.parquet"), owners, tuple(placed))


def _digest(table: pa.Table) -> str:
    """Hash of a table's rows."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return blake2b(sink.getvalue(), digest_size=16).hexdigest()
