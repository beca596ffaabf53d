"""What most say, where not all say the same."""

from __future__ import annotations

import numpy as np

NOTHING = -1


def leading(group: np.ndarray, value: np.ndarray, votes: np.ndarray, n_groups: int) -> np.ndarray:
    """The value with most votes in every group, the least of several; NOTHING in groups without any.

    group, value, votes: of every voter; a group or a value below 0 does not count.
    """
    there = (group >= 0) & (value >= 0)
    group, value, votes = group[there], value[there], votes[there]
    width = int(value.max(initial=0)) + 1
    pairs, at = np.unique(group * width + value, return_inverse=True)
    order = np.lexsort((pairs % width, -np.bincount(at, votes, len(pairs)), pairs // width))
    first, places = np.unique(pairs[order] // width, return_index=True)
    found = np.full(n_groups, NOTHING, np.int64)
    found[first] = pairs[order][places] % width
    return found
