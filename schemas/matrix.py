"""The scores of one benchmark as a matrix: what groups are chosen on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

MISSING = 255
"""No score, in a matrix of uint8; in a matrix of floats it is NaN."""


@dataclass(frozen=True)
class ScoreMatrix:
    """Scores of the models that take part.

    models: ids, ascending. scores: (models, items), uint8 where all scores are 0 or 1, else float32.
    left_out: number of models that do not cover enough items.
    """

    models: tuple[str, ...]
    scores: np.ndarray
    left_out: int


def read_matrix(path: Path, n_items: int, min_coverage: float = 1.0) -> ScoreMatrix:
    """Matrix of the models in a scores table that cover at least `min_coverage` of `n_items` items.

    A score that is missing under a lower coverage counts as 0 for the choice of groups, nowhere else.
    """
    file = pq.ParquetFile(path)
    rows: dict[str, int] = {}
    blocks = []
    for group in range(file.num_row_groups):
        table = file.read_row_group(group).combine_chunks()
        column = table["model_id"].chunk(0)
        names = column.dictionary.to_pylist()
        fresh = [name for name in names if name not in rows]
        rows |= {name: len(rows) + i for i, name in enumerate(fresh)}
        row = np.array([rows[name] for name in names])[column.indices.to_numpy()]
        scores = table["score"].to_numpy()
        packed = scores.astype(np.uint8)
        blocks.append((row, table["item"].to_numpy(), packed if np.array_equal(packed, scores) else scores))
    binary = all(values.dtype == np.uint8 for *_, values in blocks)
    matrix = np.full((len(rows), n_items), MISSING if binary else np.nan, np.uint8 if binary else np.float32)
    while blocks:
        row, item, values = blocks.pop()
        matrix[row, item] = values
    missing = matrix == MISSING if binary else np.isnan(matrix)
    complete = (~missing).sum(axis=1) >= min_coverage * n_items
    matrix[missing] = 0
    names = [name for name, whole in zip(rows, complete.tolist(), strict=True) if whole]
    order = sorted(range(len(names)), key=names.__getitem__)
    kept = np.flatnonzero(complete)[order]
    same = np.array_equal(kept, np.arange(len(rows)))
    return ScoreMatrix(
        tuple(names[i] for i in order), matrix if same else matrix[kept], int((~complete).sum())
    )
