"""What routers that estimate scores share: means of known scores, distinct rows, choice by validation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ..task import Cell, Scores, Task

Array = npt.NDArray[np.float64]
Option = TypeVar("Option")


def known_means(sums: Array, counts: Array, Y: Scores) -> Array:
    """sums / counts, (rows, m); where nothing counts, the candidate's mean over Y (see `train_means`)."""
    otherwise = np.broadcast_to(train_means(Y), sums.shape).copy()
    return np.asarray(np.divide(sums, counts, out=otherwise, where=counts > 0))


def train_means(Y: Scores) -> Array:
    """(m,), mean of each candidate's known training scores; Y: (n, m), NaN where one is not known.

    A candidate without any gets the mean over all candidates, and 0.5 where nothing at all is known.
    """
    known, filled = known_and_filled(Y)
    counts, sums = known.sum(axis=0), filled.sum(axis=0)
    overall = sums.sum() / counts.sum() if counts.any() else 0.5
    return np.asarray(np.divide(sums, counts, out=np.full(len(sums), overall), where=counts > 0))


def known_and_filled(Y: Scores) -> tuple[npt.NDArray[np.bool_], Array]:
    """Which scores are known, and the scores with 0 in place of the others, which adds nothing to a sum."""
    known = ~np.isnan(Y)
    return known, np.where(known, Y, 0).astype(np.float64)


def by_validation(options: Sequence[Option], Y_val: Scores, estimates: Iterable[Array]) -> Option:
    """The option whose estimates of the known validation scores have the least squared error.

    estimates: (n_val, m) for each option, in order. Equal errors go to the first, and the middle one is taken
    where no validation score is known.
    """
    if len(options) == 1 or np.isnan(Y_val).all():
        return options[len(options) // 2]
    return options[int(np.argmin([np.nansum((estimate - Y_val) ** 2) for estimate in estimates]))]


def distinct(tasks: Sequence[Task]) -> tuple[Scores, dict[Cell, npt.NDArray[np.intp]]]:
    """Training scores that differ, (u, n), a row each, and which of them each candidate of a cell has.

    Groups of a benchmark share candidates, so that what depends on a candidate alone is learnt once.
    """
    seen: dict[bytes, int] = {}
    rows: list[Scores] = []
    places: dict[Cell, npt.NDArray[np.intp]] = {}
    for task in tasks:
        own = []
        for scores in np.ascontiguousarray(task.Y_train.T):
            own.append(seen.setdefault(sha256(scores).digest(), len(rows)))
            if own[-1] == len(rows):
                rows.append(scores)
        places[task.cell] = np.array(own, np.intp)
    return np.stack(rows), places


def or_mean(task: Task, predicted: Array) -> Array:
    """Predictions, (n_test, m), but `train_means` for candidates without any training score."""
    return np.where(np.isnan(task.Y_train).all(axis=0), train_means(task.Y_train), predicted)
