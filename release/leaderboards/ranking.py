"""Places in an order in which not everybody can be told apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Place:
    """rank, last: the first and the last place that it may have. groups: numbers, from 1, of the groups of
    neighbours of whom no two can be told apart.
    """

    rank: int
    last: int
    groups: tuple[int, ...]

    @property
    def span(self) -> str:
        """Both places, or the one."""
        return str(self.rank) if self.rank == self.last else f"{self.rank}-{self.last}"


def places(better: npt.NDArray[np.bool_]) -> list[Place]:
    """Places of entries that stand from best to worst score.

    better: (n, n), whether it is proven that entry i is better than entry j; above the diagonal alone. A
    rank is 1 + the number of those that are proven better, and never less than that of one with a higher
    score, so that equal ranks are ties; `last` is the same from below.
    """
    n = len(better)
    ranks = np.maximum.accumulate(1 + better.sum(axis=0, dtype=int)) if n else np.zeros(0, int)
    lasts = np.minimum.accumulate((n - better.sum(axis=1, dtype=int))[::-1])[::-1] if n else ranks
    groups = _groups(better)
    return [
        Place(
            int(ranks[i]),
            int(lasts[i]),
            tuple(k for k, (start, end) in enumerate(groups, 1) if start <= i < end),
        )
        for i in range(n)
    ]


def _groups(better: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First, and after the last, of the longest runs without one that is proven better than another."""
    n = len(better)
    found: list[tuple[int, int]] = []
    start = 0
    for end in range(1, n + 1):
        if end < n and not better[start:end, end].any():
            continue
        found.append((start, end))
        if end < n:
            start = int(np.flatnonzero(better[:end, end]).max()) + 1
    return found
