from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from routerset.expectations.data_docs import index_page, self_contained, write_stages
from routerset.expectations.findings import Finding, Severity, Validation
from routerset.expectations.report import link, to_github, to_json, to_text
from routerset.expectations.suites import FOLDERS

ROOT = Path(__file__).resolve().parents[2]

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
    first, second, *log = to_github(OUTCOME).splitlines()
    assert first.startswith(
        "::error file=out/build,title=scores.model_item_unique::12,345 unexpected in score_facts: two"
    )
    assert second.startswith(
        "::warning file=out/build/release/data/a%2Cb%3Ac%25.parquet,title=release/layout.columns_known::1 une"
    )
    assert "%0Apath data/a,b:c%25.parquet, note two\\nlines" in second
    assert log == [
        "not run: items.text_present: items: columns are wrong",
        "out/build: 3 expectations: 1 errors, 1 warnings, 1 not run",
    ]
    assert to_github(Validation("x", (GOOD,))) == "x: 1 expectations: 0 errors, 0 warnings"


def test_what_a_log_says_is_no_command() -> None:
    said = to_github(Validation("::stop-commands::x\n::error::y", (GOOD,), ("\n##[error]z", "::debug::u")))
    assert [line for line in said.splitlines() if line.lstrip().startswith(("::", "##["))] == []
    assert len(said.splitlines()) == 3


def test_rules_of_findings_are_urls() -> None:
    home = "https://github.com/ORG/routerset/blob/main"
    assert f"%0Arule: {home}/schemas/tables.py" in to_github(OUTCOME)
    assert json.loads(to_json(OUTCOME))["findings"][0]["url"] == f"{home}/schemas/tables.py"
    for suite in FOLDERS.values():
        for expectation in suite.expectations:
            url = link(expectation.reference)
            assert url.startswith("https://")
            file, _, anchor = url.removeprefix(f"{home}/").partition("#")
            if url.startswith(home):
                assert (ROOT / file).is_file()
            if anchor:
                heads = re.findall(r"^#+ (.*)$", (ROOT / file).read_text("utf-8"), re.MULTILINE)
                assert anchor in {head.lower().replace(" ", "-") for head in heads}


def test_what_follows_from_a_finding_is_told_with_it() -> None:
    root = replace(BAD, suite="manifest", table="release/listed_files", expectation="files_present")
    after = replace(BAD, suite="layout", cause="release/manifest.files_present")
    outcome = Validation("x", (root, after, replace(after, severity=Severity.WARNING)))
    assert (outcome.errors, outcome.warnings, outcome.exit_code) == ((root,), (), 1)
    text = to_text(outcome)
    assert text.count("unexpected") + text.count("why: ") == 2
    assert "what follows from it" in text
    assert "layout.model_item_unique (12,345)" in " ".join(text.split())
    assert text.splitlines()[-1] == "3 expectations: 1 errors, 0 warnings, 2 that follow from them"
    assert to_github(outcome).count("::error") == 1


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


def test_one_page_counts_what_every_stage_found(tmp_path: Path) -> None:
    for stage, outcome in {"ingest": OUTCOME, "splits": Validation("x", (GOOD,))}.items():
        (tmp_path / stage).mkdir()
        (tmp_path / stage / "results.json").write_text(to_json(outcome), "utf-8")
    (tmp_path / "groups").mkdir()
    (tmp_path / "groups/results.json").write_text("{", "utf-8")
    write_stages(tmp_path, ["ingest", "splits", "groups", "release"], "<b> 1.2.3")
    page = (tmp_path / "index.html").read_text("utf-8")
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in re.findall(r"<tr class.*?</tr>", page)]
    assert rows == [
        ["ingest", "error", "3", "1", "1", "1"],
        ["splits", "holds", "1", "0", "0", "0"],
        ["all", "error", "4", "1", "1", "1"],
    ]
    assert 'href="ingest/data_docs/index.html"' in page
    assert "&lt;b&gt; 1.2.3" in page
    assert "prefers-color-scheme:dark" in page
