"""The config file: TOML into its sections, every unknown key refused by name."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from routerset.etl.config_values import hint, is_version, wrong_values
from routerset.etl.sections import (
    Config,
    ConfigError,
    Costs,
    Dataset,
    Embed,
    Groups,
    ModelsSpec,
    Release,
    Runner,
    RunnerName,
    Splits,
)
from routerset.etl.sources.base import SourceSpec
from routerset.etl.sources.files import is_remote
from routerset.etl.sources.tokens import is_hub_id
from routerset.release.curating.rules import PRESETS, Curate
from routerset.schemas.benchmarks import Benchmark
from routerset.schemas.plainfiles import read_bytes
from routerset.schemas.registry import PERMISSIVE, DeclarationError, Declared, not_permissive, registry

__all__ = [
    "Config",
    "ConfigError",
    "ModelsSpec",
    "Release",
    "Runner",
    "RunnerName",
    "key_of",
    "load_config",
    "parse_config",
]

MAX_BYTES = 1 << 24  # of a config file
T = TypeVar("T")

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
                f"{path}: unknown section {hint(key, valid)}; valid sections: {', '.join(valid)}"
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
    for where, problem in wrong_values(config):
        raise ConfigError(f"{config.file}: {where}: {problem}")
    return config


def _preset(raw: object) -> object:
    """`[curate]` with what its preset stands for, as far as nothing else is said."""
    name = raw.get("preset") if isinstance(raw, Mapping) else None
    return {**PRESETS[name], **raw} if isinstance(raw, Mapping) and name in [*PRESETS] else raw


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


def _source(raw: object, where: str) -> SourceSpec:
    """One `[[source]]`: keys of every source, and those of its format."""
    from routerset.etl.sources.registry import SOURCES

    name = raw.get("format") if isinstance(raw, Mapping) else None
    if not isinstance(raw, Mapping) or not isinstance(name, str):
        return _section(SourceSpec, raw, where)  # which says what is wrong
    if name not in SOURCES:
        raise ConfigError(f"{where} format: {hint(name, list(SOURCES))}; valid: {', '.join(SOURCES)}")
    source = SOURCES[name]
    valid = source.keys()
    for key in raw:
        if key not in valid:
            raise ConfigError(
                f'{where}: format "{name}" has no key {hint(key, valid)}; its keys: {", ".join(valid)}'
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
            raise ConfigError(f"{where} unknown key {hint(key, valid)}; valid keys: {', '.join(valid)}")
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
