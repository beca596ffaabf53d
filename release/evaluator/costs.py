"""What the candidates of a cell cost: item by item where a release tells it, else a fact of each model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .errors import DataError, UsageError
from .items import frozen
from .reader import Group, Release, read_parquet
from .task import Costs

Array = npt.NDArray[np.float64]
TABLE, MODELS = "costs", "models.parquet"


@dataclass(frozen=True)
class CostKind:
    """A unit that costs are counted in.

    unit: of an item's cost. measures: columns of table `costs` whose sum it is. columns: facts of a model
    whose mean stands in where not every answer of a group has one; per: their unit.
    """

    name: str
    unit: str
    measures: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    per: str = ""


COST_KINDS: dict[str, CostKind] = {
    kind.name: kind
    for kind in (
        CostKind("usd", "USD", ("usd",), ("usd_per_mtok_in", "usd_per_mtok_out"), "USD per million tokens"),
        CostKind("params_b", "", (), ("params_b",), "billions of parameters"),
        CostKind("active_params_b", "", (), ("active_params_b",), "billions of active parameters"),
        CostKind("tokens", "tokens", ("prompt_tokens", "completion_tokens")),
        CostKind("latency_s", "seconds", ("latency_s",)),
    )
}
"""Registry: one row here adds a kind."""


def find_kind(name: str) -> CostKind:
    """The kind of a name. Raises UsageError listing the valid ones."""
    if name not in COST_KINDS:
        raise UsageError(f"no costs {name!r}; valid: {', '.join(COST_KINDS)}")
    return COST_KINDS[name]


@dataclass(frozen=True, eq=False)
class Known:
    """What a benchmark's models cost. row: model id -> its row. items: (models, items), NaN where an answer
    has no cost; None where the release has no such table. facts: (models,), NaN where not known.
    """

    kind: CostKind
    row: Mapping[str, int]
    items: Array | None
    facts: Array


def read_costs(release: Release, benchmark: str, models: Collection[str], kind: CostKind) -> Known:
    """Costs of some models. Raises DataError for a cost that is no finite number of at least 0, InputError
    for a file that is missing or has not the columns that it must have.
    """
    row = {model: at for at, model in enumerate(sorted(models))}
    facts = np.full(len(row), np.nan)
    path = release.path / MODELS
    if kind.columns and path.is_file():
        there = pq.read_schema(path).names
        if set(kind.columns) <= set(there):
            table = _of_models(release.read(path, ["model_id", *kind.columns], ()), row)
            values = [_floats(table[name], path, name) for name in kind.columns]
            facts[[row[model] for model in table["model_id"].to_pylist()]] = np.mean(values, axis=0)
    path = release.path / TABLE / f"{benchmark}.parquet"
    items = None
    if kind.measures and path.is_file():
        table = _of_models(read_parquet(path, ["model_id", "item", *kind.measures]), row)
        n = release.benchmarks[benchmark].n_items
        at = table["item"].to_numpy()
        if len(at) and not (at.min() >= 0 and at.max() < n):
            raise DataError(f"{path}: found items from {at.min()} to {at.max()}, expected 0 to {n - 1}")
        encoded = table["model_id"].combine_chunks().dictionary_encode()
        # the dictionary of a file names other models, too
        codes = np.array([row.get(name, -1) for name in encoded.dictionary.to_pylist()], np.intp)
        items = np.full((len(row), n), np.nan)
        spots = (codes[encoded.indices.to_numpy()], at) if len(table) else (codes, at)
        items[spots] = np.sum([_floats(table[name], path, name) for name in kind.measures], axis=0)
    return Known(kind, row, items, facts)


@dataclass(frozen=True, eq=False)
class CellCosts:
    """Costs of one cell. costs: what a router may know of them. paid: (n_test, m), what answers cost."""

    costs: Costs
    paid: Array


@dataclass(frozen=True)
class NoCosts:
    """Why a cell has no costs. kind: key of `COST_KINDS`."""

    kind: str
    why: str


def cell_costs(
    known: Known, group: Group, rows: Mapping[str, npt.NDArray[np.integer]]
) -> CellCosts | NoCosts:
    """Costs of a group's candidates, or why it has none: never a mixture of items' costs and facts of models.

    rows: split -> numbers of its items. Where every answer of all candidates has a cost, those count, and
    before a call only their mean over train is known; else a fact of each model does, known before.
    """
    kind, at = known.kind, [known.row[model] for model in group.candidates]
    if known.items is not None:
        sides = {split: frozen(known.items[at][:, items].T) for split, items in rows.items()}
        if not any(np.isnan(side).any() for side in sides.values()):
            mean = sides["train"].mean(axis=0)
            if _equal(sides["test"]):
                return NoCosts(kind.name, "all candidates cost the same")
            costs = Costs(kind.name, kind.unit, frozen(mean), sides["train"], sides["validation"])
            return CellCosts(costs, sides["test"])
    facts = known.facts[at]
    if not kind.columns:
        return NoCosts(kind.name, _lacking(known, at, rows))
    if np.isnan(facts).any():
        n = int(np.isnan(facts).sum())
        also = f"{_lacking(known, at, rows)}, and " if kind.measures else ""
        return NoCosts(kind.name, f"{also}{n} of {group.m} candidates have none as a model")
    if _equal(facts[None]):
        return NoCosts(kind.name, "all candidates cost the same")
    every = frozen(np.broadcast_to(facts, (len(rows["test"]), group.m)).copy())
    return CellCosts(Costs(kind.name, kind.per, frozen(facts), test=every), every)


def _lacking(known: Known, at: Sequence[int], rows: Mapping[str, npt.NDArray[np.integer]]) -> str:
    """How many answers of some models have no cost."""
    if known.items is None:
        return "this release tells no costs of answers"
    used = np.concatenate([*rows.values()])
    absent = int(np.isnan(known.items[at][:, used]).sum())
    return f"{absent} of {len(at) * len(used)} answers have no cost"


def _equal(costs: Array) -> bool:
    """Whether all candidates cost the same, (n, m), whichever the item."""
    return bool((costs == costs[:, :1]).all())


def _of_models(table: pa.Table, models: Collection[str]) -> pa.Table:
    return table.filter(pc.is_in(table["model_id"], value_set=pa.array(sorted(models), pa.string())))


def _floats(column: pa.ChunkedArray, path: Path, name: str) -> Array:
    """A column of costs as float64, NaN where one is not known."""
    values: Array = np.asarray(column.to_numpy(), np.float64)
    known = values[column.is_valid().to_numpy()]
    if not (np.isfinite(known) & (known >= 0)).all():
        raise DataError(
            f"{path}: found a {name} that is no finite number of at least 0; fetch the release again"
        )
    return values
