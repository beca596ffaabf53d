"""What a build will read: batches of dumps, and all else that ingest depends on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from routerset.etl.fingerprints import code_fingerprint, fingerprint
from routerset.etl.ingest.batches import Batch, PassedOver, plan_batches
from routerset.etl.ingest.descriptions import NOTHING, describe
from routerset.etl.ingest.docsets import DOCSETS
from routerset.etl.ingest.models import NO_FACTS, ModelFacts
from routerset.etl.ingest.price_files import read_prices
from routerset.etl.ingest.shards import SHARDS, Shard, stage_batch, staged_shards, unaltered
from routerset.etl.sources.registry import SOURCES
from routerset.etl.sources.tokens import Tokenizer, find_tokenizer
from routerset.schemas import store
from routerset.schemas.registry import declared_in
from routerset.schemas.store import sha256

if TYPE_CHECKING:
    from routerset.etl.config import Config

STAGING = "staging"


@dataclass(frozen=True)
class Plan:
    """What a build will read, and what it will not.

    code: fingerprint of the code that assembles it. mark: hash of the settings, and the sizes and times
    of the files. seen: hash of what else the file system says of them. min_share: `[dataset]
    min_models_per_item`. tokenizer: what counts texts, where there are any to count. facts: what prices of
    models depend on.
    """

    batches: tuple[Batch, ...]
    benchmarks: tuple[str, ...]
    code: str
    mark: str
    seen: str
    min_share: float
    passed_over: tuple[PassedOver, ...] = ()
    tokenizer: Tokenizer | None = None
    facts: ModelFacts = NO_FACTS

    def settle(self, build: Path, *, check: bool = False) -> None:
        """Remove what was staged and is not what it was, or is of dumps that are not; see `unaltered`."""
        staging = build / STAGING
        docsets = set[str]()
        for batch in self.batches:
            record = unaltered(batch, staging, check=check)
            if record is None:
                shutil.rmtree(staging / SHARDS / batch.fingerprint, ignore_errors=True)
            else:
                docsets |= record["docsets"].keys()
        for path in (staging / DOCSETS).glob("*.parquet"):
            if path.stem not in docsets:
                path.unlink()

    def waiting(self, build: Path) -> list[Batch]:
        """Batches that are not parsed yet."""
        return [b for b in self.batches if not (build / STAGING / SHARDS / b.fingerprint).exists()]

    def shards(self, build: Path) -> dict[str, list[Shard]]:
        """Shards of all batches that are parsed, by benchmark."""
        found = [staged_shards(batch, str(build / STAGING)) or [] for batch in self.batches]
        return by_benchmark(chain.from_iterable(found), self.benchmarks)


def plan_build(config: Config) -> Plan:
    """Batches of all dumps, found but not opened, the tokenizer, and the price tables.

    Raises DumpUnreadable where a source holds none, and what `find_tokenizer` and reading prices do.
    """
    elsewhere = [
        config.file,
        *config.costs.tables,
        *(m.path for m in config.models),
        *(p for s in config.sources for p in s.paths()),
        *([] if config.costs.tokenizer is None else [config.costs.tokenizer]),
    ]
    code = code_fingerprint(stage_batch.__module__)
    tokenizer = _tokenizer(config)
    sources = [
        replace(spec, tokenizer=tokenizer) if SOURCES[spec.format].has_texts else spec
        for spec in config.sources
    ]
    batches, passed_over = plan_batches(sources, code, map(os.path.abspath, elsewhere))
    code = code_fingerprint("routerset.etl.ingest.assemble")
    over = [asdict(each) for each in passed_over]
    mark = fingerprint([b.fingerprint for b in batches], over, said_of_ingest(config, tokenizer))
    wanted = config.dataset.benchmarks or tuple(config.registry)
    share = config.dataset.min_models_per_item
    seen = fingerprint([batch.seen for batch in batches])
    return Plan(
        tuple(batches), wanted, code, mark, seen, share, tuple(passed_over), tokenizer, _facts(config)
    )


def _tokenizer(config: Config) -> Tokenizer | None:
    """The tokenizer that the config names, if any of its sources has texts."""
    place = config.costs.tokenizer
    counted = any(SOURCES[spec.format].has_texts for spec in config.sources)
    return find_tokenizer(place) if counted and place is not None else None


def _facts(config: Config) -> ModelFacts:
    """What the price of a model depends on; sizes only where a table has tiers."""
    prices = read_prices(config.costs.tables)
    return ModelFacts(describe(config.models) if prices.tiers else NOTHING, prices)


def said_of_ingest(config: Config, tokenizer: Tokenizer | None) -> store.JsonObject:
    """What the config says about ingest, without paths."""
    return {
        "sources": [{**spec.settings(), **spec.told()} for spec in config.sources],
        "declared": declared_in(config.registry),
        "models": [
            {"columns": dict(m.columns), "encoding": m.encoding, "sha256": sha256(m.path)}
            for m in config.models
        ],
        "prices": [[Path(path).name, sha256(path)] for path in config.costs.tables],
        "dataset": asdict(config.dataset),
        "tokenizer": tokenizer and tokenizer.told(),
    }


def by_benchmark(shards: Iterable[Shard], wanted: Sequence[str]) -> dict[str, list[Shard]]:
    """The shards of every benchmark that is wanted."""
    found: dict[str, list[Shard]] = {}
    for shard in shards:
        if shard.benchmark in wanted:
            found.setdefault(shard.benchmark, []).append(shard)
    return found
