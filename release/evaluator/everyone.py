"""Scores of all models of a benchmark: for bounds, and for what candidates scored on other benchmarks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .errors import DataError, LeftOut
from .reader import Release, read_parquet
from .task import Everyone, Scores

Items = npt.NDArray[np.integer]
Tables = Mapping[str, tuple[Path, int]]
"""Of a benchmark, its file of scores and how many items it has."""


@dataclass(frozen=True, eq=False)
class Matrix:
    """scores: float32 (models, items), NaN where a model has none. row: model id -> its row."""

    row: Mapping[str, int]
    scores: Scores


def read_matrix(release: Release, benchmark: str, models: Collection[str] | None = None) -> Matrix:
    """Scores of `models`, or of all that have any, on the items of a benchmark, in the order of the file.

    Raises DataError if a model has two scores for an item, or a row is none of a score.
    """
    return _read(*score_tables(release, [benchmark])[benchmark], models)


def score_tables(release: Release, benchmarks: Collection[str]) -> Tables:
    """Where scores of all models are."""
    folder = release.path / "scores"
    return {name: (folder / f"{name}.parquet", release.benchmarks[name].n_items) for name in benchmarks}


def _read(path: Path, n: int, models: Collection[str] | None = None) -> Matrix:
    table = read_parquet(path, ["model_id", "item", "score"])
    if models is not None:
        table = table.filter(pc.is_in(table["model_id"], value_set=pa.array(sorted(models), pa.string())))
    ids = table["model_id"].combine_chunks()
    items, scores = (table[name].to_numpy() for name in ("item", "score"))
    named = ids.is_valid().to_numpy(zero_copy_only=False)
    unsound = np.flatnonzero(~(named & (items >= 0) & (items < n) & (scores >= 0) & (scores <= 1)))
    if len(unsound):
        found = ", ".join(f"{name} {table[name][int(unsound[0])]}" for name in table.column_names)
        raise DataError(
            f"{path}: row {unsound[0]}: {found}; expected a model, an item below {n} and a score in [0, 1]"
        )
    encoded = ids.dictionary_encode()  # as it is, where it is a dictionary already
    codes, names = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
    used = np.bincount(codes, minlength=len(names)) > 0
    matrix = np.full((int(used.sum()), n), np.nan, np.float32)
    matrix[(np.cumsum(used) - 1)[codes], items] = scores
    if np.count_nonzero(~np.isnan(matrix)) != len(table):
        raise DataError(f"{path}: a model has two scores for an item; expected one")
    return Matrix({names[code]: row for row, code in enumerate(np.flatnonzero(used))}, matrix)


def read_everyone(tables: Tables, places: Mapping[str, Sequence[tuple[str, Items]]]) -> Everyone:
    """Scores of the models that have one on any item of these splits.

    places: split -> (benchmark, items), in the order of the split's rows; without "test", no score of it.
    """
    found = {name: _read(*table) for name, table in tables.items()}
    models = sorted({*chain.from_iterable(matrix.row for matrix in found.values())})
    column = {model: place for place, model in enumerate(models)}
    sides = {}
    for split, parts in places.items():
        side = np.full((sum(len(items) for _, items in parts), len(models)), np.nan, np.float32)
        start = 0
        for name, items in parts:
            own = [column[model] for model in found[name].row]
            side[start : start + len(items), own] = found[name].scores[:, items].T
            start += len(items)
        sides[split] = side
    known = np.any([~np.isnan(side).all(axis=0) for side in sides.values()], axis=0)
    return _some(Everyone(tuple(models), **sides), known)


def complete(everyone: Everyone) -> Everyone:
    """Only models with a score on every item. Raises LeftOut where no model has."""
    sides = (everyone.train, everyone.validation, everyone.test)
    whole = np.all([~np.isnan(side).any(axis=0) for side in sides if side is not None], axis=0)
    if not whole.any():
        raise LeftOut("no model has a score on every item that it would learn from")
    return _some(everyone, whole)


def _some(everyone: Everyone, kept: npt.NDArray[np.bool_]) -> Everyone:
    if kept.all():
        return everyone
    train, validation, test = (
        None if side is None else side[:, kept]
        for side in (everyone.train, everyone.validation, everyone.test)
    )
    assert train is not None
    assert validation is not None
    return Everyone(tuple(compress(everyone.models, kept)), train, validation, test)
