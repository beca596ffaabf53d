"""Single corruptions of a good build, and the one expectation that names each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.expectations.builds import DIMENSION, ENCODER, Copy, Row, part

MODELS, RUNS, QUARANTINE = "tables/models.parquet", "tables/runs.parquet", "tables/quarantine.parquet"
ITEMS, SCORES = part("items", "arc"), part("scores", "arc")
PAPER, FAMILY = part("splits", "mmlu", scheme="paper"), part("splits", "gpqa", scheme="family")
GROUPS = part("groups", "arc", method="paper")
VECTORS = part("embeddings", "arc", encoder=ENCODER)
DATA = "release/data/arc/train.parquet"
RELEASED = "release/scores/arc.parquet"
COLUMN = "paper_m3_all_strong"


@dataclass(frozen=True)
class Mutation:
    """expected: `suite.expectation`, looked for in the build, or in the release where the name says so."""

    name: str
    expected: str
    mutate: Callable[[Copy], None]
    release: bool = False


def cell(file: str, row: int, column: str, value: Any) -> Callable[[Copy], None]:
    """Put a value into one cell."""

    def mutate(copy: Copy) -> None:
        def edit(rows: list[Row]) -> None:
            rows[row][column] = value

        copy.rows(file, edit)

    return mutate


def repeat(file: str, row: int, **changes: Any) -> Callable[[Copy], None]:
    """Add a row that stands there already, with some cells changed."""
    return lambda copy: copy.rows(
        file, lambda rows: [*rows[: row + 1], {**rows[row], **changes}, *rows[row + 1 :]]
    )


def drop(file: str, row: int) -> Callable[[Copy], None]:
    """Take out one row."""
    return lambda copy: copy.rows(file, lambda rows: [r for at, r in enumerate(rows) if at != row])


def swap(file: str, column: str, one: int, two: int) -> Callable[[Copy], None]:
    """Exchange two cells of a column."""

    def edit(rows: list[Row]) -> None:
        rows[one][column], rows[two][column] = rows[two][column], rows[one][column]

    return lambda copy: copy.rows(file, edit)


def rename(file: str, name: str, other: str) -> Callable[[Copy], None]:
    """Give a column another name."""

    def mutate(copy: Copy) -> None:
        table = copy.read(file)
        copy.table(file, table.rename_columns([other if n == name else n for n in table.column_names]))

    return mutate


def cast(file: str, name: str, kind: pa.DataType) -> Callable[[Copy], None]:
    """Give a column another type."""

    def mutate(copy: Copy) -> None:
        table = copy.read(file)
        place = table.column_names.index(name)
        copy.table(file, table.set_column(place, name, table[name].cast(kind)))

    return mutate


def add_column(file: str, name: str) -> Callable[[Copy], None]:
    """Add a column of text."""

    def mutate(copy: Copy) -> None:
        table = copy.read(file)
        copy.table(file, table.append_column(name, pa.repeat("x", table.num_rows)))

    return mutate


def manifest(edit: Callable[[Row], object], release: bool = False) -> Callable[[Copy], None]:
    """Change the manifest."""
    return lambda copy: copy.json("release/manifest.json" if release else "manifest.json", edit)


def _ingest(document: Row) -> Row:
    return dict(document)["stages"]["ingest"]["info"]


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


def _reverse(file: str) -> Callable[[Copy], None]:
    return lambda copy: copy.rows(file, lambda rows: rows[::-1])


def _remove(file: str) -> Callable[[Copy], None]:
    return lambda copy: (copy.root / file).unlink()


def _append(file: str, text: str) -> Callable[[Copy], None]:
    return lambda copy: copy.text(file, (copy.root / file).read_text(encoding="utf-8") + text)


def _unknown_benchmark(copy: Copy) -> None:
    (copy.root / "tables/items/benchmark=arc").rename(copy.root / "tables/items/benchmark=ark")


def _quarantine(**changes: Any) -> Callable[[Copy], None]:
    row = {
        "source": "details",
        "file": "f",
        "row": 1,
        "model_id": None,
        "benchmark": "arc",
        "reason": "missing_score",
        "detail": "found none",
        "excerpt": None,
    }
    return lambda copy: copy.rows(QUARANTINE, lambda rows: [*rows, {**row, **changes}])


def _leaked_prompt(copy: Copy) -> None:
    cell("release/data/gpqa/train.parquet", 0, "prompt", "Which isotope ...?")(copy)


def _leaked_elsewhere(copy: Copy) -> None:
    """A GPQA question under the name of another benchmark."""
    family = copy.read("release/data/gpqa/train.parquet")["family_id"][0].as_py()
    cell(DATA, 0, "family_id", family)(copy)


def _leaked_in_text(copy: Copy) -> None:
    """A GPQA question in a JSON file of the reports."""
    question = copy.read(part("items", "gpqa"))["question"][5].as_py()
    copy.text("release/reports.json", '{"worst": [{"question": ' + _json(question.upper()) + "}]}")


def _json(text: str) -> str:
    import json

    return json.dumps(text)


def _flip(column: str, file: str = DATA) -> Callable[[Copy], None]:
    def edit(rows: list[Row]) -> None:
        rows[4][column][1] = 1 - rows[4][column][1]

    return lambda copy: copy.rows(file, edit)


def _swap_candidates(rows: list[Row]) -> None:
    for row in rows:
        row[COLUMN][0], row[COLUMN][2] = row[COLUMN][2], row[COLUMN][0]


def _drop_column(file: str, column: str) -> Callable[[Copy], None]:
    return lambda copy: copy.table(file, copy.read(file).drop_columns([column]))


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


def _items(n: int) -> Callable[[Copy], None]:
    """As many items of arc."""
    return lambda copy: copy.rows(
        ITEMS, lambda rows: [{**rows[0], "item": item, "item_id": f"arc/{item}"} for item in range(n)]
    )


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
            row["family_id"] = f"fam-{row['item']}"

    copy.rows(ITEMS, lengthen)
    copy.rows(VECTORS, _copy_vector)
    cut = {"arc": {"items": 40, "truncated": 2}}
    copy.json("manifest.json", lambda d: d["stages"]["embed"]["info"]["embeddings"][ENCODER].update(cut))


def _without_model(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["model_id"] != rows[0]["model_id"]]


def _all_right(rows: list[Row]) -> None:
    for row in rows:
        row["score"] = 1.0


def _same_id(rows: list[Row]) -> None:
    rows[1]["item_id"] = rows[0]["item_id"]


def _same_key(rows: list[Row]) -> None:
    rows[1]["doc_key"] = rows[0]["doc_key"]


def _no_text(rows: list[Row]) -> None:
    rows[0]["question"] = rows[0]["prompt"] = None


def _without_item(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["item"] != 5]


def _swap_sides(rows: list[Row]) -> None:
    """An item of train stands in the place of one of test."""
    rows[0]["item"], rows[1]["item"] = rows[1]["item"], rows[0]["item"]
    rows[0]["split_paper"] = "validation"


def _other_digest(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return ("0" if text[0] != "0" else "1") + text[1:]


MUTATIONS = (
    Mutation("null model_id", "models.model_id_not_null", cell(MODELS, 0, "model_id", None)),
    Mutation("null leaderboards", "models.leaderboards_not_null", cell(MODELS, 0, "leaderboards", None)),
    Mutation("model twice", "models.model_id_unique", repeat(MODELS, 2)),
    Mutation("white space in a name", "models.model_id_canonical", cell(MODELS, 0, "model_id", "org 0/m")),
    Mutation("path in a name", "models.model_id_canonical", cell(MODELS, 0, "model_id", "../etc/passwd")),
    Mutation("other organisation", "models.org_matches", cell(MODELS, 0, "org", "nobody")),
    Mutation("negative size", "models.params_positive", cell(MODELS, 0, "params_b", -7.0)),
    Mutation("size NaN", "models.params_positive", cell(MODELS, 0, "params_b", math.nan)),
    Mutation(
        "unknown leaderboard", "models.leaderboards_known", cell(MODELS, 0, "leaderboards", ["v1", "v9"])
    ),
    Mutation("leaderboard lost", "models.leaderboards_match_scores", cell(MODELS, 0, "leaderboards", ["v1"])),
    Mutation("model without scores", "models.models_scored", repeat(MODELS, 2, model_id="a/new", org="a")),
    Mutation("null item", "items.item_not_null", cell(ITEMS, 3, "item", None)),
    Mutation("null item_id", "items.item_id_not_null", cell(ITEMS, 3, "item_id", None)),
    Mutation("null subset", "items.subset_not_null", cell(ITEMS, 3, "subset", None)),
    Mutation("null doc_key", "items.doc_key_not_null", cell(ITEMS, 3, "doc_key", None)),
    Mutation("null family", "items.family_id_not_null", cell(ITEMS, 3, "family_id", None)),
    Mutation("gap in the items", "items.items_dense", drop(ITEMS, 5)),
    Mutation("item number twice", "items.items_dense", cell(ITEMS, 5, "item", 4)),
    Mutation("negative item", "items.items_dense", cell(ITEMS, 0, "item", -1)),
    Mutation("item_id twice", "items.item_id_unique", lambda c: c.rows(ITEMS, _same_id)),
    Mutation("item_id of a row", "items.item_id_stable", cell(ITEMS, 3, "item_id", "arc/3")),
    Mutation("question edited", "items.item_id_stable", cell(ITEMS, 3, "question", "What is new?")),
    Mutation("items swapped", "items.item_id_stable", swap(ITEMS, "question", 3, 4)),
    Mutation("other prefix", "items.item_id_prefix", cell(ITEMS, 3, "item_id", "mmlu/0123456789abcdef")),
    Mutation("other family", "items.family_id_matches", cell(ITEMS, 3, "family_id", "fam-0000000000000000")),
    Mutation(
        "subsets out of order",
        "items.subsets_in_canonical_order",
        swap(part("items", "gpqa"), "subset", 0, 60),
    ),
    Mutation("doc_key twice", "items.doc_key_unique", lambda c: c.rows(ITEMS, _same_key)),
    Mutation("text lost", "items.text_present", lambda c: c.rows(ITEMS, _no_text)),
    Mutation("empty question", "items.text_not_empty", cell(ITEMS, 3, "question", "  ")),
    Mutation("null model of a score", "scores.model_id_not_null", cell(SCORES, 7, "model_id", None)),
    Mutation("null item of a score", "scores.item_not_null", cell(SCORES, 7, "item", None)),
    Mutation("null score", "scores.score_not_null", cell(SCORES, 7, "score", None)),
    Mutation("score of 1.0001", "scores.score_in_range", cell(SCORES, 7, "score", 1.0001)),
    Mutation("score of -1", "scores.score_in_range", cell(SCORES, 7, "score", -1.0)),
    Mutation("score NaN", "scores.score_in_range", cell(SCORES, 7, "score", math.nan)),
    Mutation("score infinite", "scores.score_in_range", cell(SCORES, 7, "score", math.inf)),
    Mutation("share where binary", "scores.score_binary", cell(SCORES, 7, "score", 0.5)),
    Mutation("score twice", "scores.model_item_unique", repeat(SCORES, 7)),
    Mutation("score twice, differently", "scores.model_item_unique", repeat(SCORES, 7, score=0.25)),
    Mutation("score of an unknown model", "scores.models_resolve", cell(SCORES, 7, "model_id", "no/body")),
    Mutation("score of an unknown item", "scores.items_resolve", cell(SCORES, 7, "item", 40)),
    Mutation("score of item -1", "scores.items_resolve", cell(SCORES, 7, "item", -1)),
    Mutation("item without scores", "scores.items_scored", lambda c: c.rows(SCORES, _without_item)),
    Mutation("model misses an item", "scores.models_complete", drop(SCORES, 7)),
    Mutation("null metric", "runs.metric_not_null", cell(RUNS, 0, "metric", None)),
    Mutation("null chosen", "runs.chosen_not_null", cell(RUNS, 0, "chosen", None)),
    Mutation("short checksum", "runs.sha256_well_formed", cell(RUNS, 0, "sha256", "abc")),
    Mutation("time not ISO", "runs.timestamp_iso", cell(RUNS, 0, "timestamp", "19 July 2023")),
    Mutation("run of an unknown model", "runs.models_resolve", cell(RUNS, 0, "model_id", "no/body")),
    Mutation("run of an unknown benchmark", "runs.benchmark_known", cell(RUNS, 0, "benchmark", "ark")),
    Mutation("more kept than read", "runs.kept_within_read", cell(RUNS, 0, "n_kept", 1000)),
    Mutation(
        "two runs chosen", "runs.one_run_chosen", repeat(RUNS, 0, timestamp="2024-01-01T00:00:00.000000")
    ),
    Mutation("score that no run kept", "runs.scores_accounted_for", cell(RUNS, 0, "n_kept", 1)),
    Mutation("other metric", "runs.official_metric", cell(RUNS, 0, "metric", "f1")),
    Mutation("older run", "runs.superseded", repeat(RUNS, 0, chosen=False, n_kept=0)),
    Mutation("null split", "splits.split_not_null", cell(PAPER, 3, "split", None)),
    Mutation("unknown side", "splits.split_known", cell(PAPER, 3, "split", "dev")),
    Mutation("item on two sides", "splits.sides_disjoint", repeat(PAPER, 3, split="test")),
    Mutation("split of an unknown item", "splits.items_resolve", cell(PAPER, 3, "item", 999)),
    Mutation("item on no side", "splits.items_complete", drop(PAPER, 3)),
    Mutation("item moved", "splits.paper_ratio", _move_item("paper", "arc")),
    Mutation("leaked family", "splits.family_kept_whole", _leak_family),
    Mutation("joined families", "splits.family_kept_whole", _join_families),
    Mutation(
        "everything on train",
        "splits.family_ratio",
        lambda c: c.rows(part("splits", "arc", scheme="family"), _all_on_train),
    ),
    Mutation("split counts of the manifest", "splits.counts_listed", _move_item("family", "arc")),
    Mutation("two items swapped", "splits.paper_sides", lambda c: c.rows(DATA, _swap_sides), release=True),
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
    Mutation("null item of a vector", "embeddings.item_not_null", cell(VECTORS, 2, "item", None)),
    Mutation("null vector", "embeddings.vector_not_null", cell(VECTORS, 2, "vector", None)),
    Mutation("vector twice", "embeddings.one_row_per_item", repeat(VECTORS, 2)),
    Mutation("vector of an unknown item", "embeddings.items_resolve", cell(VECTORS, 2, "item", 999)),
    Mutation("item without a vector", "embeddings.items_complete", drop(VECTORS, 2)),
    Mutation("longer vectors", "embeddings.dimension", _longer_vectors),
    Mutation("NaN in a vector", "embeddings.finite", _vector(math.nan)),
    Mutation("infinity in a vector", "embeddings.finite", _vector(math.inf)),
    Mutation("vector of zeros", "embeddings.not_zero", cell(VECTORS, 2, "vector", _zero(DIMENSION))),
    Mutation(
        "vector of another text",
        "embeddings.equal_only_for_equal_texts",
        lambda c: c.rows(VECTORS, _copy_vector),
    ),
    Mutation("unknown reason", "quarantine.reason_known", _quarantine(reason="bad_luck")),
    Mutation("null detail", "quarantine.detail_not_null", _quarantine(detail=None)),
    Mutation("negative row", "quarantine.row_not_negative", _quarantine(row=-1)),
    Mutation("long excerpt", "quarantine.excerpt_short", _quarantine(excerpt="x" * 501)),
    Mutation("unknown benchmark in quarantine", "quarantine.benchmark_known", _quarantine(benchmark="ark")),
    Mutation("record that nobody counted", "quarantine.reasons_counted", _quarantine()),
    Mutation("record in quarantine", "quarantine.quarantined", _quarantine()),
    Mutation("column missing", "layout.columns_present", rename(MODELS, "org", "organisation")),
    Mutation("column too many", "layout.columns_known", add_column(ITEMS, "answer")),
    Mutation("column of another type", "layout.column_types", cast(SCORES, "score", pa.float64())),
    Mutation("items as text", "layout.column_types", cast(ITEMS, "item", pa.string())),
    Mutation("unknown partition", "layout.partitions_known", _unknown_benchmark),
    Mutation("partition lost", "layout.tables_present", _remove(part("splits", "arc", scheme="family"))),
    Mutation("table lost", "layout.tables_present", _remove(RUNS)),
    Mutation("empty partition", "layout.partitions_filled", lambda c: c.rows(SCORES, lambda rows: [])),
    Mutation("models out of order", "layout.rows_in_order", _reverse(MODELS)),
    Mutation("scores out of order", "layout.rows_in_order", _reverse(SCORES)),
    Mutation("listed file lost", "manifest.files_present", _remove(SCORES)),
    Mutation("changed file", "manifest.checksums", cell(SCORES, 0, "score", 1.0)),
    Mutation(
        "other size",
        "manifest.sizes",
        manifest(lambda d: d["stages"]["ingest"]["outputs"][0].update(bytes=1)),
    ),
    Mutation(
        "other number of rows",
        "manifest.row_counts",
        manifest(lambda d: d["stages"]["ingest"]["outputs"][0].update(rows=1)),
    ),
    Mutation(
        "unlisted table",
        "manifest.nothing_unlisted",
        lambda c: c.table("tables/more.parquet", c.read(MODELS)),
    ),
    Mutation(
        "records lost in silence",
        "manifest.accounting_identity",
        manifest(lambda d: _ingest(d)["accounting"][0].update(read=10**6)),
    ),
    Mutation(
        "quarantine without a reason",
        "manifest.accounting_reasons",
        manifest(lambda d: _ingest(d)["accounting"][0].update(quarantined=5)),
    ),
    Mutation(
        "kept records without scores",
        "manifest.accounting_kept",
        manifest(lambda d: _ingest(d)["accounting"][0].update(kept=5)),
    ),
    Mutation(
        "totals of the manifest",
        "manifest.totals",
        manifest(lambda d: _ingest(d)["benchmarks"]["arc"].update(models=5)),
    ),
    Mutation("GPQA prompt slipped in", "release.text_withheld", _leaked_prompt, release=True),
    Mutation("GPQA question as arc", "release.text_withheld_elsewhere", _leaked_elsewhere, release=True),
    Mutation("GPQA question in a report", "release.text_withheld_elsewhere", _leaked_in_text, release=True),
    Mutation("item in the wrong file", "release.files_follow_first_scheme", _move_to_file, release=True),
    Mutation(
        "vectors in another order",
        "release.items_complete",
        _reverse(f"release/vectors/{ENCODER}/arc/train.parquet"),
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
    Mutation("group column lost", "release.group_columns_complete", _drop_column(DATA, COLUMN), release=True),
    Mutation(
        "file that the card does not name",
        "release.card_lists_files",
        lambda c: c.text("release/README.md", "---\nconfigs:\n---\n"),
        release=True,
    ),
    Mutation(
        "no version",
        "release.version",
        manifest(lambda d: d["release"].update(version="latest"), release=True),
        release=True,
    ),
    Mutation(
        "changed checksum",
        "manifest.checksums",
        lambda c: c.text("release/SHA256SUMS", _other_digest(c.root / "release/SHA256SUMS")),
        release=True,
    ),
    Mutation(
        "manifest lies about checksums",
        "manifest.checksums",
        manifest(lambda d: d["tables"]["models.parquet"].update(sha256="0" * 64), release=True),
        release=True,
    ),
    Mutation(
        "manifest lies about rows",
        "manifest.row_counts",
        manifest(lambda d: d["tables"]["models.parquet"].update(rows=1), release=True),
        release=True,
    ),
    Mutation(
        "manifest lies about the mean",
        "manifest.totals",
        manifest(lambda d: d["benchmarks"]["arc"].update(mean_score=0.9), release=True),
        release=True,
    ),
    Mutation(
        "manifest lies about leaks",
        "manifest.totals",
        manifest(lambda d: d["benchmarks"]["gpqa"]["test_items_in_train"].update(paper=0), release=True),
        release=True,
    ),
    Mutation(
        "manifest lies about subsets",
        "manifest.totals",
        manifest(lambda d: d["benchmarks"]["gpqa"]["subsets"].update(main=7), release=True),
        release=True,
    ),
    Mutation(
        "file too many",
        "manifest.nothing_unlisted",
        lambda c: c.text("release/notes.txt", "hello"),
        release=True,
    ),
    Mutation("card changed", "manifest.checksums", _append("release/README.md", "more\n"), release=True),
    Mutation(
        "data file lost", "layout.tables_present", _remove("release/data/arc/test.parquet"), release=True
    ),
    *(
        Mutation(f"null {column} of a run", f"runs.{column}_not_null", cell(RUNS, 0, column, None))
        for column in ("model_id", "benchmark", "subset", "source", "file", "sha256", "n_items", "n_kept")
    ),
    *(
        Mutation(
            f"null {column} in quarantine", f"quarantine.{column}_not_null", _quarantine(**{column: None})
        )
        for column in ("source", "file", "reason")
    ),
    Mutation("null size of a group", "groups.m_not_null", cell(GROUPS, 0, "m", None)),
    Mutation("null kind", "groups.kind_not_null", cell(GROUPS, 0, "kind", None)),
    Mutation("null item of a split", "splits.item_not_null", cell(PAPER, 3, "item", None)),
    Mutation("items of an unknown benchmark", "items.benchmark_known", _unknown_benchmark),
    Mutation("a few items short of full size", "items.table_4_counts", _items(1171)),
    Mutation("half of full size", "items.nearly_full_size", _items(700)),
    Mutation("vectors of two settings", "embeddings.normalised", _normalise_most),
    Mutation("one vector for two long texts", "embeddings.equal_long_texts", _cut_texts),
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
    Mutation("text column added", "layout.columns_known", add_column(DATA, "answer"), release=True),
)
