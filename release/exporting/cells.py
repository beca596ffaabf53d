"""What a format writes: one group of candidates on one benchmark, as arrays and Arrow columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from routerset.schemas.matrix import as_floats, missing
from routerset.schemas.tables import Split

ROWS = 1 << 13
"""Records that are written at a time: each holds its item's text."""
DISCOUNT = 0.5
"""What the dearest candidate's score loses in a cost-aware label: score x (1 - 0.5 x cost rank)."""
NO_TEXT, NO_SCORE, REPEATED, DROPPED = "no_text", "no_score", "repeated_text", "validation"
"""Why an item is left out."""


@dataclass(frozen=True, eq=False)
class Cell:
    """One group on one benchmark.

    name: of its folder. models: m ids, in the declared order. items: those that are written, by side, then
    in canonical order: item_id, subset, category, text (the question, the prompt where there is none), prompt
    (the other way round) and side. scores: (m, items), as `schemas.matrix` has them. measures: column of
    table `costs` -> (m, items) float32, NaN where not known; only those that the benchmark tells. vectors:
    (items, d) float32 of `encoder`, or None. facts: of each model, as table `models` has them. discounts:
    (m,), what a score counts in a cost-aware label. left_out: items by reason. repeats: items that are
    written though an earlier one of their side has the same text.
    """

    benchmark: str
    metric: str
    name: str
    models: tuple[str, ...]
    items: pa.Table
    scores: npt.NDArray[np.generic]
    measures: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    encoder: str | None = None
    vectors: npt.NDArray[np.float32] | None = None
    facts: Sequence[Mapping[str, object]] = ()
    discounts: npt.NDArray[np.float64] | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    repeats: int = 0

    @cached_property
    def sides(self) -> npt.NDArray[np.object_]:
        """Side of each item: train, validation or test."""
        return np.asarray(self.items["side"].to_numpy(), object)

    def places(self, side: Split) -> npt.NDArray[np.intp]:
        """Places of the items of one side, ascending."""
        return np.flatnonzero(self.sides == side.value)

    @property
    def n_scores(self) -> int:
        """Scores that the written items have; the rest of items x models is missing."""
        return int((~missing(self.scores)).sum())

    def records(self, places: npt.NDArray[np.intp]) -> Iterator[pa.Table]:
        """Every score of some items, a few thousand at a time: an item's models in their order.

        Columns: place (of the item), every column of `items` but the side, model (place of it), model_name,
        score, performance (the score as a label counts it), and the measures that there are.
        """
        step = max(1, ROWS // max(1, len(self.models)))
        names = pa.array(self.models, pa.string())
        for start in range(0, len(places), step):
            some = places[start : start + step]
            block = as_floats(self.scores[:, some]).T
            at, model = np.nonzero(~np.isnan(block))
            score = block[at, model]
            table = self.items.drop_columns(["side"]).take(pa.array(some[at]))
            columns: dict[str, object] = {"place": some[at], "model": model}
            columns |= {"model_name": names.take(pa.array(model)), "score": score}
            columns["performance"] = score if self.discounts is None else score * self.discounts[model]
            for name, values in self.measures.items():
                found = values[:, some].T[at, model]
                columns[name] = pa.array(found, mask=np.isnan(found))
            for name, column in columns.items():
                table = table.append_column(name, pa.array(column))
            yield table.combine_chunks()


def kept_items(
    texts: pa.ChunkedArray, sides: npt.NDArray[np.object_], scored: npt.NDArray[np.bool_], unique: bool
) -> tuple[npt.NDArray[np.intp], dict[str, int], int]:
    """Items to write, by side and then by number; how many are left out, by reason; and repeats among them.

    texts, sides, scored: by item; an item of side "" is dropped. unique: whether only the first item of a
    side keeps its text; else all do.
    """
    blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(pc.fill_null(texts, ""))), 0)
    reason = np.full(len(sides), "", object)
    reason[sides == ""] = DROPPED
    reason[~scored] = NO_SCORE
    reason[np.asarray(blank.to_numpy(), bool)] = NO_TEXT
    codes = np.asarray(pc.fill_null(texts, "").combine_chunks().dictionary_encode().indices)
    kept = []
    n_repeats = 0
    for side in Split:
        of_side = np.flatnonzero((sides == side.value) & (reason == ""))
        first = np.sort(np.unique(codes[of_side], return_index=True)[1])
        n_repeats += len(of_side) - len(first)
        if unique:
            reason[np.setdiff1d(of_side, of_side[first])] = REPEATED
            of_side = of_side[first]
        kept.append(of_side)
    left_out = Counter(reason[reason != ""].tolist())
    return np.concatenate(kept), dict(sorted(left_out.items())), 0 if unique else n_repeats


def declared_order(
    scores: npt.NDArray[np.generic],
    train: npt.NDArray[np.bool_],
    costs: npt.NDArray[np.float64] | None,
) -> npt.NDArray[np.intp]:
    """Order in which candidates are written, so that whoever takes the first of equals follows a rule.

    scores: (m, items). The cheapest first where costs, (m,), are given; then the best mean score on train
    items; then by rank.
    """
    found = as_floats(scores[:, train]).astype(np.float64)
    known = ~np.isnan(found)
    n = known.sum(axis=1)
    means = np.where(n > 0, np.where(known, found, 0).sum(axis=1) / np.maximum(n, 1), -1)
    keys = (-means,) if costs is None else (-means, costs)
    return np.lexsort(keys)


def cost_ranks(costs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Ranks of costs from 0, the cheapest, to 1, the dearest; equal costs have one rank."""
    different, ranks = np.unique(costs, return_inverse=True)
    return ranks / max(1, len(different) - 1)
