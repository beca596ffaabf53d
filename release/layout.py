"""What a release holds: its paths, its dataset configs, and its tables as pure functions on arrays.

```
README.md  CHANGELOG.md  LICENSE  manifest.json  SHA256SUMS  croissant.json
data/B/{train,validation,test}.parquet       config "B"
vectors/E/B/{train,validation,test}.parquet  config "B-E"
scores/B.parquet  models.parquet  groups.parquet   configs "scores-B", "models", "groups"
evaluator/  reports/
```
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.release.errors import ReleaseError
from routerset.schemas.matrix import missing
from routerset.schemas.tables import Kind, Split

MANIFEST, CARD, CHANGELOG, LICENSE = "manifest.json", "README.md", "CHANGELOG.md", "LICENSE"
CHECKSUMS, CROISSANT = "SHA256SUMS", "croissant.json"
MODELS, GROUPS = "models.parquet", "groups.parquet"
EVALUATOR, REPORTS = "evaluator", "reports"

LABEL_SHARE = 0.95
"""A candidate is a good choice for an item from this share of the best score in the group on."""

_GROUP = re.compile(rf"(.+)_m([1-9]\d*)_({'|'.join(Kind)})")
_TEXT = ("question", "prompt")


def data_path(benchmark: str, split: Split) -> str:
    """Items of one split with their text, splits, scores and labels."""
    return f"data/{benchmark}/{split}.parquet"


def vectors_path(encoder: str, benchmark: str, split: Split) -> str:
    """Items of one split with their embeddings, scores and labels."""
    return f"vectors/{encoder}/{benchmark}/{split}.parquet"


def scores_path(benchmark: str) -> str:
    """Every score of every model."""
    return f"scores/{benchmark}.parquet"


@dataclass(frozen=True, order=True)
class Group:
    """A group of `m` candidates; its scores and labels are one column each."""

    method: str
    m: int
    kind: Kind

    @property
    def column(self) -> str:
        """Column of scores, such as `paper_m5_all_strong`."""
        return f"{self.method}_m{self.m}_{self.kind}"

    @property
    def label_column(self) -> str:
        """Column of selection vectors."""
        return f"{self.column}_label"

    @classmethod
    def parse(cls, column: str) -> Group:
        """Group of a column of scores. Raises ReleaseError for any other name."""
        match = _GROUP.fullmatch(column)
        if match is None:
            raise ReleaseError(f"found group {column!r}; expected a name such as paper_m5_all_strong")
        return cls(match[1], int(match[2]), Kind(match[3]))


Members = Mapping[Group, Sequence[str]]
"""Candidates of each group, by rank."""


@dataclass(frozen=True)
class Config:
    """One argument of `load_dataset`: name, split -> file, schema of those files, benchmark if any."""

    name: str
    files: Mapping[Split, str]
    schema: pa.Schema
    benchmark: str | None = None


def split_column(scheme: str) -> str:
    """Column with the side that a scheme puts each item on."""
    return f"split_{scheme}"


def _field(name: str, dtype: pa.DataType, doc: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, dtype, nullable=nullable, metadata={"doc": doc})


def _list(dtype: pa.DataType, length: int, nullable: bool = False) -> pa.DataType:
    return pa.list_(pa.field("element", dtype, nullable=nullable), length)


_STRING = pa.string()
_ITEM = _field("item", pa.int32(), "row number of the item in canonical order; what `scores` joins on")
_ITEM_ID = _field("item_id", _STRING, "stable content id of the item")
_SUBSET = _field("subset", _STRING, "subset of the benchmark")
GROUPS_SCHEMA = pa.schema(
    [
        _field("benchmark", _STRING, "short name of the benchmark"),
        _field("method", _STRING, "how the group was chosen: paper or greedy"),
        _field("m", pa.int32(), "number of candidates"),
        _field("kind", _STRING, "all_strong, all_weak or strong_to_weak"),
        _field("rank", pa.int32(), "position of the candidate in the group, 0..m-1"),
        _field("model_id", _STRING, "the candidate, as `org/name`"),
    ]
)


def data_schema(schemes: Sequence[str], groups: Iterable[Group]) -> pa.Schema:
    """Schema of the files of config `B`."""
    return pa.schema(
        [
            _ITEM,
            _ITEM_ID,
            _SUBSET,
            _field("question", _STRING, "the question alone", nullable=True),
            _field("prompt", _STRING, "the text sent to the LLMs, few-shot examples included", nullable=True),
            _field("family_id", _STRING, "same question, same family, across subsets too"),
            *(
                _field(split_column(s), _STRING, f"train, validation or test under scheme {s}")
                for s in schemes
            ),
            *_group_fields(groups),
        ]
    )


def vectors_schema(dimension: int, groups: Iterable[Group]) -> pa.Schema:
    """Schema of the files of config `B-E`."""
    embedding = _field("embedding", _list(pa.float32(), dimension), "embedding of the item's text")
    return pa.schema([_ITEM_ID, _SUBSET, embedding, *_group_fields(groups)])


def _group_fields(groups: Iterable[Group]) -> list[pa.Field]:
    fields = []
    for g in groups:
        scores, labels = _list(pa.float32(), g.m, nullable=True), _list(pa.uint8(), g.m)
        fields += [
            _field(g.column, scores, f"scores of the {g.m} candidates, in the order of `groups`"),
            _field(
                g.label_column, labels, f"1 where a candidate has {LABEL_SHARE} of the best score on the item"
            ),
        ]
    return fields


def selection_vectors(scores: np.ndarray) -> np.ndarray:
    """Which candidates are good choices: score >= 0.95 x the best in the group, in float64 (section 3).

    scores: (items, m), uint8 of 0, 1 and MISSING, or float32 with NaN where missing.
    Returns uint8 (items, m). Nobody is a good choice where the best score is 0, nor without a score.
    """
    if scores.dtype == np.uint8:
        right: np.ndarray = scores == 1
        return right.view(np.uint8)
    exact = scores.astype(np.float64)
    best = np.fmax.reduce(exact, axis=1, keepdims=True, initial=0.0)
    good: np.ndarray = (exact >= LABEL_SHARE * best) & (best > 0)
    return good.view(np.uint8)


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
            values, type=_list(pa.float32(), group.m, nullable=True)
        )
        columns[group.label_column] = pa.FixedSizeListArray.from_arrays(
            pa.array(selection_vectors(block).ravel()), type=_list(pa.uint8(), group.m)
        )
    return columns


def item_columns(
    benchmark: str, items: pa.Table, splits: Mapping[str, pa.Table], publish_text: bool
) -> pa.Table:
    """The columns of config `B` that are no group's, in canonical order of items.

    benchmark: its name, for messages; items: table `items`; splits: scheme -> table `splits`. Without
    `publish_text`, question and prompt are null.
    Raises ReleaseError where a scheme does not cover exactly the items.
    """
    columns = {name: items[name] for name in ("item", "item_id", "subset", *_TEXT, "family_id")}
    if not publish_text:
        columns |= dict.fromkeys(_TEXT, pa.nulls(items.num_rows, _STRING))
    for scheme, table in splits.items():
        if not table["item"].equals(items["item"]):
            raise ReleaseError(
                f"{benchmark}: splits, scheme {scheme}: found {table.num_rows} items, expected the "
                f"{items.num_rows} of table items in canonical order; build the splits again"
            )
        columns[split_column(scheme)] = table["split"].cast(_STRING)
    return pa.table(columns).combine_chunks()


def rows_of(columns: pa.Table, scheme: str, split: Split) -> np.ndarray:
    """Items of one split, ascending: int64."""
    chosen = pc.equal(columns[split_column(scheme)], split.value)
    return np.flatnonzero(chosen.to_numpy())


def leaked(columns: pa.Table, scheme: str) -> int:
    """Test items whose question is also in train, by family."""
    families = columns["family_id"]
    train, test = (families.take(pa.array(rows_of(columns, scheme, s))) for s in (Split.TRAIN, Split.TEST))
    return int(pc.sum(pc.is_in(test, value_set=train.combine_chunks())).as_py() or 0)


def groups_table(members: Mapping[str, Members]) -> pa.Table:
    """Table `groups` of a release, from benchmark -> group -> candidates; sorted."""
    rows = [
        (benchmark, group.method, group.m, group.kind.value, rank, model)
        for benchmark, groups in sorted(members.items())
        for group, models in sorted(groups.items())
        for rank, model in enumerate(models)
    ]
    names = GROUPS_SCHEMA.names
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table(dict(zip(names, columns, strict=True)), schema=GROUPS_SCHEMA)


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
        ranked.setdefault(Group(method, m, Kind(kind)), []).append((rank, model))
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
