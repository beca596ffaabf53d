"""RouterEval pickles: many models on many subsets in one file, prompts and embeddings in files beside it.

`path` is the folder that holds `leaderboard_score/L.pkl` (the dumps), `leaderboard_prompt/L_prompt.pkl` and
`leaderboard_embed/L_embed/ENCODER_result.pkl`. A score pickle is `{'model': [names], 'data': {task: entry}}`,
an entry `{'correctness': array (items, models)}`. Variants found in the wild: (models, items), told by the
number of models; ifeval's `{'correctness_prompt': array, ...}`, as the entry or in place of its array.

Where there is no such folder, every pickle counts: `path` may hold, or name, those of tinyBenchmarks
(`{'data': {task: entry}, 'models': [names]}`), of CARROT (`{task: {'correctness': array (models, items),
'models': [names]}}`), and what both are made of (`{model: {task: {'correctness': array}}}`).

The row number of an item is its document key (of such a file: in a key space of its own); an array of prompts
or vectors of another length than the scores cannot be joined and is left out. Records are cells. A task that
cannot be read counts as one record, as an unreadable file does, and so does a model without a usable name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa

from routerset.etl.sources import files
from routerset.etl.sources.base import (
    Columns,
    Dump,
    DumpUnreadable,
    Found,
    Listed,
    Reading,
    Runs,
    Source,
    SourceSpec,
    SpecError,
)
from routerset.etl.sources.blocks import Cells, blocks_of, docs_table, prints_of
from routerset.etl.sources.names import metric_names, resolve_key_space, resolve_model, resolve_task
from routerset.etl.sources.parse.tabular import MAX_CELLS
from routerset.etl.sources.pickles.arrays import Array, chunks_of, describe, load_plain, rows_of
from routerset.etl.sources.pickles.leaderboard import Content, Task, load_scores, read_tasks
from routerset.etl.sources.pickles.reader import ArrayRef, PlainData
from routerset.etl.sources.quarantine import BadRow, quarantine
from routerset.schemas.ids import file_stem_is_safe
from routerset.schemas.tables import Reason

SCORES, PROMPTS, VECTORS = "leaderboard_score", "leaderboard_prompt", "leaderboard_embed"
_RESULT = "_result.pkl"
_DETAILS = re.compile(
    r"(?:open-llm-leaderboard(?:-old)?/)?(?:details_(.+?)(?:_private|_public)?|(.+__.+)-details)"
)


def discover(spec: SourceSpec) -> Found:
    """The score pickles; each is a group of its own. Pickles of prompts and vectors are read with them."""
    found = files.discover(spec, _claims)
    scores = tuple(dump for dump in found.dumps if _is_score(dump))
    if not scores:
        others = (PROMPTS, VECTORS)
        scores = tuple(dump for dump in found.dumps if not {*PurePosixPath(dump.path).parts} & {*others})
    beside = {str(_prompt_path(dump)) for dump in scores}
    rest = [
        Listed(dump.file, dump.path, dump.size, dump.signature) for dump in found.dumps if dump not in scores
    ]
    rest = [each for each in rest if not _is_vectors(each.path)]
    return Found(scores, tuple(sorted([*found.others, *rest]))).used(beside)


def _claims(name: str) -> bool:
    return name.lower().endswith((".pkl", ".pickle"))


def _is_score(dump: Dump) -> bool:
    return PurePosixPath(dump.path).parent.name == SCORES


def _is_vectors(path: str) -> bool:
    return path.endswith(_RESULT) and PurePosixPath(path).parent.parent.name == VECTORS


def companions(dump: Dump, spec: SourceSpec) -> tuple[Dump, ...]:
    """The prompt pickle beside a score pickle."""
    path = str(_prompt_path(dump))
    try:
        return files.discover(replace(spec, path=path), _claims).dumps
    except DumpUnreadable:
        return ()


def read(dump: Dump, spec: SourceSpec) -> Iterator[Reading]:
    """Scores of one file, task by task, some million cells at a time.

    Raises DumpUnreadable where the file is no pickle of plain data, or one of another layout.
    """
    entries, own = load_scores(dump)
    tasks, bad = read_tasks(entries, spec)
    prompts, bad_prompts = _load_prompts(dump) if own else ({}, [])
    bad += bad_prompts
    lists = [entry.names for entry in entries if entry.names and not entry.by_model]
    lists += [task.names for task in tasks]
    models: dict[int, list[str | None]] = {}
    for names in lists:
        if id(names) not in models:
            models[id(names)] = [_model(name, spec) for name in names]
            bad += _unnamed(names, models[id(names)])
    if bad:
        yield Reading((), quarantine(dump, bad), Counter(row.benchmark for row in bad))
    for task in tasks:
        columns, notes = _columns(task, spec, prompts)
        if not own and spec.key_space is None:
            columns = replace(columns, key_space=f"{columns.key_space}:{dump.file}")
        known = models[id(task.names)]
        for places in _places(known, task.scores.shape[1]):
            try:
                scores = _scores(task.scores, places)
            except DumpUnreadable as error:
                detail = f"task {task.name!r}: {error}: what is left of it counts as one record"
                row = BadRow(None, error.reason, detail, None, task.benchmark)
                yield Reading((), quarantine(dump, [row]), {task.benchmark: 1})
                break
            yield _reading(dump, columns, scores, [str(known[at]) for at in places], notes)
            notes = {}


def _model(name: PlainData, spec: SourceSpec) -> str | None:
    """The model of a name, which may be that of its details on the Hub."""
    if not isinstance(name, str):
        return None
    found = _DETAILS.fullmatch(name)
    return resolve_model(name if found is None or name in spec.models else found[1] or found[2], spec)


def _unnamed(names: Sequence[PlainData], models: Sequence[str | None]) -> list[BadRow]:
    return [
        BadRow(
            None,
            Reason.INVALID_MODEL,
            f"model {at} of {len(names)}: expected a name, found {name!r:.80}: it counts as one record; "
            "name it in [source.models]",
        )
        for at, (name, model) in enumerate(zip(names, models, strict=True))
        if model is None
    ]


def _prompt_path(dump: Dump) -> PurePosixPath:
    score = PurePosixPath(dump.path)
    return score.parent.parent / PROMPTS / f"{score.stem}_prompt.pkl"


def _load_prompts(dump: Dump) -> tuple[Content, list[BadRow]]:
    path = str(_prompt_path(dump))
    name = f"{PROMPTS}/{PurePosixPath(path).name}"
    if not Path(path).exists():
        return {}, []
    try:
        content = load_plain(path, name)
        if not isinstance(content, dict):
            raise DumpUnreadable(f"{name}: expected a dict of arrays of text, found {describe(content)}")
    except DumpUnreadable as error:
        return {}, [BadRow(None, error.reason, f"{error}: read without prompts")]
    return content, []


def _columns(task: Task, spec: SourceSpec, prompts: Content) -> tuple[Columns, dict[tuple[str, str], int]]:
    n_items = task.scores.shape[1]
    doc_keys = pa.array([str(row) for row in range(n_items)], pa.string())
    texts = _texts(prompts[task.name]) if task.name in prompts else None
    notes = {}
    if texts is None:
        notes = {(task.benchmark, "subsets_without_prompts"): 1}
    elif len(texts) != n_items:
        notes = {(task.benchmark, "subsets_with_prompts_of_another_number"): 1}
        texts = None
    docs = docs_table(doc_keys) if texts is None else docs_table(doc_keys, prompt=texts)
    columns = Columns(
        benchmark=task.benchmark,
        subset=task.subset,
        metric=metric_names(task.benchmark, spec)[0],
        key_space=resolve_key_space(spec, task.benchmark),
        doc_keys=doc_keys,
        prints=prints_of(docs),
        docs=lambda: docs,
        bounds=spec.registry[task.benchmark].range,
    )
    return columns, notes


def _texts(value: PlainData) -> list[str | None] | None:
    """Texts of a list or a flat array; None where it is neither, holds anything else, or is damaged."""
    if isinstance(value, np.ndarray | ArrayRef) and len(value.shape) == 1:
        try:
            value = [text for chunk in chunks_of(value) for text in chunk.tolist()]
        except DumpUnreadable:
            return None
    if not isinstance(value, list):
        return None
    texts: list[str | None] = []
    for text in value:
        if text is not None and not isinstance(text, str):
            return None
        # a lone surrogate is no text that a table could store
        texts.append(text and text.encode("utf-8", "replace").decode())
    return texts


def _places(models: Sequence[str | None], n_items: int) -> Iterator[list[int]]:
    """Positions of models to be read together: some million cells; all that share a name, together."""
    where: dict[str, list[int]] = {}
    for at, model in enumerate(models):
        if model is not None:
            where.setdefault(model, []).append(at)
    single = [places[0] for places in where.values() if len(places) == 1]
    height = max(1, MAX_CELLS // max(1, n_items))
    yield from (single[start : start + height] for start in range(0, len(single), height))
    yield from (places for places in where.values() if len(places) > 1)


def _scores(array: Array, places: Sequence[int]) -> np.ndarray:
    """Rows of an array (models, items), as float64; neighbours are read together."""
    runs = np.split(places, np.flatnonzero(np.diff(places) != 1) + 1)
    return np.concatenate([rows_of(array, int(r[0]), int(r[-1]) + 1).astype(np.float64) for r in runs])


def _reading(
    dump: Dump,
    columns: Columns,
    scores: np.ndarray,
    models: Sequence[str],
    notes: Mapping[tuple[str, str], int],
) -> Reading:
    rows = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    runs = Runs(tuple(models), (None,) * len(models), rows)
    blocks, tables = blocks_of(dump, columns, runs, Cells.of(scores))
    quarantined = pa.concat_tables([quarantine(dump, []), *tables])
    return Reading(tuple(blocks), quarantined, {columns.benchmark: scores.size}, notes)


def embedding_files(spec: SourceSpec) -> list[tuple[str, str]]:
    """Ready-made embeddings below `spec.path`: name of the encoder and path, sorted."""
    found = []
    for dump in files.discover(spec, lambda name: name.endswith(_RESULT)):
        if _is_vectors(dump.path):
            encoder = dump.name.removesuffix(_RESULT)
            if not file_stem_is_safe(encoder):
                raise SpecError(f"{dump.file}: {encoder!r} cannot name an encoder: rename the file")
            found.append((encoder, dump.path))
    return sorted(found)


def read_embeddings(path: str, spec: SourceSpec) -> dict[tuple[str, str], np.ndarray]:
    """Vectors of every known subset in a file: (benchmark, subset) -> float32 (items, dimension).

    A row's number is the document key, as in the scores. Tasks that `spec` does not map and the registry
    does not name are left out. Raises DumpUnreadable where the file or one of the arrays cannot be read.
    """
    name = PurePosixPath(path).name
    content = load_plain(path, name)
    if not isinstance(content, dict):
        raise DumpUnreadable(f"{name}: expected a dict of arrays, found {describe(content)}")
    vectors: dict[tuple[str, str], np.ndarray] = {}
    for task, value in content.items():
        target = resolve_task(task, spec) if isinstance(task, str) else None
        if target is None:
            continue
        array = _matrix(value, f"{name}: task {task!r}")
        dimension = next((other.shape[1] for other in vectors.values()), array.shape[1])
        if array.shape[1] != dimension:
            found = array.shape[1]
            raise DumpUnreadable(
                f"{name}: task {task!r}: expected vectors of {dimension} numbers, found {found}"
            )
        vectors[target] = array
    return vectors


def _matrix(value: PlainData, where: str) -> np.ndarray:
    if (
        not isinstance(value, np.ndarray | ArrayRef)
        or value.dtype.kind != "f"
        or len(value.shape) != 2
        or 0 in value.shape
    ):
        raise DumpUnreadable(f"{where}: expected a matrix of floats, found {describe(value)}")
    array = np.concatenate([chunk.astype(np.float32) for chunk in chunks_of(value)])
    if not np.isfinite(array).all():
        raise DumpUnreadable(f"{where}: expected numbers, found NaN or infinity")
    return array


SOURCE = Source(
    name="routereval",
    discover=discover,
    read=read,
    looks_for="leaderboard_score/<NAME>.pkl, or other files that end with .pkl or .pickle",
    named=_is_score,
    companions=companions,
    unused=("benchmark", "subset", "subsets"),
    published=True,
)
