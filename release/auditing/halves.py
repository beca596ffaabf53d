"""Half splits of the items: what is picked on one half counts on the other, so that luck does not count."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from routerset.release.auditing.subject import Subject

SPLITS = 50
Numbers = npt.NDArray[np.float64]


def category_sums(subject: Subject) -> tuple[Numbers, Numbers]:
    """(categories, models) sums of scores, and (categories,) items."""
    sums = np.empty((len(subject.names), len(subject.models)))
    for at, items in enumerate(_items(subject)):
        sums[at] = subject.scores[:, items].sum(axis=1, dtype=np.float64)
    return sums, np.bincount(subject.categories, minlength=len(subject.names)).astype(np.float64)


def halves(subject: Subject) -> Iterator[tuple[Numbers, Numbers, Numbers, Numbers]]:
    """What each half of each split says, and what the other half says of it: both ways, 2 x SPLITS in all.

    Yields sums (categories, models) and items (categories,) of the half to pick on, then of the other one.
    Each category is cut by itself, an odd item going to either half.
    """
    sums, sizes = half_sums(subject)
    total, number = category_sums(subject)
    for split in range(SPLITS):
        one, other = sums[:, split].astype(np.float64), total - sums[:, split]
        n_one, n_other = sizes[:, split], number - sizes[:, split]
        yield one, n_one, other, n_other
        yield other, n_other, one, n_one


def half_sums(subject: Subject) -> tuple[np.ndarray, Numbers]:
    """Of one half of each split: (categories, splits, models) sums, and (categories, splits) items."""
    if not subject.kept:
        rng = subject.rng(1)
        kind: type[np.floating] = (
            np.float32 if subject.binary else np.float64
        )  # sums of 0 and 1 are exact in either
        sums = np.empty((len(subject.names), SPLITS, len(subject.models)), kind)
        sizes = np.empty((len(subject.names), SPLITS))
        for at, items in enumerate(_items(subject)):
            order = rng.permuted(np.tile(np.arange(len(items)), (SPLITS, 1)), axis=1)
            size = len(items) // 2 + (len(items) % 2) * rng.integers(2, size=SPLITS)
            chosen = np.asarray(order < size[:, None], kind)
            sizes[at] = size
            # to nine decimals, since sums of numbers differ between machines in their last digits
            sums[at] = np.round(chosen @ np.asarray(subject.scores[:, items], kind).T, 9)
        subject.kept.append((sums, sizes))
    found: tuple[np.ndarray, Numbers] = subject.kept[0]
    return found


def _items(subject: Subject) -> list[npt.NDArray[np.intp]]:
    """Items of each category."""
    order = np.argsort(subject.categories, kind="stable")
    ends = np.cumsum(np.bincount(subject.categories, minlength=len(subject.names)))
    return np.split(order, ends[:-1])
