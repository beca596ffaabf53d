"""The tables of a release as rows: where their files stand, what loads them, their columns."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from routerset.schemas.groups import Group
from routerset.schemas.labels import LABEL_SHARE
from routerset.schemas.tables import LEFT_OUT, TABLES, Split

TEXT = ("question", "question_source", "prompt")
"""Columns of the items' texts, null where those are withheld."""
_KEY = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Released:
    """A table of a release. path: of a file of it, config: that loads it, both with `{key}` for its keys."""

    name: str
    path: str
    config: str

    @property
    def keys(self) -> tuple[str, ...]:
        """Partition keys, in the order of the path."""
        return tuple(_KEY.findall(self.path))

    @property
    def pattern(self) -> str:
        """Glob of its files."""
        return _KEY.sub("*", self.path)

    @property
    def title(self) -> str:
        """Its config for any benchmark `B` and encoder `E`."""
        return _KEY.sub(lambda key: key[1][0].upper(), self.config)

    def at(self, **keys: str) -> str:
        """The file of one partition below the release, POSIX."""
        return self.path.format(**keys)

    def keys_of(self, path: str) -> dict[str, str]:
        """Keys of the partition in a file that matches the pattern."""
        match = re.fullmatch(_KEY.sub(r"(?P<\1>[^/]+)", self.path), path)
        return match.groupdict() if match else {}


RELEASED: dict[str, Released] = {
    table.name: table
    for table in (
        *(Released(t.name, t.released, t.config) for t in TABLES.values() if t.released),
        Released("data", "data/{benchmark}/{file_split}.parquet", "{benchmark}"),
        Released("vectors", "vectors/{encoder}/{benchmark}/{file_split}.parquet", "{benchmark}-{encoder}"),
    )
}
"""Every table of a release: those of a build, then items with their texts, and with their vectors."""
RESERVED = ("leaderboard", "default")
"""Configs that no benchmark may be called: one of every router's results, which will come first, and the name
that `load_dataset` takes for the first one of all, whatever the card says."""


def split_column(scheme: str) -> str:
    """Column with the side that a scheme puts each item on."""
    return f"split_{scheme}"


def files_of(sides: Collection[str]) -> tuple[str, ...]:
    """Names of the data files of a benchmark: the three sides, then what is left out, where anything is.

    sides: those that its items have under the first scheme.
    """
    return (*Split, *((LEFT_OUT,) if LEFT_OUT in sides else ()))


def _field(name: str, dtype: pa.DataType, doc: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, dtype, nullable=nullable, metadata={"doc": doc})


def list_of(dtype: pa.DataType, length: int, nullable: bool = False) -> pa.DataType:
    """Lists of one length. nullable: whether their elements may be null."""
    return pa.list_(pa.field("element", dtype, nullable=nullable), length)


_STRING = pa.string()
_ITEM_ID = _field("item_id", _STRING, "stable content id of the item")
_SUBSET = _field("subset", _STRING, "subset of the benchmark")
_BY_METHOD = (
    _field("benchmark", _STRING, "short name of the benchmark"),
    _field("method", _STRING, "how the group was chosen: paper or greedy"),
)
GROUPS_SCHEMA, LIMITS_SCHEMA = (
    pa.schema([*_BY_METHOD, *TABLES[name].schema]) for name in ("groups", "limits")
)
"""Groups, and their limits, of all benchmarks and methods in one file: the partition keys become columns."""


def data_schema(schemes: Sequence[str], groups: Iterable[Group]) -> pa.Schema:
    """Schema of the files of config `B`."""
    return pa.schema(
        [
            _field("item", pa.int32(), "row number of the item in canonical order; what `scores` joins on"),
            _ITEM_ID,
            _SUBSET,
            *(TABLES["items"].schema.field(n) for n in ("category", *TEXT, "question_id", "family_id")),
            *(
                _field(split_column(s), _STRING, f"train, validation or test under scheme {s}")
                for s in schemes
            ),
            *_group_fields(groups),
        ]
    )


def vectors_schema(dimension: int, groups: Iterable[Group]) -> pa.Schema:
    """Schema of the files of config `B-E`."""
    embedding = _field("embedding", list_of(pa.float32(), dimension), "embedding of the item's text")
    return pa.schema([_ITEM_ID, _SUBSET, embedding, *_group_fields(groups)])


def _group_fields(groups: Iterable[Group]) -> list[pa.Field]:
    fields = []
    for g in groups:
        fields += [
            _field(g.column, list_of(pa.float32(), g.m, nullable=True), _TOLD.format(m=g.m)),
            _field(g.label_column, list_of(pa.uint8(), g.m), _LABELLED),
        ]
    return fields


_TOLD = "scores of the {m} candidates, in the order of `groups`"
_LABELLED = f"1 where a candidate has {LABEL_SHARE} of the best score on the item"
GROUP_PATTERNS = (
    _field("METHOD_mM_KIND", pa.list_(pa.float32()), _TOLD.format(m="M")),
    _field("METHOD_mM_KIND_label", pa.list_(pa.uint8()), _LABELLED),
)
"""What stands for the columns of all groups where each would be too many."""
