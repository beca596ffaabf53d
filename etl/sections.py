"""The sections of the config file, as frozen dataclasses.

docs/config.md is made from them (`python -m tests.config_page --write`): of the type and default of each
key, and of its entry in the docstring of its class, `key: what it says, such as `EXAMPLE`.`; a default that
says something is its own example.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from routerset.etl.groups.candidates import SIZES
from routerset.etl.sources.base import SourceSpec
from routerset.release.curating.rules import Curate
from routerset.schemas.benchmarks import BENCHMARKS, Benchmark
from routerset.schemas.exits import USAGE


class ConfigError(ValueError):
    """The config is wrong; the message names the file, the section and what is valid there."""

    exit_code = USAGE


class RunnerName(StrEnum):
    """Where pipelines run."""

    DIRECT = "direct"
    DASK = "dask"


@dataclass(frozen=True)
class Runner:
    """name: the runner. workers: processes of a local run; None for as many as the work repays.
    scheduler: address of a Dask cluster.
    """

    name: RunnerName = RunnerName.DIRECT
    workers: int | None = None
    scheduler: str | None = None


@dataclass(frozen=True)
class Dataset:
    """`[dataset]`: what is built.

    name: name of the dataset, of letters, digits, `.`, `_` and `-`.
    benchmarks: benchmarks to build; none named, all that the dumps hold, such as `["gsm8k", "arc"]`.
    min_coverage: share of a benchmark's items that a model must have a score on to be a candidate.
    min_models_per_item: share of a subset's records that the models who saw an item must hold for it to stay.
    table_4: whether other item counts than the paper's (RouterEval, Table 4) fail the gate.
    merge_revisions: whether all revisions of a model are one model; else each is one of its own.
    """

    name: str = "routereval"
    benchmarks: tuple[str, ...] = ()
    min_coverage: float = 1.0
    min_models_per_item: float = 0.5
    table_4: bool = False
    merge_revisions: bool = False

    @property
    def gate(self) -> dict[str, float | bool]:
        """What the gate must know of these."""
        return {
            "min_coverage": self.min_coverage,
            "min_models_per_item": self.min_models_per_item,
            "table_4": self.table_4,
        }


@dataclass(frozen=True)
class ModelsSpec:
    """`[[models]]`: a CSV or Parquet file that describes models.

    path: the file, relative to the config, such as `"models.csv"`.
    columns: our column of table `models` -> column of the file; `model_id` must be there, such as
    `{ model_id = "name", params_b = "size" }`.
    encoding: of a CSV's text.
    """

    path: str
    columns: Mapping[str, str]
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Costs:
    """`[costs]`: what answers cost where dumps do not tell it.

    prices: tables of what a million tokens cost, TOML, CSV or JSON, relative to the config file, such as
    `"prices-2026-11.toml"`.
    tokenizer: what counts the texts of dumps that tell no tokens: a `tokenizer.json` or its folder, relative
    to the config file, or ORG/NAME@COMMIT on the Hub; without one they stay missing, such as
    `"tokenizer.json"`.
    """

    prices: str | tuple[str, ...] = ()
    tokenizer: str | None = None

    @property
    def tables(self) -> tuple[str, ...]:
        """Paths of the price tables."""
        return (self.prices,) if isinstance(self.prices, str) else self.prices


@dataclass(frozen=True)
class Splits:
    """`[splits]`: which items are for training, validation and test.

    schemes: ways to split; the first one gives the release its files.
    seed: of all schemes.
    """

    schemes: tuple[str, ...] = ("paper", "family")
    seed: int = 42


@dataclass(frozen=True)
class Groups:
    """`[groups]`: the candidates that routers choose from.

    methods: ways to choose them: greedy, paper, universe, diverse; what comes first is what evaluator, report
    and card show.
    sizes: numbers of candidates; what a pool cannot fill is skipped and reported.
    twins: whether methods choose from `one` of each set of models with the same scores, or from `all`, as
    `paper` always does.
    tiers: sizes of models that method `universe`, and no other, chooses from: `<= 3B`, `3-10B`, `10-20B`,
    `20-45B`, `> 45B`, `MoE`, `API` and `unknown` (of unknown size, with a price and without: left out unless
    named); none for all, such as `["<= 3B", "3-10B"]`.
    freeze: a published release whose groups stay as they are: a version of `previous`, a folder of a release
    or its `groups.parquet`; without one all groups are chosen anew, such as `"v1.0.0"`.
    """

    methods: tuple[str, ...] = ("greedy", "paper")
    sizes: tuple[int, ...] = SIZES
    twins: str = "one"
    tiers: tuple[str, ...] = ()
    freeze: str | None = None


@dataclass(frozen=True)
class Embed:
    """`[embed]`: which vectors prompts become.

    encoders: models that make vectors: minilm, sbert, roberta, roberta_last, longformer, such as
    `["minilm"]`.
    text: what they see, `question` or `prompt`.
    paths: local folders that stand in for hub ids, by encoder, relative to the config, such as
    `{ sbert = "models/all-mpnet-base-v2" }`.
    dtype: number format, `auto`, `float32` or `bfloat16`.
    """

    encoders: tuple[str, ...] = ()
    text: str = "question"
    paths: Mapping[str, str] = field(default_factory=dict)
    dtype: str = "auto"


@dataclass(frozen=True)
class Release:
    """`[release]`: which version it becomes.

    version: X.Y.Z, or `auto`, which follows from what changed.
    previous: the release before, to compare with: its folder, a folder that releases are published to, or
    hf://datasets/ORG/NAME, such as `"out/published"`.
    licenses: `all` benchmarks, or those of `permissive` licences alone; such a release as a whole is
    Apache-2.0.
    creator: who makes the dataset, one line, such as `"Routing group, Example University"`.
    contact: where to write to, an address of mail or of a page, such as `"data@example.org"`.
    url: its page, such as `"https://huggingface.co/datasets/ORG/NAME"`; without one that of a `previous` on
    the Hub.
    date: of publication, without one that of the newest run, such as `"2026-11-26"`.
    synthetic: whether dumps are made up, which the card then says first.
    companion: whether texts that the release withholds are written, too: into `release-gated` beside it, for
    a gated or a private place.
    """

    version: str = "auto"
    previous: str | None = None
    licenses: str = "all"
    creator: str | None = None
    contact: str | None = None
    url: str | None = None
    date: str | None = None
    synthetic: bool = False
    companion: bool = False

    def about(self) -> dict[str, str | bool]:
        """What a release tells of itself; nothing that is not said."""
        place = self.previous or ""
        page = (
            f"https://huggingface.co/{place.removeprefix('hf://')}"
            if place.startswith("hf://datasets/")
            else None
        )
        said = {
            "creator": self.creator,
            "contact": self.contact,
            "url": self.url or page,
            "published": self.date,
            "licenses": self.licenses if self.licenses != "all" else None,
            "synthetic": self.synthetic,
        }
        return {key: value for key, value in said.items() if value}


@dataclass(frozen=True)
class Config:
    """A whole config file. file: where it was read from. registry: every benchmark that it may name.
    left_out: licences of benchmarks that `licenses = "permissive"` leaves out, by name.
    """

    file: str
    sources: tuple[SourceSpec, ...]
    dataset: Dataset = Dataset()
    models: tuple[ModelsSpec, ...] = ()
    splits: Splits = Splits()
    groups: Groups = Groups()
    embed: Embed = Embed()
    release: Release = Release()
    costs: Costs = Costs()
    curate: Curate = field(default_factory=Curate)
    registry: Mapping[str, Benchmark] = field(default_factory=lambda: BENCHMARKS)
    left_out: Mapping[str, str] = field(default_factory=dict)
