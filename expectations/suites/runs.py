"""Suites of the runs that ingest read, and of what it set aside."""

from __future__ import annotations

from routerset.expectations.findings import Suite
from routerset.expectations.suites.rules import TABLES, not_null, one_of, rows, warn
from routerset.schemas.tables import JOINED_BY, Reason

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
