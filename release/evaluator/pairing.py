"""Any two models of a release as a group of candidates, and how much routers send to the larger one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial

import numpy as np
import pyarrow.compute as pc

from .cells import Ran
from .costs import CellCosts
from .errors import LeftOut, UsageError
from .estimates import mean_of, mean_score
from .everyone import read_matrix
from .intervals import interval_note
from .items import Items, concatenate, load_items
from .ladders import Array
from .pair_rows import CONFIDENCES, LINES, Routing
from .pairs import gain_recovered, routing_curve, routing_items, share_to_reach
from .reader import Group, Release, read_parquet
from .results import Estimate
from .routers import RouterRow
from .task import PAIR
from .tracing import Paid
from .unseen import Elsewhere


@dataclass(frozen=True)
class Pair:
    """Two models, the small and the large one, whatever they score and cost.

    confidence: key of `CONFIDENCES`. Raises UsageError for two equal names, and for no such key.
    """

    small: str
    large: str
    confidence: str = "difference"

    def __post_init__(self) -> None:
        if self.small == self.large:
            raise UsageError(f"pair {self.small!r}, {self.large!r}: expected two different models")
        if self.confidence not in CONFIDENCES:
            raise UsageError(f"no confidence {self.confidence!r}; valid: {', '.join(CONFIDENCES)}")

    def why_undefined(self, weak: float, strong: float) -> str | None:
        """Why no part of a gain is, of their scores on test; None where the large one is the better one."""
        if weak < strong:
            return None
        return (
            f"the small model, {self.small}, scores {weak:.3f}, the large one, {self.large}, {strong:.3f}: "
            "there is no gain to recover, so PGR, APGR and CPT are undefined; the two are not swapped"
        )

    def group(self, benchmark: str) -> Group:
        """As candidates; no data file has a column of them."""
        return Group(PAIR, benchmark, 2, PAIR, (self.small, self.large), "", "")


def plan_pair(
    release: Release, pair: Pair, benchmarks: Sequence[str] | None
) -> tuple[list[tuple[str, list[Group]]], list[str]]:
    """The pair in every benchmark that has scores of both models, and a note for each other one.

    Raises UsageError, with names that are near, for a model that none of the benchmarks has.
    """
    release.require(benchmarks or ())
    plan: list[tuple[str, list[Group]]] = []
    notes = []
    scored = {name: _scored(release, name) for name in dict.fromkeys(benchmarks or release.benchmarks)}
    known = {model for counts in scored.values() for model in counts}
    for model in (pair.small, pair.large):
        if model not in known:
            raise UsageError(f"no model {model!r} has scores on {', '.join(scored)}; {_near(model, known)}")
    for name, counts in scored.items():
        n = release.benchmarks[name].n_items
        few = {m: counts.get(m, 0) for m in (pair.small, pair.large)}
        lacking = [f"{m} has a score on {k}" for m, k in few.items() if k < max(release.min_coverage * n, 1)]
        if lacking:
            share = f"{release.min_coverage:.3%}".rstrip("0%").rstrip(".")
            notes.append(
                f"{name}: no pair: {' and '.join(lacking)} of {n} items; expected {share}% of them, as of "
                "every candidate of this release"
            )
        else:
            plan.append((name, [pair.group(name)]))
    if not plan:
        raise UsageError(f"nothing to evaluate: {'; '.join(notes)}")
    return plan, notes


def _scored(release: Release, benchmark: str) -> dict[str, int]:
    """Number of items that each model has a score on."""
    column = read_parquet(release.path / "scores" / f"{benchmark}.parquet", ["model_id"])["model_id"]
    counts = zip(*(pc.value_counts(column).field(of).to_pylist() for of in (0, 1)), strict=True)
    return {name: n for name, n in counts if name is not None}


def _near(model: str, known: set[str]) -> str:
    folded = {name.casefold(): name for name in sorted(known)}
    near = [folded[name] for name in get_close_matches(model.casefold(), folded, cutoff=0.5)]
    return f"near: {', '.join(near)}" if near else f"it has {len(known)} models"


def load_pair(
    release: Release, benchmark: str, groups: Sequence[Group], encoder: str | None, scheme: str
) -> Items:
    """Items that both models have a score on. Raises LeftOut where train or test is empty."""
    (group,) = groups
    items = load_items(release, benchmark, [], encoder, scheme)
    matrix = read_matrix(release, benchmark, group.candidates)
    numbers = concatenate(release.path / "data" / benchmark, ["item"])["item"].to_numpy().astype(np.intp)
    here = Elsewhere(items, numbers, np.ones(len(numbers), bool), matrix)
    parts = {split: here.part(split, group) for split in items.parts}
    kept = {split: part for split, part in parts.items() if part is not None}
    for split in ("train", "test"):
        if not kept[split].item_ids:
            raise LeftOut(f"{benchmark}: both models have a score on no {split} item of scheme {scheme!r}")
    return replace(
        items, parts=kept, unscored=len(numbers) - sum(len(part.item_ids) for part in kept.values())
    )


def routed(
    pair: Pair, routers: Sequence[RouterRow], cell: Ran, paid: Paid, track: str, with_intervals: bool
) -> Iterator[Routing]:
    """Rows of the oracle, all routers that have estimates, and a draw, in the cell of a pair."""
    task, outputs, Y_test = cell
    row_of = partial(_routing, pair, cell, paid, track, with_intervals)
    small, large = Y_test.astype(np.float64).T
    yield row_of("oracle", small - large, np.maximum(small, large), "scores")
    for row, output in zip(routers, outputs, strict=True):
        if output.estimates is not None and row.name not in LINES:
            q = output.estimates.scores
            confidence = np.zeros(len(small)) if q is None else np.asarray(q[:, 0], np.float64)
            if q is not None and pair.confidence == "difference":
                confidence = confidence - q[:, 1]
            own = (output.policy * Y_test).sum(axis=1, dtype=np.float64)
            yield replace(
                row_of(row.name, confidence, own, output.estimates.made_of),
                encoder=task.encoder if row.uses_vectors else None,
                sees_test_scores=row.sees_test_scores,
            )
    drawn = (small + large) / 2
    yield row_of("random", np.zeros(len(small)), drawn, "draw")


def _routing(
    pair: Pair,
    cell: Ran,
    paid: Paid,
    track: str,
    with_intervals: bool,
    router: str,
    confidence: Array,
    own: Array,
    made_of: str,
) -> Routing:
    """A row. confidence: (n,), those of the highest go to the small model first. own: (n,), what the router's
    choices score.
    """
    task, _, Y_test = cell
    small, large = Y_test.astype(np.float64).T
    weak, strong = float(small.mean()), float(large.mean())
    shares, scores = routing_curve(confidence, small, large)
    areas = routing_items(confidence, small, large)
    costs = paid.get((task.m, task.kind))
    each = np.mean(costs.paid, axis=0).tolist() if isinstance(costs, CellCosts) else [None, None]
    told = task.costs if isinstance(costs, CellCosts) else None
    n = len(small)
    benchmark, m, kind, method, scheme = task.cell
    return Routing(
        benchmark,
        m,
        kind,
        method,
        scheme,
        router,
        None,
        n,
        track,
        None if told is None else told.kind,
        None if told is None else told.unit,
        made_of,
        router == "oracle",
        pair.small,
        pair.large,
        pair.confidence,
        round(weak, 6),
        round(strong, 6),
        each[0],
        each[1],
        mean_score(own, with_intervals),
        mean_of(areas, with_intervals),
        _recovered(own, small, large, with_intervals),
        _recovered(areas, small, large, with_intervals),
        share_to_reach(shares, scores, 0.2),
        share_to_reach(shares, scores, 0.5),
        share_to_reach(shares, scores, 0.8),
        1 - shares[::-1],
        scores[::-1],
        interval_note(n),
        pair.why_undefined(weak, strong),
    )


def _recovered(values: Array, small: Array, large: Array, with_interval: bool) -> Estimate:
    """Part of the large model's gain over the small one: a ratio of means, by what items add to it."""
    weak, strong = float(small.mean()), float(large.mean())
    part = gain_recovered(float(values.mean()), weak, strong)
    if part is None:
        return Estimate()
    return mean_of(part + (values - small - part * (large - small)) / (strong - weak), with_interval)
