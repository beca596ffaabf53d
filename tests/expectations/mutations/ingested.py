"""Corruptions of what `ingest` writes: models, items, scores, runs and quarantine."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tests.expectations.builds import Copy, Edit, Row, part
from tests.expectations.mutations.edits import (
    COSTS,
    ITEMS,
    MODELS,
    PRICES,
    QUARANTINE,
    RUNS,
    SCORES,
    Mutation,
    cell,
    drop,
    manifest,
    remove,
    repeat,
    swap,
    unknown_benchmark,
)

NOBODY = "fam-0000000000000000"


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
        "n": 1,
        "last_row": None,
    }
    return lambda copy: copy.rows(QUARANTINE, lambda rows: [*rows, {**row, **changes}])


def _items(n: int) -> Callable[[Copy], None]:
    """As many items of arc."""
    return lambda copy: copy.rows(
        ITEMS, lambda rows: [{**rows[0], "item": item, "item_id": f"arc/{item}"} for item in range(n)]
    )


def _demanded(copy: Copy) -> None:
    """A config that asks for the paper's item counts."""
    manifest(lambda found: found["stages"]["ingest"]["info"]["settings"].update(table_4=True))(copy)


def _not_asked(rows: list[Row]) -> None:
    rows[3] |= {"question_source": "prompt", "prompt": "Something else."}


def _spaced(rows: list[Row]) -> None:
    rows[4]["question"] = rows[3]["question"].replace(" ", "  ") + "..."


def _same_question(rows: list[Row]) -> None:
    rows[4]["question_id"] = rows[3]["question_id"]


def _joined(rows: list[Row]) -> None:
    rows[3] |= {"question": "Who painted these sunflowers?", "family_id": "fam-0"}
    rows[4] |= {"question": "How far is the moon?", "family_id": "fam-0"}


def _same_id(rows: list[Row]) -> None:
    rows[1]["item_id"] = rows[0]["item_id"]


def _in_capitals(rows: list[Row]) -> list[Row]:
    return [*rows, {**rows[0], "model_id": rows[0]["model_id"].upper(), "org": rows[0]["org"].upper()}]


def _own_twin(rows: list[Row]) -> None:
    rows[0]["twin_of"] = rows[0]["model_id"]


def _same_key(rows: list[Row]) -> None:
    rows[1]["doc_key"] = rows[0]["doc_key"]


def _no_text(rows: list[Row]) -> None:
    rows[0]["question"] = rows[0]["prompt"] = None


def _without_text(rows: list[Row]) -> None:
    for row in rows:
        row["question"] = row["prompt"] = None


def _without_costs(rows: list[Row]) -> None:
    rows[7]["usd"] = rows[7]["prompt_tokens"] = None


def _tokens_of_nowhere(rows: list[Row]) -> None:
    for row in rows:
        row["tokens_from"] = None


def _zeros(rows: list[Row]) -> None:
    for row in rows:
        row["prompt_tokens"] = row["prompt_tokens"] or 0.0


def _sized(name: str) -> Edit:
    def edit(rows: list[Row]) -> None:
        rows[0] |= {"model_id": name, "params_b": 7.0, "active_params_b": 7.0}

    return edit


def _other_tokens(rows: list[Row]) -> None:
    for row in rows:
        if row["prompt_tokens"]:
            row["prompt_tokens"] += 1


def _none_missing(found: Row) -> None:
    for row in found["stages"]["ingest"]["info"]["accounting"]:
        for costs in row.get("costs", {}).values():
            costs["missing"] = 0


def _without_item(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["item"] != 5]


MUTATIONS = (
    Mutation("null model_id", "models.model_id_not_null", cell(MODELS, 0, "model_id", None)),
    Mutation("null leaderboards", "models.leaderboards_not_null", cell(MODELS, 0, "leaderboards", None)),
    Mutation("model twice", "models.model_id_unique", repeat(MODELS, 2)),
    Mutation("white space in a name", "models.model_id_canonical", cell(MODELS, 0, "model_id", "org 0/m")),
    Mutation("path in a name", "models.model_id_canonical", cell(MODELS, 0, "model_id", "../etc/passwd")),
    Mutation(
        "name in other case",
        "models.model_ids_differ_in_case",
        lambda c: c.rows(MODELS, _in_capitals),
    ),
    Mutation("twin of nobody", "models.twins_resolve", cell(MODELS, 0, "twin_of", "a/nobody")),
    Mutation("twin of itself", "models.twins_resolve", lambda c: c.rows(MODELS, _own_twin)),
    Mutation("other organisation", "models.org_matches", cell(MODELS, 0, "org", "nobody")),
    Mutation("negative size", "models.params_positive", cell(MODELS, 0, "params_b", -7.0)),
    Mutation("size NaN", "models.params_positive", cell(MODELS, 0, "params_b", math.nan)),
    Mutation(
        "more active than there are", "models.active_within_params", cell(MODELS, 0, "active_params_b", 9e3)
    ),
    Mutation("negative active size", "models.active_within_params", cell(MODELS, 0, "active_params_b", -1.0)),
    Mutation("size of no source", "models.size_source_told", cell(MODELS, 0, "size_source", None)),
    Mutation("size of a guess", "models.size_source_told", cell(MODELS, 0, "size_source", "guess")),
    *(
        Mutation(f"size off in {name}", "models.params_fit_name", lambda c, n=name: c.rows(MODELS, _sized(n)))
        for name in ("a/m-70b", "a/Mixtral-8x7B-v0.1", "a/Qwen-1_8B", "m7-200.5B-chat@v1")
    ),
    *(
        Mutation(f"{what} in models", "models.prices_in_range", cell(MODELS, 0, "usd_per_mtok_in", value))
        for what, value in (("price below 0", -1.0), ("price NaN", math.nan), ("one price", None))
    ),
    *(
        Mutation(f"null {name} of a price", f"prices.{name}_not_null", cell(PRICES, 2, name, None))
        for name in ("model_id", "usd_per_mtok_in", "usd_per_mtok_out", "matched_by", "match", "file")
    ),
    Mutation("price twice", "prices.model_id_unique", repeat(PRICES, 2)),
    Mutation("price matched by chance", "prices.matched_by_known", cell(PRICES, 2, "matched_by", "chance")),
    Mutation("negative price", "prices.price_in_range", cell(PRICES, 2, "usd_per_mtok_out", -1.0)),
    Mutation("price infinite", "prices.price_in_range", cell(PRICES, 2, "usd_per_mtok_in", math.inf)),
    Mutation("price of last May", "prices.as_of_iso", cell(PRICES, 2, "as_of", "May 2024")),
    Mutation("price of 31 February", "prices.as_of_iso", cell(PRICES, 2, "as_of", "2024-02-31")),
    Mutation("price without a date", "prices.as_of_present", cell(PRICES, 2, "as_of", None)),
    Mutation("price of nobody", "prices.models_resolve", cell(PRICES, 2, "model_id", "no/body")),
    Mutation("price of other models", "prices.prices_as_in_models", cell(PRICES, 2, "usd_per_mtok_in", 3.0)),
    Mutation("price of models alone", "prices.prices_as_in_models", drop(PRICES, 2)),
    Mutation("all prices lost", "prices.prices_as_in_models", remove(PRICES)),
    Mutation("price of another table", "prices.prices_accounted_for", cell(PRICES, 2, "file", "b.toml")),
    Mutation("dollars that are no price", "costs.usd_as_priced", lambda c: c.rows(COSTS, _other_tokens)),
    Mutation(
        "unknown leaderboard", "models.leaderboards_known", cell(MODELS, 0, "leaderboards", ["v1", "v9"])
    ),
    Mutation("leaderboard lost", "models.leaderboards_match_scores", cell(MODELS, 0, "leaderboards", ["v1"])),
    Mutation("model without scores", "models.models_scored", repeat(MODELS, 2, model_id="a/new", org="a")),
    Mutation("null item", "items.item_not_null", cell(ITEMS, 3, "item", None)),
    Mutation("null item_id", "items.item_id_not_null", cell(ITEMS, 3, "item_id", None)),
    Mutation("null subset", "items.subset_not_null", cell(ITEMS, 3, "subset", None)),
    Mutation("null doc_key", "items.doc_key_not_null", cell(ITEMS, 3, "doc_key", None)),
    Mutation("null question_id", "items.question_id_not_null", cell(ITEMS, 3, "question_id", None)),
    Mutation("null family", "items.family_id_not_null", cell(ITEMS, 3, "family_id", None)),
    Mutation("gap in the items", "items.items_dense", drop(ITEMS, 5)),
    Mutation("item number twice", "items.items_dense", cell(ITEMS, 5, "item", 4)),
    Mutation("negative item", "items.items_dense", cell(ITEMS, 0, "item", -1)),
    Mutation("item_id twice", "items.item_id_unique", lambda c: c.rows(ITEMS, _same_id)),
    Mutation("item_id of a row", "items.item_id_stable", cell(ITEMS, 3, "item_id", "arc/3")),
    Mutation("question edited", "items.item_id_stable", cell(ITEMS, 3, "question", "What is new?")),
    Mutation("items swapped", "items.item_id_stable", swap(ITEMS, "question", 3, 4)),
    Mutation("other prefix", "items.item_id_prefix", cell(ITEMS, 3, "item_id", "mmlu/0123456789abcdef")),
    Mutation("empty category", "items.category_is_a_line", cell(ITEMS, 3, "category", "")),
    Mutation("category of two lines", "items.category_is_a_line", cell(ITEMS, 3, "category", "a\nb")),
    Mutation("category turned around", "items.category_is_a_line", cell(ITEMS, 3, "category", "a\u202eb")),
    Mutation("space after a category", "items.category_is_a_line", cell(ITEMS, 3, "category", "maths ")),
    Mutation("long category", "items.category_is_a_line", cell(ITEMS, 3, "category", "x" * 101)),
    Mutation("other question_id", "items.question_id_matches", cell(ITEMS, 3, "question_id", NOBODY)),
    Mutation("question of no source", "items.question_source_told", cell(ITEMS, 3, "question_source", None)),
    Mutation("third source", "items.question_source_told", cell(ITEMS, 3, "question_source", "x")),
    Mutation("question not in the prompt", "items.question_source_told", lambda c: c.rows(ITEMS, _not_asked)),
    Mutation("one question in two families", "items.families_whole", lambda c: c.rows(ITEMS, _spaced)),
    Mutation("one hash in two families", "items.families_whole", lambda c: c.rows(ITEMS, _same_question)),
    Mutation("unlike questions in a family", "items.families_alike", lambda c: c.rows(ITEMS, _joined)),
    Mutation("other family", "items.family_id_matches", cell(ITEMS, 3, "family_id", NOBODY)),
    Mutation(
        "subsets out of order",
        "items.subsets_in_canonical_order",
        swap(part("items", "gpqa"), "subset", 0, 60),
    ),
    Mutation("doc_key twice", "items.doc_key_unique", lambda c: c.rows(ITEMS, _same_key)),
    Mutation("text lost", "items.text_present", lambda c: c.rows(ITEMS, _no_text)),
    Mutation("empty question", "items.text_not_empty", cell(ITEMS, 3, "question", "  ")),
    Mutation("items of an unknown benchmark", "items.benchmark_known", unknown_benchmark),
    Mutation("a few items short of full size", "items.table_4_counts", _items(1171)),
    Mutation("few items where the paper's are demanded", "items.table_4_demanded", _demanded),
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
    Mutation("null model of a cost", "costs.model_id_not_null", cell(COSTS, 7, "model_id", None)),
    Mutation("null item of a cost", "costs.item_not_null", cell(COSTS, 7, "item", None)),
    *(
        Mutation(f"cost of {value}", "costs.cost_in_range", cell(COSTS, 7, "prompt_tokens", value))
        for value in (-1.0, math.nan, math.inf)
    ),
    Mutation("row without a cost", "costs.cost_known", lambda c: c.rows(COSTS, _without_costs)),
    Mutation("cost twice", "costs.model_item_unique", repeat(COSTS, 7)),
    Mutation("cost twice, differently", "costs.model_item_unique", repeat(COSTS, 7, usd=3.0)),
    Mutation("cost of an unknown model", "costs.costs_have_scores", cell(COSTS, 7, "model_id", "no/body")),
    Mutation("cost of an unknown item", "costs.costs_have_scores", cell(COSTS, 7, "item", 40)),
    Mutation("cost of item -1", "costs.costs_have_scores", cell(COSTS, 7, "item", -1)),
    Mutation("cost whose score is gone", "costs.costs_have_scores", drop(SCORES, 7)),
    Mutation("cost lost", "costs.costs_accounted_for", drop(COSTS, 7)),
    Mutation("all costs lost", "costs.costs_accounted_for", remove(COSTS)),
    Mutation("cost that nobody counted", "costs.costs_accounted_for", cell(COSTS, 7, "latency_s", 1.0)),
    Mutation("missing cost as 0", "costs.costs_accounted_for", lambda c: c.rows(COSTS, _zeros)),
    Mutation("missing cost uncounted", "costs.costs_missing_counted", manifest(_none_missing)),
    Mutation("tokens of nowhere", "costs.tokens_have_a_source", lambda c: c.rows(RUNS, _tokens_of_nowhere)),
    Mutation(
        "tokens of another", "runs.tokens_from_known", cell(RUNS, 0, "tokens_from", "gpt2@0123456789ab")
    ),
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
    Mutation(
        "run of more documents not chosen",
        "runs.chosen_run_covers_most",
        repeat(RUNS, 0, chosen=False, n_kept=0, n_scored=10_000, n_items=10_000),
    ),
    Mutation(
        "newer run not chosen",
        "runs.chosen_run_covers_most",
        repeat(RUNS, 0, chosen=False, n_kept=0, timestamp="2099-01-01T00:00:00.000000"),
    ),
    Mutation("score that no run kept", "runs.scores_accounted_for", cell(RUNS, 0, "n_kept", 1)),
    Mutation("joined by luck", "runs.joined_by_known", cell(RUNS, 0, "joined_by", "luck")),
    Mutation("null joined by", "runs.joined_by_not_null", cell(RUNS, 0, "joined_by", None)),
    Mutation("joined otherwise", "runs.joined_by_counted", cell(RUNS, 0, "joined_by", "hash")),
    Mutation(
        "joined by content without a text",
        "runs.joined_by_content_has_text",
        lambda c: c.rows(ITEMS, _without_text),
    ),
    Mutation("other metric", "runs.official_metric", cell(RUNS, 0, "metric", "f1")),
    Mutation(
        "superseded run that nobody counted",
        "runs.superseded_counted",
        repeat(RUNS, 0, chosen=False, n_kept=0),
    ),
    Mutation("run of another file", "runs.dumps_listed", cell(RUNS, 0, "sha256", "0" * 64)),
    Mutation("older run", "runs.superseded", repeat(RUNS, 0, chosen=False, n_kept=0)),
    *(
        Mutation(f"null {column} of a run", f"runs.{column}_not_null", cell(RUNS, 0, column, None))
        for column in (
            "model_id",
            "benchmark",
            "subset",
            "source",
            "file",
            "sha256",
            "n_items",
            "n_scored",
            "n_kept",
        )
    ),
    Mutation("unknown reason", "quarantine.reason_known", _quarantine(reason="bad_luck")),
    Mutation("null detail", "quarantine.detail_not_null", _quarantine(detail=None)),
    Mutation("negative row", "quarantine.row_not_negative", _quarantine(row=-1)),
    Mutation("row for no record", "quarantine.stands_for_records", _quarantine(n=0)),
    Mutation("last before first", "quarantine.stands_for_records", _quarantine(n=2, last_row=0)),
    Mutation("last of a single one", "quarantine.stands_for_records", _quarantine(last_row=1)),
    Mutation("uncounted records", "quarantine.reasons_counted", _quarantine(n=7, last_row=9)),
    Mutation("long excerpt", "quarantine.excerpt_short", _quarantine(excerpt="x" * 501)),
    Mutation("unknown benchmark in quarantine", "quarantine.benchmark_known", _quarantine(benchmark="ark")),
    Mutation("record that nobody counted", "quarantine.reasons_counted", _quarantine()),
    Mutation("record in quarantine", "quarantine.quarantined", _quarantine()),
    *(
        Mutation(
            f"null {column} in quarantine", f"quarantine.{column}_not_null", _quarantine(**{column: None})
        )
        for column in ("source", "file", "reason")
    ),
)
