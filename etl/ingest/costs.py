"""What the answers of the chosen runs cost, as rows beside the scores.

Costs take many times the memory of scores, so they are read from the shards for some models at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa

from routerset.etl.ingest.benchmark_items import Column
from routerset.etl.ingest.fragments import read_costs
from routerset.schemas.matrix import missing
from routerset.schemas.pricing import usd_of
from routerset.schemas.tables import COST_MEASURES, COSTS

CELLS = 1 << 20
"""Scores whose costs are in memory at a time."""
Rates = Mapping[str, tuple[float, float]]
"""US dollars per million tokens sent and answered, by model."""


@dataclass(frozen=True)
class CostCounts:
    """Known costs per source and measure; priced: how many US dollars of a source are tokens x price."""

    known: dict[str, Counter[str]] = field(default_factory=dict)
    priced: Counter[str] = field(default_factory=Counter)


def cost_batches(
    fragments: pd.DataFrame,
    columns: Mapping[str, Column],
    matrix: np.ndarray,
    models: Sequence[str],
    rates: Rates,
    counts: CostCounts,
) -> Iterator[pa.Table]:
    """Rows of the costs table, sorted: of scores that stand in the matrix, where any cost of them is known.

    fragments: as `choose_runs` marks them. matrix: scores (models, items). counts: is told what is known.
    Where a run lies in several files, the first one that tells a cost counts. US dollars that no file tells
    are tokens x price, where both are known.
    """
    told = fragments[fragments["chosen"] & (fragments["n_costs"] > 0)]
    if told.empty:
        return
    row_of = dict(zip(models, range(len(models)), strict=True))
    told = told.assign(at=told["model_id"].map(row_of)).sort_values(
        ["at", "subset", "file", "sha256", "row"], kind="stable"
    )
    step = max(1, CELLS // matrix.shape[1])
    for start in range(0, len(models), step):
        some = told[(told["at"] >= start) & (told["at"] < start + step)]
        if some.empty:
            continue
        there = ~missing(matrix[start : start + step])
        window = {name: np.full(there.shape, np.nan, np.float32) for name in COST_MEASURES}
        sources = _fill(window, some.assign(at=some["at"] - start), columns, there, counts.known)
        _price(window, models[start : start + step], rates, sources, counts)
        run, item = np.nonzero(~np.logical_and.reduce([np.isnan(values) for values in window.values()]))
        if len(run):
            present, codes = np.unique(run, return_inverse=True)
            names = pa.array([models[start + at] for at in present.tolist()], pa.string())
            yield pa.table(
                {
                    "model_id": pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), names),
                    "item": pa.array(item.astype(np.int32)),
                    **{
                        name: pa.array(values[run, item], from_pandas=True) for name, values in window.items()
                    },
                },
                schema=COSTS,
            )


def _fill(
    window: Mapping[str, np.ndarray],
    rows: pd.DataFrame,
    columns: Mapping[str, Column],
    there: np.ndarray,
    known: dict[str, Counter[str]],
) -> dict[str, np.ndarray]:
    """Write costs of some fragments into a window of models, where there are scores and no costs yet.

    rows: in the order in which they count; `at` is the row of the window. Returns a mask per source of the
    cells that its runs fill.
    """
    sources: dict[str, np.ndarray] = {}
    blobs = read_costs(list(zip(rows["shard"], rows["row"].tolist(), strict=True)))
    turn = rows.groupby(["at", "subset"]).cumcount().to_numpy()  # runs in several files, one file at a time
    rows = rows.assign(turn=turn, place=np.arange(len(rows)))
    for _, part in rows.groupby(["turn", "docset", "source"]):
        docset, source = str(part["docset"].iloc[0]), str(part["source"].iloc[0])
        target = columns[docset].target
        good = np.flatnonzero(target >= 0)
        cells = np.ix_(part["at"].to_numpy(), target[good])
        sources.setdefault(source, np.zeros(there.shape, bool))[cells] = True
        for name, values in window.items():
            found = blobs[name].take(pa.array(part["place"])).combine_chunks()
            if found.null_count == len(found):
                continue
            costs = _values(found, len(target))[:, good]
            before = window[name][cells]
            new = np.isnan(before) & ~np.isnan(costs) & there[cells]
            values[cells] = np.where(new, costs, before)
            known.setdefault(source, Counter())[name] += int(new.sum())
    return sources


def _price(
    window: Mapping[str, np.ndarray],
    models: Sequence[str],
    rates: Rates,
    sources: Mapping[str, np.ndarray],
    counts: CostCounts,
) -> None:
    """Write tokens x price where no file tells US dollars (COSTS_AND_POOLS, section 5).

    Both numbers of tokens are needed, but not one whose price is 0.
    """
    usd = window["usd"]
    for row in range(len(usd)):
        if models[row] not in rates:
            continue
        computed = usd_of(window["prompt_tokens"][row], window["completion_tokens"][row], *rates[models[row]])
        new = np.isnan(usd[row]) & ~np.isnan(computed)
        usd[row, new] = computed[new]
        for source, cells in sources.items():
            if n := int((new & cells[row]).sum()):
                counts.priced[source] += n
                counts.known.setdefault(source, Counter())["usd"] += n


def _values(blobs: pa.Array, width: int) -> np.ndarray:
    """Matrix of equally long binary values as float32, NaN where one is null."""
    costs = np.full((len(blobs), width), np.nan, np.float32)
    valid = np.flatnonzero(blobs.is_valid().to_numpy(zero_copy_only=False))
    data = b"".join(blobs.take(pa.array(valid)).to_pylist())
    costs[valid] = np.frombuffer(data, np.float32).reshape(len(valid), width)
    return costs
