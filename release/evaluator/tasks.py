"""Turns the items of a benchmark into one Task per group of candidates."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from .errors import UsageError
from .items import Items, frozen, read_prompts, reference_order
from .reader import Group
from .task import Task


def make_tasks(
    items: Items,
    groups: Sequence[Group],
    *,
    encoder: str | None,
    scheme: str = "paper",
    compat: bool = False,
    seed: int = 0,
) -> list[Task]:
    """One Task per group; they share the vectors, no array can be written to, and Y_test is left out.

    With compat the training rows come in the reference's order and, where scores are continuous, the
    training scores are its labels. Raises UsageError where that order cannot be had.
    """
    binary = items.release.benchmarks[items.benchmark].binary
    train, val, test = (items.parts[s] for s in ("train", "validation", "test"))
    order = np.arange(len(train.rows))
    if compat and scheme == "paper":
        if not items.files_follow_scheme:
            raise UsageError(
                f"{items.benchmark}: --compat needs the reference's row order, kept only by a release whose "
                "files follow the paper split: drop --compat, or build one with schemes = ['paper', ...]"
            )
        subsets = {split: part.subsets for split, part in items.parts.items()}
        order = reference_order(subsets, items.release.split_seed)

    # no part of the release, whose test scores a router could follow it to
    rows = {split: part.rows for split, part in items.parts.items()} | {"train": train.rows[order]}
    prompts = partial(read_prompts, items.release.path / "data" / items.benchmark, rows)
    X_train = frozen(train.vectors[order])
    tasks = []
    for group in groups:
        scores, labels = train.scores[group][order], train.labels[group][order]
        if compat and not binary:
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
                X_train=X_train,
                X_val=val.vectors,
                X_test=test.vectors,
                Y_train=frozen(scores),
                Y_val=val.scores[group],
                labels_train=frozen(labels),
                labels_val=val.labels[group],
                test_items=test.item_ids,
                read_prompts=prompts,
                binary=binary,
                compat=compat,
                seed=seed,
            )
        )
    return tasks
