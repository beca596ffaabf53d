"""Suites of raw files, before ingest: an error is what would be quarantined."""

from __future__ import annotations

from routerset.expectations.findings import Expectation, Suite
from routerset.expectations.suites.rules import rows, warn

_QUARANTINE = "docs/validation.md: quarantine"
_REFERENCE = "docs/validation.md: raw dumps"
_READABLE = rows(
    "files_readable",
    "nothing of a file that cannot be read will count",
    _QUARANTINE,
    "select file, problem from {batch} where problem is not null",
    "dump_files",
)
_FILLED = rows(
    "files_filled",
    "a file without a row is an evaluation that did not run",
    _QUARANTINE,
    "select file from {batch} where rows = 0 and problem is null",
    "dump_files",
)
_SOUND = rows(
    "rows_sound",
    "a row that cannot be parsed, or lacks its key or its metric, goes to quarantine",
    _QUARANTINE,
    'select file, "row", problem, text from {batch} where problem is not null',
)
_SCORES = rows(
    "scores_in_range",
    "a score is a number in [0, 1]; anything else goes to quarantine",
    _QUARANTINE,
    """select file, "row", key, score, text from {batch} where problem is null
    and (not (score between 0 and 1) or (score is null and text is not null))""",
)
_MISSING = warn(
    "scores_missing",
    "a missing score is missing, never 0; the model takes part in no group",
    _QUARANTINE,
    """select file, count(*) as missing, min("row") as first_row from {batch}
    where problem is null and score is null and text is null group by file""",
)
_TASKS = warn(
    "task_known",
    "a task that the registry does not hold needs a line in the config",
    "schemas/benchmarks.py: tasks",
    "select file, task from {batch} where benchmark is null",
    "dump_files",
)
_WHOLE = warn(
    "items_whole",
    "the file has another number of documents than its task at full size",
    "RouterEval, Table 4",
    """select file, expected_items, count(distinct coalesce(key, content)) as documents from {batch} join
    (select file, expected_items from dump_files) using (file)
    where problem is null and expected_items is not null group by all having documents <> expected_items""",
)


def _gold(key: str) -> Expectation:
    return rows(
        "one_gold_answer",
        "one document with two right answers: scores on it cannot be compared",
        _QUARANTINE,
        f"""select {key}, count(distinct gold) as answers, min(gold) as one, max(gold) as another from
        {{batch}}
        where {key} is not null and gold is not null group by all having answers > 1""",
    )


LM_EVAL = Suite(
    "lm_eval",
    "dump_rows",
    ("file", "row"),
    (
        _READABLE,
        _FILLED,
        _SOUND,
        _SCORES,
        _MISSING,
        _TASKS,
        _WHOLE,
        _gold("content"),
        rows(
            "one_row_per_document",
            "a second row for some documents: two runs in one file, which one counts would be chance",
            _QUARANTINE,
            """select file, key, filter, times from (select *, min(times) over (partition by file) as least
            from
            (select file, key, filter, count(*) as times from {batch} where key is not null group by all))
            where times > 1 and (filter is not null or times > least)""",
        ),
        warn(
            "official_metric",
            "the metric that counts is not there; the config has to say which one to read instead",
            "RouterEval, Table 4",
            """select file, metric, count(*) as rows from {batch} where metric is not null group by all""",
        ),
        warn(
            "filters_named",
            "every document has several rows without a filter's name; the harness writes them in its "
            "own order",
            _REFERENCE,
            """select file, min(times) as rows_per_document from (select file, key, count(*) as times from
            {batch}
            where key is not null and filter is null group by all) group by file having min(times) > 1""",
        ),
        rows(
            "one_document_per_key",
            "one doc_id for two documents: the file joins runs of two versions of the task",
            _REFERENCE,
            """select file, key, count(distinct content) as documents from {batch}
            where key is not null and content is not null group by all having documents > 1""",
        ),
        warn(
            "documents_dense",
            "doc_ids with gaps: the run was cut short, or had a limit",
            _REFERENCE,
            """select file, count(distinct key) as documents, max(try_cast(key as bigint)) as last_key from
            {batch}
            where key is not null group by file having documents < last_key + 1""",
        ),
    ),
)
DETAILS = Suite(
    "details",
    "dump_rows",
    ("file", "row"),
    (
        _READABLE,
        _FILLED,
        _SOUND,
        _SCORES,
        _MISSING,
        _TASKS,
        _WHOLE,
        _gold("content"),
        rows(
            "one_score_per_document",
            "one document scored twice, differently",
            _QUARANTINE,
            """select file, content, count(distinct score) as scores, min("row") as "row" from {batch}
            where problem is null group by all having scores > 1""",
        ),
    ),
)
MMLU_PRO = Suite(
    "mmlu_pro",
    "dump_rows",
    ("file", "row"),
    (
        _READABLE,
        _FILLED,
        _SOUND,
        _WHOLE,
        _gold("key"),
        rows(
            "one_row_per_question",
            "a question that is answered twice in one file, differently",
            _QUARANTINE,
            """select file, key, count(*) as times from {batch} where key is not null
            group by all having count(distinct score) > 1""",
        ),
        warn(
            "one_text_per_question",
            "one question_id with two texts across files; the text that most models saw is taken",
            _REFERENCE,
            """select key, count(distinct content) as texts from {batch} where key is not null
            group by all having texts > 1""",
        ),
        warn(
            "answers_parsed",
            "no answer could be parsed: it scores 0 here, and is a random guess in the leaderboard's script",
            _REFERENCE,
            """select file, count(*) as parse_failed from {batch} where text = 'no answer could be parsed'
            group by file""",
        ),
    ),
)
ROUTEREVAL = Suite(
    "routereval",
    "dump_rows",
    ("file", "row"),
    (
        _READABLE,
        rows(
            "plain_data",
            "a pickle is a program: one that asks for more than arrays is refused, and was not run",
            "docs/validation.md: pickles",
            """select file, "row" as byte, problem from {batch} where starts_with(problem, 'asks for')""",
        ),
        rows(
            "models_differ",
            "a model that is named twice: which column counts would be chance",
            _QUARANTINE,
            """select file, model, "row" from {batch} where problem = 'a model named twice'""",
        ),
        rows(
            "scores_in_range",
            "a score is a number in [0, 1]; anything else goes to quarantine",
            _QUARANTINE,
            'select file, key as task, model, "row" as item, score from {batch} where score is not null',
        ),
        rows(
            "tasks_sound",
            "scores of a task are numbers, (items, models)",
            _QUARANTINE,
            "select file, task, problem from {batch} where problem is not null",
            "dump_tasks",
        ),
        warn(
            "task_known",
            "a task that the registry does not hold needs a line in the config",
            "schemas/benchmarks.py: tasks",
            "select file, task from {batch} where benchmark is null",
            "dump_tasks",
        ),
        warn(
            "scores_missing",
            "a missing score is missing, never 0; the model takes part in no group",
            _QUARANTINE,
            "select file, task, missing from {batch} where missing > 0",
            "dump_tasks",
        ),
        warn(
            "items_whole",
            "the task has another number of documents than at full size",
            "RouterEval, Table 4",
            "select file, task, items, expected_items from {batch} where items <> expected_items",
            "dump_tasks",
        ),
    ),
)
WIDE = Suite(
    "wide",
    "dump_rows",
    ("file", "row"),
    (
        _READABLE,
        _FILLED,
        rows(
            "model_named",
            "a row without a model",
            _QUARANTINE,
            "select file, \"row\" from {batch} where model is null or trim(model) = ''",
        ),
        rows(
            "columns_differ",
            "two columns of one name: which one counts would be chance",
            _QUARANTINE,
            'select distinct file, "column", times from {batch} where times > 1',
            "dump_columns",
        ),
        rows(
            "cells_are_scores",
            "a cell that is no number in [0, 1] goes to quarantine",
            _QUARANTINE,
            'select file, "row", model, "column", found from {batch}',
            "dump_cells",
        ),
        rows(
            "runs_told_apart",
            "two rows of one model and time: which one counts would be chance",
            _REFERENCE,
            """select file, model, key as "timestamp", count(*) as times from {batch} where model is not null
            group by all having times > 1""",
        ),
        warn(
            "reruns",
            "models with several runs: only the newest counts",
            "docs/validation.md: reruns",
            """select file, count(*) as models, sum(runs - 1) as older_runs, min(model) as first from
            (select file, model, count(*) as runs from {batch} group by all having runs > 1) group by file""",
        ),
        warn(
            "cells_missing",
            "a missing score is missing, never 0; the model takes part in no group",
            _QUARANTINE,
            """select file, sum(score)::bigint as missing_cells, count(*) filter (score > 0) as
            rows_with_some,
            arg_max(model, score) as most_in from {batch} group by file having missing_cells > 0""",
        ),
        warn(
            "columns_filled",
            "an item that no model has a score on",
            _REFERENCE,
            'select file, "column" from {batch} where missing = rows',
            "dump_columns",
        ),
    ),
)
