"""US dollars of an answer from its tokens and the prices of a million of them."""

from __future__ import annotations

import numpy as np


def usd_of(prompt: np.ndarray, completion: np.ndarray, usd_in: float, usd_out: float) -> np.ndarray:
    """US dollars (float32) of tokens sent and answered (float32, NaN where not known).

    NaN where a number is missing that has a price, or both are. Source: COSTS_AND_POOLS, section 5.
    """
    sides = [
        np.where(np.isnan(tokens) & (price == 0), 0.0, tokens.astype(np.float64) * price)
        for tokens, price in ((prompt, usd_in), (completion, usd_out))
    ]
    computed: np.ndarray = ((sides[0] + sides[1]) / 1e6).astype(np.float32)
    computed[np.isnan(prompt) & np.isnan(completion)] = np.nan
    return computed
