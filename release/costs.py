"""Reads a costs file in one pass, a million records at a time: what it holds, and digests."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa

from routerset.release.errors import ReleaseError
from routerset.release.files import reading
from routerset.release.layout import arrow_bytes
from routerset.schemas.matrix import Chunk, chunks
from routerset.schemas.tables import COST_MEASURES

Costs = tuple[float | None, ...]
"""What one answer cost, by `COST_MEASURES`; None where not known."""


@dataclass(frozen=True)
class CostSummary:
    """What a costs file holds. known: number of costs by measure; arrow_bytes: size in memory."""

    records: int
    known: dict[str, int]
    arrow_bytes: int


def read_costs(path: Path, scores: Path, n_items: int) -> CostSummary:
    """Summary of a Parquet file of table `costs`. scores: that of the same benchmark.

    Raises ReleaseError for rows out of order or twice, a row that tells no cost or has no score, and a cost
    that is no finite number of at least 0.
    """
    scored: dict[str, np.ndarray] = {}
    for chunk, _ in _chunks(scores, ()):
        for model, run in chunk.runs():
            inside = chunk.items[run]
            there = scored.setdefault(model, np.zeros(n_items, bool))
            there[inside[(inside >= 0) & (inside < n_items)]] = True
    records, size, last = 0, 0, ("", -1)
    known = dict.fromkeys(COST_MEASURES, 0)
    for chunk, table in _chunks(path, COST_MEASURES):
        for model, run in chunk.runs():
            items = chunk.items[run]
            if (model, int(items[0])) <= last or (np.diff(items) <= 0).any():
                raise ReleaseError(f"{path}: found rows of {model} out of order, or twice; build again")
            last = (model, int(items[-1]))
            if model not in scored or items[0] < 0 or last[1] >= n_items or not scored[model][items].all():
                raise ReleaseError(f"{path}: found costs of {model} where it has no score; build again")
        told = np.zeros(len(table), bool)
        for name in COST_MEASURES:
            costs = table[name].combine_chunks()
            values = costs.drop_null().to_numpy()
            if not (np.isfinite(values) & (values >= 0)).all():
                raise ReleaseError(f"{path}: found a {name} that is no finite number of at least 0")
            known[name] += len(values)
            told |= costs.is_valid().to_numpy(zero_copy_only=False)
        if not told.all():
            raise ReleaseError(f"{path}: found a row that tells no cost; build again")
        records += len(table)
        names = pa.DictionaryArray.from_arrays(pa.array(chunk.codes), pa.array(chunk.models, pa.string()))
        size += arrow_bytes(table.append_column("model_id", names)) + 4 * len(table)
    return CostSummary(records, {name: n for name, n in known.items() if n}, size)


def cost_digests(path: Path) -> dict[str, str]:
    """Digest of the records (item, costs) of every model."""
    hashes: dict[str, list[blake2b]] = {}
    for model, columns in _runs(path):
        of_model = hashes.setdefault(model, [blake2b(digest_size=16) for _ in columns])
        for part, column in zip(of_model, columns, strict=True):
            part.update(column.tobytes())
    return {model: "".join(part.hexdigest() for part in parts) for model, parts in hashes.items()}


def cost_records(path: Path, models: Collection[str]) -> dict[str, dict[int, Costs]]:
    """Costs by item of some models."""
    records: dict[str, dict[int, Costs]] = {model: {} for model in models}
    for model, (items, *costs) in _runs(path):
        if model in records:
            rows = zip(*(column.tolist() for column in costs), strict=True)
            known = (tuple(None if cost != cost else cost for cost in row) for row in rows)
            records[model].update(zip(items.tolist(), known, strict=True))
    return records


def _runs(path: Path) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Consecutive records of one model: items, and every measure with NaN where it is not known."""
    for chunk, table in _chunks(path, COST_MEASURES):
        columns = [table[name].to_numpy() for name in COST_MEASURES]
        for model, run in chunk.runs():
            yield model, [chunk.items[run], *(column[run] for column in columns)]


def _chunks(path: Path, measures: Collection[str]) -> Iterator[tuple[Chunk, pa.Table]]:
    """Row groups of a file of table `scores` or `costs`, and some of its columns."""
    with reading(path) as file:
        for group, chunk in enumerate(chunks(file, order_alone=True)):
            yield chunk, file.read_row_group(group, [*measures]) if measures else pa.table({})
