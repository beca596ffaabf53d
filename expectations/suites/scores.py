"""Suites of the scores that ingest writes, and of what they cost."""

from __future__ import annotations

from routerset.expectations.findings import Suite
from routerset.expectations.suites.rules import TABLES, not_null, rows, warn

SCORES = Suite(
    "scores",
    "scores",
    ("benchmark", "model_id", "item"),
    (
        not_null("model_id"),
        not_null("item"),
        not_null("score"),
        # NaN is asked for by name: comparisons are settled by Parquet statistics, which do not know it
        rows(
            "score_in_range",
            "a score is a share; anything else, NaN too, is another metric or a fault",
            f"{TABLES}: SCORES",
            """select benchmark, model_id, n_outside as scores, first_outside as item from {batch}
            where n_outside > 0""",
            "score_facts",
        ),
        warn(
            "score_binary",
            "the metric of this benchmark is right or wrong: a share between is a mean of several answers, "
            "or another metric",
            "schemas/benchmarks.py: binary",
            """select benchmark, model_id, n_not_binary as scores, first_not_binary as item
            from {batch} join registry using (benchmark) where is_binary and n_not_binary > 0""",
            "score_facts",
        ),
        rows(
            "model_item_unique",
            "two scores for one model and item: which one counts would be chance",
            f"{TABLES}: routerset.key",
            "select benchmark, model_id, n - n_distinct as repeats from {batch} where n > n_distinct",
            "score_facts",
        ),
        rows(
            "models_resolve",
            "a score of a model that the models table does not hold",
            TABLES,
            "select benchmark, model_id, n as scores from {batch} anti join models using (model_id)",
            "score_facts",
        ),
        rows(
            "items_resolve",
            "a score of an item that does not exist belongs to another question",
            TABLES,
            """select benchmark, model_id, least, most, coalesce(n_items, 0) as n_items from {batch}
            left join item_counts using (benchmark) where least < 0 or most >= coalesce(n_items, 0)""",
            "score_facts",
        ),
        warn(
            "items_scored",
            "an item that nobody was scored on leaves no model complete",
            TABLES,
            "select benchmark, item from {batch} where models = 0",
            "item_facts",
        ),
        warn(
            "models_complete",
            "models that miss items take part in no group; missing is never counted as wrong",
            "docs/validation.md: coverage",
            """select benchmark, count(*) as models, sum(n_items - n_distinct) as missing_scores,
            arg_max(model_id, n_items - n_distinct) as most_in
            from {batch} join item_counts using (benchmark) where n_distinct < n_items group by benchmark""",
            "score_facts",
        ),
    ),
)

COSTS = Suite(
    "costs",
    "costs",
    ("benchmark", "model_id", "item"),
    (
        not_null("model_id"),
        not_null("item"),
        rows(
            "cost_in_range",
            "a cost is a finite number of at least 0; what is not known is null",
            f"{TABLES}: COSTS",
            """select benchmark, model_id, n_bad as costs, first_bad as item from {batch} where n_bad > 0""",
            "cost_facts",
        ),
        rows(
            "cost_known",
            "a row that tells no cost says nothing",
            f"{TABLES}: COSTS",
            """select benchmark, model_id, n_unknown as costs, first_unknown as item from {batch}
            where n_unknown > 0""",
            "cost_facts",
        ),
        rows(
            "model_item_unique",
            "two costs for one model and item: which one counts would be chance",
            f"{TABLES}: routerset.key",
            "select benchmark, model_id, n - n_distinct as repeats from {batch} where n > n_distinct",
            "cost_facts",
        ),
        rows(
            "costs_have_scores",
            "a cost is that of the answer that was scored; without a score it is of another one",
            f"{TABLES}: COSTS",
            """select benchmark, model_id, n_without_score as costs from {batch} where n_without_score > 0""",
            "cost_facts",
        ),
        rows(
            "tokens_have_a_source",
            "counts of two tokenizers cannot be compared: a run says where its tokens are from",
            f"{TABLES}: RUNS",
            """select benchmark, model_id, n_prompt_tokens, n_completion_tokens from {batch} anti join
            (select benchmark, model_id from runs where chosen and tokens_from is not null)
            using (benchmark, model_id) where n_prompt_tokens + n_completion_tokens > 0""",
            "cost_facts",
        ),
        rows(
            "costs_accounted_for",
            "the manifest says how many scores have a cost",
            "docs/validation.md: accounting",
            """select benchmark, measure, coalesce(listed, 0) as listed, coalesce(found, 0) as found from
            (select benchmark, measure, sum(listed) as listed from {batch} group by all) full join
            (select * from costs_found where found > 0) using (benchmark, measure)
            where coalesce(listed, 0) <> coalesce(found, 0)""",
            "accounting_costs",
        ),
        rows(
            "costs_missing_counted",
            "a score whose cost is not known is counted as such: missing is never 0",
            "docs/validation.md: accounting",
            """select source, benchmark, measure, kept as scores, listed as known, missing from {batch}
            join accounting using (source, benchmark) where listed + missing <> kept""",
            "accounting_costs",
        ),
        rows(
            "usd_as_priced",
            "US dollars that the manifest calls tokens x price are just that",
            "docs/costs.md: US dollars",
            """select benchmark, priced, coalesce(n, 0) as tokens_x_price from (select benchmark,
            sum(priced) as priced from {batch} group by all) left join usd_as_priced using (benchmark)
            where priced > coalesce(n, 0)""",
            "accounting_costs",
        ),
    ),
)
