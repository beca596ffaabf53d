"""Track `unseen`: a benchmark whose routers learn from the items of all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .errors import LeftOut
from .everyone import Matrix, read_matrix
from .items import Items, Part, concatenate, frozen, load_items
from .reader import Group, Release
from .task import Labels, Scores
from .tasks import Batch

LEARNT = ("train", "validation")
LABEL_SHARE = 0.95


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """Another benchmark. fresh: (n,), of each row of its data files, that its question is not asked here."""

    items: Items
    numbers: npt.NDArray[np.intp]
    fresh: npt.NDArray[np.bool_]
    matrix: Matrix

    def part(self, split: str, group: Group) -> Part | None:
        """Rows of one split that all candidates of a group have a score on; None where there are none."""
        row = self.matrix.row
        if not row.keys() >= {*group.candidates}:
            return None
        part = self.items.parts[split]
        rows = part.places[0][1]
        scores = self.matrix.scores[[row[c] for c in group.candidates]][:, self.numbers[rows]].T
        kept = np.flatnonzero(self.fresh[rows] & ~np.isnan(scores).any(axis=1))
        known = frozen(np.ascontiguousarray(scores[kept]))
        return replace(
            part.take(kept), scores={group: known}, labels={group: frozen(selection_vectors(known))}
        )


def selection_vectors(scores: Scores) -> Labels:
    """Selection vectors: score >= 0.95 x the best on the item, all zero where the best is 0."""
    best = scores.max(axis=1, keepdims=True, initial=0).astype(np.float64)
    return np.asarray((scores >= LABEL_SHARE * best) & (best > 0), np.uint8)


def unseen_batches(items: Items, groups: Sequence[Group], encoder: str | None, scheme: str) -> list[Batch]:
    """A batch for each group: the test items here, and train and validation items of other benchmarks.

    An item counts if all candidates have a score on it and its family is none of this benchmark, whatever
    split that stands in. Other benchmarks need vectors by the same encoder. A group that has no such train
    item gets no batch.
    """
    elsewhere = _read_elsewhere(items.release, items.benchmark, groups, encoder, scheme)
    batches = [(_unseen(items, group, elsewhere), [group]) for group in groups]
    return [(batch, of) for batch, of in batches if batch is not None]


def _read_elsewhere(
    release: Release, benchmark: str, groups: Sequence[Group], encoder: str | None, scheme: str
) -> list[Elsewhere]:
    here = concatenate(release.path / "data" / benchmark, ["family_id"])["family_id"].to_numpy()
    candidates = {model for group in groups for model in group.candidates}
    found = []
    for name in release.benchmarks:
        if name == benchmark or (encoder is not None and encoder not in release.encoders(name)):
            continue
        try:
            items = load_items(release, name, [], encoder, scheme)
        except LeftOut:
            continue  # a benchmark so small that a split is empty
        table = concatenate(release.path / "data" / name, ["item", "family_id"])
        fresh = ~np.isin(table["family_id"].to_numpy().astype(str), here.astype(str))
        numbers = table["item"].to_numpy().astype(np.intp)
        found.append(Elsewhere(items, numbers, fresh, read_matrix(release, name, candidates)))
    return found


def _unseen(items: Items, group: Group, elsewhere: Sequence[Elsewhere]) -> Items | None:
    """The items, those that teach replaced by those of other benchmarks; None where there are none."""
    parts: dict[str, Part] = {}
    sources: list[Elsewhere] = []
    for split in LEARNT:
        pieces = [(e, p) for e in elsewhere if (p := e.part(split, group)) is not None and p.item_ids]
        if not pieces and split == "train":
            return None
        sources += [source for source, _ in pieces]
        empty = items.parts[split].take(np.zeros(0, np.intp))
        parts[split] = _joined([piece for _, piece in pieces] or [empty], group)
    binary = items.binary and all(source.items.binary for source in sources)
    return replace(items, parts={**items.parts, **parts}, binary=binary, files_follow_scheme=False)


def _joined(parts: Sequence[Part], group: Group) -> Part:
    return Part(
        tuple(place for part in parts for place in part.places),
        tuple(item for part in parts for item in part.item_ids),
        tuple(subset for part in parts for subset in part.subsets),
        tuple(name for part in parts for name in part.categories),
        frozen(np.concatenate([part.vectors for part in parts])),
        {group: frozen(np.concatenate([part.scores[group] for part in parts]))},
        {group: frozen(np.concatenate([part.labels[group] for part in parts]))},
    )
