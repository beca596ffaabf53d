"""Suites of what `ingest` writes: models, items, scores, runs and quarantine."""

from __future__ import annotations

from routerset.expectations.findings import Suite
from routerset.expectations.suites.rules import TABLES, not_null, one_of, rows, unique, warn
from routerset.schemas.registry import MAX_CATEGORY
from routerset.schemas.tables import JOINED_BY, Reason

_COUNTS = """select benchmark, subset, coalesce(f.n, 0) as found,
    coalesce(s.n_items, if(s.subset is null, 0, f.n), 0) as expected
    from (select benchmark, subset, count(*) as n from {batch} group by all) f full join registry_subsets s
    using (benchmark, subset)
    where benchmark in (select benchmark from {batch} join registry using (benchmark) where n_items > 0)"""
"""Items of every subset of the benchmarks that are there, beside those of the paper, where they are known."""

MODELS = Suite(
    "models",
    "models",
    ("model_id",),
    (
        not_null("model_id"),
        not_null("leaderboards"),
        unique("model_id_unique", "model_id", "two rows for one model make every join with models double"),
        rows(
            "model_id_canonical",
            "a second spelling of a name splits one model in two",
            "schemas/ids.py: model_id",
            r"""select model_id from {batch} where length(model_id) > 256
            or regexp_matches(model_id, '(^|/)\.\.?(/|$)')
            or not regexp_full_match(model_id, '[^\s/\\]+(/[^\s/\\]+)?')""",
        ),
        warn(
            "model_ids_differ_in_case",
            "spellings that differ in case alone are one model; a list that others published may have both",
            "docs/validation.md: names",
            """select lower(model_id) as spelled, list_sort(list(model_id)) as models from {batch}
            group by lower(model_id) having count(*) > 1""",
        ),
        rows(
            "twins_resolve",
            "what stands for a twin is a model of the table, and no twin itself",
            f"{TABLES}: MODELS",
            """select a.model_id, a.twin_of, b.twin_of as of_that from {batch} a left join {batch} b
            on b.model_id = a.twin_of where a.twin_of is not null
            and (b.model_id is null or b.twin_of is not null)""",
        ),
        rows(
            "org_matches",
            "the organisation is the part of the name before the slash",
            TABLES,
            """select model_id, org from {batch} where org is distinct from
            case when model_id like '%/%' then split_part(model_id, '/', 1) end""",
        ),
        rows(
            "params_positive",
            "a size of zero, below zero or NaN is a parsing fault",
            TABLES,
            "select model_id, params_b from {batch} where not (params_b > 0 and isfinite(params_b))",
        ),
        rows(
            "leaderboards_known",
            "a leaderboard that the registry does not know cannot be cited",
            "schemas/benchmarks.py: leaderboard",
            """select model_id, board from (select model_id, unnest(leaderboards) as board from {batch})
            where board is null or board not in (select leaderboard from registry)""",
        ),
        rows(
            "leaderboards_match_scores",
            "a model stands on the leaderboards that it has scores from, and on no other",
            TABLES,
            """select model_id, leaderboards, found from {batch} join
            (select model_id, list_sort(list(distinct leaderboard)) as found
            from score_facts join registry using (benchmark) group by model_id) using (model_id)
            where list_sort(leaderboards) <> found""",
        ),
        rows(
            "models_scored",
            "a model without a single score is of no use to anyone",
            TABLES,
            "select model_id from {batch} anti join score_facts using (model_id)",
        ),
    ),
)

ITEMS = Suite(
    "items",
    "items",
    ("benchmark", "item"),
    (
        not_null("item"),
        not_null("item_id"),
        not_null("subset"),
        not_null("doc_key"),
        not_null("question_id"),
        not_null("family_id"),
        rows(
            "items_dense",
            "items are row numbers 0 to n-1; a gap or a repeat shifts every score behind it",
            f"{TABLES}: ITEMS",
            """select benchmark, count(*) as n_items, count(distinct item) as different, min(item) as least,
            max(item) as most from {batch} group by benchmark
            having different <> n_items or least <> 0 or most <> n_items - 1""",
        ),
        unique("item_id_unique", "benchmark, item_id", "one id for two questions mixes their scores"),
        rows(
            "category_is_a_line",
            "results by category have a row for each, by its name: some words on one line",
            "schemas/registry.py: is_category",
            rf"""select benchmark, item, category from {{batch}} where length(category) > {MAX_CATEGORY}
            or not regexp_full_match(category, '[^\pC\pZ]+( [^\pC\pZ]+)*')""",
        ),
        rows(
            "item_id_stable",
            "an id that is not made of the content changes with the dump, and old results join the "
            "wrong item",
            "schemas/ids.py: item_id",
            """select benchmark, item, item_id, expected_id from {batch}
            where expected_id is not null and item_id <> expected_id
            and not regexp_full_match(item_id, expected_id || '-[1-9][0-9]*')""",
            "text_facts",
        ),
        rows(
            "item_id_prefix",
            "the readable part of an id names its benchmark and subset",
            "schemas/ids.py: item_id",
            """select benchmark, item, item_id from {batch} where not starts_with(item_id,
            case when subset = benchmark then benchmark else benchmark || '/' || subset end || '/')""",
        ),
        rows(
            "question_id_matches",
            "a hash that is not the question's hides that two items ask the same",
            "schemas/ids.py: question_id",
            """select benchmark, item, question_id, expected_question_id from {batch}
            where expected_question_id is not null and question_id <> expected_question_id""",
            "text_facts",
        ),
        rows(
            "question_source_told",
            "a question is the dump's own, or stands in the prompt",
            f"{TABLES}: ITEMS",
            """select benchmark, item, question_source from {batch}
            where (question is null) <> (question_source is null) or question_source not in ('dump', 'prompt')
            or question_source = 'prompt' and not coalesce(contains(prompt, question), false)""",
            "item_questions",
        ),
        rows(
            "family_id_matches",
            "a family has the smallest id of its questions, so that its side does not hang on their order",
            "docs/validation.md: families",
            """select benchmark, item, family_id, least from (select benchmark, item, family_id,
            min(question_id) over (partition by benchmark, family_id) as least from {batch})
            where family_id <> least""",
        ),
        rows(
            "families_whole",
            "a question in two families leaks from train to test, whatever its spacing and punctuation",
            "docs/validation.md: families",
            r"""with said as (select benchmark, item, family_id, question_id as said from {batch} union all
            select benchmark, item, family_id, trim(regexp_replace(question, '[\s.,;:!?"'']+', ' ', 'g'))
            from item_questions)
            select benchmark, count(distinct family_id) as families, min(item) as item, max(item) as other
            from said where said <> '' group by benchmark, said having families > 1""",
        ),
        warn(
            "families_alike",
            "a question has few words of any other in its family: what joined them?",
            "docs/validation.md: families",
            r"""with questions as (select benchmark, family_id, question_id, min(item) as item,
            list_distinct(regexp_extract_all(lower(any_value(question)), '[\pL\pN]+')) as words
            from {batch} where question is not null group by all)
            select a.benchmark, a.item, a.family_id from questions a join questions b
            on a.benchmark = b.benchmark and a.family_id = b.family_id and a.question_id <> b.question_id
            group by all having max(len(list_intersect(a.words, b.words))
            - least(10, greatest(len(a.words), len(b.words)) / 2)) < 0""",
            "item_questions",
        ),
        rows(
            "subsets_in_canonical_order",
            "the paper's splits depend on the order of subsets and items",
            "schemas/benchmarks.py: subset_order",
            """with placed as (select benchmark, item, subset, coalesce(s.position, 1000000) as position
            from {batch} left join registry_subsets s using (benchmark, subset)),
            ordered as (select *, lag(position) over w as before, lag(subset) over w as subset_before
            from placed window w as (partition by benchmark order by item))
            select benchmark, item, subset_before, subset from ordered
            where before > position or (before = position and subset_before > subset)""",
        ),
        rows(
            "doc_key_unique",
            "a key of the dump that names two items lets a score go to either",
            f"{TABLES}: ITEMS",
            """select benchmark, subset, doc_key, count(*) as times from {batch} where doc_key is not null
            group by all having count(*) > 1""",
            "doc_keys",
        ),
        warn(
            "table_4_counts",
            "other items than the paper's give other splits and results; whole subsets or files may be lost",
            "RouterEval, Table 4",
            f"""select benchmark, sum(found)::bigint as found, sum(expected)::bigint as expected,
            count(*) filter (found <> expected) as subsets_that_differ from ({_COUNTS}) group by benchmark
            having subsets_that_differ > 0""",
        ),
        rows(
            "table_4_demanded",
            "the config says that every subset has exactly the items of the paper",
            "RouterEval, Table 4",
            f"""select benchmark, subset, found, expected from ({_COUNTS}) join settings on table_4
            where found <> expected""",
        ),
        rows(
            "benchmark_known",
            "without a row in the registry nobody knows the metric, the shots or the licence",
            "schemas/benchmarks.py",
            "select distinct benchmark from {batch} anti join registry using (benchmark)",
        ),
        warn(
            "text_present",
            "an item without question and prompt cannot be embedded",
            f"{TABLES}: ITEMS",
            """select benchmark, count(*) as items from {batch} join registry using (benchmark)
            where characters is null and has_text group by all""",
            "text_facts",
        ),
        warn(
            "text_not_empty",
            "an empty question is a field that the reader did not find",
            f"{TABLES}: ITEMS",
            "select benchmark, item, item_id from {batch} where characters = 0",
            "text_facts",
        ),
    ),
)

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
    ),
)

RUNS = Suite(
    "runs",
    "runs",
    ("model_id", "benchmark", "subset", "file"),
    (
        *(not_null(c) for c in ("model_id", "benchmark", "subset", "source", "file", "sha256", "metric")),
        *(not_null(c) for c in ("n_items", "n_scored", "n_kept", "joined_by", "chosen")),
        one_of("joined_by", JOINED_BY, "what told the documents of a run is one of a closed list"),
        rows(
            "sha256_well_formed",
            "without its checksum nobody can tell which file a score came from",
            f"{TABLES}: RUNS",
            "select model_id, benchmark, file, sha256 from {batch} where not "
            "regexp_full_match(sha256, '[0-9a-f]{{64}}')",
        ),
        rows(
            "dumps_listed",
            "a run of a file that the build has not read",
            "docs/validation.md: manifest",
            "select distinct file, sha256 from {batch} anti join dumps_listed using (sha256)",
        ),
        rows(
            "tokens_from_known",
            "tokens are a field of the dump, or counted by the one tokenizer that the manifest names",
            f"{TABLES}: RUNS",
            """select model_id, benchmark, file, tokens_from from {batch} anti join token_sources
            using (tokens_from) where tokens_from is not null""",
        ),
        rows(
            "timestamp_iso",
            "the newest run wins by comparing these as text",
            "etl/sources/names.py: iso_timestamp",
            r"""select model_id, benchmark, file, "timestamp" from {batch} where not
            regexp_full_match("timestamp",
            '\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{6}}')""",
        ),
        rows(
            "models_resolve",
            "a chosen run that gave scores belongs to a model of the models table",
            TABLES,
            """select distinct model_id from {batch} anti join models using (model_id)
            where chosen and n_kept > 0""",
        ),
        rows(
            "benchmark_known",
            "a run of a benchmark that the registry does not hold",
            "schemas/benchmarks.py",
            "select distinct benchmark from {batch} anti join registry using (benchmark)",
        ),
        rows(
            "kept_within_read",
            "no run can give more scores than it has records",
            "docs/validation.md: accounting",
            """select model_id, benchmark, subset, file, n_items, n_kept from {batch}
            where n_kept < 0 or n_kept > n_items or (n_kept > 0 and not chosen)""",
        ),
        rows(
            "one_run_chosen",
            "scores of one model, subset and task come from one run",
            "docs/validation.md: reruns",
            """select model_id, benchmark, subset, task,
            count(distinct coalesce("timestamp", '') || source) as chosen_runs
            from {batch} where chosen group by all having chosen_runs > 1""",
        ),
        rows(
            "chosen_run_covers_most",
            "a run of a few documents must not replace a whole one, nor an older run a newer one like it",
            "docs/validation.md: reruns",
            """with chosen_runs as (select model_id, benchmark, subset, sum(n_scored) as scored,
            max(coalesce("timestamp", '')) as moment from {batch} where chosen group by all),
            others as (select model_id, benchmark, subset, coalesce("timestamp", '') as other_moment,
            max(n_scored) as other_scored from {batch} where not chosen group by all)
            select * from others join chosen_runs using (model_id, benchmark, subset)
            where other_scored > scored or (other_scored = scored and other_moment > moment)""",
        ),
        rows(
            "scores_accounted_for",
            "every score is a record that its run says it kept",
            "docs/validation.md: accounting",
            """select benchmark, model_id, coalesce(kept, 0) as kept, coalesce(n, 0) as scores from
            (select benchmark, model_id, sum(n_kept) as kept from {batch} group by all)
            full join score_facts using (benchmark, model_id) where coalesce(kept, 0) <> coalesce(n, 0)""",
        ),
        rows(
            "superseded_counted",
            "records of a run that are no scores are superseded, as the manifest counts them, or quarantined",
            "docs/validation.md: accounting",
            """select source, benchmark, left_out, superseded, quarantined from
            (select source, benchmark, sum(n_items - n_kept) as left_out from {batch} group by all)
            join accounting using (source, benchmark)
            where left_out < superseded or left_out > superseded + quarantined""",
        ),
        rows(
            "joined_by_counted",
            "the manifest counts the kept records by what told their documents, as the runs do",
            "docs/validation.md: accounting",
            """select * from
            (select source, benchmark, joined_by, sum(n_kept) as kept from {batch} group by all)
            full join accounting_joined using (source, benchmark, joined_by)
            where coalesce(kept, 0) <> coalesce(listed, 0)""",
        ),
        rows(
            "joined_by_content_has_text",
            "documents that were told by their content are items with a text",
            f"{TABLES}: RUNS",
            """select distinct benchmark, subset, joined_by from {batch} join registry using (benchmark)
            anti join
            (select benchmark, subset from items join text_facts using (benchmark, item)
            where expected_question_id is not null)
            using (benchmark, subset) where n_kept > 0 and joined_by = 'content' and has_text""",
        ),
        warn(
            "official_metric",
            "scores under another metric than the leaderboard's cannot be compared with the paper's",
            "RouterEval, Table 4",
            """select benchmark, b.metric as found, r.metric as expected, count(*) as runs from {batch} b
            join registry r using (benchmark) where chosen and not list_contains(metrics, b.metric) group
            by all""",
        ),
        warn(
            "superseded",
            "reruns: older runs of the same model and subset do not count",
            "docs/validation.md: reruns",
            """select source, benchmark, count(*) as runs, count(distinct model_id) as models,
            sum(n_items) as records from {batch} where not chosen group by all""",
        ),
    ),
)

QUARANTINE = Suite(
    "quarantine",
    "quarantine",
    ("source", "file", "row"),
    (
        *(not_null(c) for c in ("source", "file", "reason", "detail")),
        one_of("reason", [*Reason], "the list of reasons is closed, so that counts can be compared"),
        rows(
            "row_not_negative",
            "rows are counted from 0",
            f"{TABLES}: QUARANTINE",
            'select source, file, "row" from {batch} where "row" < 0',
        ),
        rows(
            "stands_for_records",
            "a row stands for one record, or for several in the same file, and then it names the last",
            f"{TABLES}: QUARANTINE",
            """select source, file, "row", n, last_row from {batch} where n < 1
            or (n = 1 and last_row is not null) or last_row < "row\"""",
        ),
        rows(
            "excerpt_short",
            "an excerpt shows what is wrong; more than 500 characters is a copy of the dump",
            f"{TABLES}: QUARANTINE",
            """select source, file, "row", length(excerpt) as characters from {batch}
            where length(excerpt) > 500""",
        ),
        rows(
            "benchmark_known",
            "a benchmark that the registry does not hold",
            "schemas/benchmarks.py",
            "select distinct benchmark from {batch} anti join registry using (benchmark) where "
            "benchmark is not null",
        ),
        rows(
            "reasons_counted",
            "the manifest counts every quarantined record, by source, benchmark and reason",
            "docs/validation.md: accounting",
            """select * from (select source, coalesce(benchmark, '') as benchmark, reason, sum(n) as records
            from {batch} group by all) full join accounting_reasons using (source, benchmark, reason)
            where coalesce(records, 0) <> coalesce(listed, 0)""",
        ),
        warn(
            "quarantined",
            "records that do not count, and why",
            "docs/validation.md: quarantine",
            """select source, benchmark, reason, sum(n) as records, any_value(detail) as detail
            from {batch} group by all order by records desc""",
        ),
    ),
)
