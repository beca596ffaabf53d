"""Every table of a build as a row: its schema with one line per column, its writer, its place in a release.

A schema's metadata key `routerset.sort` names the columns that rows are sorted by, and
`routerset.key` the columns that are unique together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

SCHEMA_VERSION = 2
"""Raised whenever a column changes its meaning or its type; releases carry it in their manifest."""


class Split(StrEnum):
    """The three sides of a split."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


LEFT_OUT = "left_out"
"""What an item has in place of a side where `[curate]` leaves it out; no other build has such items."""


class Kind(StrEnum):
    """Kinds of candidate groups: three by strength (RouterEval, section 4.2), and `open`, of any."""

    ALL_STRONG = "all_strong"
    ALL_WEAK = "all_weak"
    STRONG_TO_WEAK = "strong_to_weak"
    OPEN = "open"


STRENGTHS = (Kind.ALL_STRONG, Kind.ALL_WEAK, Kind.STRONG_TO_WEAK)
"""Kinds of groups of methods that choose by strength."""


class Reason(StrEnum):
    """Why a record was quarantined. The list is closed; `REASONS` says what each code means."""

    UNREADABLE_FILE = "unreadable_file"
    UNSAFE_PICKLE = "unsafe_pickle"
    UNKNOWN_TASK = "unknown_task"
    MISSING_METRIC = "missing_metric"
    MALFORMED_ROW = "malformed_row"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_KEY = "missing_key"
    MISSING_SCORE = "missing_score"
    SCORE_OUT_OF_RANGE = "score_out_of_range"
    DUPLICATE_KEY = "duplicate_key"
    CONFLICTING_GOLD = "conflicting_gold"
    UNKNOWN_ITEM = "unknown_item"
    INVALID_MODEL = "invalid_model"


REASONS: dict[Reason, str] = {
    Reason.UNREADABLE_FILE: "the file could not be opened or decoded; it counts as one record",
    Reason.UNSAFE_PICKLE: "the pickle asks for more than plain data; nothing of it was run; one record",
    Reason.UNKNOWN_TASK: "the task is neither in the registry nor mapped by the config",
    Reason.MISSING_METRIC: "the row or file lacks the metric that counts for the benchmark",
    Reason.MALFORMED_ROW: "the row cannot be parsed",
    Reason.NOT_AN_OBJECT: "a value stands where an object was expected",
    Reason.MISSING_KEY: "the row has no document key and no content to join on",
    Reason.MISSING_SCORE: "the score is absent, null or NaN: missing, never 0",
    Reason.SCORE_OUT_OF_RANGE: "the score is not a number in [0, 1]",
    Reason.DUPLICATE_KEY: "one run scores the same document twice, differently",
    Reason.CONFLICTING_GOLD: "the row's gold answer is not the one that most models were scored against",
    Reason.UNKNOWN_ITEM: "too few models saw this document, or it cannot be matched",
    Reason.INVALID_MODEL: "the model has no usable name",
}


JOINED_BY = ("content", "hash", "key")
"""What told the documents of a run: what they say, the dump's hash of it, or their keys alone."""


def _field(name: str, dtype: pa.DataType, doc: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, dtype, nullable=nullable, metadata={"doc": doc})


def _schema(fields: list[pa.Field], sort: tuple[str, ...], key: tuple[str, ...] = ()) -> pa.Schema:
    metadata = {"routerset.sort": ",".join(sort), "routerset.key": ",".join(key or sort)}
    return pa.schema(fields, metadata=metadata)


_S = pa.string()

OF_KIND = "all_strong, all_weak or strong_to_weak, by the strength of its models; open: of any strength"
"""Stands in footers of files, whose checksums it is part of, as all docs of columns are."""

MODELS = _schema(
    [
        _field("model_id", _S, "the model, as `org/name`"),
        _field("org", _S, "the part before the slash", nullable=True),
        _field("revision", _S, "commit of the weights that were evaluated", nullable=True),
        _field("precision", _S, "number format of the weights", nullable=True),
        _field("params_b", pa.float64(), "parameters, in billions", nullable=True),
        _field("active_params_b", pa.float64(), "parameters that answer one token, in billions", True),
        _field("size_source", _S, "where the size is from: metadata, name or table", nullable=True),
        _field("architecture", _S, "architecture class named in the model's config", nullable=True),
        _field("license", _S, "licence of the weights", nullable=True),
        _field("is_merge", pa.bool_(), "made by merging other models", nullable=True),
        _field("is_moe", pa.bool_(), "a mixture of experts", nullable=True),
        _field("twin_of", _S, "model that has the same scores on all items of both, and is no twin", True),
        _field("usd_per_mtok_in", pa.float64(), "US dollars per million tokens sent", nullable=True),
        _field("usd_per_mtok_out", pa.float64(), "US dollars per million tokens answered", nullable=True),
        _field("price_as_of", _S, "ISO date of these prices", nullable=True),
        _field(
            "leaderboards", pa.list_(pa.field("element", _S, nullable=False)), "leaderboards it stands on"
        ),
    ],
    sort=("model_id",),
)
MATCHED_BY = ("exact", "glob", "tier")
"""How a row of a price table names models: by name, by a pattern of names, or by size."""
PRICES = _schema(
    [
        _field("model_id", _S, "the model, as `org/name`"),
        _field("usd_per_mtok_in", pa.float64(), "US dollars per million tokens sent"),
        _field("usd_per_mtok_out", pa.float64(), "US dollars per million tokens answered"),
        _field("as_of", _S, "ISO date of these prices, where their table tells", nullable=True),
        _field("url", _S, "where they are from, where their table tells", nullable=True),
        _field("matched_by", _S, "what the row of the table names: exact (an id), glob or tier (of sizes)"),
        _field("match", _S, "the id, glob or tier as it stands there"),
        _field("file", _S, "name of the price table"),
    ],
    sort=("model_id",),
)
ITEMS = _schema(
    [
        _field("item", pa.int32(), "row number in canonical order, 0..n-1 without gaps"),
        _field("item_id", _S, "stable content id; never a row number"),
        _field("subset", _S, "subset of the benchmark"),
        _field("category", _S, "what it is about, where the benchmark or a dump tells", nullable=True),
        _field("doc_key", _S, "key of the document in the dump"),
        _field("question", _S, "the question alone", nullable=True),
        _field("question_source", _S, "where the question is from: dump, or prompt by a rule", nullable=True),
        _field("prompt", _S, "the text sent to the LLMs, few-shot examples included", nullable=True),
        _field(
            "choices",
            pa.list_(pa.field("element", _S)),
            "answer options, in the order that most models saw",
            nullable=True,
        ),
        _field("question_id", _S, "hash of the question, of the prompt where there is none"),
        _field(
            "family_id",
            _S,
            "the smallest question_id of its family: equal words, one long context, or nearly the same text",
        ),
    ],
    sort=("item",),
)
SCORES = _schema(
    [
        _field("model_id", pa.dictionary(pa.int32(), _S), "the model, as `org/name`"),
        _field("item", pa.int32(), "row number of the item in canonical order"),
        _field("score", pa.float32(), "score in [0, 1] under the benchmark's metric"),
    ],
    sort=("model_id", "item"),
)
COST_MEASURES: dict[str, str] = {
    "usd": "US dollars that the answer cost",
    "prompt_tokens": "tokens that were sent to the LLM",
    "completion_tokens": "tokens that it answered",
    "latency_s": "seconds that the answer took",
}
"""What an answer may have cost, and what each measure says."""
TOKENS = ("prompt_tokens", "completion_tokens")
"""The measures that are tokens."""
COSTS = _schema(
    [
        *(SCORES.field(name) for name in ("model_id", "item")),
        *(
            _field(name, pa.float32(), f"{doc}; null where not known", nullable=True)
            for name, doc in COST_MEASURES.items()
        ),
    ],
    sort=("model_id", "item"),
)
RUNS = _schema(
    [
        _field("model_id", _S, "the model, as `org/name`"),
        _field("benchmark", _S, "short name of the benchmark"),
        _field("subset", _S, "subset of the benchmark"),
        _field("source", _S, "dump format"),
        _field("file", _S, "file, relative to the root of its source"),
        _field("sha256", _S, "SHA-256 of the file"),
        _field("timestamp", _S, "ISO time of the run, where the dump tells", nullable=True),
        _field("metric", _S, "metric that the scores were read from"),
        _field("n_items", pa.int32(), "records read"),
        _field("n_scored", pa.int32(), "documents with a score, each counted once"),
        _field("n_kept", pa.int32(), "records that became scores"),
        _field("task", _S, "name of the task in the dump, where it tells", nullable=True),
        _field("few_shot", pa.int32(), "examples in the prompt, where the dump tells", nullable=True),
        _field("chat_template", pa.bool_(), "whether a chat template was applied", nullable=True),
        _field("dtype", _S, "number format of the weights, where the dump tells", nullable=True),
        _field("joined_by", _S, "what told its documents: their content, a hash of it, or a key alone"),
        _field(
            "tokens_from",
            _S,
            "where its tokens are from: `field` of the dump, or the tokenizer that counted its texts",
            nullable=True,
        ),
        _field(
            "chosen",
            pa.bool_(),
            "the run that covers most of this subset, of several such the newest",
        ),
    ],
    sort=("model_id", "benchmark", "subset", "timestamp", "source", "file"),
)
CURATED = _schema(
    [
        _field("kind", _S, "item or model"),
        _field("id", _S, "the item's item_id, or the model's model_id"),
        _field("benchmark", _S, "short name of the benchmark that it is left out of, or added to"),
        _field("scheme", _S, "split scheme under which it is left out; null: under every one", nullable=True),
        _field("rule", _S, "key of [curate] that says so"),
        _field("detail", _S, "what the rule found", nullable=True),
    ],
    sort=("kind", "id", "benchmark", "scheme"),
)
PSEUDO_SPECIALISTS = _schema(
    [
        _field("model_id", _S, "the made model, as `pseudo-specialist/name`"),
        _field("category", _S, "category that it is good at"),
        _field("item", pa.int32(), "row number of the item in canonical order"),
        _field("score", pa.float32(), "1 or 0, made by rule"),
        _field("is_synthetic", pa.bool_(), "always true: no model gave these answers"),
    ],
    sort=("model_id", "item"),
)
SPLITS = _schema(
    [
        _field("item", pa.int32(), "row number of the item in canonical order"),
        _field("split", pa.dictionary(pa.int8(), _S), "train, validation or test"),
    ],
    sort=("item",),
)
GROUPS = _schema(
    [
        _field("m", pa.int32(), "number of candidates"),
        _field("kind", _S, OF_KIND),
        _field("rank", pa.int32(), "position of the candidate in the group, 0..m-1"),
        _field("model_id", _S, "the candidate, as `org/name`"),
    ],
    sort=("m", "kind", "rank"),
)
LIMITS = _schema(
    [
        _field("m", pa.int32(), "number of candidates"),
        _field("kind", _S, OF_KIND),
        *(
            column
            for letter, world in (
                ("a", "scores of each item dealt among models of like ability"),
                ("b", "every matrix with the same sums per model and item alike"),
            )
            for column in (
                _field(f"draws_{letter}", pa.int32(), f"worlds of noise: {world}"),
                _field(f"oracle_{letter}", pa.float64(), "mean oracle score on test there", nullable=True),
                _field(f"oracle_{letter}_lo", pa.float64(), "lowest of them", nullable=True),
                _field(f"oracle_{letter}_hi", pa.float64(), "highest of them", nullable=True),
                _field(
                    f"best_single_{letter}", pa.float64(), "mean score of the best candidate", nullable=True
                ),
                _field(
                    f"best_on_train_{letter}",
                    pa.float64(),
                    "mean test score of the candidate that is best on train",
                    nullable=True,
                ),
            )
        ),
        _field("train_covered", pa.int64(), "train items that the group has right together", nullable=True),
        _field("train_at_most", pa.int64(), "what no group of its kind exceeds there", nullable=True),
        _field("bound_by", _S, "what proves it: pool, gains, lp or milp", nullable=True),
    ],
    sort=("m", "kind"),
)
QUARANTINE = _schema(
    [
        _field("source", _S, "dump format"),
        _field("file", _S, "file, relative to the root of its source"),
        _field("row", pa.int64(), "row in the file, from 0", nullable=True),
        _field("model_id", _S, "the model, where known", nullable=True),
        _field("benchmark", _S, "short name of the benchmark, where known", nullable=True),
        _field("reason", _S, "code of a closed list"),
        _field("detail", _S, "what was found and what was expected"),
        _field("excerpt", _S, "the offending text, 500 characters at most", nullable=True),
        _field("n", pa.int64(), "records that this row stands for: of thousands alike, all but the first"),
        _field("last_row", pa.int64(), "row in the file of the last of them, where there are several", True),
    ],
    sort=("source", "file", "row", "model_id", "benchmark", "reason", "detail", "excerpt", "n", "last_row"),
)


def embeddings_schema(dimension: int) -> pa.Schema:
    """Schema of an embeddings table whose vectors hold `dimension` numbers."""
    vector = pa.list_(pa.field("element", pa.float32(), nullable=False), dimension)
    return _schema(
        [
            _field("item", pa.int32(), "row number of the item in canonical order"),
            _field("vector", vector, "embedding of the item's text"),
        ],
        sort=("item",),
    )


@dataclass(frozen=True)
class Table:
    """One table of a build: what it holds, who writes it, and where it stands.

    stage: the stage that alone writes it. keys: its partition keys, in the order of its folders; none for a
    single file. released: its path in a release, with `{key}` for partition keys; config: name of the dataset
    config that loads it. Both are empty where a release holds its rows only inside other files. optional:
    whether it, or a partition, may be missing, where dumps and config hold nothing for it.
    """

    name: str
    schema: pa.Schema
    stage: str
    keys: tuple[str, ...] = ()
    released: str = ""
    config: str = ""
    optional: bool = False

    @property
    def sort(self) -> tuple[str, ...]:
        """Columns that rows are sorted by."""
        return tuple(self.schema.metadata[b"routerset.sort"].decode().split(","))

    def path(self, **keys: str) -> str:
        """The file of one partition below the build folder, POSIX."""
        if not self.keys:
            return f"tables/{self.name}.parquet"
        return "/".join(["tables", self.name, *(f"{k}={keys[k]}" for k in self.keys), "part-0.parquet"])


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table("models", MODELS, "ingest", released="models.parquet", config="models"),
        Table("prices", PRICES, "ingest", released="prices.parquet", config="prices", optional=True),
        Table("items", ITEMS, "ingest", ("benchmark",)),
        Table("scores", SCORES, "ingest", ("benchmark",), "scores/{benchmark}.parquet", "scores-{benchmark}"),
        Table(
            "costs", COSTS, "ingest", ("benchmark",), "costs/{benchmark}.parquet", "costs-{benchmark}", True
        ),
        Table("runs", RUNS, "ingest", released="runs.parquet", config="runs"),
        Table("quarantine", QUARANTINE, "ingest"),
        Table("embeddings", embeddings_schema(1), "embed", ("encoder", "benchmark")),
        Table("curated", CURATED, "curate", released="curated.parquet", config="curated", optional=True),
        Table(
            "pseudo_specialists",
            PSEUDO_SPECIALISTS,
            "curate",
            ("benchmark",),
            "pseudo_specialists/{benchmark}.parquet",
            "pseudo-specialists-{benchmark}",
            True,
        ),
        Table("splits", SPLITS, "splits", ("scheme", "benchmark")),
        Table("groups", GROUPS, "groups", ("method", "benchmark"), "groups.parquet", "groups"),
        Table("limits", LIMITS, "limits", ("method", "benchmark"), "limits.parquet", "limits"),
    )
}
"""Every table of a build, in the order in which they are written. The vectors of `embeddings` are as long as
their encoder makes them (`embeddings_schema`)."""


def tables_of(stage: str) -> tuple[Table, ...]:
    """The tables that a stage writes."""
    return tuple(table for table in TABLES.values() if table.stage == stage)
