"""Whether groups are those that their methods choose, against other windows, draws and exchanges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from routerset.schemas.dealing import strata
from routerset.schemas.groups import Group
from routerset.schemas.tables import Kind

SIZES, DRAWS = (3, 5, 10, 100, 1000), 1000
"""The reference's sizes of groups, for which it draws in this order, and its draws of each."""
MOST_JOINED, MOST_EXCHANGED = 100, 10
"""Largest groups of which all draws are joined, and all exchanges tried."""
NOTHING_BETTER = {
    **dict.fromkeys(("better_windows", "better_draws", "better_on_train"), 0),
    **dict.fromkeys(("other_universe", "goes_first"), 0),
}
_TOLERANCE = 1e-6
PRUNED, SURE, NOBODY = 0.5, 1e-3, -2.0
"""Weight of accuracy in pruning, how far values must be apart to count, and below any likeness."""


@dataclass(frozen=True, eq=False)
class States:
    """What models answer right: packed bits of binary scores, else the scores. rows: (models, width)."""

    rows: np.ndarray
    join: np.ufunc

    @classmethod
    def of(cls, scores: np.ndarray) -> States:
        """scores: (models, items), uint8 of 0 and 1, or floats."""
        if scores.dtype == np.uint8:
            return cls(np.packbits(scores, axis=1), np.bitwise_or)
        return cls(scores, np.maximum)

    def worth(self, joined: np.ndarray) -> np.ndarray:
        """Sums over items of (k, width) joined rows."""
        if self.join is np.bitwise_or:
            return np.asarray(np.bitwise_count(joined).sum(axis=1, dtype=np.int64))
        return np.asarray(joined.sum(axis=1, dtype=np.float64))

    def better(self, worths: np.ndarray, own: float, earlier: int = 0) -> int:
        """How many are worth more, or the same among the first `earlier`; floats with a tolerance."""
        exact = self.join is np.bitwise_or
        more = int((worths > own + (0 if exact else _TOLERANCE)).sum())
        return more + (int((worths[:earlier] == own).sum()) if exact else 0)

    def windows(self, pool: np.ndarray, m: int) -> np.ndarray:
        """Worth of every `m` neighbours of a pool: joins since the last multiple of m, and until the next."""
        n = len(pool)
        blocks = np.zeros((-(-n // m) * m, self.rows.shape[1]), self.rows.dtype)
        blocks[:n] = self.rows[pool]
        blocks = blocks.reshape(-1, m, blocks.shape[1])
        since = self.join.accumulate(blocks, axis=1).reshape(-1, blocks.shape[2])
        until = self.join.accumulate(blocks[:, ::-1], axis=1)[:, ::-1].reshape(since.shape)
        return self.worth(self.join(until[: n - m + 1], since[m - 1 : n]))

    def together(self, groups: np.ndarray) -> np.ndarray:
        """Worth of (k, m) groups."""
        joined = self.rows[groups[:, 0]]
        for members in groups.T[1:]:
            self.join(joined, self.rows[members], out=joined)
        return self.worth(joined)


@dataclass(frozen=True, eq=False)
class Choices:
    """The models that groups are chosen from.

    scores: (models, items). items: those that they are ranked by, None for all. order: models by mean score,
    ascending. first, last: places in it between which candidates stand. rng: see `group_rows`.
    """

    scores: np.ndarray
    items: np.ndarray | None
    order: np.ndarray
    first: int
    last: int
    rng: np.random.RandomState | None

    @cached_property
    def states(self) -> States:
        """Scores on the items that count."""
        return States.of(self.scores if self.items is None else self.scores.take(self.items, axis=1))

    @cached_property
    def position(self) -> np.ndarray:
        """Place of every model in the order."""
        places = np.empty(len(self.order), np.int64)
        places[self.order] = np.arange(len(self.order))
        return places

    def span(self, group: Group) -> tuple[int, int]:
        """The places in the order that candidates of a group come from (RouterEval, appendix C).

        Those of a universe may be as weak as they like; it leaves out models that have nearly all right.
        """
        width = max(len(self.order) // 5, group.m)
        if group.kind == Kind.ALL_STRONG:
            return max(self.last - width, 0), self.last
        if group.kind == Kind.ALL_WEAK:
            return self.first, min(self.first + width, len(self.order))
        return 0 if group.method == "universe" else self.first, self.last

    @cached_property
    def draws(self) -> dict[int, np.ndarray]:
        """The reference's draws of strong-to-weak groups by size, as (draws, m) places in the order."""
        found: dict[int, np.ndarray] = {}
        n = self.last - self.first
        for m in SIZES:
            if n >= m and self.rng is not None:
                sizes = bin_sizes(n, m)
                inside = self.rng.randint(0, np.tile(sizes, DRAWS)).reshape(DRAWS, m)
                found[m] = self.first + inside + np.cumsum(sizes) - sizes
        return found

    def better(self, group: Group, places: np.ndarray, span: tuple[int, int]) -> dict[str, int]:
        """How many choices the method of a group would have preferred to it.

        places: of its candidates in the order, ascending, inside `span`.
        """
        found = dict(NOTHING_BETTER)
        if group.method == "paper" and group.kind == Kind.STRONG_TO_WEAK:
            found["better_draws"] = self._better_draws(group.m, places)
        elif group.method == "paper":
            own = int(places.min()) - span[0]
            worths = self.states.windows(self.order[slice(*span)], group.m)
            found["better_windows"] = self.states.better(worths, worths[min(own, len(worths) - 1)], own)
        elif group.method == "greedy":
            (own_worth,) = self.states.together(self.order[places][np.newaxis])
            found["better_on_train"] = sum(
                self.states.better(worths, own_worth) for worths in self._others(group, places, span)
            )
        elif group.method == "universe" and self.states.join is np.bitwise_or and group.m <= MOST_EXCHANGED:
            taken = self._universe(group.m, self.order[slice(*span)])
            found["other_universe"] = len(set(taken) - set(self.order[places].tolist()))
        elif group.method == "diverse":
            found["goes_first"] = self._goes_first(self.order[places], np.sort(self.order[slice(*span)]))
        return found

    @cached_property
    def likeness(self) -> np.ndarray:
        """Of the models between `first` and `last`, by row: correlation of what is left of their scores once
        the share of models of like ability that have an item right is taken away.
        """
        rows = np.sort(self.order[self.first : self.last])
        scores = self.scores[rows] if self.items is None else self.scores[np.ix_(rows, self.items)]
        left = np.empty(scores.shape, np.float32)
        for alike in strata(np.argsort(scores.sum(axis=1, dtype=np.float64), kind="stable")):
            block = scores[alike].astype(np.float64)
            share = (block.sum(axis=0) + 0.5) / (len(block) + 1)
            block = (block - share) / np.sqrt(share * (1 - share))
            block -= block.mean(axis=1, keepdims=True)
            length = np.linalg.norm(block, axis=1, keepdims=True)
            left[alike] = np.divide(block, length, out=np.zeros_like(block), where=length > 1e-6)
        found: np.ndarray = left @ left.T
        np.fill_diagonal(found, NOBODY)
        return found

    def _goes_first(self, kept: np.ndarray, pool: np.ndarray) -> int:
        """How often a pool pruned down to some models would have lost one of these before any other.

        pool: rows, ascending: all that `likeness` tells of. Values closer than `SURE` do not tell.
        """
        alike, alive = self.likeness.copy(), np.ones(len(pool), bool)
        scores = self.scores[pool] if self.items is None else self.scores[np.ix_(pool, self.items)]
        accuracy = scores.mean(axis=1, dtype=np.float64)
        wanted = np.isin(pool, kept)
        nearest, wrong = alike.max(axis=1), 0
        for _ in range(len(pool) - len(kept)):
            worth = PRUNED * accuracy - (1 - PRUNED) * nearest
            others = np.where(alive & ~wanted, worth, np.inf)
            gone = int(np.flatnonzero(others <= others.min() + _TOLERANCE**2)[-1])
            wrong += bool(worth[alive & wanted].min() < others[gone] - SURE)
            alive[gone] = False
            lost = np.flatnonzero(alive & (nearest <= alike[:, gone]))
            alike[:, gone] = NOBODY
            nearest[lost] = alike[lost].max(axis=1)
        return wrong

    def _universe(self, m: int, pool: np.ndarray) -> list[int]:
        """The models that add most to what those before cover, one after the other, over all of the pool.

        Ties: the one with more right answers, then the first by name. Where none adds anything, what is
        covered counts for nothing any more. pool: rows, by mean score.
        """
        rows = self.states.rows[pool]
        right, taken = self.states.worth(rows), list[int]()
        covered = np.zeros_like(rows[0])
        for _ in range(m):
            free = ~np.isin(pool, taken)
            gains = self.states.worth(rows & ~covered)
            if not gains[free].any():
                covered, gains = np.zeros_like(covered), right
            best = min(np.flatnonzero(free).tolist(), key=lambda at: (-gains[at], -right[at], pool[at]))
            taken.append(int(pool[best]))
            covered = covered | rows[best]
        return taken

    def _better_draws(self, m: int, places: np.ndarray) -> int:
        draws = self.draws.get(m)
        if draws is None:  # of a size that the reference does not have
            return 0
        own = np.flatnonzero((draws == places).all(axis=1))
        if not len(own):
            return len(draws)
        if m > MOST_JOINED:
            return 0
        worths = self.states.together(self.order[draws])
        return self.states.better(worths, worths[own[0]], int(own[0]))

    def _others(self, group: Group, places: np.ndarray, span: tuple[int, int]) -> Iterator[np.ndarray]:
        """Worth of groups that a greedy one must not fall behind."""
        states, pool = self.states, self.order[slice(*span)]
        binned = group.kind == Kind.STRONG_TO_WEAK
        if not binned:
            yield states.windows(pool, group.m)
        if group.m > MOST_EXCHANGED:
            return
        edges = np.cumsum(bin_sizes(len(pool), group.m))
        for place in range(group.m):
            joined = states.join.reduce(states.rows[self.order[np.delete(places, place)]], axis=0)
            options = pool
            if binned:
                at = int(np.searchsorted(edges, places[place] - span[0], side="right"))
                options = pool[edges[at] - bin_sizes(len(pool), group.m)[at] : edges[at]]
            yield states.worth(states.join(states.rows[options], joined))


def bin_sizes(n: int, m: int) -> np.ndarray:
    """Sizes of m contiguous bins of n models, the remainder to the first."""
    return n // m + (np.arange(m) < n % m)
