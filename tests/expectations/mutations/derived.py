"""Corruptions of what is made from the scores: splits, groups and embeddings."""

from __future__ import annotations

import math
from collections.abc import Callable

import pyarrow as pa

from tests.expectations.builds import DIMENSION, ENCODER, Copy, Row, part
from tests.expectations.mutations.edits import (
    DATA,
    FAMILY,
    GROUPS,
    ITEMS,
    LIMITS,
    MODELS,
    PAPER,
    SCORES,
    VECTORS,
    Mutation,
    cell,
    drop,
    repeat,
)


def _leak_family(copy: Copy) -> None:
    items = {row["item"]: row["family_id"] for row in copy.read(part("items", "gpqa")).to_pylist()}
    sizes: dict[str, int] = {}
    for family in items.values():
        sizes[family] = sizes.get(family, 0) + 1
    whole = next(item for item, family in items.items() if sizes[family] > 1)

    def edit(rows: list[Row]) -> None:
        rows[whole]["split"] = "test" if rows[whole]["split"] != "test" else "train"

    copy.rows(FAMILY, edit)


def _join_families(copy: Copy) -> None:
    """Two items of different sides in one family."""
    sides = [row["split"] for row in copy.read(part("splits", "arc", scheme="family")).to_pylist()]
    other = sides.index("test")

    def edit(rows: list[Row]) -> None:
        rows[other]["family_id"] = rows[sides.index("train")]["family_id"]

    copy.rows(ITEMS, edit)


def _move_item(scheme: str, benchmark: str) -> Callable[[Copy], None]:
    def edit(rows: list[Row]) -> None:
        next(row for row in rows if row["split"] == "train")["split"] = "test"

    return lambda copy: copy.rows(part("splits", benchmark, scheme=scheme), edit)


def _all_on_train(rows: list[Row]) -> None:
    for row in rows:
        row["split"] = "train"


def _group(
    m: int, kind: str, edit: Callable[[list[Row], list[str]], None], method: str = "paper"
) -> Callable[[Copy], None]:
    """Change the candidates of one group. edit: takes its rows and all models."""

    def mutate(copy: Copy) -> None:
        models = copy.read(MODELS)["model_id"].to_pylist()

        def change(rows: list[Row]) -> None:
            edit([row for row in rows if (row["m"], row["kind"]) == (m, kind)], models)

        copy.rows(part("groups", "arc", method=method), change)

    return mutate


def _means(copy: Copy) -> list[str]:
    """Models of arc, from the weakest to the strongest."""
    totals: dict[str, float] = {}
    for row in copy.read(SCORES).to_pylist():
        totals[row["model_id"]] = totals.get(row["model_id"], 0) + row["score"]
    return sorted(totals, key=lambda model: (totals[model], model))


def _put(rows: list[Row], models: list[str]) -> None:
    for row, model in zip(rows, models, strict=True):
        row["model_id"] = model


def _window_with_gap(copy: Copy) -> None:
    """A strong group of models that are no neighbours, in order and in the pool."""
    order = _means(copy)

    def edit(rows: list[Row]) -> None:
        group = [row for row in rows if (row["m"], row["kind"]) == (3, "all_strong")]
        places = sorted(order.index(row["model_id"]) for row in group)
        start = max(places[0], 1)
        _put(group, [order[start - 1], order[start + 1], order[start + 2]])

    copy.rows(GROUPS, edit)


def _twin_candidates(copy: Copy) -> None:
    """The second candidate of a greedy group has the scores of the first."""
    groups = copy.read(part("groups", "mmlu", method="greedy")).to_pylist()
    one, two = (row["model_id"] for row in groups[:2])

    def edit(rows: list[Row]) -> None:
        same = {row["item"]: row["score"] for row in rows if row["model_id"] == one}
        for row in rows:
            if row["model_id"] == two:
                row["score"] = same[row["item"]]

    copy.rows(part("scores", "mmlu"), edit)


def _weakest_as_strong(copy: Copy) -> None:
    order = _means(copy)
    copy.rows(
        GROUPS,
        lambda rows: _put([r for r in rows if (r["m"], r["kind"]) == (3, "all_strong")], order[:3]),
    )


def _strongest_as_weak(copy: Copy) -> None:
    order = _means(copy)
    copy.rows(
        GROUPS, lambda rows: _put([r for r in rows if (r["m"], r["kind"]) == (3, "all_weak")], order[-3:])
    )


def _one_bin(copy: Copy) -> None:
    """Strong to weak from neighbours in the middle."""
    order = _means(copy)
    middle = len(order) // 2
    copy.rows(
        GROUPS,
        lambda rows: _put(
            [r for r in rows if (r["m"], r["kind"]) == (3, "strong_to_weak")], order[middle : middle + 3]
        ),
    )


def _exchange_sides(scheme: str) -> Callable[[Copy], None]:
    """An item of train and one of test change places; each side keeps its number of items."""

    def edit(rows: list[Row]) -> None:
        one, other = (next(r for r in rows if r["split"] == side) for side in ("train", "test"))
        one["split"], other["split"] = "test", "train"

    return lambda copy: copy.rows(part("splits", "arc", scheme=scheme), edit)


def _worse(m: int, kind: str, method: str) -> Callable[[Copy], None]:
    """The paper's window moves up by one place in the order of means; of other groups the weakest alone."""

    def mutate(copy: Copy) -> None:
        order = _means(copy)

        def edit(rows: list[Row]) -> None:
            group = [row for row in rows if (row["m"], row["kind"]) == (m, kind)]
            places = sorted(order.index(row["model_id"]) for row in group)
            windowed = method == "paper" and kind != "strong_to_weak"
            free = next(at for at in range(places[0] + 1, len(order)) if at not in places)
            moved = [place + 1 for place in places] if windowed else sorted([free, *places[1:]])
            _put(group, [order[place] for place in moved])

        copy.rows(part("groups", "arc", method=method), edit)

    return mutate


def _incomplete_candidate(copy: Copy) -> None:
    member = copy.read(GROUPS)["model_id"][0].as_py()
    copy.rows(
        SCORES,
        lambda rows: [r for r in rows if (r["model_id"], r["item"]) != (member, 3)],
    )


def _equal_scores(copy: Copy) -> None:
    """All models the same: nothing for a router to gain."""

    def edit(rows: list[Row]) -> None:
        for row in rows:
            row["score"] = float(row["item"] % 2)

    copy.rows(SCORES, edit)


def _zero(length: int) -> list[float]:
    return [0.0] * length


def _one_vector(copy: Copy) -> None:
    """All texts of a benchmark with the vector of the first."""

    def edit(rows: list[Row]) -> None:
        for row in rows:
            row["vector"] = rows[0]["vector"]

    copy.rows(VECTORS, edit)


def _copy_vector(rows: list[Row]) -> None:
    rows[1]["vector"] = rows[0]["vector"]


def _vector(value: float) -> Callable[[Copy], None]:
    def edit(rows: list[Row]) -> None:
        rows[2]["vector"][3] = value

    return lambda copy: copy.rows(VECTORS, edit)


def _longer_vectors(copy: Copy) -> None:
    table = copy.read(VECTORS)
    rows = [[*row, 1.0] for row in table["vector"].to_pylist()]
    kind = pa.list_(pa.float32(), DIMENSION + 1)
    copy.table(VECTORS, pa.table({"item": table["item"], "vector": pa.array(rows, kind)}))


def _normalise_most(copy: Copy) -> None:
    def edit(rows: list[Row]) -> None:
        for row in rows[1:]:
            row["vector"] = [1.0] + [0.0] * (DIMENSION - 1)

    copy.rows(VECTORS, edit)


def _cut_texts(copy: Copy) -> None:
    """Two long texts with one vector, by an encoder that says that it cut some."""

    def lengthen(rows: list[Row]) -> None:
        for row in rows[:2]:
            row["question"] = row["question"] * 40
            row["question_id"] = f"fam-{row['item']}"

    copy.rows(ITEMS, lengthen)
    copy.rows(VECTORS, _copy_vector)
    cut = {"arc": {"items": 40, "truncated": 2}}
    copy.json("manifest.json", lambda d: d["stages"]["embed"]["info"]["embeddings"][ENCODER].update(cut))


def _swap_sides(rows: list[Row]) -> None:
    """An item of train stands in the place of one of test."""
    rows[0]["item"], rows[1]["item"] = rows[1]["item"], rows[0]["item"]
    rows[0]["split_paper"] = "validation"


MUTATIONS = (
    Mutation("null split", "splits.split_not_null", cell(PAPER, 3, "split", None)),
    Mutation("unknown side", "splits.split_known", cell(PAPER, 3, "split", "dev")),
    Mutation("item on two sides", "splits.sides_disjoint", repeat(PAPER, 3, split="test")),
    Mutation("split of an unknown item", "splits.items_resolve", cell(PAPER, 3, "item", 999)),
    Mutation("item on no side", "splits.items_complete", drop(PAPER, 3)),
    Mutation("item moved", "splits.paper_ratio", _move_item("paper", "arc")),
    Mutation("leaked family", "splits.family_kept_whole", _leak_family),
    Mutation("joined families", "splits.family_kept_whole", _join_families),
    Mutation(
        "thin side",
        "splits.thin_side",
        lambda c: c.rows(part("splits", "arc", scheme="family"), _all_on_train),
    ),
    Mutation(
        "everything on train",
        "splits.family_ratio",
        lambda c: c.rows(part("splits", "arc", scheme="family"), _all_on_train),
    ),
    Mutation("split counts of the manifest", "splits.counts_listed", _move_item("family", "arc")),
    Mutation("two items swapped", "splits.paper_sides", lambda c: c.rows(DATA, _swap_sides), release=True),
    Mutation("two items exchanged", "splits.paper_sides", _exchange_sides("paper")),
    Mutation("two families exchanged", "splits.family_sides", _exchange_sides("family")),
    Mutation("next strong window", "groups.best_window", _worse(3, "all_strong", "paper")),
    Mutation("next weak window", "groups.best_window", _worse(3, "all_weak", "paper")),
    Mutation("another draw", "groups.best_draw", _worse(3, "strong_to_weak", "paper")),
    Mutation("greedy candidate exchanged", "groups.covers_most", _worse(3, "strong_to_weak", "greedy")),
    Mutation("universe without its best", "groups.adds_most", _worse(3, "open", "universe")),
    Mutation("diverse with one that goes first", "groups.keeps_most_unlike", _worse(3, "open", "diverse")),
    Mutation("null item of a split", "splits.item_not_null", cell(PAPER, 3, "item", None)),
    Mutation("null candidate", "groups.model_id_not_null", cell(GROUPS, 0, "model_id", None)),
    Mutation("null rank", "groups.rank_not_null", cell(GROUPS, 0, "rank", None)),
    Mutation("unknown kind", "groups.kind_known", cell(GROUPS, 0, "kind", "all_medium")),
    Mutation("unknown candidate", "groups.models_resolve", cell(GROUPS, 0, "model_id", "no/body")),
    Mutation("truncated group", "groups.m_candidates", drop(GROUPS, 2)),
    Mutation("rank twice", "groups.m_candidates", cell(GROUPS, 1, "rank", 0)),
    Mutation(
        "candidate twice",
        "groups.candidates_differ",
        _group(3, "all_weak", lambda rows, _: _put(rows[:1], [rows[1]["model_id"]])),
    ),
    Mutation(
        "group lost",
        "groups.kinds_complete",
        lambda c: c.rows(GROUPS, lambda rows: [r for r in rows if (r["m"], r["kind"]) != (5, "all_weak")]),
    ),
    Mutation("candidate misses an item", "groups.candidates_complete", _incomplete_candidate),
    Mutation("two candidates of one kind", "groups.one_of_each_twins", _twin_candidates),
    Mutation("weak models as strong", "groups.pool", _weakest_as_strong),
    Mutation("strong models as weak", "groups.pool", _strongest_as_weak),
    Mutation("one bin for all", "groups.one_per_bin", _one_bin),
    Mutation("no neighbours", "groups.window", _window_with_gap),
    Mutation(
        "candidates swapped",
        "groups.weakest_first",
        _group(10, "strong_to_weak", lambda rows, _: _put(rows, [r["model_id"] for r in rows[::-1]])),
    ),
    Mutation(
        "candidates of greedy swapped",
        "groups.weakest_first",
        _group(
            10,
            "strong_to_weak",
            lambda rows, _: _put(rows, [r["model_id"] for r in rows[::-1]]),
            method="greedy",
        ),
    ),
    Mutation("nothing to gain", "groups.complementary", _equal_scores),
    Mutation("few routers", "groups.learnable", lambda c: None),
    Mutation("null size of a group", "groups.m_not_null", cell(GROUPS, 0, "m", None)),
    Mutation("null kind", "groups.kind_not_null", cell(GROUPS, 0, "kind", None)),
    Mutation("null size of limits", "limits.m_not_null", cell(LIMITS, 0, "m", None)),
    Mutation("null kind of limits", "limits.kind_not_null", cell(LIMITS, 0, "kind", None)),
    Mutation("null worlds by ability", "limits.draws_a_not_null", cell(LIMITS, 0, "draws_a", None)),
    Mutation("null worlds by margins", "limits.draws_b_not_null", cell(LIMITS, 0, "draws_b", None)),
    Mutation("unknown kind of limits", "limits.kind_known", cell(LIMITS, 0, "kind", "all_medium")),
    Mutation("unknown proof", "limits.bound_by_known", cell(LIMITS, 0, "bound_by", "guess")),
    Mutation("limits twice", "limits.one_row_per_group", repeat(LIMITS, 0)),
    Mutation("group without limits", "limits.groups_complete", drop(LIMITS, 0)),
    Mutation(
        "released group without limits",
        "limits.groups_complete",
        drop("release/limits.parquet", 0),
        release=True,
    ),
    Mutation("limits of no group", "limits.groups_complete", repeat(LIMITS, 0, m=4)),
    Mutation("floor of no worlds", "limits.floors_drawn", cell(LIMITS, 0, "draws_a", 0)),
    Mutation("worlds without a floor", "limits.floors_drawn", cell(LIMITS, 0, "best_on_train_b", None)),
    Mutation("floor above 1", "limits.floors_are_shares", cell(LIMITS, 0, "oracle_b", 1.5)),
    Mutation("floor that is NaN", "limits.floors_are_shares", cell(LIMITS, 0, "oracle_a_hi", math.nan)),
    Mutation("floor above its range", "limits.floors_in_their_range", cell(LIMITS, 0, "oracle_a_hi", 0.0)),
    Mutation("floors out of order", "limits.floors_in_order", cell(LIMITS, 0, "best_single_b", 0.0)),
    Mutation("more covered", "limits.covered", cell(LIMITS, 0, "train_covered", 1)),
    Mutation("covered not told", "limits.covered", cell(LIMITS, 0, "train_covered", None)),
    Mutation("bound without proof", "limits.bound_proven", cell(LIMITS, 0, "bound_by", None)),
    Mutation("bound above all items", "limits.bound_holds", cell(LIMITS, 0, "train_at_most", 10**6)),
    Mutation("bound below the group", "limits.bound_holds", cell(LIMITS, 0, "train_at_most", 0)),
    Mutation("null item of a vector", "embeddings.item_not_null", cell(VECTORS, 2, "item", None)),
    Mutation("null vector", "embeddings.vector_not_null", cell(VECTORS, 2, "vector", None)),
    Mutation("vector twice", "embeddings.one_row_per_item", repeat(VECTORS, 2)),
    Mutation("vector of an unknown item", "embeddings.items_resolve", cell(VECTORS, 2, "item", 999)),
    Mutation("item without a vector", "embeddings.items_complete", drop(VECTORS, 2)),
    Mutation("longer vectors", "embeddings.dimension", _longer_vectors),
    Mutation("NaN in a vector", "embeddings.finite", _vector(math.nan)),
    Mutation("infinity in a vector", "embeddings.finite", _vector(math.inf)),
    Mutation("vector of zeros", "embeddings.not_zero", cell(VECTORS, 2, "vector", _zero(DIMENSION))),
    Mutation("one vector for all", "embeddings.vectors_differ", _one_vector),
    Mutation(
        "vector of another text",
        "embeddings.equal_only_for_equal_texts",
        lambda c: c.rows(VECTORS, _copy_vector),
    ),
    Mutation("vectors of two settings", "embeddings.normalised", _normalise_most),
    Mutation("one vector for two long texts", "embeddings.equal_long_texts", _cut_texts),
)
