from __future__ import annotations

import json
from dataclasses import replace

import pytest

from routerset.expectations.data_docs import index_page, self_contained
from routerset.expectations.findings import Finding, Severity, Validation
from routerset.expectations.report import to_github, to_json, to_text

BAD = Finding(
    suite="scores",
    table="score_facts",
    expectation="model_item_unique",
    severity=Severity.ERROR,
    success=False,
    unexpected=12345,
    examples=({"benchmark": "arc", "model_id": "org/" + "m" * 200, "repeats": 2}, {"path": None}),
    why="two scores for one model and item: which one counts would be chance",
    reference="schemas/tables.py: routerset.key",
)
GOOD = replace(BAD, success=True, unexpected=0, examples=(), expectation="score_not_null")
WARNING = replace(
    BAD,
    severity=Severity.WARNING,
    table="release/columns",
    suite="layout",
    expectation="columns_known",
    unexpected=1,
    examples=({"path": "data/a,b:c%.parquet", "note": "two\nlines"},),
)
OUTCOME = Validation("out/build", (GOOD, BAD, WARNING), ("items.text_present: items: columns are wrong",))


def test_text_fits_eighty_columns_and_names_keys() -> None:
    text = to_text(OUTCOME)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert "scores      model_item_unique                    error         12,345" in lines
    assert "scores      1 others hold" in lines
    assert "benchmark arc, model_id org/mmm" in text
    assert "[schemas/tables.py:" in text
    assert "not run: items.text_present" in text
    assert lines[-1] == "3 expectations: 1 errors, 1 warnings, 1 not run"


def test_verbose_text_lists_what_holds() -> None:
    assert "scores      score_not_null                       ok" in to_text(OUTCOME, verbose=True)


def test_json_holds_everything() -> None:
    document = json.loads(to_json(OUTCOME))
    assert (document["errors"], document["warnings"]) == (1, 1)
    assert document["findings"][1]["examples"][0]["benchmark"] == "arc"
    assert document["findings"][1]["severity"] == "error"


def test_github_annotations_are_escaped() -> None:
    first, second = to_github(OUTCOME).splitlines()
    assert first.startswith(
        "::error file=out/build,title=scores.model_item_unique::12,345 unexpected in score_facts: two"
    )
    assert second.startswith(
        "::warning file=out/build/release/data/a%2Cb%3Ac%25.parquet,title=release/layout.columns_known::1 une"
    )
    assert "%0Apath data/a,b:c%25.parquet, note two\\nlines" in second
    assert to_github(Validation("x", (GOOD,))) == ""


@pytest.mark.parametrize(
    ("path", "table", "example", "file"),
    [
        ("out/build", "columns", {"path": "tables/runs.parquet"}, "out/build/tables/runs.parquet"),
        ("out/build", "release/columns", {"path": "groups.parquet"}, "out/build/release/groups.parquet"),
        ("out/runs.parquet", "columns", {"path": "runs.parquet"}, "out/runs.parquet"),
        ("dumps", "dump_quarantine", {"file": "a/x.jsonl", "row": 3}, "dumps/a/x.jsonl"),
        ("dumps/x.jsonl", "dump_quarantine", {"file": "x.jsonl", "row": 3}, "dumps/x.jsonl"),
        ("out/build", "quarantine", {"file": "a/x.jsonl", "row": 3}, "out/build"),
    ],
)
def test_an_annotation_stands_at_the_file_that_is_wrong(
    path: str, table: str, example: dict[str, str | int], file: str
) -> None:
    finding = replace(BAD, table=table, examples=(example,))
    assert to_github(Validation(path, (finding,))).startswith(f"::error file={file},title=")


def test_exit_codes() -> None:
    assert OUTCOME.exit_code == 1
    assert Validation("x", (GOOD, WARNING)).exit_code == 0


def test_the_index_links_results_and_escapes_them() -> None:
    bad = replace(BAD, examples=({"value": "<script>"},))
    page = index_page(Validation("<b>", (bad, WARNING)), {"scores/score_facts": "validations/p.html"})
    assert '<a href="validations/p.html">scores</a>' in page
    assert "&lt;script&gt;" in page
    assert "<b>" not in page
    assert "release/layout" in page


def test_a_page_asks_no_other_host() -> None:
    page = (
        '<html><head><link rel="stylesheet" href="https://cdn.example/x.css"/>'
        '<link rel="icon" href="../../static/images/favicon.ico"/>'
        '<script src="https://cdn.example/x.js">'
        "</script><style>a{background:url('https://cdn.example/x.png') 0 0 no-repeat;"
        "color:red}</style></head>"
        '<body><img src="https://cdn.example/x.png"><script>load()</script><footer><a href="https://a.example">x'
        "</a></footer><p>kept</p></body></html>"
    )
    done = self_contained(page)
    assert "https://" not in done
    assert "static/" not in done
    assert "<script" not in done
    assert "color:red" in done
    assert "<p>kept</p>" in done
