"""The suite of raw dumps, before ingest: an error is what would be quarantined."""

from __future__ import annotations

from routerset.expectations.findings import Suite
from routerset.expectations.suites.rules import rows, warn
from routerset.schemas.tables import REASONS, Reason

_REFERENCE = "docs/validation.md: raw dumps"
_NOT_ERRORS = frozenset({Reason.MISSING_SCORE, Reason.UNKNOWN_TASK, Reason.UNKNOWN_ITEM})
"""Nothing is wrong with what is missing, a task that nobody asked for, or a document that few models saw."""

DUMPS = Suite(
    "dumps",
    "dump_quarantine",
    ("file", "row"),
    (
        *(
            (warn if reason in _NOT_ERRORS else rows)(
                reason.value,
                meaning,
                "docs/validation.md: quarantine",
                f"""select file, "row", model_id, benchmark, detail, n as records from {{batch}}
                where reason = '{reason.value}'""",
            )
            for reason, meaning in REASONS.items()
        ),
        rows(
            "some_kept",
            "not one record would become a score, so that there is nothing to build",
            _REFERENCE,
            """select coalesce(sum(read), 0) as records, coalesce(sum(quarantined), 0) as quarantined
            from {batch} having coalesce(sum(kept), 0) = 0""",
            "dump_accounting",
        ),
        warn(
            "superseded",
            "records of older runs, and those that are there twice, do not count",
            "docs/validation.md: reruns",
            "select source, benchmark, superseded, read as records from {batch} where superseded > 0",
            "dump_accounting",
        ),
        warn(
            "reruns",
            "models with several runs: only the one that covers most counts, then the newest",
            "docs/validation.md: reruns",
            """select file, benchmark, subset, count(*) as older_runs, sum(n_items) as records,
            min(model_id) as model_id from {batch} where not chosen group by all""",
            "dump_runs",
        ),
        warn(
            "official_metric",
            "the metric that counts is not there; another cannot be compared with the paper's",
            "RouterEval, Table 4",
            """select file, benchmark, b.metric as found, r.metric as expected, count(*) as runs
            from {batch} b join registry r using (benchmark)
            where not list_contains(metrics, b.metric) group by all""",
            "dump_runs",
        ),
        warn(
            "items_whole",
            "the dumps hold another number of documents than the subset has at full size",
            "RouterEval, Table 4",
            """select (select min(file) from dump_runs r
            where (r.benchmark, r.subset) = (b.benchmark, b.subset)) as file,
            benchmark, subset, items, s.n_items as expected_items from {batch} b
            join registry r using (benchmark) left join registry_subsets s using (benchmark, subset)
            where r.n_items > 0
            and items is distinct from coalesce(s.n_items, if(s.subset is null, null, items))""",
            "dump_items",
        ),
        warn(
            "notes",
            "what the reader met that costs no record, but that people should know",
            _REFERENCE,
            "select source, benchmark, note, records from {batch}",
            "dump_notes",
        ),
    ),
)
