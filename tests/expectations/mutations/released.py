"""Corruptions of a release, and what moves from one release to the next."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.expectations.builds import ENCODER, Copy, Row, part
from tests.expectations.mutations.edits import (
    COLUMN,
    COSTS,
    DATA,
    ITEMS,
    PRICES,
    RELEASED,
    RELEASED_COSTS,
    SCORES,
    VECTORS,
    Mutation,
    add_column,
    cell,
    drop_column,
    manifest,
    reverse,
    swap,
)


def _leaked_prompt(copy: Copy) -> None:
    cell("release/data/gpqa/train.parquet", 0, "prompt", "Which isotope ...?")(copy)


def _leaked_elsewhere(copy: Copy) -> None:
    """A GPQA question under the name of another benchmark."""
    question = copy.read("release/data/gpqa/train.parquet")["question_id"][0].as_py()
    cell(DATA, 0, "question_id", question)(copy)


def _leaked_in_text(copy: Copy) -> None:
    """A GPQA question in a JSON file of the reports."""
    question = copy.read(part("items", "gpqa"))["question"][5].as_py()
    copy.text("release/reports.json", '{"worst": [{"question": ' + json.dumps(question.upper()) + "}]}")


def _note_in_footer(copy: Copy) -> None:
    table = copy.read(DATA)
    copy.table(DATA, table.replace_schema_metadata({"note": "Which isotope ...?"}))


def _flip(column: str, file: str = DATA) -> Callable[[Copy], None]:
    def edit(rows: list[Row]) -> None:
        rows[4][column][1] = 1 - rows[4][column][1]

    return lambda copy: copy.rows(file, edit)


def _swap_candidates(rows: list[Row]) -> None:
    for row in rows:
        row[COLUMN][0], row[COLUMN][2] = row[COLUMN][2], row[COLUMN][0]


def _truthfulqa_label(copy: Copy) -> None:
    """A continuous score just below 0.95 of the best called a good choice."""

    def edit(rows: list[Row]) -> None:
        for row in rows:
            scores, labels = row[COLUMN], row[f"{COLUMN}_label"]
            if 0 in labels:
                labels[labels.index(0)] = 1
                return
            assert scores

    copy.rows("release/data/truthfulqa/train.parquet", edit)


def _move_to_file(copy: Copy) -> None:
    cell(DATA, 0, "split_paper", "test")(copy)


def _without_model(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["model_id"] != rows[0]["model_id"]]


def _flip_score(file: str) -> Callable[[Copy], None]:
    """Right becomes wrong, or the other way round."""

    def edit(rows: list[Row]) -> None:
        rows[7]["score"] = 1 - rows[7]["score"]

    return lambda copy: copy.rows(file, edit)


def _exchange_scores(copy: Copy) -> None:
    """A model has as many right answers as before."""

    def edit(rows: list[Row]) -> None:
        first = [row for row in rows if row["model_id"] == rows[0]["model_id"]]
        other = next(row for row in first if row["score"] != first[0]["score"])
        first[0]["score"], other["score"] = other["score"], first[0]["score"]

    copy.rows(SCORES, edit)


def _all_right(rows: list[Row]) -> None:
    for row in rows:
        row["score"] = 1.0


MUTATIONS = (
    Mutation("GPQA prompt slipped in", "release.text_withheld", _leaked_prompt, release=True),
    Mutation("GPQA question as arc", "release.text_withheld_elsewhere", _leaked_elsewhere, release=True),
    Mutation("GPQA question in a report", "release.text_withheld_elsewhere", _leaked_in_text, release=True),
    Mutation("item in the wrong file", "release.files_follow_first_scheme", _move_to_file, release=True),
    Mutation(
        "vectors in another order",
        "release.items_complete",
        reverse(f"release/vectors/{ENCODER}/arc/train.parquet"),
        release=True,
    ),
    Mutation("score column changed", "release.group_scores", _flip(COLUMN), release=True),
    Mutation(
        "score column of vectors changed",
        "release.group_scores",
        _flip(COLUMN, f"release/vectors/{ENCODER}/arc/train.parquet"),
        release=True,
    ),
    Mutation(
        "candidates of a column swapped",
        "release.group_scores",
        lambda c: c.rows(DATA, _swap_candidates),
        release=True,
    ),
    Mutation("wrong label", "release.labels", _flip(f"{COLUMN}_label"), release=True),
    Mutation("label below 0.95", "release.labels", _truthfulqa_label, release=True),
    Mutation(
        "column of no group", "layout.columns_known", add_column(DATA, "api_key_all_weak"), release=True
    ),
    Mutation("group column lost", "release.group_columns_complete", drop_column(DATA, COLUMN), release=True),
    Mutation(
        "file that the card does not name",
        "release.card_lists_files",
        lambda c: c.text("release/README.md", "---\nconfigs:\n---\n"),
        release=True,
    ),
    Mutation(
        "reference of another score",
        "release.reference",
        manifest(lambda d: d["benchmarks"]["arc"].update(reference_score=0.5), release=True),
        release=True,
    ),
    Mutation("note in a footer", "release.notes_known", _note_in_footer, release=True),
    Mutation(
        "previous version later",
        "release.version_before",
        manifest(lambda d: d["release"].update(previous="10.0.0"), release=True),
        release=True,
    ),
    Mutation("score flipped in the build", "built.score_digests_as_built", _flip_score(SCORES)),
    Mutation("score flipped in the release", "built.score_digests_as_built", _flip_score(RELEASED)),
    Mutation("price changed in the build", "built.prices_as_built", cell(PRICES, 3, "match", "b*")),
    Mutation("cost changed in the build", "built.cost_facts_as_built", cell(COSTS, 3, "usd", 9.0)),
    Mutation("cost changed in the release", "built.cost_facts_as_built", cell(RELEASED_COSTS, 3, "usd", 9.0)),
    Mutation("two scores exchanged", "built.score_digests_as_built", _exchange_scores),
    Mutation(
        "license changed", "built.models_as_built", cell("release/models.parquet", 0, "license", "other")
    ),
    Mutation("item changed", "built.items_as_built", cell(DATA, 0, "family_id", "fam-0")),
    Mutation("category changed", "built.items_as_built", cell(DATA, 0, "category", "other")),
    Mutation("question changed", "built.text_facts_as_built", cell(DATA, 0, "question", "Why?")),
    Mutation("prompt changed in the build", "built.text_facts_as_built", cell(ITEMS, 0, "prompt", "Why?")),
    Mutation("side changed", "built.splits_as_built", cell(DATA, 0, "split_family", "none")),
    Mutation(
        "candidate changed",
        "built.groups_as_built",
        swap("release/groups.parquet", "model_id", 0, 1),
    ),
    Mutation(
        "floor changed",
        "built.limits_as_built",
        cell("release/limits.parquet", 0, "oracle_a", 0.5),
    ),
    Mutation("vectors exchanged", "built.embedding_facts_as_built", swap(VECTORS, "vector", 0, 1)),
    Mutation(
        "drift: model lost", "drift.models_kept", lambda c: c.rows(RELEASED, _without_model), release=True
    ),
    Mutation("drift: mean moved", "drift.mean_steady", lambda c: c.rows(RELEASED, _all_right), release=True),
    Mutation(
        "drift: scores moved", "drift.scores_steady", lambda c: c.rows(RELEASED, _all_right), release=True
    ),
    Mutation("drift: item lost", "drift.items_kept", cell(DATA, 0, "item_id", "arc/new"), release=True),
    Mutation("drift: item moved", "drift.items_unmoved", swap(DATA, "item", 0, 1), release=True),
    Mutation("drift: side changed", "drift.splits_kept", cell(DATA, 0, "split_family", "none"), release=True),
    Mutation(
        "drift: candidate changed",
        "drift.groups_kept",
        cell("release/groups.parquet", 0, "model_id", "no/body"),
        release=True,
    ),
)
