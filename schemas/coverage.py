"""Score matrices in the form in which groups of models are joined and compared: packed bits or numbers.

What a group covers is the item-wise join of its rows: OR of bits, maximum of scores.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

FIXED_POINT = 30
"""Fractional bits of a continuous score in `Levels`: all that a float32 above 2^-7 has, within 32 bits."""
BLOCK_BYTES = 1 << 21
"""Working memory of one step of a blockwise computation."""


class Coverage(Protocol):
    """Rows that can be joined, and what a join is worth."""

    @property
    def rows(self) -> np.ndarray:
        """(models, width), in the row order of the score matrix."""

    @property
    def join(self) -> np.ufunc:
        """The item-wise join of two rows."""

    def value(self, states: np.ndarray) -> np.ndarray:
        """What each of (k, width) joined rows is worth: (k,) numbers in the order of the oracle mean."""


class Gains(Coverage, Protocol):
    """Coverage in exact integers."""

    def gain(self, states: np.ndarray, base: np.ndarray) -> np.ndarray:
        """What each of (k, width) rows adds to the value of `base` (width,): (k,) int64."""


@dataclass(frozen=True, eq=False)
class Bits:
    """Binary scores, 64 items a word; a value is the number of items covered."""

    rows: np.ndarray
    join = np.bitwise_or

    def value(self, states: np.ndarray) -> np.ndarray:
        """Items covered by each state: (k,) int64."""
        counts: np.ndarray = np.bitwise_count(states).sum(axis=1, dtype=np.int64)
        return counts

    def gain(self, states: np.ndarray, base: np.ndarray) -> np.ndarray:
        """Items that each state covers and `base` does not: (k,) int64."""
        return self.value(states & ~base)


@dataclass(frozen=True, eq=False)
class Levels:
    """Continuous scores in fixed point, so that sums are exact and the same on every machine."""

    rows: np.ndarray
    join = np.maximum

    def value(self, states: np.ndarray) -> np.ndarray:
        """Sum of each state: (k,) int64."""
        sums: np.ndarray = states.sum(axis=1, dtype=np.int64)
        return sums

    def gain(self, states: np.ndarray, base: np.ndarray) -> np.ndarray:
        """Sum of what each state adds to the maxima `base`: (k,) int64."""
        total = np.empty(len(states), np.int64)
        for block in _blocks(states):
            total[block] = self.value(np.maximum(states[block], base))
        total -= self.value(base[np.newaxis])
        return total


@dataclass(frozen=True, eq=False)
class Floats:
    """Continuous scores as they are, for the reference's own arithmetic."""

    rows: np.ndarray
    join = np.maximum

    def value(self, states: np.ndarray) -> np.ndarray:
        """Mean of each state as NumPy takes it of a float64 row: (k,) float64."""
        return row_means(states)


def reference_coverage(scores: np.ndarray) -> Bits | Floats:
    """Scores of all items, valued as the reference values them.

    scores: (models, items), uint8 of 0 and 1, or floats. Raises ValueError for any other content.
    """
    return Floats(scores) if _continuous(scores) else Bits(packed(scores))


def integer_coverage(scores: np.ndarray, items: np.ndarray) -> Bits | Levels:
    """Scores of some items, valued in exact integers.

    scores: (models, items), uint8 of 0 and 1, or floats in [0, 1]; items: indices of the items, in any
    order. Raises ValueError for any other content.
    """
    continuous = _continuous(scores)
    wanted = np.zeros(scores.shape[1], np.uint8)
    wanted[items] = 1
    if not continuous:
        return Bits(packed(scores) & packed(wanted[np.newaxis]))
    rows = np.empty((len(scores), int(wanted.sum())), np.int32)
    for block in _blocks(scores):
        rows[block] = np.rint(scores[block][:, wanted == 1] * scores.dtype.type(1 << FIXED_POINT))
    return Levels(rows)


def packed(scores: np.ndarray) -> np.ndarray:
    """Rows of 0 and 1, (models, items) uint8, as rows of 64-bit words, padded with zeros."""
    octets = np.packbits(scores, axis=1)
    words = np.zeros((len(octets), -(-octets.shape[1] // 8)), np.uint64)
    words.view(np.uint8)[:, : octets.shape[1]] = octets
    return words


def train_means(scores: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Mean of every row over some items, as of `row_means`. train: their indices."""
    return row_means(scores.take(train, axis=1))  # which an index would lay out by columns


def row_means(scores: np.ndarray) -> np.ndarray:
    """Mean of every row, as NumPy takes it of a contiguous float64 row: (rows,) float64."""
    if scores.dtype == np.uint8:
        binary = Bits(packed(scores))
        shares: np.ndarray = binary.value(binary.rows) / scores.shape[1]
        return shares
    means = np.empty(len(scores))
    for block in _blocks(scores):
        means[block] = scores[block].astype(np.float64, order="C").mean(axis=1)
    return means


def _continuous(scores: np.ndarray) -> bool:
    """Whether the scores are numbers rather than 0 and 1; checks their form."""
    if scores.ndim != 2 or not scores.shape[1]:
        raise ValueError(
            f"scores: found shape {scores.shape}; expected (models, items) with at least one item"
        )
    if np.issubdtype(scores.dtype, np.floating):
        if np.isnan(scores).any():
            raise ValueError("scores: found NaN; expected every model to have a score on every item")
        return True
    if scores.dtype != np.uint8 or scores.max(initial=0) > 1:
        raise ValueError(
            f"scores: found {scores.dtype} up to {scores.max(initial=0)}; "
            "expected uint8 of 0 and 1, or floating point"
        )
    return False


def _blocks(matrix: np.ndarray) -> Iterator[slice]:
    """Slices of rows whose float64 copy fits the working memory."""
    step = max(1, BLOCK_BYTES // max(8 * matrix.shape[1], 1))
    return (slice(start, start + step) for start in range(0, len(matrix), step))
