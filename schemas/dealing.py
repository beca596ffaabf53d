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
    """
    dealt = np.empty_like(scores)
    for stratum in strata(order):
        dealt[stratum] = rng.permuted(scores[stratum], axis=0)
    return dealt
