"""What a release holds: its paths, its dataset configs, and its tables as pure functions on arrays.

```
README.md  CHANGELOG.md  LICENSE  CITATION.cff  eval.yaml  manifest.json  SHA256SUMS  croissant.json
data/B/{train,validation,test}.parquet       config "B"
vectors/E/B/{train,validation,test}.parquet  config "B-E"
scores/B.parquet                             config "scores-B"
costs/B.parquet                              config "costs-B", where a dump tells costs
models.parquet  groups.parquet               configs "models", "groups"
prices.parquet                               config "prices", where a config names a price table
limits.parquet  runs.parquet                 configs "limits", "runs"
leaderboard.parquet                          config "leaderboard", the default, where routers were evaluated
evaluator/  reports/
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.release.errors import ReleaseError
from routerset.schemas import families
from routerset.schemas.benchmarks import Benchmark
from routerset.schemas.checksums import CHANGELOG as CHANGELOG
from routerset.schemas.checksums import CHECKSUMS as CHECKSUMS
from routerset.schemas.groups import Group, Members
from routerset.schemas.labels import selection_vectors
from routerset.schemas.matrix import missing
from routerset.schemas.released import (
    GROUPS_SCHEMA,
    LIMITS_SCHEMA,
    RELEASED,
    TEXT,
    files_of,
    list_of,
    split_column,
)
from routerset.schemas.tables import Kind, Split

MANIFEST, CARD, LICENSE = "manifest.json", "README.md", "LICENSE"
CROISSANT, CITATION, EVALUATION = "croissant.json", "CITATION.cff", "eval.yaml"
LEADERBOARD, MODELS, GROUPS, LIMITS, RUNS, PRICES = (
    RELEASED[name].path for name in ("leaderboard", "models", "groups", "limits", "runs", "prices")
)
EVALUATOR, REPORTS, AUDIT = "evaluator", "reports", "audit"


def data_path(benchmark: str, split: str) -> str:
    """Items of one split with their text, splits, scores and labels."""
    return RELEASED["data"].at(benchmark=benchmark, file_split=split)


def vectors_path(encoder: str, benchmark: str, split: str) -> str:
    """Items of one split with their embeddings, scores and labels."""
    return RELEASED["vectors"].at(encoder=encoder, benchmark=benchmark, file_split=split)


def scores_path(benchmark: str) -> str:
    """Every score of every model."""
    return RELEASED["scores"].at(benchmark=benchmark)


def costs_path(benchmark: str) -> str:
    """What the answers behind the scores cost."""
    return RELEASED["costs"].at(benchmark=benchmark)


@dataclass(frozen=True)
class Config:
    """One argument of `load_dataset`: name, split -> file, schema of those files, benchmark if any."""

    name: str
    files: Mapping[str, str]
    schema: pa.Schema
    benchmark: str | None = None


def group_columns(scores: np.ndarray, members: Mapping[Group, np.ndarray]) -> dict[str, pa.Array]:
    """Columns of scores and labels of every group.

    scores: (items, models), uint8 of 0, 1 and MISSING, or float32 with NaN where missing.
    members: group -> columns of `scores`, by rank. A missing score is a null inside the list.
    """
    columns = {}
    for group, models in members.items():
        block = scores[:, models]
        lost = missing(block)
        values = pa.array(block.astype(np.float32).ravel(), mask=lost.ravel() if lost.any() else None)
        columns[group.column] = pa.FixedSizeListArray.from_arrays(
            values, type=list_of(pa.float32(), group.m, nullable=True)
        )
        columns[group.label_column] = pa.FixedSizeListArray.from_arrays(
            pa.array(selection_vectors(block).ravel()), type=list_of(pa.uint8(), group.m)
        )
    return columns


def item_columns(benchmark: Benchmark, items: pa.Table, splits: Mapping[str, pa.Table]) -> pa.Table:
    """The columns of config `B` that are no group's, in canonical order of items.

    items: table `items`; splits: scheme -> table `splits`. Question and prompt are null where the benchmark's
    authors ask for it.
    Raises ReleaseError where a scheme does not cover exactly the items.
    """
    own = ("item", "item_id", "subset", "category", *TEXT, "question_id", "family_id")
    columns = {name: items[name] for name in own}
    if not benchmark.publish_text:
        columns |= dict.fromkeys(TEXT, pa.nulls(items.num_rows, pa.string()))
    columns["license"] = pa.repeat(benchmark.license, items.num_rows)
    for scheme, table in splits.items():
        if not table["item"].equals(items["item"]):
            raise ReleaseError(
                f"{benchmark.name}: splits, scheme {scheme}: found {table.num_rows} items, expected the "
                f"{items.num_rows} of table items in canonical order; build the splits again"
            )
        columns[split_column(scheme)] = table["split"].cast(pa.string())
    return pa.table(columns).combine_chunks()


def texts(columns: pa.Table) -> dict[str, int]:
    """Items with a question, with a prompt, and with a question that was taken from the prompt."""
    found = {name: columns.num_rows - columns[name].null_count for name in ("question", "prompt")}
    taken = pc.sum(pc.equal(columns["question_source"], "prompt")).as_py() or 0
    return {**found, "question_from_prompt": taken}


def neighbours(vectors: pa.ChunkedArray, family_ids: pa.ChunkedArray) -> dict[str, int]:
    """What `families.neighbours` tells of a column of vectors."""
    array = vectors.combine_chunks()
    matrix = array.flatten().to_numpy().reshape(len(array), -1)
    return families.neighbours(matrix, family_ids.to_pylist())


def rows_of(columns: pa.Table, scheme: str, split: str) -> np.ndarray:
    """Items of one split, ascending: int64."""
    chosen = pc.equal(columns[split_column(scheme)], f"{split}")
    return np.flatnonzero(chosen.to_numpy())


def counts(columns: pa.Table, scheme: str) -> dict[str, int]:
    """Items on each side of a scheme, and those that are left out, where any is."""
    return {
        side: len(rows_of(columns, scheme, side))
        for side in files_of(pc.unique(columns[split_column(scheme)]).to_pylist())
    }


def leaked(columns: pa.Table, scheme: str) -> int:
    """Test items whose question is also in train, by family."""
    ids = columns["family_id"]
    train, test = (ids.take(pa.array(rows_of(columns, scheme, s))) for s in (Split.TRAIN, Split.TEST))
    return int(pc.sum(pc.is_in(test, value_set=train.combine_chunks())).as_py() or 0)


def arrow_bytes(table: pa.Table) -> int:
    """Bytes of a table's values in memory, of strings as such; without the bitmaps that tell the nulls."""
    return sum(_bytes(column) for name in table.column_names for column in table[name].chunks)


def _bytes(column: pa.Array) -> int:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _bytes(column.dictionary_decode())
    if pa.types.is_string(kind):
        return 4 * len(column) + int(pc.sum(pc.binary_length(column)).as_py() or 0)
    if pa.types.is_list(kind):
        return 4 * len(column) + _bytes(column.flatten())
    if pa.types.is_fixed_size_list(kind):
        return int(len(column) * kind.list_size * kind.value_type.bit_width // 8)
    return int(len(column) * max(8, kind.bit_width) // 8)


def groups_table(members: Mapping[str, Members]) -> pa.Table:
    """Table `groups` of a release, from benchmark -> group -> candidates; sorted."""
    rows = [
        (benchmark, group.method, group.m, group.kind, rank, model)
        for benchmark, groups in sorted(members.items())
        for group, models in sorted(groups.items())
        for rank, model in enumerate(models)
    ]
    names = GROUPS_SCHEMA.names
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table(dict(zip(names, columns, strict=True)), schema=GROUPS_SCHEMA)


def limits_table(parts: Mapping[tuple[str, str], pa.Table]) -> pa.Table:
    """Table `limits` of a release, from (benchmark, method) -> table `limits` of a build; sorted."""
    tables = [
        pa.table([pa.repeat(key, len(part)) for key in keys] + part.columns, schema=LIMITS_SCHEMA)
        for keys, part in sorted(parts.items(), key=lambda item: item[0])
    ]
    return pa.concat_tables([LIMITS_SCHEMA.empty_table(), *tables]).combine_chunks()


def members_of(table: pa.Table, where: str) -> dict[Group, list[str]]:
    """Candidates by rank of every group of one benchmark, groups sorted.

    table: columns method, m, kind, rank, model_id. Raises ReleaseError where ranks have gaps or a model
    stands in a group twice.
    """
    ranked: dict[Group, list[tuple[int, str]]] = {}
    columns = (table[name].to_pylist() for name in ("method", "m", "kind", "rank", "model_id"))
    for method, m, kind, rank, model in zip(*columns, strict=True):
        if kind not in list(Kind):
            raise ReleaseError(f"{where}: found kind {kind!r}, expected one of {', '.join(Kind)}")
        ranked.setdefault(Group(method, m, kind), []).append((rank, model))
    members = {}
    for group, found in sorted(ranked.items()):
        found.sort()
        models = [model for _, model in found]
        if [rank for rank, _ in found] != list(range(group.m)) or len(set(models)) != group.m:
            raise ReleaseError(
                f"{where}: {group.column}: found {len(set(models))} models in {len(found)} rows; "
                f"expected {group.m} different models, ranks 0 to {group.m - 1}"
            )
        members[group] = models
    return members
