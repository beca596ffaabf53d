"""Partitions of a build, one per benchmark: what their shards are read and assembled by."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from routerset.etl.fingerprints import fingerprint
from routerset.etl.ingest.batches import Batch
from routerset.etl.ingest.models import ModelFacts
from routerset.etl.ingest.plan import STAGING, Plan, by_benchmark
from routerset.etl.ingest.shards import Shard, stage_batch
from routerset.etl.manifest import Finished, done, once
from routerset.etl.progress import watch
from routerset.etl.sources.base import SourceSpec
from routerset.etl.sources.registry import SOURCES
from routerset.schemas import ids, store

if TYPE_CHECKING:
    from routerset.etl.ingest.costs import Rates

Found: TypeAlias = tuple[list[Shard], list[str]]
"""Shards of one benchmark, and the models of all benchmarks, as the dumps spell them."""
FILE, BYTE = 0.0016, 5e-9
"""Seconds that parsing takes for each file, and for each byte, about."""


class GroupMap(Protocol):
    """See `pipeline.group_map`."""

    def __call__(
        self,
        elements: Sequence[object],
        produce: Callable,  # type: ignore[type-arg]
        reduce: Callable,  # type: ignore[type-arg]
        /,
        *,
        seconds: float,
    ) -> None: ...


def assemble_all(
    plan: Plan, specs: Sequence[SourceSpec], build: Path, group_map: GroupMap, *, check: bool = False
) -> dict[str, Finished]:
    """Items and scores of every benchmark below `build`, parsed and assembled where they are not yet.

    group_map: calls its third argument on every key, and all values, of the pairs that its second yields for
    each of its first. check: whether all dumps are looked into, and not only those that seem to have changed.
    """
    plan.settle(build, check=check)
    ready, waiting = plan.shards(build), plan.waiting(build)
    dumps = [dump for batch in waiting for dump in batch.dumps]
    parsed = lambda: len(waiting) - len(plan.waiting(build))  # noqa: E731
    with watch("ingest", len(waiting), parsed, unit=" batches", then="putting benchmarks together"):
        group_map(
            [*waiting, ready],
            functools.partial(_stage, build=str(build), benchmarks=plan.benchmarks),
            functools.partial(
                _assemble,
                specs=tuple(specs),
                build=str(build),
                code=plan.code,
                min_share=plan.min_share,
                facts=plan.facts,
            ),
            seconds=sum(FILE + BYTE * dump.size for dump in dumps),
        )
    parts: dict[str, Finished] = {}
    found = plan.shards(build)
    models = _models(found)
    for benchmark, shards in ((name, found[name]) for name in specs[0].registry if name in found):
        kept_as = _kept_as(shards, models, specs)
        rates = _rates(shards, kept_as, plan.facts)
        part = done(build, _mark(benchmark, shards, specs, plan.code, plan.min_share, kept_as, rates))
        if part is None:
            raise RuntimeError(
                f"{benchmark}: the pipeline ended without this partition; run the same command again"
            )
        parts[benchmark] = part
    return parts


def _stage(
    work: Batch | dict[str, list[Shard]], build: str, benchmarks: Sequence[str]
) -> Iterable[tuple[str, Found]]:
    """Parse a batch, or pass on what earlier builds parsed; every benchmark with its shards, and all models,
    since one spelling of an id holds everywhere.
    """
    if isinstance(work, Batch):
        work = by_benchmark(stage_batch(work, str(Path(build) / STAGING)), benchmarks)
    models = sorted(_models(work))
    return [(name, (work.get(name, []), models)) for name in benchmarks if models or name in work]


def _models(found: Mapping[str, Sequence[Shard]]) -> set[str]:
    """Models of some shards, as the dumps spell them, but those of published lists: they stay as they are."""
    own = (shard for shards in found.values() for shard in shards if not SOURCES[shard.source].published)
    return {model for shard in own for model in shard.models}


def _kept_as(shards: Sequence[Shard], models: Iterable[str], specs: Sequence[SourceSpec]) -> dict[str, str]:
    """The ids of models in some shards that are spelled in another case, by that spelling.

    models: all there are. What a config names a model stands above what dumps do.
    """
    named = (ids.model_id(name) for spec in specs for name in spec.models.values())
    kept = ids.kept_spellings(models, {name for name in named if name})
    return {model: kept[model] for shard in shards for model in shard.models if model in kept}


def _rates(shards: Sequence[Shard], kept_as: Mapping[str, str], facts: ModelFacts) -> Rates:
    """Prices of the models in some shards, without those that have none. Raises PriceError."""
    models = {kept_as.get(model, model) for shard in shards for model in shard.models}
    found = ((model, facts.price(model)) for model in sorted(models))
    return {model: (price.usd_in, price.usd_out) for model, price in found if price}


def _mark(
    benchmark: str,
    shards: Sequence[Shard],
    specs: Sequence[SourceSpec],
    code: str,
    min_share: float,
    kept_as: Mapping[str, str],
    rates: Rates,
) -> str:
    folders = sorted((s.order, s.folder, s.digest) for s in shards)
    said = sorted(specs[0].registry[benchmark].categories.items())
    named = [sorted(kept_as.items()), sorted(rates.items())]
    return fingerprint("assemble", code, benchmark, folders, said, min_share, named)


def _assemble(
    benchmark: str,
    found: Iterable[Found],
    specs: Sequence[SourceSpec],
    build: str,
    code: str,
    min_share: float,
    facts: ModelFacts,
) -> str:
    """Assemble one benchmark from the shards of all batches, unless the same ones were assembled before."""
    from routerset.etl.ingest.assemble import assemble  # which imports pandas

    pairs = list(found)
    shards = list(chain.from_iterable(of_benchmark for of_benchmark, _ in pairs))
    if not shards:
        return benchmark
    kept_as = _kept_as(shards, set(chain.from_iterable(models for _, models in pairs)), specs)
    rates = _rates(shards, kept_as, facts)
    root = Path(build)
    part = root / STAGING / "parts" / benchmark

    def make() -> tuple[Mapping[Path, int], store.JsonObject]:
        tables = root / "tables"
        result = assemble(
            benchmark, shards, specs, root / STAGING, tables, part, code, min_share, kept_as, rates
        )
        return result.files, asdict(replace(result, files={}))

    once(root, _mark(benchmark, shards, specs, code, min_share, kept_as, rates), make)
    return benchmark
