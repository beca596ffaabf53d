"""Scores of all models of a benchmark: for bounds, and for what candidates scored on other benchmarks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .errors import DataError, LeftOut
from .reader import Release, read_parquet
from .task import Everyone, Scores

Items = npt.NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Matrix:
    """scores: float32 (models, items), NaN where a model has none. row: model id -> its row."""

    row: Mapping[str, int]
    scores: Scores


def read_matrix(release: Release, benchmark: str, models: Collection[str] | None = None) -> Matrix:
    """Scores of `models`, or of all that have any, on the items of a benchmark, in the order of the file.

    Raises DataError if a model has two scores for an item, or a row is none of a score.
    """
    path = release.path / "scores" / f"{benchmark}.parquet"
    table = read_parquet(path, ["model_id", "item", "score"])
    if models is not None:
        table = table.filter(pc.is_in(table["model_id"], value_set=pa.array(sorted(models), pa.string())))
    ids = table["model_id"].combine_chunks()
    items, scores = (table[name].to_numpy() for name in ("item", "score"))
    n = release.benchmarks[benchmark].n_items
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


def read_everyone(release: Release, places: Mapping[str, Sequence[tuple[str, Items]]]) -> Everyone:
    """Scores of the models that have one on every item of every split.

    places: split -> (benchmark, items), in the order of the split's rows. Raises LeftOut where no model has.
    """
    names = dict.fromkeys(benchmark for parts in places.values() for benchmark, _ in parts)
    found = {name: read_matrix(release, name) for name in names}
    models = sorted(set.intersection(*({*matrix.row} for matrix in found.values())))
    sides = {
        split: np.concatenate(
            [found[name].scores[[found[name].row[m] for m in models]][:, items].T for name, items in parts]
        )
        for split, parts in places.items()
    }
    complete = np.all([~np.isnan(side).any(axis=0) for side in sides.values()], axis=0)
    if not complete.any():
        raise LeftOut("no model has a score on every item that it would learn from")
    kept = {split: side[:, complete] for split, side in sides.items()}
    return Everyone(tuple(np.array(models, object)[complete]), **kept)
