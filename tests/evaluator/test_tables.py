from __future__ import annotations

import csv
import io

import pytest

from routerset.release.evaluator import evaluate, load_release
from routerset.release.evaluator.results import Row
from routerset.release.reporting.paper_tables import (
    PaperTable,
    by_kind,
    paper_tables,
    to_csv,
    to_latex,
    to_markdown,
)
from tests.evaluator.releases import random_fixture, write_release

NAMES = ("gsm8k", "arc", "mmlu", "bbh", "hellaswag", "gpqa", "own")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    fixtures = [
        random_fixture(name, seed=i, ms=(3, 5, 10), sizes={"a": 350, "b": 300})
        for i, name in enumerate(NAMES)
    ]
    release = load_release(write_release(tmp_path_factory.mktemp("tables"), fixtures))
    routers = ["knn", "random", "c_roberta", "oracle", "best_single", "r_o_0.5"]
    result = evaluate(release, routers, resamples=200)
    return result.rows, result.means


@pytest.fixture(scope="module")
def tables(results: tuple[tuple[Row, ...], tuple[Row, ...]]) -> list[PaperTable]:
    return paper_tables(results[1])


def test_tables_1_and_2_hold_the_papers_benchmarks_and_routers_in_its_order(tables: list[PaperTable]) -> None:
    assert [t.number for t in tables] == [1, 2]
    assert tables[0].bands() == [("arc", "hellaswag", "mmlu", "gsm8k"), ("bbh",)]
    assert tables[1].bands() == [("gpqa", "own")]
    assert tables[0].sizes == (3, 5)
    assert tables[0].routers == ("oracle", "r_o_0.5", "c_roberta", "knn", "random", "best_single")


def test_a_cell_is_the_unweighted_mean_over_kinds(
    results: tuple[tuple[Row, ...], tuple[Row, ...]], tables: list[PaperTable]
) -> None:
    for name in ("mu_o", "v_r", "v_b", "e_p"):
        kinds = [r.metrics[name] for r in results[0] if (r.benchmark, r.m, r.router) == ("arc", 5, "knn")]
        assert len(kinds) == 3
        estimate = tables[0].estimate(5, "knn", "arc", name)
        assert estimate.value == pytest.approx(sum(k.value or 0 for k in kinds) / 3, abs=2e-6)
        assert estimate.few_items == (name != "v_b")  # which is hindsight, and has no interval
        if name != "v_b":
            assert (estimate.lo or 2) < (estimate.value or 0) < (estimate.hi or 0)


def test_bold_marks_the_best_existing_router(tables: list[PaperTable]) -> None:
    table = tables[0]
    for benchmark in table.benchmarks:
        values = {r: table.estimate(3, r, benchmark, "mu_o").value or 0 for r in ("knn", "c_roberta")}
        for router, value in values.items():
            assert table.is_best(3, router, benchmark, "mu_o") == (value == max(values.values()))
        assert not table.is_best(3, "oracle", benchmark, "mu_o")
        assert not table.is_best(3, "knn", benchmark, "e_p")


def test_markdown_has_a_row_per_size_and_router(tables: list[PaperTable]) -> None:
    lines = to_markdown(tables[1]).splitlines()
    assert lines[0].startswith(
        "| m | Router | GPQA mu_o | GPQA V_R | GPQA V_B hindsight | GPQA E_p | own mu_o |"
    )
    rows = [line for line in lines if line.startswith(("| 3 |", "| 5 |"))]
    assert len(rows) == 12
    assert {row.count("|") for row in rows} == {11}
    assert sum("**" in row for row in rows) >= 2


def test_latex_balances_and_keeps_every_column(tables: list[PaperTable]) -> None:
    text = to_latex(tables[0])
    assert text.count("{") == text.count("}")
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    first = text.split(r"\end{tabular}")[0]
    rows = [line for line in first.splitlines() if "LinearR" in line or "PRknn" in line]
    assert {row.count("&") for row in rows} == {17}
    assert r"\mathbf{" in text
    assert "Oracle $r_o$" in text


def test_csv_holds_values_and_intervals(tables: list[PaperTable]) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(tables[0]))))
    assert len(rows) == 12
    row = next(r for r in rows if (r["m"], r["router"]) == ("5", "knn"))
    assert row["gsm8k_v_b_lo"] == row["gsm8k_v_b_hi"] == ""
    estimate = tables[0].estimate(5, "knn", "gsm8k", "v_r")
    assert [float(row["gsm8k_v_r" + s]) for s in ("", "_lo", "_hi")] == [
        estimate.value,
        estimate.lo,
        estimate.hi,
    ]


def test_table_3_and_figure_3_are_metrics_by_kind(results: tuple[tuple[Row, ...], tuple[Row, ...]]) -> None:
    rows = by_kind(results[0], "e_p")
    assert len(rows) == len(NAMES) * 3 * 6
    row = next(r for r in rows if (r.benchmark, r.m, r.router) == ("mmlu", 5, "knn"))
    assert list(row.kinds) == ["all_strong", "all_weak", "strong_to_weak"]
    expected = next(
        r for r in results[0] if (r.benchmark, r.m, r.router, r.kind) == ("mmlu", 5, "knn", "all_weak")
    )
    assert row.kinds["all_weak"] == expected.metrics["e_p"]
