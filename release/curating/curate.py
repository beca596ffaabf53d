"""The rules of `[curate]` on one benchmark: duplicates, then categories, then models, then what is added.

Under each scheme of splits, what decides is its train items alone; which of a benchmark's items there are on
other sides decides nothing. Pools are pruned, and pseudo-specialists made, under the first scheme.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from routerset.release.auditing.duplicates import by_cosine, by_text
from routerset.release.auditing.pruning import prune
from routerset.release.auditing.reading import DEFAULT_KIND, Tables, categories_of, costs_of
from routerset.release.auditing.redundancy import clusters, cosines
from routerset.release.auditing.specialists import cross_fitted
from routerset.release.auditing.subject import Codes, Subject, coded
from routerset.release.curating.rules import Curate, CurateError
from routerset.release.curating.table import ITEM, MODEL, Row
from routerset.release.evaluator.costs import find_kind
from routerset.schemas.matrix import ScoreMatrix, read_matrix
from routerset.schemas.splits import splits_table
from routerset.schemas.tables import Split

Mask = npt.NDArray[np.bool_]
Said = Iterator[tuple[int, str]]


@dataclass(frozen=True, eq=False)
class Look:
    """What the rules see of one benchmark. tables: whose items have item_id and family_id, too.

    min_coverage: share of the items that a model of the pool has a score on; a missing one counts as 0, as it
    does where groups are chosen.
    """

    tables: Tables
    min_coverage: float = 1.0

    @property
    def benchmark(self) -> str:
        """Its name."""
        return self.tables.benchmark

    @cached_property
    def ids(self) -> list[str]:
        """Ids of all items."""
        return [*map(str, self.tables.items["item_id"].to_pylist())]

    @cached_property
    def pool(self) -> ScoreMatrix:
        """Models that groups can be chosen from."""
        return read_matrix(self.tables.scores, len(self.ids), self.min_coverage)

    @cached_property
    def categories(self) -> tuple[Codes, tuple[str, ...]]:
        """Category of each item, and their names, as the audit has them."""
        return categories_of(self.tables.items, np.arange(len(self.ids)))

    def vectors(self, key: str) -> np.ndarray:
        """(items, d) vectors of length 1. Raises CurateError where there are none."""
        found = self.tables.vectors()
        if isinstance(found, str) or len(found) != len(self.ids):
            why = found if isinstance(found, str) else "some item has no vector"
            raise CurateError(
                f"{self.benchmark}: [curate] {key} needs vectors of the questions, and {why}; "
                'add [embed] encoders = ["minilm"] with text = "question", or leave the key out'
            )
        return found

    def train(self, scheme: str) -> Mask:
        """(items,) train items of a scheme, before anything is left out."""
        items = self.tables.items
        sides = splits_table(scheme, items["family_id"], items["subset"], self.tables.seed)
        return np.asarray(pc.equal(sides["split"].cast(pa.string()), Split.TRAIN.value))

    def named(self, categories: Iterable[str], key: str) -> None:
        """Raises CurateError for a category that the benchmark has not."""
        for name in categories:
            if name not in self.categories[1]:
                there = ", ".join(sorted(self.categories[1]))
                raise CurateError(
                    f"[curate] {key}: {self.benchmark} has no category {name!r}; it has {there}"
                )


@dataclass(frozen=True, eq=False)
class Curated:
    """What becomes of one benchmark. rows: of table `curated`. left_out: (items,) under the first scheme.

    pruned: models that the pool has no place for. added: made models; scores: theirs.
    """

    rows: list[Row]
    left_out: Mask
    pruned: tuple[str, ...]
    added: tuple[str, ...]
    scores: pa.Table


def curated_of_benchmark(look: Look, schemes: Sequence[str], rules: Curate) -> Curated:
    """All rules on one benchmark, in their order. schemes: of splits, the first one counts for models.

    Raises CurateError where a rule needs what there is not.
    """
    from routerset.release.curating.pseudo import pseudo_specialists

    by_scheme = [items_of(look, scheme, rules) for scheme in schemes]
    out = by_scheme[0][1]
    pruned = models_of(look, out, schemes[0], rules)
    added, scores = pseudo_specialists(look, out, pruned, schemes[0], rules)
    rows = [row for found, _ in by_scheme for row in found] + pruned + added
    lost, made = (tuple(sorted(str(row["id"]) for row in of)) for of in (pruned, added))
    return Curated(rows, out, lost, made, scores)


def items_of(look: Look, scheme: str, rules: Curate) -> tuple[list[Row], Mask]:
    """Rows of table `curated` for items that are left out under a scheme; and (items,) which they are."""
    train = look.train(scheme)
    out = np.zeros(len(train), bool)
    rows: list[Row] = []
    for rule, found in (
        ("duplicates", duplicates(look, train, rules)),
        ("tasks", sampled(look, train, out, rules)),
    ):
        for item, detail in found:
            out[item] = True
            rows.append(_row(ITEM, look.ids[item], look.benchmark, scheme, rule, detail))
    return rows, out


def duplicates(look: Look, train: Mask, rules: Curate) -> Said:
    """Items that ask what one before them asks (RouterBench+, dedup), by text or by vectors."""
    if rules.same is None:
        return
    looked_at = np.flatnonzero(train) if rules.scope == "train" else np.arange(len(train))
    if rules.same == "text":
        questions = look.tables.items["question_id"].to_pylist()
        groups = by_text(coded([questions[at] for at in looked_at.tolist()])[0])
    else:
        groups = by_cosine(look.vectors('duplicates = "cosine"')[looked_at])
    says = "asks what {} asks" if rules.same == "text" else "lies where {} lies"
    for group in groups:
        first, *others = looked_at[group].tolist()
        yield from ((at, says.format(look.ids[first])) for at in others)


def sampled(look: Look, train: Mask, out: Mask, rules: Curate) -> Said:
    """Items of categories that others make redundant, and what exceeds the size that a category may have.

    Of each cluster of categories (`redundancy.clusters`) the one with the highest cross-fitted specialist
    score stays, and of those that stay, one with a score below 0 keeps as many items as the median category
    has. Items go in the order of their hashes, on all sides of the split. out: (items,) what is gone before.
    """
    if rules.tasks is None:
        return
    codes, names = look.categories
    caps = {category: most for (name, category), most in rules.caps.items() if name == look.benchmark}
    look.named(caps, "tasks")
    n, there = len(names), ~out
    seen = np.flatnonzero(train & there)
    gone = np.zeros(n, bool)
    scores = _specialists(look, seen) if n > 1 and len(look.pool.models) > 1 else np.full(n, np.nan)
    if rules.switched_on("redundant") and n > 1:
        raw, _ = cosines(look.vectors("tasks")[seen], codes[seen], n)
        for cluster in by_text(clusters(raw)):
            worth = np.nan_to_num(scores[cluster], nan=-np.inf)
            best = int(cluster[worth.argmax()])
            gone[cluster], gone[best] = True, False
            for item in np.flatnonzero(there & np.isin(codes, cluster) & (codes != best)).tolist():
                yield item, f"category {names[codes[item]]} lies where {names[best]} lies"
    sizes = np.bincount(codes[there], minlength=n)
    stays = ~gone & (sizes > 0)
    if rules.switched_on("weak") and stays.any():
        median = int(np.median(sizes[stays]))
        weak = {names[t]: median for t in np.flatnonzero(stays & (scores < 0)).tolist()}
        caps = {**weak, **{name: min(most, weak.get(name, most)) for name, most in caps.items()}}
    for name, most in caps.items():
        of = np.flatnonzero(there & (codes == names.index(name)))
        if not gone[names.index(name)]:
            for item in in_hash_order(look, of.tolist(), ())[most:]:
                yield item, f"category {name} keeps {most} of {len(of)} items"


def _specialists(look: Look, seen: Codes) -> npt.NDArray[np.float64]:
    """(categories,) cross-fitted specialist scores on some items, over the budgets of the pool if known."""
    models = look.pool.models
    codes, names = look.categories
    nothing = np.zeros(len(seen), np.intp)
    return cross_fitted(
        Subject(
            look.benchmark,
            models,
            look.pool.scores[:, seen],
            codes[seen],
            names,
            None,
            np.ones(len(seen), bool),
            nothing,
            (nothing, ("",)),
            costs=costs_of(look.tables, models, find_kind(DEFAULT_KIND), None),
            seed=look.tables.seed,
        )
    )


def in_hash_order(look: Look, items: Sequence[int], salt: Sequence[str]) -> list[int]:
    """Items in the order of sha256(seed, salt, item_id), which no other item changes."""

    def place(item: int) -> bytes:
        return sha256("\n".join([str(look.tables.seed), *salt, look.ids[item]]).encode()).digest()

    return sorted(items, key=place)


def models_of(look: Look, out: Mask, scheme: str, rules: Curate) -> list[Row]:
    """Rows of table `curated` for models that a pool of `models` has no place for (RouterBench+, pruning).

    out: (items,) what is left out under the scheme, whose train items decide.
    """
    if rules.models is None:
        return []
    size = len(look.pool.models)
    most = rules.models if isinstance(rules.models, int) else max(2, round(rules.models * size))
    if most >= size:
        return []
    order = prune(look.pool.scores[:, look.train(scheme) & ~out], rules.lam, rules.similarity)
    return [
        _row(
            *(MODEL, look.pool.models[row], look.benchmark, None, "models"),
            f"number {at} of {size - most} to go, by {rules.similarity}",
        )
        for at, row in enumerate(order[: size - most].tolist(), 1)
    ]


def _row(*values: str | None) -> Row:
    return dict(zip(("kind", "id", "benchmark", "scheme", "rule", "detail"), values, strict=True))
