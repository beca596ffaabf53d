"""The models table: every model with a score, how large it is and what it costs; and table `prices`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from routerset.etl.ingest.descriptions import NOTHING, Described
from routerset.etl.ingest.prices import NO_PRICES, Price, Prices
from routerset.etl.ingest.sizes import Size, size_of
from routerset.schemas.benchmarks import BENCHMARKS, Benchmark
from routerset.schemas.tables import MODELS, PRICES

_TAKEN = ("revision", "precision", "architecture", "license", "is_merge", "is_moe")


@dataclass(frozen=True)
class ModelFacts:
    """What a config tells of models. described: by the files of `[[models]]`; prices: by price tables."""

    described: Described = NOTHING
    prices: Prices = NO_PRICES

    def size(self, model: str) -> Size:
        """How large a model is."""
        known = self.described.of(model)
        sizes = (known.get(name) for name in ("params_b", "active_params_b"))
        params_b, active_params_b = (size if isinstance(size, float) else None for size in sizes)
        architecture = known.get("architecture")
        return size_of(
            model,
            params_b,
            active_params_b,
            str(architecture) if architecture else None,
            known.get("is_moe") is True,
            self.prices.listed_size(model),
        )

    def price(self, model: str) -> Price | None:
        """The row of a price table that counts for a model. Raises PriceError."""
        if not self.prices:
            return None
        return self.prices.of(model, self.size(model).params_b if self.prices.tiers else None)


NO_FACTS = ModelFacts()


def models_table(
    benchmarks_of: Mapping[str, Sequence[str]],
    facts: ModelFacts,
    twins: Mapping[str, str],
    registry: Mapping[str, Benchmark] = BENCHMARKS,
) -> pa.Table:
    """Models table of the models that have scores.

    benchmarks_of: model -> names of the benchmarks it has scores in. twins: see `twins.twin_of`. registry:
    all benchmarks. Raises PriceError.
    """
    rows = []
    for model in sorted(benchmarks_of):
        known, size, price = facts.described.of(model), facts.size(model), facts.price(model)
        rows.append(
            {
                "model_id": model,
                "org": model.split("/")[0] if "/" in model else None,
                **{column: known.get(column) for column in _TAKEN},
                "params_b": size.params_b,
                "active_params_b": size.active_params_b,
                "size_source": size.source,
                "twin_of": twins.get(model),
                "usd_per_mtok_in": price and price.usd_in,
                "usd_per_mtok_out": price and price.usd_out,
                "price_as_of": price and price.as_of,
                "leaderboards": sorted({registry[b].leaderboard for b in benchmarks_of[model]}),
            }
        )
    return pa.Table.from_pylist(rows, schema=MODELS)


def prices_table(models: Sequence[str], facts: ModelFacts) -> pa.Table:
    """Table `prices`: of every model that has one, the price, and the row that told it. Raises PriceError."""
    found = [(model, price) for model in sorted(models) if (price := facts.price(model))]
    rows = [
        {
            "model_id": model,
            "usd_per_mtok_in": price.usd_in,
            "usd_per_mtok_out": price.usd_out,
            "as_of": price.as_of,
            "url": price.url,
            "matched_by": price.kind,
            "match": price.match,
            "file": price.file,
        }
        for model, price in found
    ]
    return pa.Table.from_pylist(rows, schema=PRICES)
