"""Which values have an interval, what is said where there is none, and that stars mind their number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.coverage import cover
from routerset.release.evaluator import Evaluation, evaluate, load_release
from routerset.release.evaluator.intervals import holm
from routerset.release.evaluator.metrics import METRICS
from tests.evaluator.releases import random_fixture, write_release

ROUTERS = ["knn", "best_single", "random", "oracle", "mean"]
SIZES = {"few": 250, "some": 450, "marked": 900, "enough": 1300}
TESTED = {"few": 25, "some": 45, "marked": 90, "enough": 130}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    fixtures = [random_fixture(name, sizes={"a": n}, ms=(3,), seed=n) for name, n in SIZES.items()]
    fixtures[-1].reference_score = None
    release = load_release(write_release(tmp_path_factory.mktemp("sizes"), fixtures))
    return evaluate(release, ROUTERS, resamples=500, pairs=True)


def test_the_number_of_test_items_decides_what_has_an_interval(result: Evaluation) -> None:
    printed = {"few": set(), "some": {"mu_o", "v_r"}, "marked": {"mu_o", "v_r", "v_b_train", "e_p"}}
    for row in (*result.rows, *result.means):
        assert row.n_test == TESTED[row.benchmark]
        assert row.few_items == (row.n_test < 130)
        having = {name for name, e in row.metrics.items() if e.lo is not None and e.hi is not None}
        if row.router == "knn" and row.kind == "mean":
            assert having == printed.get(row.benchmark, {"mu_o", "v_b_train", "e_p"})
        assert (row.interval_note is None) == (row.benchmark in ("marked", "enough"))
    assert "few: too few items: 25 test items, intervals need 30" in result.notes
    assert sum(note.startswith("some: too few items: 45") for note in result.notes) == 1


def test_no_interval_has_the_width_0_and_each_holds_its_value(result: Evaluation) -> None:
    for record in (*result.rows, *result.means, *result.differences):
        for name, e in record.metrics.items():
            assert (e.lo is None) == (e.hi is None)
            if e.lo is not None and e.hi is not None and e.value is not None:
                assert e.lo < e.hi
                assert e.lo <= e.value <= e.hi
                assert METRICS[name].interval is not None
    flat = result.rows[0].to_dict()
    assert [
        flat[f"{name}_{end}"] for name in ("v_b", "marginal_entropy", "oracle_gap") for end in ("lo", "hi")
    ] == [None] * 6
    mine = [d for d in result.differences if {d.router_a, d.router_b} == {"best_single", "mean"}]
    assert {(d.metrics["mu_o"].value, d.metrics["mu_o"].lo, d.p) for d in mine} == {(0.0, None, None)}


def test_differences_of_means_are_one_family_of_tests(result: Evaluation) -> None:
    means = [d for d in result.differences if d.kind == "mean"]
    assert len(means) == len(SIZES) * 10
    assert {d.n_comparisons for d in means} == {len(means)}
    assert [d.p_holm for d in means] == holm([d.p for d in means])
    assert {(d.p_holm, d.n_comparisons) for d in result.differences if d.kind != "mean"} == {(None, None)}
    starred = sum(d.p_holm is not None and d.p_holm < 0.05 for d in means)
    table = result.difference_table()
    assert table.split("*: p Holm")[0].count("* ") == starred > 0
    assert f"Holm over {len(means)} comparisons" in table.replace("\n", " ")
    assert "~: fewer than 130 test items." in table
    assert max(map(len, table.splitlines())) <= 80


def test_tables_mark_few_items_and_hindsight(result: Evaluation) -> None:
    blocks = result.table().split("\n\n")
    of = {block.split()[0]: block for block in blocks}
    assert "~" in of["marked"]
    assert "~" not in of["enough"]
    assert "[" not in of["few"].split("\n", 1)[1]
    assert of["few"].splitlines()[2].split()[:8] == [
        *("router", "mu_o", "95%", "interval", "V_R", "V_B", "tr", "V_B(h)"),
    ]
    assert "~: fewer than 130 test items." in blocks


def test_no_v_r_without_a_reference_and_the_reason_is_told(tmp_path: Path) -> None:
    import json

    folder = write_release(tmp_path, [random_fixture(sizes={"a": 900}, ms=(3,))])
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["benchmarks"]["toy"] |= {"reference_score": None, "reference_note": "another metric"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    result = evaluate(load_release(folder), ["knn"], resamples=50)
    assert {(row.metrics["v_r"].value, row.v_r_note) for row in result.rows} == {(None, "another metric")}
    assert result.notes == ("toy: no V_R: another metric",)


@pytest.mark.parametrize("cell", [(60, 10), (140, 3)])
def test_what_is_printed_covers_the_truth(cell: tuple[int, int]) -> None:
    """Within wide limits, for 150 replications."""
    held = cover(cell, 150, seed=1)
    for name in ("mu_o", "V_R", "V_B train", "E_p", "difference in mu_o"):
        values = np.concatenate([v for key, v in held.items() if key[0] == name])
        assert 0.9 < values.mean() < 0.99, name
