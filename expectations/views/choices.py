"""Whether groups are those that their methods choose, against other windows, draws and exchanges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from routerset.schemas.groups import Group
from routerset.schemas.tables import Kind

SIZES, DRAWS = (3, 5, 10, 100, 1000), 1000
"""The reference's sizes of groups, for which it draws in this order, and its draws of each."""
MOST_JOINED, MOST_EXCHANGED = 100, 10
"""Largest groups of which all draws are joined, and all exchanges tried."""
NOTHING_BETTER = {"better_windows": 0, "better_draws": 0, "better_on_train": 0}
_TOLERANCE = 1e-6


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

    scores: (models, items). order: models by mean score, ascending. first, last: places in it between which
    the reference draws. train: items of the train side of every split scheme. rng: see `group_rows`.
    """

    scores: np.ndarray
    order: np.ndarray
    first: int
    last: int
    train: Sequence[np.ndarray]
    rng: np.random.RandomState | None

    @cached_property
    def everywhere(self) -> States:
        """Scores on all items."""
        return States.of(self.scores)

    @cached_property
    def on_train(self) -> list[States]:
        """Scores on the train items of every scheme."""
        inside = [items[items < self.scores.shape[1]] for items in self.train]
        return [States.of(self.scores[:, items]) for items in inside if len(items)]

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

    def better(
        self, group: Group, places: np.ndarray, span: tuple[int, int], paper: np.ndarray | None
    ) -> dict[str, int]:
        """How many choices the method of a group would have preferred to it.

        places: of its candidates in the order, inside `span`. paper: places of the paper's group like it.
        """
        found = dict(NOTHING_BETTER)
        if group.method == "paper" and group.kind == Kind.STRONG_TO_WEAK:
            found["better_draws"] = self._better_draws(group.m, places)
        elif group.method == "paper":
            own = int(places.min()) - span[0]
            worths = self.everywhere.windows(self.order[slice(*span)], group.m)
            found["better_windows"] = self.everywhere.better(worths, worths[min(own, len(worths) - 1)], own)
        elif group.method == "greedy" and self.on_train:
            found["better_on_train"] = min(
                sum(states.better(worths, own) for worths in self._others(states, group, places, span, paper))
                for states in self.on_train
                for own in states.together(self.order[places][np.newaxis])
            )
        return found

    def _better_draws(self, m: int, places: np.ndarray) -> int:
        draws = self.draws.get(m)
        if draws is None:  # of a size that the reference does not have
            return 0
        own = np.flatnonzero((draws == places).all(axis=1))
        if not len(own):
            return len(draws)
        if m > MOST_JOINED:
            return 0
        worths = self.everywhere.together(self.order[draws])
        return self.everywhere.better(worths, worths[own[0]], int(own[0]))

    def _others(
        self,
        states: States,
        group: Group,
        places: np.ndarray,
        span: tuple[int, int],
        paper: np.ndarray | None,
    ) -> Iterator[np.ndarray]:
        """Worth of groups that a greedy one must not fall behind."""
        pool = self.order[slice(*span)]
        if paper is not None:
            yield states.together(self.order[paper][np.newaxis])
        binned = group.kind == Kind.STRONG_TO_WEAK
        if not binned:
            yield states.windows(pool, group.m)
        if group.m > MOST_EXCHANGED:
            return
        edges = np.cumsum(bin_sizes(len(pool), group.m))
        for place in range(group.m):
            others = np.delete(places, place)
            joined = self.states_of(states, others)
            options = pool
            if binned:
                at = int(np.searchsorted(edges, places[place] - span[0], side="right"))
                options = pool[edges[at] - bin_sizes(len(pool), group.m)[at] : edges[at]]
            yield states.worth(states.join(states.rows[options], joined))

    def states_of(self, states: States, places: np.ndarray) -> np.ndarray:
        """What some models answer right together."""
        return np.asarray(states.join.reduce(states.rows[self.order[places]], axis=0))


def bin_sizes(n: int, m: int) -> np.ndarray:
    """Sizes of m contiguous bins of n models, the remainder to the first."""
    return n // m + (np.arange(m) < n % m)


def places_of(
    group: Group, groups: Mapping[Group, Sequence[str]], position: Mapping[str, int]
) -> np.ndarray | None:
    """Places of a group's candidates in the order of mean scores; None unless all are known and differ."""
    models = groups.get(group, ())
    places = sorted({position[model] for model in models if model in position})
    return np.array(places, np.int64) if len(places) == group.m else None
