"""How alike models are: by what they have right, and by what is left once ability is taken away."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from routerset.schemas.dealing import strata

Floats32 = npt.NDArray[np.float32]
ITEMS = 2048
"""Items of which products are taken in one go."""
ROWS = 1024
"""Models whose products with those after them are."""
FEW_ROWS = 128
"""Models whose products with all others a cache holds."""


def both_right(scores: np.ndarray) -> Floats32:
    """(models, models) sum over items of s_i x s_k: of 0 and 1, the items that both have right, exactly."""
    n = len(scores)
    total = np.zeros((n, n), np.float32)
    for start in range(0, scores.shape[1], ITEMS):
        part = scores[:, start : start + ITEMS].astype(np.float32)
        for row in range(0, n, ROWS):
            total[row : row + ROWS, row:] += part[row : row + ROWS] @ part[row:].T
    return _mirrored(total)


def _mirrored(upper: Floats32) -> Floats32:
    """A symmetric matrix, of its blocks on and above the diagonal, in place."""
    for row in range(0, len(upper), ROWS):
        upper[row + ROWS :, row : row + ROWS] = upper[row : row + ROWS, row + ROWS :].T
    return upper


def jaccard(scores: np.ndarray) -> Floats32:
    """(models, models) |both right| / |either right|; 1 where neither is ever right (RouterBench+, pruning).

    scores: (models, items) uint8 of 0 and 1. Of numbers in [0, 1] it is sum s_i s_k over
    sum s_i + s_k - s_i s_k, which is the same for 0 and 1.
    """
    right, found = _right(scores), both_right(scores)
    for start in range(0, len(found), FEW_ROWS):
        rows = slice(start, start + FEW_ROWS)
        _jaccard(found[rows], right[rows], right)
    return found


def _right(scores: np.ndarray) -> Floats32:
    return np.asarray(scores.sum(axis=1, dtype=np.float64), np.float32)


def _jaccard(both: Floats32, right: Floats32, others: Floats32) -> Floats32:
    """Of rows of `both_right`, in place. right, others: what models of rows and of columns have right."""
    either = right[:, None] + others
    either -= both
    if right.all() or others.all():  # then either is, too
        return np.asarray(np.divide(both, either, out=both))
    np.divide(both, either, out=both, where=either > 0)
    both[either <= 0] = 1
    return both


def unit_residuals(scores: np.ndarray) -> tuple[npt.NDArray[np.intp], Floats32]:
    """Models that have any, ordered by ability, and their residuals (models, items), centred, of length 1.

    A residual is (s - p) / sqrt(p (1 - p)), where p is the share of a stratum of models of like ability that
    has the item right, with half a success and half a failure added. scores: (models, items) in [0, 1].
    """
    order = np.argsort(scores.sum(axis=1, dtype=np.float64), kind="stable")
    rows, found = [], []
    for stratum in strata(order):
        block = scores[stratum].astype(np.float32)
        share = (block.sum(axis=0) + np.float32(0.5)) / np.float32(len(block) + 1)
        block = (block - share) / np.sqrt(share * (1 - share))
        block -= block.mean(axis=1, keepdims=True)
        lengths = np.linalg.norm(block, axis=1, keepdims=True)
        there = lengths[:, 0] > 0
        found.append(np.divide(block, lengths, out=block, where=lengths > 0)[there])
        rows.append(stratum[there])
    if not found:
        return np.empty(0, np.intp), np.empty((0, scores.shape[1]), np.float32)
    return np.concatenate(rows), np.concatenate(found)


def residual(scores: np.ndarray) -> Floats32:
    """(models, models) correlation over items of what ability does not tell; 0 for a model without any.

    To about 1e-4, and the same on every machine and any number of cores: residuals are rounded to whole
    numbers whose sums of products stay below 2^24, so that float32 holds each exactly, in any order.
    """
    whole, length = _whole_residuals(scores)
    found = both_right(whole)
    found /= length * length
    np.fill_diagonal(found, 1)
    return found


def _whole_residuals(scores: np.ndarray) -> tuple[Floats32, np.float32]:
    """(models, items) whole numbers, residuals times a length; zeros for a model without any."""
    rows, units = unit_residuals(scores)
    # rounding adds half of sqrt(items) to the length at most
    length = np.float32(4096 - np.ceil(np.sqrt(scores.shape[1]) / 2))
    whole = np.zeros(scores.shape, np.float32)
    whole[rows] = np.rint(units * length)
    return whole, length


def means(scores: np.ndarray) -> tuple[float, float]:
    """Mean `average` of `jaccard`, and mean `largest` of `residual`, of (models, items) uint8 of 0 and 1.

    A few rows at a time, since matrices that no cache holds take most of the time; sums of whole numbers are
    exact in any order.
    """
    right, parts = _right(scores), scores.astype(np.float32)
    whole, length = _whole_residuals(scores)
    n, alike, nearest = len(scores), 0.0, np.full(len(scores), -np.inf, np.float32)
    for start in range(0, n, FEW_ROWS):
        # with themselves and those after them: a pair counts for both
        rows, rest = slice(start, start + FEW_ROWS), slice(start, None)
        jaccards = _jaccard(parts[rows] @ parts[rest].T, right[rows], right[rest])
        among = jaccards[:, : len(jaccards)]
        alike += 2 * jaccards.sum(dtype=np.float64) - among.sum(dtype=np.float64) - among.trace()
        left = whole[rows] @ whole[rest].T
        np.fill_diagonal(left, -np.inf)
        nearest[rest] = np.maximum(nearest[rest], left.max(axis=0))
        nearest[rows] = np.maximum(nearest[rows], left.max(axis=1))
    return float(alike / (n * (n - 1))), float((nearest / (length * length)).mean(dtype=np.float64))


def largest(similarity: Floats32) -> Floats32:
    """(models,) MaxSim: how alike each model is to the one that is most like it. Needs two models."""
    found = np.empty(len(similarity), np.float32)
    for start in range(0, len(found), FEW_ROWS):
        others = similarity[start : start + FEW_ROWS].copy()
        np.fill_diagonal(others[:, start:], -np.inf)
        found[start : start + FEW_ROWS] = others.max(axis=1)
    return found


def average(similarity: Floats32) -> npt.NDArray[np.float64]:
    """(models,) AvgSim: mean similarity to all others. Needs two models."""
    total = similarity.sum(axis=1, dtype=np.float64) - np.diagonal(similarity)
    return np.asarray(total / (len(similarity) - 1))
