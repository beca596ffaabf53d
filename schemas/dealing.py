"""Scores without what tells models of like ability apart: those of each item dealt anew among them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

STRATUM = 25
"""Models of like ability that scores are dealt among."""


def strata(order: np.ndarray) -> Iterator[np.ndarray]:
    """Rows of STRATUM models that follow each other in an order by ability; the last ones may be fewer."""
    return (order[start : start + STRATUM] for start in range(0, len(order), STRATUM))


def deal(scores: np.ndarray, order: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A score matrix (models, items) in which the scores of every item are dealt anew within each stratum.

    Keeps what scores each item has in each stratum, and so a model's expected mean up to its stratum's.
    scores: uint8 of 0 and 1, or floats.
    """
    dealt = np.empty_like(scores)
    for stratum in strata(order):
        if scores.dtype == np.uint8:
            for row, right in zip(stratum, _select(scores[stratum], rng), strict=True):
                dealt[row] = right
        else:
            dealt[stratum] = rng.permuted(scores[stratum], axis=0)
    return dealt


def _select(scores: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Row by row, who is right where, for as many rows in every column as in scores of 0 and 1.

    Selection sampling (Fan, Muller and Rezucha 1962): each row is taken with the share of the rows left that
    are still to be right. A random float32 is a multiple of 2^-24 below 1, so that all that are left are
    taken where all are wanted.
    """
    wanted = scores.sum(axis=0, dtype=np.float32)
    for left in range(len(scores), 0, -1):
        taken = rng.random(len(wanted), np.float32) * np.float32(left) < wanted
        wanted -= taken
        yield taken
