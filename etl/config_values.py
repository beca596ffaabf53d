"""What the values of a config must be, as far as no type can check it."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from routerset.embed.texts import TEXTS
from routerset.etl.sections import Config, Dataset, Embed, Groups, Release, Splits
from routerset.etl.sources.base import SourceSpec
from routerset.etl.sources.files import is_remote
from routerset.release.curating.rules import DUPLICATES, PRESETS, SCOPES, SIMILARITIES, Curate
from routerset.schemas.ids import file_stem_is_safe
from routerset.schemas.registry import is_date, is_license, is_line, is_url
from routerset.schemas.released import RELEASED, RESERVED
from routerset.schemas.splits import SPLIT_SCHEMES
from routerset.schemas.twins import TWINS

DTYPES = ("auto", "float32", "bfloat16")
LICENSES = ("all", "permissive")
_VERSION = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", re.ASCII)
Problems: TypeAlias = Iterator[tuple[str, str]]
"""What is wrong: where, and what is expected there."""


def wrong_values(config: Config) -> Problems:
    """All that is wrong with the values of a config, section by section."""
    yield from _sources(config)
    yield from _names(config)
    for source in config.sources:
        yield from _told(source)
    yield from _dataset(config.dataset)
    yield from _curate(config.curate)
    for key, problem in config.curate.problems(config.registry):
        yield f"[curate] {key}", problem
    yield from _splits(config.splits)
    yield from _groups(config.groups, config.release)
    yield from _embed(config.embed)
    tokenizer = config.costs.tokenizer
    if tokenizer is not None and is_remote(tokenizer):
        yield "[costs] tokenizer", f"expected a local path or ORG/NAME@REVISION, found {tokenizer!r}"
    yield from _release(config.release)


def is_version(text: str) -> bool:
    """Whether a text names a version, such as `v1.0.0` or `1.0.0`."""
    return _VERSION.fullmatch(text.removeprefix("v")) is not None


def hint(key: str, valid: Sequence[str]) -> str:
    """A word that is not among the valid ones, with the one of these that may be meant."""
    close = difflib.get_close_matches(key, valid, n=1)
    return f'"{key}"' + (f' (did you mean "{close[0]}"?)' if close else "")


def _one_of(values: Sequence[str], valid: Sequence[str], where: str) -> Problems:
    for value in values:
        if value not in valid:
            yield where, f"{hint(value, valid)}; valid: {', '.join(valid)}"


def _distinct(values: Sequence[object], where: str) -> Problems:
    for value in values:
        if values.count(value) > 1:
            yield where, f"{value!r} is there more than once"


def _sources(config: Config) -> Problems:
    known = tuple(config.registry)
    targets = sorted({target for source in config.sources for target in source.tasks.values()})
    if not config.sources:
        yield "no [[source]]", "add at least one with format and path"
    yield from _one_of([s.benchmark for s in config.sources if s.benchmark], known, "[[source]] benchmark")
    yield from _one_of([target.partition("/")[0] for target in targets], known, "[[source]] tasks")
    for target in targets:
        if "/" not in target and len(config.registry[target].subsets) > 1:
            yield "[[source]] tasks", f'"{target}" has several subsets: write "{target}/SUBSET"'


def _names(config: Config) -> Problems:
    """What the tables of a release may be called, without regard to case, as folders are on some systems."""
    known, encoders = tuple(config.registry), sorted({*config.embed.encoders})
    yield from _one_of(config.dataset.benchmarks, known, "[dataset] benchmarks")
    names = Counter(RESERVED)
    for table in RELEASED.values():
        for benchmark in known if "benchmark" in table.keys else ("",):
            for encoder in encoders if "encoder" in table.keys else ("",):
                names[table.config.format(benchmark=benchmark, encoder=encoder).casefold()] += 1
    if repeated := [name for name, n in names.items() if n > 1]:
        yield "[[benchmark]] name", f"a release would call two tables {', '.join(repeated)}"


def _told(source: SourceSpec) -> Problems:
    url, license, citation = source.told().values()
    if url is not None and not is_url(url):
        yield "[[source]] url", f"expected https://..., found {url!r}"
    if license is not None and not is_license(license):
        yield "[[source]] license", f'expected an SPDX id, such as "CC-BY-4.0", found {license!r}'
    if citation is not None and not is_line(citation):
        yield "[[source]] citation", f"expected one line, found {citation!r}"


def _dataset(dataset: Dataset) -> Problems:
    for key in ("min_coverage", "min_models_per_item"):
        if not 0.0 < getattr(dataset, key) <= 1.0:
            yield f"[dataset] {key}", "expected a share in (0, 1]"
    if not file_stem_is_safe(dataset.name):
        yield "[dataset] name", "expected letters, digits, '.', '_' or '-'"


def _curate(curate: Curate) -> Problems:
    for value, valid, key in (
        (curate.preset, [*PRESETS], "preset"),
        (curate.duplicates, DUPLICATES, "duplicates"),
        (curate.scope, SCOPES, "scope"),
        (curate.similarity, SIMILARITIES, "similarity"),
    ):
        yield from _one_of([] if value is None else [value], valid, f"[curate] {key}")


def _splits(splits: Splits) -> Problems:
    yield from _one_of(splits.schemes, tuple(SPLIT_SCHEMES), "[splits] schemes")
    yield from _distinct(splits.schemes, "[splits] schemes")
    if not splits.schemes:
        yield "[splits] schemes", f"at least one is needed; valid: {', '.join(SPLIT_SCHEMES)}"
    if not 0 <= splits.seed < 1 << 32:
        yield "[splits] seed", f"expected 0 to {(1 << 32) - 1}, found {splits.seed}"


def _groups(groups: Groups, release: Release) -> Problems:
    from routerset.etl.groups.methods import METHODS
    from routerset.release.evaluator.tiers import TIERS

    yield from _one_of(groups.methods, tuple(METHODS), "[groups] methods")
    yield from _distinct(groups.methods, "[groups] methods")
    yield from _one_of([groups.twins], TWINS, "[groups] twins")
    yield from _one_of(groups.tiers, TIERS, "[groups] tiers")
    yield from _distinct(groups.tiers, "[groups] tiers")
    if groups.tiers and not any(METHODS[method].by_tier for method in groups.methods):
        yield "[groups] tiers", "no method follows them; add `universe` to methods, or leave them out"
    freeze = groups.freeze
    if freeze is not None and is_version(freeze) and release.previous is None:
        yield "[groups] freeze", f"{freeze!r} is a version of [release] previous, which is not there"
    if min(groups.sizes, default=1) < 1:
        yield "[groups] sizes", f"expected numbers of at least 1, found {groups.sizes}"


def _embed(embed: Embed) -> Problems:
    yield from _distinct(embed.encoders, "[embed] encoders")
    yield from _one_of([embed.text], TEXTS, "[embed] text")
    yield from _one_of([embed.dtype], DTYPES, "[embed] dtype")


def _release(release: Release) -> Problems:
    yield from _one_of([release.licenses], LICENSES, "[release] licenses")
    for key in ("creator", "contact"):
        line = getattr(release, key)
        if line is not None and not is_line(line):
            yield f"[release] {key}", f"expected one line, found {line!r}"
    url, date, version = release.url, release.date, release.version
    if url is not None and not (is_url(url) and url.startswith("http")):
        yield "[release] url", f"expected https://..., found {url!r}"
    if date is not None and not is_date(date):
        yield "[release] date", f'expected a day, such as "2026-11-26", found {date!r}'
    if version != "auto" and not _VERSION.fullmatch(version):
        yield "[release] version", f'expected X.Y.Z, such as "1.0.0", or "auto", found "{version}"'
