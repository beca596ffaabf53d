"""Which candidates of a group are good choices for an item: the selection vector (RouterEval, section 3)."""

from __future__ import annotations

import numpy as np

LABEL_SHARE = 0.95
"""A candidate is a good choice for an item from this share of the best score in the group on."""


def selection_vectors(scores: np.ndarray) -> np.ndarray:
    """Which candidates are good choices: score >= 0.95 x the best in the group, in float64.

    scores: (items, m), uint8 of 0, 1 and MISSING, or float32 with NaN where missing.
    Returns uint8 (items, m). Nobody is a good choice where the best score is 0, nor without a score.
    """
    if scores.dtype == np.uint8:
        right: np.ndarray = scores == 1
        return right.view(np.uint8)
    exact = scores.astype(np.float64)
    best = np.fmax.reduce(exact, axis=1, keepdims=True, initial=0.0)
    good: np.ndarray = (exact >= LABEL_SHARE * best) & (best > 0)
    return good.view(np.uint8)
