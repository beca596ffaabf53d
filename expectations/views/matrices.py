"""The order of the rows of scores, and what groups of candidates come to in their matrix."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from routerset.expectations.session import readable
from routerset.expectations.views.choices import NOTHING_BETTER, Choices, bin_sizes
from routerset.schemas.groups import Group
from routerset.schemas.matrix import Chunk, ScoreMatrix, chunks, missing
from routerset.schemas.tables import Kind

WEAKEST, STRONGEST = 0.1, 0.9
"""Mean scores between which candidates are looked for (RouterEval, appendix C)."""
TOLERANCE = 1e-6
LEAST_SHARED = 100
"""Items that twins have in common, at least."""
_UNRANKED: Mapping[str, Any] = {
    **dict.fromkeys(("outside_pool", "empty_bins", "gaps", "misplaced"), 0),
    **dict.fromkeys(("first_outside", "first_misplaced")),
    **NOTHING_BETTER,
}
"""What is known of a group that is ranked on train items where no splits are at hand."""
_BLOCK = 1 << 21


@dataclass
class Order:
    """Rows that stand before one that should come earlier, and the first of them."""

    unsorted: int = 0
    first_row: int | None = None
    _seen: int = 0
    _last: tuple[str, float] = ("", -1)

    def seen(self, chunk: Chunk) -> Chunk:
        """Look through the next rows, and hand them on."""
        wrong, self._last = _disorder(chunk.models, chunk.codes, chunk.items, self._last)
        if len(wrong):
            self.first_row = self._seen + int(wrong[0]) if self.first_row is None else self.first_row
            self.unsorted += len(wrong)
        self._seen += len(chunk.codes)
        return chunk


def read_scores(path: Path, n_items: int) -> tuple[ScoreMatrix, Order]:
    """Matrix of one scores file, and the order of its rows.

    Rows with nulls or of unknown items are left out of the matrix.
    """

    def usable(chunk: Chunk) -> Chunk:
        items = chunk.items
        chunk = chunk.only((chunk.codes >= 0) & (items >= 0) & (items < n_items) & ~np.isnan(chunk.scores))
        return replace(chunk, items=chunk.items.astype(np.int32, copy=False))

    order = Order()
    with readable(path), pq.ParquetFile(path) as file:
        found = (usable(order.seen(chunk)) for chunk in chunks(file, nulls=True))
        return ScoreMatrix.of(found, n_items), order


def read_order(path: Path) -> Order:
    """Order of the rows of one scores file, without its scores."""
    order = Order()
    with readable(path), pq.ParquetFile(path) as file:
        for chunk in chunks(file, nulls=True, order_alone=True):
            order.seen(chunk)
    return order


def _disorder(
    names: Sequence[str], codes: np.ndarray, items: np.ndarray, last: tuple[str, float]
) -> tuple[np.ndarray, tuple[str, float]]:
    """Rows that should stand before the one above them, and the last row as (model, item)."""
    if not len(codes):
        return np.empty(0, np.int64), last
    ranked = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names) + 1, np.int64)
    rank[ranked] = np.arange(len(names))
    rank[-1] = -1
    place = rank[codes]
    step = np.diff(place)
    wrong = np.flatnonzero((step < 0) | ((step == 0) & (np.diff(items) < 0))) + 1
    first = (names[codes[0]] if codes[0] >= 0 else "", float(items[0]))
    if first < last:
        wrong = np.concatenate(([0], wrong))
    return wrong, (names[codes[-1]] if codes[-1] >= 0 else "", float(items[-1]))


def row_digests(matrix: ScoreMatrix) -> Iterator[dict[str, object]]:
    """A hash of all scores of every model, by which two tables of scores are compared."""
    for model, row in zip(matrix.models, matrix.scores, strict=True):
        yield {"model_id": model, "digest": blake2b(row.tobytes(), digest_size=16).hexdigest()}


def row_means(scores: np.ndarray) -> np.ndarray:
    """Mean of every row in float64, as NumPy takes it of a contiguous row: models are ordered by it."""
    means = np.empty(len(scores))
    step = max(1, _BLOCK // max(scores.shape[1], 1))
    for start in range(0, len(scores), step):
        block = scores[start : start + step]
        if scores.dtype == np.uint8:
            means[start : start + step] = block.sum(axis=1, dtype=np.int64) / scores.shape[1]
        else:
            means[start : start + step] = block.astype(np.float64, order="C").mean(axis=1)
    return means


@dataclass(frozen=True, eq=False)
class _Pool:
    """Models that methods choose from. rows: of them, ascending. doubles: models left out, since others have
    the same scores. ranked: by the train items of each split, as `_choices` gives them.
    """

    rows: np.ndarray
    doubles: frozenset[str]
    ranked: Sequence[tuple[Choices, np.ndarray]]

    @classmethod
    def of(
        cls,
        models: Sequence[str],
        scores: np.ndarray,
        train: Sequence[np.ndarray],
        named: Collection[str] | None,
        among: np.ndarray,
    ) -> _Pool:
        """among: rows that there are, ascending. Other arguments as of `group_rows`."""
        rows = among if named is None else _one_of_each(models, scores, frozenset(named), among)
        single = scores if len(rows) == len(scores) else scores[rows]
        return cls(
            rows,
            frozenset(models[row] for row in np.setdiff1d(among, rows).tolist()),
            [
                _choices(single, items, row_means(single.take(items, axis=1)), None)
                for items in train
                if len(items)
            ],
        )


def _one_of_each(
    models: Sequence[str], scores: np.ndarray, named: frozenset[str], among: np.ndarray
) -> np.ndarray:
    """Of some rows, ascending: of models with the same scores on enough items a named one, else the first."""
    if scores.shape[1] < LEAST_SHARED:
        return among
    kept: dict[bytes, int] = {}
    for row in sorted(among.tolist(), key=lambda row: (models[row] not in named, models[row])):
        kept.setdefault(blake2b(scores[row].tobytes(), digest_size=16).digest(), row)
    return np.array(sorted(kept.values()), np.int64)


def group_rows(
    matrix: ScoreMatrix,
    groups: Mapping[Group, Sequence[str]],
    train: Sequence[np.ndarray],
    min_coverage: float = 1.0,
    rng: np.random.RandomState | None = None,
    named: Collection[str] | None = None,
    tiered: Collection[str] | None = None,
    pruned: Collection[str] = (),
    frozen: Collection[str] = (),
) -> Iterator[dict[str, object]]:
    """What each group comes to, beside what its kind claims (RouterEval, section 4.2, appendix C).

    groups: candidates by rank. train: items of the train side, one array per split scheme: methods other than
    `paper` rank models by their mean on one of them, `paper` by that on all items. Means, pools and bins are
    those of the models with scores on at least `min_coverage` of the items; what they miss counts as 0 there,
    as it does where groups are chosen. rng: the reference's generator behind its splits, by which the paper's
    strong-to-weak groups are drawn. named: models that stand for twins, where other methods than the paper's
    choose from one of each set of models with the same scores, as if there were no others. tiered: models
    that a universe is chosen from, None for all. pruned: models that are in no pool, as if they were not
    there. frozen: columns of groups that were chosen before later
    models joined: of these only the order of candidates is looked at.
    """
    covers = matrix.coverage >= min_coverage * matrix.scores.shape[1]
    covering = np.flatnonzero(covers & ~np.isin(np.array(matrix.models, object), [*pruned]))
    scores = matrix.scores if len(covering) == len(matrix.models) else matrix.scores[covering]
    if missing(scores).any():
        scores = np.where(missing(scores), scores.dtype.type(0), scores)
    names = [matrix.models[row] for row in covering.tolist()]
    row_of = {model: place for place, model in enumerate(names)}
    means = row_means(scores)
    inside = [items[items < scores.shape[1]] for items in train]
    everyone = np.arange(len(names))
    whole_pool = _Pool(everyone, frozenset(), [_choices(scores, None, means, rng)])
    single = _Pool.of(names, scores, inside, named, everyone)
    small = single
    if tiered is not None and any(group.method == "universe" for group in groups):
        small = _Pool.of(names, scores, inside, named, np.flatnonzero(np.isin(names, [*tiered])))
    for group, whole in groups.items():
        fixed = group.column in frozen
        published = fixed or group.method == "paper"
        pool = whole_pool if published else small if group.method == "universe" else single
        twins = [model for model in whole if model in pool.doubles]
        candidates = [model for model in whole if model not in pool.doubles]
        rows = np.array([row_of.get(model, -1) for model in candidates], np.int64)
        known = rows[rows >= 0]
        models = [model for model, row in zip(candidates, rows, strict=True) if row >= 0]
        lost = [model for model, row in zip(candidates, rows, strict=True) if row < 0]
        chosen = np.isin(known, pool.rows)
        foreign = [model for model, own in zip(models, chosen, strict=True) if not own]
        models = [model for model, own in zip(models, chosen, strict=True) if own]
        places = np.searchsorted(pool.rows, known[chosen])
        if fixed:
            of = [None] if group.method == "paper" else [items for items in inside if len(items)]
            facts = min((_ordered(scores[known], known, models, items) for items in of),
                        key=lambda found: found["misplaced"], default=_UNRANKED)  # fmt: skip
        else:
            placed = (_place(group, places, models, *one) for one in pool.ranked)
            facts = min(placed, key=_faults, default=_UNRANKED)
        worth = _worth(scores[known])
        yield {
            **asdict(group),
            "train_items": [0, *map(len, inside)],
            "covered": [-1, *_covered(scores[known], inside)],
            "incomplete": len(lost),
            "first_incomplete": lost[0] if lost else None,
            "twins": len(twins),
            "first_twin": twins[0] if twins else None,
            **facts,
            "outside_pool": facts["outside_pool"] + len(foreign),
            "first_outside": foreign[0] if foreign else facts["first_outside"],
            "oracle": worth[0],
            "best_single": float(means[known].max()) if len(known) else 0.0,
            "mean": float(means[known].mean()) if len(known) else 0.0,
            "log10_routers": worth[1],
        }


def _choices(
    scores: np.ndarray, items: np.ndarray | None, means: np.ndarray, rng: np.random.RandomState | None
) -> tuple[Choices, np.ndarray]:
    """The models in the order of their means on some items, and those means."""
    order = np.argsort(means, kind="stable")
    first, last = (int(n) for n in np.searchsorted(means[order], [WEAKEST, STRONGEST], side="right"))
    return Choices(scores, items, order, first, last, rng), means


def _place(
    group: Group, known: np.ndarray, models: Sequence[str], choices: Choices, means: np.ndarray
) -> dict[str, object]:
    """Where candidates stand in an order of models, and whether others would have been preferred."""
    places = choices.position[known]
    start, stop = choices.span(group)
    outside = np.flatnonzero((places < start) | (places >= stop))
    misplaced = _descents(places if group.method == "paper" else means[known], known)
    empty_bins = group.m - _bins_hit(places, start, stop, group.m) if group.kind == Kind.STRONG_TO_WEAK else 0
    better = NOTHING_BETTER  # another rule says what is wrong with a group that is none of its kind
    own = np.unique(places)
    if len(own) == group.m and not len(outside) and not empty_bins:
        better = choices.better(group, own, (start, stop))
    return {
        "outside_pool": len(outside),
        "first_outside": models[int(outside[0])] if len(outside) else None,
        "empty_bins": empty_bins if group.kind == Kind.STRONG_TO_WEAK else 0,
        "gaps": int(np.ptp(places)) + 1 - len(own) if len(places) else 0,
        **better,
        "misplaced": len(misplaced),
        "first_misplaced": models[int(misplaced[0])] if len(misplaced) else None,
    }


def _ordered(
    block: np.ndarray, rows: np.ndarray, models: Sequence[str], items: np.ndarray | None
) -> dict[str, Any]:
    """Whether candidates stand in the order of their means on some items, None for all."""
    means = row_means(block if items is None else block.take(items, axis=1))
    misplaced = _descents(means, rows)
    first = models[int(misplaced[0])] if len(misplaced) else None
    return {**_UNRANKED, "misplaced": len(misplaced), "first_misplaced": first}


def _faults(facts: Mapping[str, object]) -> tuple[object, ...]:
    """What is wrong with a group, gravest first: of several splits it must suit one."""
    return (
        facts["outside_pool"],
        facts["empty_bins"],
        facts["misplaced"],
        facts["better_on_train"],
        facts["other_universe"],
        facts["goes_first"],
    )


def _covered(block: np.ndarray, sides: Sequence[np.ndarray]) -> list[int]:
    """Items of each side that some candidate has right, where scores are 0 or 1."""
    covered = [int(block.take(items, axis=1).any(axis=0).sum()) for items in sides]
    return covered or [0] if block.dtype == np.uint8 else []


def _descents(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Places that hold less than the place before, or the same and an earlier row."""
    step = np.diff(values)
    found: np.ndarray = np.flatnonzero((step < -TOLERANCE) | ((step == 0) & (np.diff(rows) < 0))) + 1
    return found


def _bins_hit(places: np.ndarray, start: int, stop: int, m: int) -> int:
    """Different bins that places fall in, of m contiguous ones, the remainder to the first."""
    edges = start + np.cumsum(bin_sizes(max(stop - start, 0), m))
    inside = places[(places >= start) & (places < stop)]
    return len(np.unique(np.searchsorted(edges, inside, side="right")))


def _worth(block: np.ndarray) -> tuple[float, float]:
    """Oracle mean of a group, and log10 of the number of routers that reach it.

    block: (candidates, items). On every item a router may take any candidate with the best score.
    """
    if not len(block):
        return 0.0, 0.0
    best = block.max(axis=0)
    optimal = (block == best).sum(axis=0)
    return float(best.mean(dtype=np.float64)), float(np.log10(optimal).sum())
