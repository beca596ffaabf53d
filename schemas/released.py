"""The tables of a release as rows: where their files stand, what loads them, their columns."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
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
    """A table of a release.

    path: of a file of it, config: that loads it, both with `{key}` for its keys. optional: whether it, or a
    partition, may be missing.
    """

    name: str
    path: str
    config: str
    optional: bool = False

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
        Released("leaderboard", "leaderboard.parquet", "leaderboard", optional=True),
        *(Released(t.name, t.released, t.config, t.optional) for t in TABLES.values() if t.released),
        Released("data", "data/{benchmark}/{file_split}.parquet", "{benchmark}"),
        Released("vectors", "vectors/{encoder}/{benchmark}/{file_split}.parquet", "{benchmark}-{encoder}"),
    )
}
"""Every table of a release: results, tables of a build, items with texts, and with vectors."""
RESERVED = ("default",)
"""What no benchmark may be called: `load_dataset` takes it for the first config of all, whatever the card
says."""


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
    _field(
        "method",
        _STRING,
        "how the group was chosen: greedy, paper, universe or diverse; frozen ones, for an older release",
    ),
)
GROUPS_SCHEMA, LIMITS_SCHEMA = (
    pa.schema([*_BY_METHOD, *TABLES[name].schema]) for name in ("groups", "limits")
)
"""Groups, and their limits, of all benchmarks and methods in one file: the partition keys become columns."""

TEXTS, TEXTS_PATH = "texts", "texts.parquet"
"""The only config of a companion, and its file: no release that is for everyone has one."""
TEXTS_SCHEMA = pa.schema(
    [
        _BY_METHOD[0],
        *(
            TABLES["items"].schema.field(name)
            for name in ("item_id", "subset", "question", "question_source", "prompt", "choices")
        ),
        _field("license", _STRING, "licence of the benchmark, an SPDX expression"),
    ]
)
_INTERVAL = {"": "{}", "_lo": "lower end of its 95% interval", "_hi": "upper end of its 95% interval"}
_WORLDS = {"": "{}", "_lo": "the lowest of the worlds drawn", "_hi": "the highest of the worlds drawn"}
_METRICS = {
    "mu_o": "mean test score of the chosen LLMs",
    "v_r": "mu_o over the score of the reference LLM",
    "v_b": "mu_o over that of the best single candidate on test, known in hindsight alone",
    "v_b_train": "mu_o over that of the candidate that is best on train",
    "e_p": "entropy of the selection probabilities, in bits",
}


def _estimate(name: str, doc: str, ends: Mapping[str, str]) -> list[pa.Field]:
    return [_field(f"{name}{end}", pa.float64(), says.format(doc), True) for end, says in ends.items()]


LEADERBOARD_SCHEMA = pa.schema(
    [
        _field("benchmark", _STRING, "short name of the benchmark"),
        _field("m", pa.int32(), "number of candidates that the router chooses from"),
        _field("router", _STRING, "the router, as the evaluator names it"),
        *(field for name, doc in _METRICS.items() for field in _estimate(name, doc, _INTERVAL)),
        _field("oracle_score", pa.float64(), "mean of the best score on each item: no router has more"),
        _field("best_single_score", pa.float64(), "mean test score of the best single candidate"),
        *_estimate("noise_oracle", "what an oracle reaches where no LLM is better at some items", _WORLDS),
        _field("headroom_real", pa.float64(), "share of oracle - best single that noise does not give", True),
        _field(
            "sees_test_scores", pa.bool_(), "a bound that knows the answers, no router that one could use"
        ),
        _field("encoder", _STRING, "whose vectors the router sees; null where none", True),
        _field("n_test", pa.int32(), "test items"),
        _field("kind", _STRING, "kind of groups; mean: over the kinds"),
        _field("n_kinds", pa.int32(), "kinds of groups that the means are over"),
        _field("method", _STRING, "how the groups were chosen"),
        _field("scheme", _STRING, "how the items were split"),
    ]
)
"""Results of routers, one row per benchmark, m and router: means over the kinds of groups."""


def data_schema(schemes: Sequence[str], groups: Iterable[Group]) -> pa.Schema:
    """Schema of the files of config `B`."""
    return pa.schema(
        [
            _field("item", pa.int32(), "row number of the item in canonical order; what `scores` joins on"),
            _ITEM_ID,
            _SUBSET,
            *(TABLES["items"].schema.field(n) for n in ("category", *TEXT, "question_id", "family_id")),
            _field("license", _STRING, "SPDX id of the licence of question and prompt"),
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
