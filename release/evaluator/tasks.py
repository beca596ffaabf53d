"""Turns the items of a benchmark into one Task per group of candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import numpy as np

from .costs import CellCosts, Known, NoCosts, cell_costs
from .errors import UsageError
from .everyone import read_everyone, score_tables
from .items import SPLITS, Items, frozen, numbered, read_prompts, reference_order
from .reader import Group
from .task import Categories, Task

Batch = tuple[Items, Sequence[Group]]
"""Groups that are learnt together, from the same items."""
NO_COSTS: Mapping[Group, CellCosts | NoCosts] = MappingProxyType({})


def make_tasks(
    items: Items,
    groups: Sequence[Group],
    *,
    encoder: str | None,
    scheme: str = "paper",
    compat: bool = False,
    seed: int = 0,
    costs: Mapping[Group, CellCosts | NoCosts] = NO_COSTS,
) -> list[Task]:
    """One Task per group; they share the vectors, no array can be written to, and Y_test is left out.

    With compat the training rows come in the reference's order and, where scores are continuous, the
    training scores are its labels. Raises UsageError where that order cannot be had.
    """
    items = _ordered(items, compat and scheme == "paper")
    train, val, test = (items.parts[s] for s in ("train", "validation", "test"))
    # no part of the release, whose test scores a router could follow it to
    places = {split: part.places for split, part in items.parts.items()}
    prompts = partial(read_prompts, items.release.path / "data", places)
    about = Categories(train.categories, val.categories, test.categories)
    tasks = []
    for group in groups:
        told = costs.get(group)
        scores, labels = train.scores[group], train.labels[group]
        if compat and not items.binary:
            # The reference trains on labels here, and labels an item that every candidate fails all ones.
            labels = np.where(labels.any(axis=1, keepdims=True), labels, np.uint8(1))
            scores = labels.astype(np.float32)
        tasks.append(
            Task(
                benchmark=items.benchmark,
                m=group.m,
                kind=group.kind,
                method=group.method,
                scheme=scheme,
                encoder=encoder,
                candidates=group.candidates,
                X_train=train.vectors,
                X_val=val.vectors,
                X_test=test.vectors,
                Y_train=frozen(scores),
                Y_val=val.scores[group],
                labels_train=frozen(labels),
                labels_val=val.labels[group],
                test_items=test.item_ids,
                read_prompts=prompts,
                binary=items.binary,
                compat=compat,
                seed=seed,
                costs=told.costs if isinstance(told, CellCosts) else None,
                categories=about,
            )
        )
    return tasks


def with_test_scores(tasks: Sequence[Task], items: Items, groups: Sequence[Group]) -> list[Task]:
    """The tasks as an upper bound is shown them: with Y_test, and with what all models scored."""
    test = items.parts["test"]
    shown = with_everyone(tasks, items, SPLITS)
    return [replace(task, Y_test=test.scores[g]) for task, g in zip(shown, groups, strict=True)]


def with_everyone(
    tasks: Sequence[Task], items: Items, splits: Sequence[str] = ("train", "validation")
) -> list[Task]:
    """The tasks as a router of all models is shown them: with what these scored on some splits."""
    parts = _ordered(items, tasks[0].compat and tasks[0].scheme == "paper").parts
    places = numbered(items.release, {split: parts[split].places for split in splits})
    names = {name for of_split in places.values() for name, _ in of_split}
    # no Release, which leads to more than these splits
    read = partial(read_everyone, score_tables(items.release, sorted(names)), places)
    return [replace(task, read_everyone=read) for task in tasks]


def costs_of(
    items: Items, groups: Sequence[Group], known: Known, as_reference: bool
) -> dict[Group, CellCosts | NoCosts]:
    """Costs of the groups, or why one has none.

    as_reference: whether training rows stand in the reference's order.
    """
    parts = _ordered(items, as_reference).parts
    places = numbered(items.release, {split: part.places for split, part in parts.items()})
    rows = {split: numbers for split, ((_, numbers),) in places.items()}
    return {group: cell_costs(known, group, rows) for group in groups}


def facts_alone(costs: Mapping[Group, CellCosts | NoCosts]) -> dict[Group, CellCosts | NoCosts]:
    """Costs without those of answers, which only the benchmark's own train items would tell before a call."""
    why = "what answers cost is known from train items, of which track unseen shows none"
    return {
        group: of if isinstance(of, NoCosts) or of.costs.train is None else NoCosts(of.costs.kind, why)
        for group, of in costs.items()
    }


def groups_without_costs(benchmark: str, costs: Mapping[Group, CellCosts | NoCosts]) -> list[str]:
    """A note for each group that has no costs, and so no curve."""
    return [
        f"{benchmark}, m = {group.m}, {group.kind}: no curve: {of.kind}: {of.why}"
        for group, of in costs.items()
        if isinstance(of, NoCosts)
    ]


def _ordered(items: Items, as_reference: bool) -> Items:
    """The items with the training rows in the order of the files, or of the reference."""
    if not as_reference:
        return items
    if not items.files_follow_scheme:
        raise UsageError(
            f"{items.benchmark}: --compat needs the reference's row order, kept only by a release whose "
            "files follow the paper split: drop --compat, or build one with schemes = ['paper', ...]"
        )
    subsets = {split: part.subsets for split, part in items.parts.items()}
    order = reference_order(subsets, items.release.split_seed)
    return replace(items, parts=items.parts | {"train": items.parts["train"].take(order)})
