"""Duplicate and near-duplicate items, and whether models answer them alike.

Groups are connected components: of items with equal normalised questions, or of items whose vectors have a
cosine of NEAR at least (RouterBench+). A group is of duplicates only where its texts are equal; what cosine
alone joins is near, reported apart, and often no duplicate at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from routerset.release.auditing.finding import Cell, Detector, Finding, mean, rounded, tell
from routerset.release.auditing.subject import Codes, Subject

NEAR = 0.999
BORDER = 1e-5
"""Cosines of float32 that are this close to NEAR are taken again in float64."""
BLOCK = 1024
LARGEST = 64
"""Items of a group whose answers are compared."""
DRAWS = 20
Groups = list[Codes]


def by_text(texts: Codes) -> Groups:
    """Groups of items with equal texts, by their first item."""
    order = np.argsort(texts, kind="stable")
    found = np.split(order, np.flatnonzero(np.diff(texts[order])) + 1)
    return sorted((group for group in found if len(group) > 1), key=lambda group: int(group[0]))


def by_cosine(vectors: np.ndarray) -> Groups:
    """Groups of items that chains of cosines of NEAR at least connect. vectors: (items, d), of length 1."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(vectors)
    edges = [np.empty((2, 0), np.intp)]
    for start in range(0, n, BLOCK):
        mine = vectors[start : start + BLOCK].astype(np.float32)
        for other in range(start, n, BLOCK):
            cosines = mine @ vectors[other : other + BLOCK].astype(np.float32).T
            a, b = np.nonzero(cosines >= NEAR - BORDER)
            border = np.abs(cosines[a, b] - NEAR) <= BORDER
            a, b = a + start, b + other
            keep = a < b
            again = np.flatnonzero(border & keep)
            exact = np.einsum("ij,ij->i", vectors[a[again]].astype(np.float64), vectors[b[again]])
            keep[again[exact < NEAR]] = False
            edges.append(np.stack([a[keep], b[keep]]))
    a, b = np.concatenate(edges, axis=1)
    _, label = connected_components(
        coo_array((np.ones(len(a), np.int8), (a, b)), shape=(n, n)), directed=False
    )
    return by_text(label.astype(np.intp))


def disagreement(scores: np.ndarray, groups: Sequence[Codes]) -> tuple[float | None, float | None]:
    """(a) share of groups where any model's scores differ; (b) share of models and pairs that differ.

    None without groups. Of a group of more than LARGEST items, the first ones count.
    """
    anywhere, differ, pairs = 0, 0, 0
    for group in groups:
        block = scores[:, group[:LARGEST]]
        found = sum(int((block[:, lag:] != block[:, :-lag]).sum()) for lag in range(1, block.shape[1]))
        anywhere += found > 0
        differ += found
        pairs += block.shape[1] * (block.shape[1] - 1) // 2
    return (anywhere / len(groups), differ / (pairs * len(scores))) if groups else (None, None)


def random_groups(subject: Subject, groups: Sequence[Codes], rng: np.random.Generator) -> Groups:
    """Groups of other items of the same categories, each group of different ones."""
    order = np.argsort(subject.categories, kind="stable")
    starts = np.searchsorted(subject.categories[order], np.arange(len(subject.names)))
    dealt = order.copy()
    ends = [*starts[1:].tolist(), len(order)]
    found = []
    for group in groups:
        drawn: npt.NDArray[np.intp] = np.empty(len(group), np.intp)
        codes = subject.categories[group]
        for code in np.unique(codes):
            mine = np.flatnonzero(codes == code)
            drawn[mine] = rng.choice(dealt[starts[code] : ends[code]], len(mine), replace=False)
        found.append(drawn)
    return found


def _row(subject: Subject, rule: str, groups: Groups) -> tuple[Cell, ...]:
    """The numbers of some groups, with those of random ones."""
    sizes = [len(group) for group in groups]
    equal = None
    if subject.texts is not None and groups:
        equal = sum(len(set(subject.texts[group].tolist())) == 1 for group in groups) / len(groups)
    a, b = disagreement(subject.scores, groups)
    rng = subject.rng(2)
    short = [group[:LARGEST] for group in groups]
    draws = [
        disagreement(subject.scores, random_groups(subject, short, rng))
        for _ in range(DRAWS if groups else 0)
    ]
    chance = [mean([draw[k] for draw in draws if draw[k] is not None]) for k in (0, 1)]  # type: ignore[misc]
    return (
        rule,
        len(groups),
        rounded(mean(sizes)),
        max(sizes, default=0),
        sum(sizes),
        *(rounded(value) for value in (equal, a, chance[0], b, chance[1])),
    )


def find(subject: Subject) -> Finding:
    """A row for groups of equal texts, for groups by cosine, and for those of them that are near alone."""
    rows, why = [], []
    if subject.texts is None:
        why.append("no question is known")
    else:
        rows.append(_row(subject, "text", by_text(subject.texts)))
    if subject.vectors is None:
        why.append(f"by cosine: {subject.why_no_vectors}")
    else:
        groups = by_cosine(subject.vectors)
        near = [g for g in groups if subject.texts is None or len(set(subject.texts[g].tolist())) > 1]
        rows += [_row(subject, "cosine", groups), _row(subject, "near", near)]
    none = [str(row[0]) for row in rows if not row[1]]
    if none:
        why.append(f"no group by {', '.join(none)}, so that no size and no answers are of one")
    keys = [key for key, _ in DETECTOR.columns]
    values: dict[str, Cell] = {
        f"{rule}_{key}": None for rule in ("text", "cosine", "near") for key in keys[1:]
    }
    for row in rows:
        values |= {f"{row[0]}_{key}": cell for key, cell in zip(keys[1:], row[1:], strict=True)}
    says = "; ".join(
        f"{row[1]:,} groups by {row[0]}"
        + (f", differ {tell(_number(row[8]), 2)} ({tell(_number(row[9]), 2)})" if row[1] else "")
        for row in rows[:2]
    )
    return Finding(says or f"not known: {'; '.join(why)}", values, tuple(rows), "; ".join(why))


def _number(cell: Cell) -> float | None:
    return cell if isinstance(cell, float) else None


DETECTOR = Detector(
    "duplicates",
    "Duplicate items",
    (
        ("rule", "Joined by"),
        ("groups", "Groups"),
        ("mean_size", "Mean size"),
        ("max_size", "Largest"),
        ("items", "Items covered"),
        ("text_equal", "Of equal text"),
        ("any_differs", "Any model differs"),
        ("any_differs_by_chance", "Any, by chance"),
        ("differs", "Answers differ"),
        ("differs_by_chance", "Differ, by chance"),
    ),
    "Items that ask the same: of equal normalised text (duplicates), or by vectors with a cosine of .999 "
    "(`cosine`), of which those of unequal text are `near`, and no duplicates. That any of many models "
    "differs is nearly certain; how often answers differ within a group tells whether it is one.",
    "Random groups of the same sizes and categories. Where answers differ as often, a group is none.",
    find,
)
