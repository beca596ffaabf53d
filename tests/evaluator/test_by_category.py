"""What routers and single candidates score on each category."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from routerset.release.evaluator import Release, UsageError, evaluate, load_release
from routerset.release.evaluator.__main__ import main
from routerset.release.evaluator.by_category import CategoryScore, category_table
from tests.evaluator.releases import KINDS, Fixture, random_fixture, write_release

ROUTERS = ["knn", "best_single", "oracle", "random", "heuristic"]


def fixture_of(n: int = 300, ms: tuple[int, ...] = (3,)) -> Fixture:
    fixture = random_fixture("one", sizes={"anatomy": n // 2, "virology": n - n // 2}, ms=ms)
    rng = np.random.default_rng(1)
    fixture.categories = [[None, "x", "y"][i] for i in rng.choice(3, n, p=[0.2, 0.4, 0.4])]
    return fixture


def write(folder: Path, fixture: Fixture) -> Release:
    write_release(folder, [fixture])
    sizes = {"model_id": fixture.models, "params_b": np.linspace(1, 70, len(fixture.models))}
    pq.write_table(pa.table(sizes), folder / "models.parquet")
    return load_release(folder)


def test_a_category_is_what_an_evaluation_on_its_test_items_alone_finds(tmp_path: Path) -> None:
    fixture = fixture_of()
    options = {"costs": "params_b", "resamples": 0}
    found = evaluate(write(tmp_path / "all", fixture), ROUTERS, by="category", **options)  # type: ignore[arg-type]
    about = np.array([c or s for c, s in zip(fixture.categories or (), fixture.subsets, strict=True)])
    assert {row.category for row in found.by_category} == {None, *about}
    for name in (None, *sorted({*about})):
        side = fixture.splits["paper"].copy()
        side[(about != name) & (side == "test") & (name is not None)] = "gone"
        cut = write(tmp_path / str(name), replace(fixture, splits={"paper": side}))
        alone = evaluate(cut, ROUTERS, **options)  # type: ignore[arg-type]
        rows = [*alone.rows, *alone.means]
        single = {r.kind: r.metrics["mu_o"].value for r in rows if r.router == "best_single"}
        for row in rows:
            (told,) = [
                c
                for c in found.by_category
                if (c.router, c.kind, c.category, c.model) == (row.router, row.kind, name, None)
            ]
            assert (told.n_test, told.n_kinds) == (row.n_test, row.n_kinds)
            assert told.best_on_train == single[row.kind]
            assert told.metrics["mu_o"].value == row.metrics["mu_o"].value
            over = 100 * ((row.metrics["mu_o"].value or 0) - (single[row.kind] or 0))
            assert told.metrics["delta"].value == pytest.approx(over, abs=2e-4)
            for metric in ("area_cap", "agreement"):
                expected = row.spending.metrics[metric].value if row.spending else None
                assert told.metrics[metric].value == expected


def test_single_candidates_stand_beside_with_paired_intervals(tmp_path: Path) -> None:
    fixture = fixture_of()
    found = evaluate(write(tmp_path, fixture), ["mean"], by="subset").by_category
    side = fixture.splits["paper"]
    for kind in KINDS:
        members = list(fixture.groups["paper", 3, kind])
        best = members[int(fixture.scores[members][:, side == "train"].mean(axis=1).argmax())]
        for member in members:
            for name in ("anatomy", "virology"):
                (row,) = [
                    r for r in found if (r.model, r.kind, r.category) == (fixture.models[member], kind, name)
                ]
                asked = (side == "test") & (np.array(fixture.subsets) == name)
                scores = fixture.scores[:, asked].astype(float)
                assert row.metrics["mu_o"].value == pytest.approx(scores[member].mean(), abs=1e-6)
                assert row.best_on_train == pytest.approx(scores[best].mean(), abs=1e-6)
                if len({*(scores[member] - scores[best])}) == 1:
                    assert row.metrics["delta"].lo is None
                    continue
                interval = stats.ttest_rel(scores[member], scores[best]).confidence_interval(0.95)
                assert asked.sum() == row.n_test >= 15
                if row.n_test >= 20:
                    assert row.metrics["delta"].lo == pytest.approx(100 * interval.low, abs=1e-3)
                    assert row.metrics["delta"].hi == pytest.approx(100 * interval.high, abs=1e-3)
    assert not [r for r in found if r.model and r.kind == "mean"]


def test_a_small_category_is_printed_and_not_tested(tmp_path: Path) -> None:
    fixture = fixture_of()
    test = np.flatnonzero(fixture.splits["paper"] == "test")
    fixture.categories = ["x"] * 300
    for row in test[:19]:
        fixture.categories[row] = "y"
    found = evaluate(write(tmp_path, fixture), ["knn"], by="category").by_category
    small = [row for row in found if row.category == "y"]
    assert {row.n_test for row in small} == {19}
    assert {row.metrics["delta"].lo for row in small} == {None}
    assert all((row.interval_note or "").startswith("too few items: 19") for row in small)
    assert {row.interval_note for row in found if row.category is None} == {None}


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("category", {"x", "y", "anatomy", "virology"}),
        ("subset", {"anatomy", "virology"}),
        ("domain", {"x", "y", "health"}),
    ],
)
def test_what_items_are_told_apart_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], by: str, names: set[str]
) -> None:
    folder = str(write(tmp_path, fixture_of(ms=(3, 20))).path)
    options = ["--routers", "knn,random,oracle,mean", "--resamples", "0", "--by", by]
    assert main([folder, *options, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert {row["category"] for row in rows} == {None, *names}
    assert {row["by"] for row in rows} == {by}
    assert {row["m"] for row in rows if row["model"]} == {3}
    assert "one, m = 20: no scores of single candidates by category: more than 10" in err
    assert {"mu_o", "mu_o_lo", "delta", "delta_hi", "agreement", "area_cap_lo"} < set(rows[0])
    assert main([folder, *options]) == 0
    table = capsys.readouterr().out
    assert max(map(len, table.splitlines())) <= 80
    assert "Overall" in table
    assert "all_weak: single LLMs" in table


def test_on_track_unseen_the_best_single_is_the_one_of_the_others(tmp_path: Path) -> None:
    fixtures = [
        random_fixture(n, sizes={f"{n}-a": 60, f"{n}-b": 60}, ms=(3,), seed=i) for i, n in enumerate("xy")
    ]
    for f in fixtures:
        f.families = [f"{f.name}{i}" for i in range(120)]
    release = load_release(write_release(tmp_path, fixtures))
    found = evaluate(release, ["best_single"], by="category", track="unseen", resamples=0)
    assert {row.category for row in found.by_category if row.benchmark == "x"} == {None, "x-a", "x-b"}
    assert {row.metrics["delta"].value for row in found.by_category if row.router} == {0}


def test_what_is_no_grouping_is_refused(toy: Release, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="expected one of category, subset, domain, tier"):
        evaluate(toy, ["best_single"], by="colour")
    assert main([str(toy.path), "--by", "colour"]) == 2
    for other in (["--hold-out", "a"], ["--scaling"], ["--differences"]):
        assert main([str(toy.path), "--by", "tier", *other]) == 2
        assert "cannot be used with" in capsys.readouterr().err
    rows: tuple[CategoryScore, ...] = ()
    assert category_table(rows) == "nothing was evaluated\n"
