"""The scores of one benchmark as a matrix, read from Parquet in one pass, a row group at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

MISSING = 255
"""No score, in a matrix of uint8; in a matrix of floats it is NaN."""


@dataclass(frozen=True, eq=False)
class Chunk:
    """Records of one row group. models: different names; codes: place of each record's model among them."""

    models: list[str]
    codes: np.ndarray
    items: np.ndarray
    scores: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))

    def only(self, wanted: np.ndarray) -> Chunk:
        """The records where `wanted` holds."""
        if wanted.all():
            return self
        return replace(self, codes=self.codes[wanted], items=self.items[wanted], scores=self.scores[wanted])

    def runs(self) -> Iterator[tuple[str, slice]]:
        """Consecutive records of one model."""
        starts = np.flatnonzero(np.diff(self.codes, prepend=-1)).tolist()
        for start, stop in zip(starts, [*starts[1:], len(self.codes)], strict=True):
            yield self.models[self.codes[start]], slice(start, stop)


def chunks(file: pq.ParquetFile, nulls: bool = False, order_alone: bool = False) -> Iterator[Chunk]:
    """Row groups of a file of table `scores`, about a million records each.

    nulls: tolerate them, as code -1 and NaN; else they raise ArrowInvalid. order_alone: without the scores.
    """
    columns = ["model_id", "item"] if order_alone else ["model_id", "item", "score"]
    for group in range(file.num_row_groups):
        models, *numbers = map(_whole, file.read_row_group(group, columns=columns).select(columns).columns)
        if not pa.types.is_dictionary(models.type):
            models = models.dictionary_encode()
        codes = models.indices.fill_null(-1) if nulls else models.indices
        arrays = [column.to_numpy(zero_copy_only=not nulls) for column in (codes, *numbers)]
        names = models.dictionary.to_pylist()
        used = np.bincount(arrays[0] + 1, minlength=len(names) + 1)[1:] > 0
        if not used.all():  # a dictionary may hold models that have no record
            arrays[0] = np.append(np.cumsum(used) - 1, -1)[arrays[0]]
            names = list(compress(names, used.tolist()))
        yield Chunk(names, *arrays)


def to_matrix(
    found: Iterable[Chunk], n_items: int, members: Sequence[str] | None = None
) -> tuple[list[str], np.ndarray]:
    """Models, and their scores (models, items): uint8 while all are 0 or 1, else float32; see MISSING.

    found: records of items below `n_items`. members: the models that are wanted, in this order; by default
    all, in the order in which they come.
    """
    rows = {model: row for row, model in enumerate(members or ())}
    matrix = np.full((len(rows), n_items), MISSING, np.uint8)
    for chunk in found:
        if members is None:
            for model in chunk.models:
                rows.setdefault(model, len(rows))
        if len(rows) > len(matrix):
            # room for as many again: every row is copied about once, however many chunks there are
            larger = np.full(
                (max(len(rows), 2 * len(matrix)), n_items),
                MISSING if matrix.dtype == np.uint8 else np.nan,
                matrix.dtype,
            )
            larger[: len(matrix)] = matrix
            matrix = larger
        if matrix.dtype == np.uint8 and not ((chunk.scores == 0) | (chunk.scores == 1)).all():
            matrix = as_floats(matrix)
        row = np.array([*(rows.get(model, -1) for model in chunk.models), -1], np.int32)[chunk.codes]
        part = chunk.only(row >= 0)
        matrix[row[row >= 0], part.items] = part.scores.astype(matrix.dtype)
    return list(rows), matrix[: len(rows)]


def missing(scores: np.ndarray) -> np.ndarray:
    """Where a matrix of scores, uint8 or float, holds none."""
    absent: np.ndarray = scores == MISSING if scores.dtype == np.uint8 else np.isnan(scores)
    return absent


def as_floats(scores: np.ndarray) -> np.ndarray:
    """A matrix of scores as float32, NaN where there is none."""
    if scores.dtype != np.uint8:
        return scores
    return np.where(scores == MISSING, np.float32(np.nan), scores.astype(np.float32))


@dataclass(frozen=True, eq=False)
class ScoreMatrix:
    """Scores of models.

    models: ids, ascending. scores: (models, items), as `to_matrix` gives them. left_out: number of models
    that do not cover enough items.
    """

    models: tuple[str, ...]
    scores: np.ndarray
    left_out: int = 0

    @classmethod
    def of(cls, found: Iterable[Chunk], n_items: int) -> ScoreMatrix:
        """Matrix of all models in some chunks."""
        names, scores = to_matrix(found, n_items)
        order = sorted(range(len(names)), key=names.__getitem__)
        same = order == list(range(len(names)))
        return cls(tuple(names[row] for row in order), scores if same else scores[order])

    @property
    def coverage(self) -> np.ndarray:
        """Number of items that each model has a score on."""
        found: np.ndarray = (~missing(self.scores)).sum(axis=1)
        return found


def read_scores(path: Path, n_items: int) -> ScoreMatrix:
    """Matrix of all models in a scores table, with gaps where they have no score."""
    with pq.ParquetFile(path) as file:
        return ScoreMatrix.of(chunks(file), n_items)


def read_matrix(
    path: Path, n_items: int, min_coverage: float = 1.0, without: Collection[str] = ()
) -> ScoreMatrix:
    """Matrix of the models in a scores table that cover at least `min_coverage` of `n_items` items.

    without: models that are in no pool, which `[curate]` left out; they do not count as `left_out`.

    A score that is missing under a lower coverage counts as 0 for the choice of groups, nowhere else.
    """
    found = read_scores(path, n_items)
    covering = found.coverage >= min_coverage * n_items
    found.scores[missing(found.scores)] = 0
    chosen = covering & ~np.isin(np.array(found.models, object), [*without])
    names = tuple(compress(found.models, chosen.tolist()))
    scores = found.scores if chosen.all() else found.scores[chosen]
    return ScoreMatrix(names, scores, int((~covering).sum()))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
