"""Which items train, validate and test a router: one pure function per split scheme."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from routerset.schemas.tables import SPLITS, Split

__all__ = [
    "SPLIT_SCHEMES",
    "Split",
    "family_split",
    "paper_split",
    "splits_table",
    "subset_sizes",
    "thin_sides",
]

SHARES = {Split.TRAIN: 0.8, Split.VALIDATION: 0.1, Split.TEST: 0.1}
THIN = 0.5
"""Of its share of the items; a side with less is thin."""

Strings: TypeAlias = Sequence[str] | pa.Array | pa.ChunkedArray


def paper_split(
    subset_sizes: Sequence[int], seed: int = 42
) -> tuple[dict[Split, np.ndarray], np.random.RandomState]:
    """Split every subset 8:1:1 as the reference code does, index for index (RouterEval, Table 4).

    subset_sizes: items per subset, in canonical order.
    Returns int32 item indices per side, in the reference's own order (shuffled inside a subset, subsets
    one after the other), and the generator in the state in which the reference draws candidate groups.
    """
    rng = np.random.RandomState(seed)
    sides: dict[Split, list[np.ndarray]] = {side: [np.empty(0, np.int32)] for side in Split}
    start = 0
    for n in subset_sizes:
        shuffled = np.arange(n)
        rng.shuffle(shuffled)
        parts = np.split(start + shuffled, [int(0.8 * n), int(0.9 * n)])
        for side, part in zip(Split, parts, strict=True):
            sides[side].append(part.astype(np.int32))
        start += n
    return {side: np.concatenate(parts) for side, parts in sides.items()}, rng


def family_split(family_ids: Strings, subsets: Strings, seed: int = 42) -> dict[Split, np.ndarray]:
    """Split 8:1:1 with whole families on one side, so that no question leaks from train to test.

    A family is at home in the first of its subsets by name. Inside each home subset, families are
    ordered by a hash of seed and family id and cut at int(.8n) and int(.9n) of its n items, to the
    nearest family: no cut is off by more than half a family, and a new family shifts only the cuts
    of its own home subset, never the order of the others.

    family_ids, subsets: one per item, in canonical order.
    Returns int32 item indices per side, ascending. Raises ValueError if the lengths differ.
    """
    names, family = _factorize(family_ids)
    subset_names, subset = _factorize(subsets)
    if len(family) != len(subset):
        raise ValueError(
            f"family_split: found {len(family)} family ids and {len(subset)} subsets; expected equal"
        )
    size = np.bincount(family, minlength=len(names))
    home = np.full(len(names), len(subset_names))
    np.minimum.at(home, family, subset)
    by_hash = np.array(
        sorted(range(len(names)), key=lambda k: sha256(f"{seed}:{names[k]}".encode()).digest()), np.intp
    )
    side_of = np.empty(len(names), np.int8)
    for k in range(len(subset_names)):
        ordered = by_hash[home[by_hash] == k]
        n = int(size[ordered].sum())
        # twice the middle of each family on the line of items, so that the nearest cut is found in integers
        middle = 2 * np.cumsum(size[ordered]) - size[ordered]
        side_of[ordered] = (middle > 2 * int(0.8 * n)).astype(np.int8) + (middle > 2 * int(0.9 * n))
    return {side: np.flatnonzero(side_of[family] == code).astype(np.int32) for code, side in enumerate(Split)}


def thin_sides(sides: Mapping[str, int]) -> dict[str, float]:
    """Sides that hold less than THIN of their share of the items, and that share in items."""
    shares = {side: SHARES[Split(side)] * sum(sides.values()) for side in sides}
    return {side: share for side, share in shares.items() if sides[side] < THIN * share}


def subset_sizes(subsets: Strings) -> list[int]:
    """Items per subset, from the subset of each item in canonical order.

    Raises ValueError if the items of a subset do not stand together.
    """
    names, subset = _factorize(subsets)
    starts = np.flatnonzero(np.diff(subset, prepend=-1))
    if len(starts) != len(names):
        raise ValueError(
            f"subset_sizes: found {len(starts)} runs of {len(names)} subsets; "
            "expected the items of a subset to stand together: sort them in canonical order"
        )
    return [int(n) for n in np.diff(starts, append=len(subset))]


def _paper(family_ids: Strings, subsets: Strings, seed: int) -> dict[Split, np.ndarray]:
    return paper_split(subset_sizes(subsets), seed)[0]


@dataclass(frozen=True)
class SplitScheme:
    """A way to split.

    title: what it does, for a page. split: gives the items of every side from family ids and subsets, one per
    item in canonical order, and the seed.
    """

    name: str
    title: str
    split: Callable[[Strings, Strings, int], Mapping[Split, np.ndarray]]


SPLIT_SCHEMES: dict[str, SplitScheme] = {
    scheme.name: scheme
    for scheme in (
        SplitScheme("paper", "8:1:1 inside every subset, as the reference code shuffles", _paper),
        SplitScheme("family", "8:1:1 with whole families of questions on one side", family_split),
    )
}
"""Every split scheme; a new one is a function and a row."""


def splits_table(scheme: str, family_ids: Strings, subsets: Strings, seed: int = 42) -> pa.Table:
    """Table `splits` of one benchmark under one scheme: one row per item, sorted by item.

    family_ids, subsets: one per item, in canonical order. Raises ValueError for an unknown scheme.
    """
    if scheme not in SPLIT_SCHEMES:
        raise ValueError(
            f'[splits] schemes: unknown scheme "{scheme}"; valid schemes: {", ".join(SPLIT_SCHEMES)}'
        )
    sides = SPLIT_SCHEMES[scheme].split(family_ids, subsets, seed)
    code = np.empty(sum(map(len, sides.values())), np.int8)
    for k, side in enumerate(Split):
        code[sides[side]] = k
    split = pa.DictionaryArray.from_arrays(code, pa.array([side.value for side in Split]))
    return pa.table([pa.array(np.arange(len(code), dtype=np.int32)), split], schema=SPLITS)


def _factorize(values: Strings) -> tuple[list[str], np.ndarray]:
    """Distinct values in bytewise order, and the rank of each value among them."""
    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, pa.string())
    found, inverse = np.unique(np.asarray(array.to_pylist(), dtype=object), return_inverse=True)
    return [str(v) for v in found], inverse
