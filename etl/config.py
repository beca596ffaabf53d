"""The config file: TOML into frozen dataclasses, every unknown key refused by name."""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar, cast

from routerset.etl.sources.base import SourceSpec
from routerset.etl.sources.files import is_remote
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.exits import USAGE
from routerset.schemas.ids import file_stem_is_safe

SIZES = (3, 5, 10, 100, 1000)
_VERSION = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", re.ASCII)
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
    """name: the runner. workers: processes of a local run. scheduler: address of a Dask cluster."""

    name: RunnerName = RunnerName.DIRECT
    workers: int = 1
    scheduler: str | None = None


@dataclass(frozen=True)
class Dataset:
    """`[dataset]`: name of the dataset, and the benchmarks to build (default: all that the dumps hold)."""

    name: str = "routereval"
    benchmarks: tuple[str, ...] = ()
    min_coverage: float = 1.0


@dataclass(frozen=True)
class ModelsSpec:
    """`[[models]]`: a CSV or Parquet file that describes models; columns maps our column to theirs."""

    path: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Splits:
    """`[splits]`: schemes, the first one gives the release its files, and the seed of both."""

    schemes: tuple[str, ...] = ("paper", "family")
    seed: int = 42


@dataclass(frozen=True)
class Groups:
    """`[groups]`: selection methods and sizes of the candidate groups."""

    methods: tuple[str, ...] = ("paper", "greedy")
    sizes: tuple[int, ...] = SIZES


@dataclass(frozen=True)
class Embed:
    """`[embed]`: encoders, the text they see (`question` or `prompt`), number format of the model.

    paths: local folders that stand in for hub ids, by encoder, relative to the config file.
    """

    encoders: tuple[str, ...] = ()
    text: str = "question"
    paths: Mapping[str, str] = field(default_factory=dict)
    dtype: str = "auto"


@dataclass(frozen=True)
class Release:
    """`[release]`: version (`auto` or X.Y.Z), and the previous release to compare with.

    previous: a release folder, a folder that releases are published to, or hf://datasets/ORG/NAME.
    """

    version: str = "auto"
    previous: str | None = None


@dataclass(frozen=True)
class Config:
    """A whole config file. file: where it was read from."""

    file: str
    sources: tuple[SourceSpec, ...]
    dataset: Dataset = Dataset()
    models: tuple[ModelsSpec, ...] = ()
    splits: Splits = Splits()
    groups: Groups = Groups()
    embed: Embed = Embed()
    release: Release = Release()


_SECTIONS = {"dataset": Dataset, "splits": Splits, "groups": Groups, "embed": Embed, "release": Release}
_LISTS = {"source": SourceSpec, "models": ModelsSpec}


def load_config(path: Path) -> Config:
    """Read and check a config file; relative paths in it are taken from its folder.

    Raises ConfigError on a wrong file, FileNotFoundError where there is none.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected TOML, {error}") from error
    return parse_config(raw, path)


def parse_config(raw: Mapping[str, object], path: Path) -> Config:
    """Config of a parsed TOML document; `path` is its file, for messages and relative paths."""
    valid = sorted([*_SECTIONS, *_LISTS])
    for key in raw:
        if key not in valid:
            raise ConfigError(
                f"{path}: unknown section {_hint(key, valid)}; valid sections: {', '.join(valid)}"
            )
    parts: dict[str, object] = {
        name: _section(kind, raw.get(name, {}), f"{path}: [{name}]") for name, kind in _SECTIONS.items()
    }
    lists: dict[str, tuple[object, ...]] = {}
    for name, kind in _LISTS.items():
        entries = raw.get(name, [])
        if not isinstance(entries, list):
            raise ConfigError(f"{path}: [{name}] must be a list of tables, written [[{name}]]")
        lists[name] = tuple(_section(kind, e, f"{path}: [[{name}]] {i + 1}") for i, e in enumerate(entries))
    sources = tuple(
        dataclasses.replace(
            s, path=_absolute(s.path, path.parent), items=s.items and _absolute(s.items, path.parent)
        )
        for s in cast(tuple[SourceSpec, ...], lists["source"])
    )
    models = tuple(
        dataclasses.replace(m, path=_absolute(m.path, path.parent))
        for m in cast(tuple[ModelsSpec, ...], lists["models"])
    )
    embed = cast(Embed, parts["embed"])
    paths = {name: _absolute(each, path.parent) for name, each in embed.paths.items()}
    parts["embed"] = dataclasses.replace(embed, paths=paths)
    release = cast(Release, parts["release"])
    if release.previous is not None:
        parts["release"] = dataclasses.replace(release, previous=_absolute(release.previous, path.parent))
    config = Config(file=str(path), sources=sources, models=models, **parts)  # type: ignore[arg-type]
    _check(config)
    return config


def _hint(key: str, valid: list[str]) -> str:
    close = difflib.get_close_matches(key, valid, n=1)
    return f'"{key}"' + (f' (did you mean "{close[0]}"?)' if close else "")


def _section(kind: type[T], raw: object, where: str) -> T:
    """One table of the config as a dataclass; types are checked, lists become tuples."""
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{where}: expected a table, found {raw!r}")
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in raw:
        if key not in fields:
            raise ConfigError(
                f"{where} unknown key {_hint(key, sorted(fields))}; valid keys: {', '.join(fields)}"
            )
    values = {}
    for name, f in fields.items():
        if name in raw:
            values[name] = _value(raw[name], hints[name], f"{where} {name}")
        elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{where}: key {name!r} is missing")
    return kind(**values)


def _value(value: object, hint: object, where: str) -> object:
    """A TOML value checked against a field's type."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return _value(value, next(a for a in args if a is not type(None)), where)
    if origin is tuple and isinstance(value, list):
        return tuple(_value(v, args[0], where) for v in value)
    if origin is Mapping and isinstance(value, Mapping):
        return {str(k): _value(v, args[1], f"{where}.{k}") for k, v in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if (
        origin is not None
        or not isinstance(value, cast(type, hint))
        or isinstance(value, bool) != (hint is bool)
    ):
        name = getattr(hint, "__name__", str(hint))
        expected = "a list" if origin is tuple else "a table" if origin is Mapping else name
        raise ConfigError(f"{where}: expected {expected}, found {value!r}")
    return value


def _absolute(path: str, folder: Path) -> str:
    return path if is_remote(path) else str((folder / path).absolute())


def _check(config: Config) -> None:
    """Values that no type can check."""
    from routerset.etl.groups.methods import METHODS
    from routerset.etl.sources.registry import SOURCES
    from routerset.schemas.splits import SPLIT_SCHEMES

    def one_of(values: tuple[str, ...], valid: tuple[str, ...], where: str) -> None:
        for value in values:
            if value not in valid:
                raise ConfigError(
                    f"{config.file}: {where}: {_hint(value, list(valid))}; valid: {', '.join(valid)}"
                )

    def distinct(values: tuple[object, ...], where: str) -> None:
        for value in values:
            if values.count(value) > 1:
                raise ConfigError(f"{config.file}: {where}: {value!r} is there more than once")

    known = tuple(BENCHMARKS)
    if not config.sources:
        raise ConfigError(f"{config.file}: no [[source]]: add at least one with format and path")
    one_of(tuple(s.format for s in config.sources), tuple(SOURCES), "[[source]] format")
    one_of(tuple(s.benchmark for s in config.sources if s.benchmark), known, "[[source]] benchmark")
    one_of(config.dataset.benchmarks, known, "[dataset] benchmarks")
    one_of(config.splits.schemes, tuple(SPLIT_SCHEMES), "[splits] schemes")
    one_of(config.groups.methods, tuple(METHODS), "[groups] methods")
    distinct(config.splits.schemes, "[splits] schemes")
    distinct(config.groups.methods, "[groups] methods")
    distinct(config.embed.encoders, "[embed] encoders")
    one_of((config.embed.text,), ("question", "prompt"), "[embed] text")
    one_of((config.embed.dtype,), ("auto", "float32", "bfloat16"), "[embed] dtype")
    targets = {t for s in config.sources for t in s.tasks.values()}
    one_of(tuple(t.partition("/")[0] for t in sorted(targets)), known, "[[source]] tasks")
    for target in sorted(targets):
        if "/" not in target and len(BENCHMARKS[target].subsets) > 1:
            raise ConfigError(
                f'{config.file}: [[source]] tasks: "{target}" has several subsets: write "{target}/SUBSET"'
            )
    if not config.splits.schemes:
        raise ConfigError(
            f"{config.file}: [splits] schemes: at least one is needed; valid: {', '.join(SPLIT_SCHEMES)}"
        )
    if not 0 <= config.splits.seed < 1 << 32:
        raise ConfigError(
            f"{config.file}: [splits] seed: expected 0 to {(1 << 32) - 1}, found {config.splits.seed}"
        )
    if any(m < 1 for m in config.groups.sizes):
        raise ConfigError(
            f"{config.file}: [groups] sizes: expected numbers of at least 1, found {config.groups.sizes}"
        )
    if not 0.0 < config.dataset.min_coverage <= 1.0:
        raise ConfigError(f"{config.file}: [dataset] min_coverage: expected a share in (0, 1]")
    if not file_stem_is_safe(config.dataset.name):
        raise ConfigError(f"{config.file}: [dataset] name: expected letters, digits, '.', '_' or '-'")
    if config.release.version != "auto" and not _VERSION.fullmatch(config.release.version):
        raise ConfigError(
            f'{config.file}: [release] version: expected X.Y.Z, such as "1.0.0", or "auto", '
            f'found "{config.release.version}"'
        )
