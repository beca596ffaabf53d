"""How pseudo-specialists change what routers choose: the agreement score (RouterBench+, Table 4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .agreement import agreement
from .cells import Ran
from .costs import CellCosts, NoCosts
from .errors import DataError, LeftOut
from .estimates import FEWEST_TESTED, change_of_strata, score_of_strata
from .intervals import Array
from .items import Items, Part, frozen, numbered
from .joining_rows import Joined
from .reader import Group, Release, read_parquet
from .results import Estimate
from .routers import RouterRow
from .running import learn
from .task import Costs, Scores
from .tasks import make_tasks
from .unseen import selection_vectors

FOLDER = "pseudo_specialists"
"""Of a release that has any: a file per benchmark."""


@dataclass(frozen=True, eq=False)
class Made:
    """Pseudo-specialists of a benchmark. models, targets: ids and categories. scores: (items, models)."""

    models: tuple[str, ...]
    targets: tuple[str, ...]
    scores: Scores


def read_made(release: Release, benchmark: str) -> Made:
    """Pseudo-specialists of a benchmark. Raises LeftOut where there are none, DataError for a gap."""
    path = _path(release, benchmark)
    if not path.is_file():
        raise LeftOut(
            f"{benchmark}: this release has no pseudo-specialists; build one with [curate] pseudo_specialists"
        )
    table = read_parquet(path, ["model_id", "category", "item", "score"])
    targets = dict(zip(table["model_id"].to_pylist(), table["category"].to_pylist(), strict=True))
    n = release.benchmarks[benchmark].n_items
    scores = np.full((n, len(targets)), np.nan, np.float32)
    item, place = (
        table["item"].to_numpy(),
        pc.index_in(table["model_id"], value_set=pa.array([*targets], pa.string())),
    )
    if len(item) and not (item.min() >= 0 and item.max() < n):
        raise DataError(f"{path}: found items from {item.min()} to {item.max()}, expected 0 to {n - 1}")
    scores[item, place.to_numpy()] = table["score"].to_numpy()
    if not ((scores >= 0) & (scores <= 1)).all():
        raise DataError(f"{path}: expected a score in [0, 1] of every model on every item; fetch it again")
    return Made(tuple(targets), tuple(targets.values()), scores)


def _path(release: Release, benchmark: str) -> Path:
    return release.path / FOLDER / f"{benchmark}.parquet"


def joined(
    items: Items,
    groups: Sequence[Group],
    ran: Sequence[RouterRow],
    cells: Sequence[Ran],
    paid: Mapping[Group, CellCosts | NoCosts],
) -> tuple[list[Joined], list[str]]:
    """Rows of every size, kind and router: its agreement without and with pseudo-specialists; and notes.

    Routers are fitted anew with all pseudo-specialists of the benchmark among the candidates, each at the
    median cost of the others. Both agreements are over the caps of the group without them, which are the
    same. cells: of the groups, in their order.
    """
    made = read_made(items.release, items.benchmark)
    notes = [
        f"{items.benchmark}, router {row.name}: no pseudo-specialist joins it: it learns of all models"
        for row in ran
        if row.uses_all_models
    ]
    routers = [row for row in ran if not row.uses_all_models]
    wide = [_with(group, made) for group in groups]
    more = _items_with(items, dict(zip(groups, wide, strict=True)), made)
    costs = {new: _costs_with(paid[old], len(made.models)) for old, new in zip(groups, wide, strict=True)}
    first = cells[0][0]
    tasks = make_tasks(more, wide, encoder=first.encoder, scheme=first.scheme, seed=first.seed, costs=costs)
    again, after, failed = learn(routers, [tasks], [(more, wide)])
    notes += [f"{items.benchmark} with pseudo-specialists, {why}" for why in failed]
    names = [row.name for row in ran]
    test = items.parts["test"]
    about = np.array([test.categories, test.subsets], object)
    rows: list[_Change] = []
    for group, before, now in zip(groups, cells, after, strict=True):
        told = paid[group]
        if isinstance(told, NoCosts):
            continue
        caps = float(np.min(told.costs.mean)), float(np.max(told.costs.mean))
        for at, row in enumerate(again):
            was = agreement(before[1][names.index(row.name)].estimates, before[0], caps)
            then = agreement(now[1][at].estimates, now[0], caps)
            if was.items is not None and then.items is not None:
                cell = Joined(*before[0].cell, row.name, 1, ",".join(made.models), None, 0, {})
                rows.append(_Change(cell, was.items, then.items))
    return [*_rows(rows, made.targets, about)], notes


@dataclass(frozen=True, eq=False)
class _Change:
    """The agreement of one router on each test item, without pseudo-specialists and with them."""

    row: Joined
    before: Array
    after: Array


def _with(group: Group, made: Made) -> Group:
    return replace(group, candidates=(*group.candidates, *made.models), m=group.m + len(made.models))


def _items_with(items: Items, wider: Mapping[Group, Group], made: Made) -> Items:
    """The items with groups that hold the pseudo-specialists, too."""
    places = numbered(items.release, {split: part.places for split, part in items.parts.items()})
    parts: dict[str, Part] = {}
    for split, part in items.parts.items():
        ((_, numbers),) = places[split]
        scores = {
            new: frozen(np.concatenate([part.scores[old], made.scores[numbers]], axis=1))
            for old, new in wider.items()
        }
        labels = {group: frozen(selection_vectors(values)) for group, values in scores.items()}
        parts[split] = replace(part, scores=scores, labels=labels)
    return replace(items, parts=parts)


def _costs_with(told: CellCosts | NoCosts, n: int) -> CellCosts | NoCosts:
    """Costs of a group and of `n` more candidates, each at the median of the group."""
    if isinstance(told, NoCosts):
        return told

    def wider(values: npt.NDArray[np.floating] | None) -> npt.NDArray[np.floating] | None:
        if values is None:
            return None
        median = np.median(values, axis=-1, keepdims=True)
        return frozen(np.concatenate([values, np.repeat(median, n, axis=-1)], axis=-1))

    costs, paid = told.costs, wider(told.paid)
    mean = wider(costs.mean)
    assert paid is not None
    assert mean is not None
    known = Costs(
        costs.kind, costs.unit, mean, wider(costs.train), wider(costs.validation), wider(costs.test)
    )
    return CellCosts(known, np.asarray(paid, np.float64))


def _rows(
    changes: Sequence[_Change], targets: Sequence[str], about: npt.NDArray[np.object_]
) -> Iterator[Joined]:
    """Rows by size: each kind, then their mean; routers in order, all test items first, then each target.

    about: (2, n_test) category and subset of each test item; a target is one of either.
    """

    def size(change: _Change) -> int:
        return change.row.m

    for _, of_size in groupby(sorted(changes, key=size), size):
        members = [*of_size]
        for router in dict.fromkeys(change.row.router for change in members):
            mine = [change for change in members if change.row.router == router]
            mean = _Change(
                replace(mine[0].row, kind="mean"),
                np.mean([change.before for change in mine], axis=0),
                np.mean([change.after for change in mine], axis=0),
            )
            for change in (*mine, mean):
                for target in (None, *dict.fromkeys(targets)):
                    at = np.flatnonzero((about == target).any(axis=0) | (target is None))
                    few = f"too few items: {len(at)} test items, a category is tested from "
                    yield replace(
                        change.row,
                        n_kinds=len(mine),
                        category=target,
                        n_test=len(at),
                        metrics=_metrics(change.before[at], change.after[at]),
                        interval_note=f"{few}{FEWEST_TESTED} on" if len(at) < FEWEST_TESTED else None,
                    )


def _metrics(before: Array, after: Array) -> dict[str, Estimate]:
    return {
        "agreement_without": score_of_strata([before]),
        "agreement_with": score_of_strata([after]),
        "delta": change_of_strata([after - before], 100.0),
    }
