"""The config file: TOML into frozen dataclasses, every unknown key refused by name.

docs/config.md is made from them (`python -m tests.config_page --write`): of the type and default of each
key, and of its entry in the docstring of its class, `key: what it says, such as `EXAMPLE`.`; a default that
says something is its own example.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from routerset.embed.texts import TEXTS
from routerset.etl.groups.candidates import SIZES
from routerset.etl.sources.base import SourceSpec
from routerset.etl.sources.files import is_remote
from routerset.etl.sources.tokens import is_hub_id
from routerset.release.curating.rules import DUPLICATES, PRESETS, SCOPES, SIMILARITIES, Curate
from routerset.schemas.benchmarks import BENCHMARKS, Benchmark
from routerset.schemas.exits import USAGE
from routerset.schemas.ids import file_stem_is_safe
from routerset.schemas.plainfiles import read_bytes
from routerset.schemas.registry import (
    PERMISSIVE,
    DeclarationError,
    Declared,
    is_date,
    is_license,
    is_line,
    is_url,
    not_permissive,
    registry,
)
from routerset.schemas.released import RELEASED, RESERVED
from routerset.schemas.splits import SPLIT_SCHEMES
from routerset.schemas.twins import TWINS

DTYPES = ("auto", "float32", "bfloat16")
_VERSION = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", re.ASCII)
MAX_BYTES = 1 << 24  # of a config file
T = TypeVar("T")


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


_SECTIONS = {
    "dataset": Dataset,
    "costs": Costs,
    "curate": Curate,
    "splits": Splits,
    "groups": Groups,
    "embed": Embed,
    "release": Release,
}
_LISTS = ("source", "models", "benchmark")
_WRONG = re.compile(r"Expected `(?P<expected>\w+).*?`.*? - at `\$\.(?P<place>.*)`")
_KINDS = {"array": "a list", "object": "a table"}


def load_config(path: Path) -> Config:
    """Read and check a config file; relative paths in it are taken from its folder.

    Raises ConfigError on a wrong file, FileNotFoundError where there is none.
    """
    try:
        raw = tomllib.loads(read_bytes(path, MAX_BYTES).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: expected TOML, {error}") from error
    return parse_config(raw, path)


def parse_config(raw: Mapping[str, object], path: Path) -> Config:
    """Config of a parsed TOML document; `path` is its file, for messages and relative paths."""

    def absolute(each: str) -> str:
        return each if is_remote(each) else str((path.parent / each).absolute())

    valid = sorted([*_SECTIONS, *_LISTS])
    for key in raw:
        if key not in valid:
            raise ConfigError(
                f"{path}: unknown section {_hint(key, valid)}; valid sections: {', '.join(valid)}"
            )
    tables: dict[str, list[object]] = {}
    for name in _LISTS:
        entries = raw.get(name, [])
        if not isinstance(entries, list):
            raise ConfigError(f"{path}: [{name}] must be a list of tables, written [[{name}]]")
        tables[name] = entries
    sources = [_source(e, f"{path}: [[source]] {i}") for i, e in enumerate(tables["source"], 1)]
    models = [_section(ModelsSpec, e, f"{path}: [[models]] {i}") for i, e in enumerate(tables["models"], 1)]
    known = _benchmarks(tables["benchmark"], path)
    embed = _section(Embed, raw.get("embed", {}), f"{path}: [embed]")
    release = _section(Release, raw.get("release", {}), f"{path}: [release]")
    dataset = _section(Dataset, raw.get("dataset", {}), f"{path}: [dataset]")
    left_out: Mapping[str, str] = {}
    if release.licenses == "permissive":
        asked = {name: known[name] for name in dataset.benchmarks or known if name in known}
        left_out = not_permissive(asked)
        dataset = replace(dataset, benchmarks=_permissive(asked, left_out, path))
    costs = _section(Costs, raw.get("costs", {}), f"{path}: [costs]")
    if costs.tokenizer is not None and not is_hub_id(costs.tokenizer):
        costs = replace(costs, tokenizer=absolute(costs.tokenizer))
    groups = _section(Groups, raw.get("groups", {}), f"{path}: [groups]")
    if groups.freeze is not None and not is_version(groups.freeze):
        groups = replace(groups, freeze=absolute(groups.freeze))
    config = Config(
        file=str(path),
        sources=tuple(
            replace(source.with_paths(absolute), merge_revisions=dataset.merge_revisions, registry=known)
            for source in sources
        ),
        dataset=dataset,
        models=tuple(replace(each, path=absolute(each.path)) for each in models),
        costs=replace(costs, prices=tuple(map(absolute, costs.tables))),
        curate=_section(Curate, _preset(raw.get("curate", {})), f"{path}: [curate]"),
        splits=_section(Splits, raw.get("splits", {}), f"{path}: [splits]"),
        groups=groups,
        embed=replace(embed, paths={name: absolute(each) for name, each in embed.paths.items()}),
        release=replace(release, previous=release.previous and absolute(release.previous)),
        registry=known,
        left_out=left_out,
    )
    _check(config)
    return config


def _preset(raw: object) -> object:
    """`[curate]` with what its preset stands for, as far as nothing else is said."""
    name = raw.get("preset") if isinstance(raw, Mapping) else None
    return {**PRESETS[name], **raw} if isinstance(raw, Mapping) and name in [*PRESETS] else raw


def is_version(text: str) -> bool:
    """Whether a text names a version, such as `v1.0.0` or `1.0.0`."""
    return _VERSION.fullmatch(text.removeprefix("v")) is not None


def _hint(key: str, valid: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, valid, n=1)
    return f'"{key}"' + (f' (did you mean "{close[0]}"?)' if close else "")


def _benchmarks(tables: Sequence[object], path: Path) -> Mapping[str, Benchmark]:
    """The registry with what `[[benchmark]]` tables say, each of a benchmark of it or of another."""
    declared: dict[str, Declared] = {}
    for number, raw in enumerate(tables, 1):
        where = f"{path}: [[benchmark]] {number}"
        name = raw.get("name") if isinstance(raw, Mapping) else None
        if not isinstance(raw, Mapping) or not isinstance(name, str):
            raise ConfigError(f"{where} name: expected a name, found {name!r}")
        if name in declared:
            raise ConfigError(f"{where} name: {name!r} is there more than once")
        rest = {key: value for key, value in raw.items() if key != "name"}
        declared[name] = _section(Declared, rest, where, also=("name",))
        try:
            registry({name: declared[name]})
        except DeclarationError as error:
            raise ConfigError(f"{where} {error}") from None
    try:
        return registry(declared)
    except DeclarationError as error:
        raise ConfigError(f"{path}: [[benchmark]] {error}") from None


def _permissive(asked: Mapping[str, Benchmark], left_out: Mapping[str, str], path: Path) -> tuple[str, ...]:
    """Benchmarks that are not left out. Raises ConfigError where none is."""
    kept = tuple(name for name in asked if name not in left_out)
    if not kept:
        found = ", ".join(f"{name} ({license})" for name, license in left_out.items())
        raise ConfigError(
            f'{path}: [release] licenses: "permissive" leaves no benchmark: found {found}; expected one of '
            f"{', '.join(PERMISSIVE)}"
        )
    return kept


def _config_names(benchmarks: Sequence[str], encoders: Sequence[str]) -> Iterator[str]:
    """What the tables of a release may be called, without regard to case, as folders are on some systems."""
    yield from RESERVED
    for table in RELEASED.values():
        for benchmark in benchmarks if "benchmark" in table.keys else ("",):
            for encoder in encoders if "encoder" in table.keys else ("",):
                yield table.config.format(benchmark=benchmark, encoder=encoder).casefold()


def _source(raw: object, where: str) -> SourceSpec:
    """One `[[source]]`: keys of every source, and those of its format."""
    from routerset.etl.sources.registry import SOURCES

    name = raw.get("format") if isinstance(raw, Mapping) else None
    if not isinstance(raw, Mapping) or not isinstance(name, str):
        return _section(SourceSpec, raw, where)  # which says what is wrong
    if name not in SOURCES:
        raise ConfigError(f"{where} format: {_hint(name, list(SOURCES))}; valid: {', '.join(SOURCES)}")
    source = SOURCES[name]
    valid = source.keys()
    for key in raw:
        if key not in valid:
            raise ConfigError(
                f'{where}: format "{name}" has no key {_hint(key, valid)}; its keys: {", ".join(valid)}'
            )
    own = {field.name for field in dataclasses.fields(source.options)}
    options = _section(source.options, {key: raw[key] for key in raw if key in own}, where)
    spec = _section(SourceSpec, {key: raw[key] for key in raw if key not in own}, where)
    return replace(spec, options=options)


def _section(kind: type[T], raw: object, where: str, also: Sequence[str] = ()) -> T:
    """One table of the config as a dataclass; types are checked, lists become tuples.

    also: further keys that it may have, for the message.
    """
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{where}: expected a table, found {raw!r}")
    bases = reversed(kind.__mro__)
    names = [name for base in bases for name in vars(base).get("__annotations__", ())]
    field_of = {key_of(kind, name): name for name in names}
    valid = [*also, *field_of]
    for key in raw:
        if key not in valid:
            raise ConfigError(f"{where} unknown key {_hint(key, valid)}; valid keys: {', '.join(valid)}")
    try:
        return msgspec.convert({field_of.get(key, key): value for key, value in raw.items()}, kind)
    except msgspec.ValidationError as error:
        said = str(error)
        for key, name in field_of.items():
            said = said.replace(f"`$.{name}`", f"`$.{key}`")
        raise ConfigError(f"{where}{_wrong(said, raw)}") from None


def key_of(kind: type, name: str) -> str:
    """The key of a field: its name, but where that is a word of Python what its metadata says."""
    found = kind.__dict__.get("__dataclass_fields__", {}).get(name)
    return str(found.metadata.get("key", name)) if found is not None else name


def _wrong(message: str, raw: Mapping[str, object]) -> str:
    """What msgspec says of a value, with the value and the key of a table, which it leaves out."""
    match = _WRONG.fullmatch(message)
    if match is None:
        return f": key {message.rpartition(' ')[2].replace('`', chr(39))} is missing"
    place: str = ""
    found: Any = raw
    for name, index, inside in re.findall(r"(\w+)|\[(\d+)\]|(\[\.\.\.\])", match["place"]):
        if inside:  # of tables, only those of strings are left
            name = next(key for key, value in found.items() if not isinstance(value, str))
        place += "" if index else f".{name}" if place else f" {name}"
        found = found[int(index) if index else name]
    return f"{place}: expected {_KINDS.get(match['expected'], match['expected'])}, found {found!r}"


def _check(config: Config) -> None:
    """Values that no type can check."""
    from routerset.etl.groups.methods import METHODS
    from routerset.release.evaluator.tiers import TIERS

    def demand(good: bool, where: str, message: str) -> None:
        if not good:
            raise ConfigError(f"{config.file}: {where}: {message}")

    def one_of(values: Sequence[str], valid: Sequence[str], where: str) -> None:
        for value in values:
            demand(value in valid, where, f"{_hint(value, valid)}; valid: {', '.join(valid)}")

    def distinct(values: Sequence[object], where: str) -> None:
        for value in values:
            demand(values.count(value) == 1, where, f"{value!r} is there more than once")

    known = tuple(config.registry)
    targets = sorted({target for source in config.sources for target in source.tasks.values()})
    demand(bool(config.sources), "no [[source]]", "add at least one with format and path")
    one_of([s.benchmark for s in config.sources if s.benchmark], known, "[[source]] benchmark")
    one_of([target.partition("/")[0] for target in targets], known, "[[source]] tasks")
    for target in targets:
        named = "/" in target or len(config.registry[target].subsets) == 1
        demand(named, "[[source]] tasks", f'"{target}" has several subsets: write "{target}/SUBSET"')
    one_of(config.dataset.benchmarks, known, "[dataset] benchmarks")
    names = Counter(_config_names(known, sorted({*config.embed.encoders})))
    repeated = [name for name, n in names.items() if n > 1]
    demand(not repeated, "[[benchmark]] name", f"a release would call two tables {', '.join(repeated)}")
    for source in config.sources:
        url, license, citation = source.told().values()
        demand(
            url is None or is_url(url),
            "[[source]] url",
            f"expected https://..., found {url!r}",
        )
        good = license is None or is_license(license)
        demand(good, "[[source]] license", f'expected an SPDX id, such as "CC-BY-4.0", found {license!r}')
        good = citation is None or is_line(citation)
        demand(good, "[[source]] citation", f"expected one line, found {citation!r}")
    for key in ("min_coverage", "min_models_per_item"):
        demand(0.0 < getattr(config.dataset, key) <= 1.0, f"[dataset] {key}", "expected a share in (0, 1]")
    good = file_stem_is_safe(config.dataset.name)
    demand(good, "[dataset] name", "expected letters, digits, '.', '_' or '-'")
    curate = config.curate
    for value, valid, key in (
        (curate.preset, [*PRESETS], "preset"),
        (curate.duplicates, DUPLICATES, "duplicates"),
        (curate.scope, SCOPES, "scope"),
        (curate.similarity, SIMILARITIES, "similarity"),
    ):
        one_of([] if value is None else [value], valid, f"[curate] {key}")
    for key, problem in curate.problems(config.registry):
        demand(False, f"[curate] {key}", problem)
    schemes, seed = config.splits.schemes, config.splits.seed
    one_of(schemes, tuple(SPLIT_SCHEMES), "[splits] schemes")
    distinct(schemes, "[splits] schemes")
    demand(bool(schemes), "[splits] schemes", f"at least one is needed; valid: {', '.join(SPLIT_SCHEMES)}")
    demand(0 <= seed < 1 << 32, "[splits] seed", f"expected 0 to {(1 << 32) - 1}, found {seed}")
    one_of(config.groups.methods, tuple(METHODS), "[groups] methods")
    distinct(config.groups.methods, "[groups] methods")
    one_of([config.groups.twins], TWINS, "[groups] twins")
    one_of(config.groups.tiers, TIERS, "[groups] tiers")
    distinct(config.groups.tiers, "[groups] tiers")
    followed = not config.groups.tiers or any(METHODS[m].by_tier for m in config.groups.methods)
    demand(followed, "[groups] tiers", "no method follows them; add `universe` to methods, or leave them out")
    freeze = config.groups.freeze
    good = freeze is None or not is_version(freeze) or config.release.previous is not None
    demand(good, "[groups] freeze", f"{freeze!r} is a version of [release] previous, which is not there")
    sizes = config.groups.sizes
    demand(min(sizes, default=1) > 0, "[groups] sizes", f"expected numbers of at least 1, found {sizes}")
    distinct(config.embed.encoders, "[embed] encoders")
    one_of([config.embed.text], TEXTS, "[embed] text")
    one_of([config.embed.dtype], DTYPES, "[embed] dtype")
    tokenizer = config.costs.tokenizer
    good = tokenizer is None or not is_remote(tokenizer)
    demand(good, "[costs] tokenizer", f"expected a local path or ORG/NAME@REVISION, found {tokenizer!r}")
    about = config.release
    one_of([about.licenses], ("all", "permissive"), "[release] licenses")
    for key in ("creator", "contact"):
        line = getattr(about, key)
        demand(line is None or is_line(line), f"[release] {key}", f"expected one line, found {line!r}")
    good = about.url is None or (is_url(about.url) and about.url.startswith("http"))
    demand(good, "[release] url", f"expected https://..., found {about.url!r}")
    good = about.date is None or is_date(about.date)
    demand(good, "[release] date", f'expected a day, such as "2026-11-26", found {about.date!r}')
    version = config.release.version
    demand(
        version == "auto" or _VERSION.fullmatch(version) is not None,
        "[release] version",
        f'expected X.Y.Z, such as "1.0.0", or "auto", found "{version}"',
    )
