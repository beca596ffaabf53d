"""What a dump format is: two functions, and the plain data they pass on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from types import MappingProxyType
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from routerset.etl.sources.tokens import Tokenizer
from routerset.schemas.benchmarks import BENCHMARKS, Benchmark
from routerset.schemas.exits import UNREADABLE, USAGE
from routerset.schemas.tables import Reason

DOCS = pa.schema(
    [
        ("doc_key", pa.string()),
        ("question", pa.string()),
        ("prompt", pa.string()),
        ("choices", pa.list_(pa.string())),
        ("gold", pa.string()),
        ("hash", pa.string()),
        ("category", pa.string()),
    ]
)
"""The documents behind a block's columns. gold: the text of the right option where there are options and it
can be told. hash: the dump's own hash of the document, which tells documents apart where there is no text.
category: what the dump files it under, which is no part of what the document is."""
COST_NOTE = "costs/"
"""What notes on costs begin with."""
READ, BAD = "read", "bad"
FIELD = "field"
"""Where token counts are from that a dump tells itself."""
PATH = MappingProxyType({"path": True})
"""Metadata of a field of `Options` that holds a path."""


_NO_KEYS = ("options", "merge_revisions", "registry", "tokenizer")
_TOLD = ("url", "license", "citation")
_READ = ("metric", "metric_aliases", "range", "subsets", "tasks", "filters")
"""What readers look at of a benchmark."""


class DumpUnreadable(OSError):
    """A whole file cannot be read; the message says what was found and what was expected.

    reason: the code under which the file goes to quarantine.
    """

    def __init__(self, message: str, reason: Reason = Reason.UNREADABLE_FILE) -> None:
        super().__init__(message)
        self.reason = reason


class SpecError(ValueError):
    """A `[[source]]` cannot be meant as it stands; the message names the key and what is valid."""

    exit_code = USAGE


class ItemsUnreadable(SpecError):
    """The items file of a `[[source]]` is missing, or cannot be read."""

    exit_code = UNREADABLE


@dataclass(frozen=True)
class Options:
    """Keys of a `[[source]]` that belong to one format; this one is of formats that have none."""


OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(frozen=True)
class SourceSpec:
    """One `[[source]]` of a config: where dumps lie and how their names map to benchmarks.

    format: layout of the dumps, one of those below, such as `"lm_eval"`.
    path: file, folder or glob (`*`, and `**` across folders), relative to the config, or an fsspec URL, such
    as `"results/*.jsonl"`.
    benchmark: what the items are of, where the dump does not tell, such as `"gsm8k"`.
    subset: its subset, where the dump does not tell, such as `"gsm8k"`.
    subsets: renames of subsets, such as `{ "Alg. I" = "algebra" }`.
    tasks: task in the dump -> `benchmark` or `benchmark/subset`; the subset may hold `{field}`, a field of
    the document, such as `{ my_task = "gsm8k", "leaderboard|arc:challenge" = "arc" }`.
    models: renames of models, such as `{ "ckpt/step-1000" = "lab/our-model" }`.
    metric: read this instead of what the registry names, such as `"exact_match"`.
    key_space: sources with the same key space share document keys (without one: format and benchmark; for
    `lm_eval` format and task), such as `"gsm8k-test"`.
    url: where the dump is from, for the card, such as `"https://example.org/dump"`.
    license: of the dump, an SPDX id, for the card, such as `"CC-BY-4.0"`.
    citation: how to cite the dump, one line, for the card, such as `"A. Author, Our Dump, 2026"`.
    options: the format's own keys. merge_revisions: as `[dataset]` says it, whether revisions of a model are
    one model. registry: the benchmarks of the build. tokenizer: counts the texts of formats that hold texts
    and no tokens, where the config asks for it.
    """

    format: str
    path: str
    benchmark: str | None = None
    subset: str | None = None
    subsets: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    metric: str | None = None
    key_space: str | None = None
    url: str | None = None
    license: str | None = None
    citation: str | None = None
    options: Options = Options()
    merge_revisions: bool = False
    registry: Mapping[str, Benchmark] = field(default_factory=lambda: BENCHMARKS)
    tokenizer: Tokenizer | None = None

    def options_as(self, kind: type[OptionsT]) -> OptionsT:
        """The format's own keys, those of `kind`; its defaults where nothing was said."""
        return self.options if isinstance(self.options, kind) else kind()

    def paths(self) -> tuple[str, ...]:
        """Every path that the source names: that of the dumps first."""
        return (self.path, *self._option_paths().values())

    def with_paths(self, change: Callable[[str], str]) -> SourceSpec:
        """The source with every path changed."""
        changed = {name: change(path) for name, path in self._option_paths().items()}
        return replace(self, path=change(self.path), options=replace(self.options, **changed))

    def settings(self) -> dict[str, object]:
        """What the source says, and the config of benchmarks, as far as reading depends on it: what
        fingerprints are made of."""
        said = asdict(replace(self.with_paths(lambda _: ""), registry={}, tokenizer=None))
        declared = {
            name: {key: value for key, value in row.declared.items() if key in _READ}
            for name, row in self.registry.items()
            if row.declared
        }
        said |= {"registry": declared, "tokenizer": self.tokenizer and self.tokenizer.told()}
        return {key: value for key, value in said.items() if key not in _TOLD}

    def told(self) -> dict[str, str | None]:
        """Where the dump is from, as far as the config says."""
        return {name: getattr(self, name) for name in _TOLD}

    def _option_paths(self) -> dict[str, str]:
        paths = {f.name: getattr(self.options, f.name) for f in fields(self.options) if "path" in f.metadata}
        return {name: path for name, path in paths.items() if path is not None}


class Listed(NamedTuple):
    """A file as a folder lists it.

    file: its name below the source's root. path: what to open. size: bytes.
    signature: changes whenever the file does (size and time, or an ETag).
    """

    file: str
    path: str
    size: int
    signature: str


@dataclass(frozen=True)
class Dump:
    """One file of a dump.

    path, size, signature: as listed. file: its name below the source's root, as recorded in tables.
    group: dumps of one group are read together (a model's folder). results: the file beside it that tells
    what run it is of.
    """

    source: str
    path: str
    file: str
    group: str
    size: int
    signature: str
    results: Listed | None = None

    @property
    def name(self) -> str:
        """Name of the file without its folders."""
        return self.file.rpartition("/")[2]


@dataclass(frozen=True)
class Found:
    """What lies below a source's path.

    dumps: sorted by file. others: files that are no dumps of the format. outside: files in the same folders
    that the path does not name.
    """

    dumps: tuple[Dump, ...]
    others: tuple[Listed, ...] = ()
    outside: tuple[Listed, ...] = ()

    def __iter__(self) -> Iterator[Dump]:
        return iter(self.dumps)

    def used(self, files: Collection[str]) -> Found:
        """The same without some of the others, by their paths, which are read in another role."""
        return replace(self, others=tuple(other for other in self.others if other.path not in files))


@dataclass(frozen=True)
class Columns:
    """The documents of one subset in a file, one per column, and what their values count for.

    doc_keys, prints: string arrays; a print changes whenever the document's text or gold answer does.
    docs: reads the text (schema DOCS, one row per column), called only for documents never seen before.
    categories: the same as in `docs`, where the print of a document stays when its category changes.
    bounds: least and greatest score, which become 0 and 1.
    prompt_fixed: prints change with the prompt, too; where they do not (each model may have its own chat
    template), the prompt of one model stands for all.
    mark: hash of the keys, prints and categories, where it was at hand: what is known of them need not be
    worked out again.
    """

    benchmark: str
    subset: str
    metric: str
    key_space: str
    doc_keys: pa.Array
    prints: pa.Array
    docs: Callable[[], pa.Table]
    categories: pa.Array | None = None
    bounds: tuple[float, float] = (0.0, 1.0)
    prompt_fixed: bool = True
    mark: bytes | None = None

    def take(self, places: np.ndarray) -> Columns:
        """Some of the documents, in this order."""
        at = pa.array(places)
        return replace(
            self,
            doc_keys=self.doc_keys.take(at),
            prints=self.prints.take(at),
            docs=lambda: self.docs().take(at),
            categories=None if self.categories is None else self.categories.take(at),
            mark=None,
        )


@dataclass(frozen=True)
class Settings:
    """How the LLM was asked, where the dump tells: what runs of one model may differ in.

    task: its name in the dump. few_shot: examples in the prompt. dtype: number format of the weights.
    """

    task: str | None = None
    few_shot: int | None = None
    chat_template: bool | None = None
    dtype: str | None = None


@dataclass(frozen=True)
class Runs:
    """Runs in a file, all of them with the same settings.

    models: canonical ids. timestamps: ISO times or None. rows: int64 (runs,) or (runs, columns), where in
    the file their records stand, from 0.
    """

    models: tuple[str, ...]
    timestamps: tuple[str | None, ...]
    rows: np.ndarray
    settings: Settings = Settings()

    def take(self, places: list[int]) -> Runs:
        """Some of the runs, in this order."""
        models = tuple(self.models[at] for at in places)
        return Runs(models, tuple(self.timestamps[at] for at in places), self.rows[places], self.settings)


@dataclass(frozen=True)
class Block:
    """Scores of some runs on the documents of one subset, as read from one file, and what they cost.

    columns: distinct documents. values: float32 (runs, columns), NaN where missing. costs: such values per
    key of `COST_MEASURES` that the dump has, NaN where there is no score, too.
    n_read, n_superseded: int64 per run; records met in the file, and those that a later record of the
    same file replaced. tokens_from: where its tokens are from, if there are any: `FIELD`, or the name of the
    tokenizer that counted them.
    """

    columns: Columns
    runs: Runs
    values: np.ndarray
    n_read: np.ndarray
    n_superseded: np.ndarray
    costs: Mapping[str, np.ndarray] = field(default_factory=dict)
    tokens_from: str = FIELD


def cost_note(measure: str, what: str) -> str:
    """A note on a cost: how many values were `READ`, how many of them were `BAD`, or what one such is."""
    return f"{COST_NOTE}{measure}/{what}"


@dataclass(frozen=True)
class Reading:
    """What one file, or one part of it, gave.

    n_read: records met, per benchmark (None where it is not known), counted on their own so that
    the accounting identity can be checked. quarantined: schema QUARANTINE.
    notes: counts worth reporting per (benchmark, note), such as `parse_failed`.
    """

    blocks: tuple[Block, ...]
    quarantined: pa.Table
    n_read: Mapping[str | None, int]
    notes: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A dump format.

    discover: lists the dumps below `spec.path`, and what else lies there; opens nothing.
    read: reads one dump as a stream of readings, so that a large file never lies in memory whole.
    looks_for: names of files that are dumps of this format, in words.
    companions: other files that the reading of this dump depends on (texts of its items).
    options: what the format's own keys are. unused: keys of every source that mean nothing to this one.
    by_name: whether the names of files say that they are of this format; else a config must. named: whether
    that of a dump does.
    published: whether its models are a list that others published: what is spelled apart there stays apart.
    has_texts: whether its tokens are to be counted, in texts that it holds.
    Raises DumpUnreadable where nothing of the file can be read.
    """

    name: str
    discover: Callable[[SourceSpec], Found]
    read: Callable[[Dump, SourceSpec], Iterator[Reading]]
    looks_for: str
    companions: Callable[[Dump, SourceSpec], tuple[Dump | Listed, ...]] = lambda dump, spec: ()
    options: type[Options] = Options
    unused: tuple[str, ...] = ()
    by_name: bool = True
    named: Callable[[Dump], bool] = lambda dump: True
    published: bool = False
    has_texts: bool = False

    def keys(self) -> tuple[str, ...]:
        """Keys that a `[[source]]` of this format may have."""
        common = (f.name for f in fields(SourceSpec) if f.name not in (*_NO_KEYS, *self.unused))
        return (*common, *(f.name for f in fields(self.options)))
