"""What a report says of noise, and of the paper's own groups beside those that come first."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest

from routerset.release.build import write_release
from routerset.release.evaluator import UsageError, evaluate, load_release
from routerset.release.evaluator.limits import Limits
from routerset.release.evaluator.results import Estimate, Row
from routerset.release.reporting import noise
from routerset.release.reporting import tables as contents
from routerset.release.reporting.check import check_report
from routerset.release.reporting.evaluation import Findings, find
from routerset.release.reporting.page import render_page
from routerset.release.reporting.report import figures, reports_hook, texts
from routerset.release.verify import verify
from tests.release.builds import options, small_benches, write_build

PLACES = {"all_strong": 0, "all_weak": 1, "strong_to_weak": 2, "mean": 1}


def noisy(row: Row) -> Row:
    """The same with limits that tell the kinds apart; the mean is that of the kinds."""
    k = PLACES[row.kind]
    floor = row.best_single_score + (row.oracle_score - row.best_single_score) * (0.7 + 0.2 * k)
    return replace(
        row,
        noise_oracle=floor,
        noise_oracle_lo=floor - 0.01,
        noise_oracle_hi=floor + 0.01,
        noise_oracle_b=0.8,
        noise_best_single_b=(0.4, 0.5, 0.8)[k],
        noise_best_on_train_b=0.4,
        headroom_real=0.3 - 0.2 * k,
        covered=20,
        at_most=20 if k else 21,
        optimal=bool(k),
    )


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release whose `greedy` groups, those of `paper` under another name, come first."""
    build = write_build(tmp_path_factory.mktemp("build"), small_benches()[:2])
    tables = build / "tables/groups"
    shutil.copytree(tables / "method=paper", tables / "method=greedy")
    write_release(
        build, build / "release", replace(options(), methods=("greedy", "paper")), reports=reports_hook
    )
    return build / "release"


@pytest.fixture(scope="module")
def plain(release: Path) -> Findings:
    return find(release)


@pytest.fixture(scope="module")
def found(plain: Findings) -> Findings:
    parts = ("rows", "means", "published", "published_means")
    return replace(plain, **{name: tuple(map(noisy, getattr(plain, name))) for name in parts})


def table(found: Findings, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(texts(found)[name].decode())))


# Which groups


def test_the_first_method_is_the_headline_and_paper_is_as_published(plain: Findings, release: Path) -> None:
    assert {row.method for row in plain.rows + plain.family} == {"greedy"}
    assert {(row.method, row.scheme) for row in plain.published + plain.published_means} == {
        ("paper", "paper")
    }
    expected = evaluate(load_release(release), ["knn"], sizes=[5], method="paper").means
    shown = [row for row in plain.published_means if (row.router, row.m) == ("knn", 5)]
    assert {row.benchmark: row for row in shown} == {row.benchmark: row for row in expected}


def test_tables_1_and_2_are_of_the_papers_groups(plain: Findings) -> None:
    changed = replace(plain, published_means=plain.published_means[:1])
    assert texts(changed)["table1.csv"] != texts(plain)["table1.csv"]
    assert texts(changed)["summary.csv"] == texts(plain)["summary.csv"]
    first = replace(plain, means=plain.means[:1])
    assert texts(first)["table1.csv"] == texts(plain)["table1.csv"]


def test_baseline_cells_are_of_both_methods(plain: Findings, release: Path) -> None:
    rows = json.loads(texts(plain)["baselines.json"])
    cells = [(r["benchmark"], r["m"], r["kind"], r["method"], r["scheme"], r["router"]) for r in rows]
    assert len(set(cells)) == len(cells)
    settings = {(row["method"], row["scheme"]) for row in rows}
    assert settings == {("greedy", "paper"), ("greedy", "family"), ("paper", "paper")}


def test_such_a_release_verifies(release: Path) -> None:
    assert verify(release, [check_report]) == []


def test_other_routers_and_sizes_are_not_as_published(release: Path) -> None:
    found = find(release, benchmarks=["gsm8k"], sizes=[3], routers=["oracle", "linear"])
    assert {row.router for row in found.means} == {"oracle", "linear"}
    assert {(row.router, row.m) for row in found.published} == {("oracle", 3)}


def test_where_paper_comes_first_it_is_evaluated_once(built: Path) -> None:
    found = find(built / "release", benchmarks=["gsm8k"])
    assert found.method == "paper"
    assert found.published == found.rows
    rows = json.loads(texts(found)["baselines.json"])
    assert len(rows) == len(found.rows + found.family)


def test_another_method_may_come_first(release: Path, plain: Findings) -> None:
    found = find(release, benchmarks=["gsm8k"], method="paper")
    assert found.rows == found.published
    assert found.rows == tuple(row for row in plain.published if row.benchmark == "gsm8k")
    with pytest.raises(UsageError, match="no groups by method 'best'; this release has greedy, paper"):
        find(release, method="best")


def test_without_paper_groups_the_page_says_so(plain: Findings) -> None:
    bare = replace(plain, published=(), published_means=())
    assert "it has no groups by the paper" in render_page(bare)
    assert "table1.md" not in texts(bare)


# Noise


def test_every_cell_has_its_noise_floor(found: Findings) -> None:
    rows = table(found, "noise.csv")
    cells = [(row["benchmark"], int(row["m"]), row["kind"]) for row in rows]
    assert cells == [(name, m, kind) for name in found.benchmarks for m in (3, 5) for kind in PLACES]
    weak = next(r for r in found.rows if (r.benchmark, r.m, r.kind) == ("gsm8k", 5, "all_weak"))
    shown = rows[cells.index(("gsm8k", 5, "all_weak"))]
    assert [float(shown[f"noise_oracle{end}"]) for end in ("", "_lo", "_hi")] == [
        weak.noise_oracle,
        weak.noise_oracle_lo,
        weak.noise_oracle_hi,
    ]
    assert (shown["oracle"], shown["headroom_real"]) == (str(weak.oracle_score), str(weak.headroom_real))
    assert {(row["kind"], row["optimal"]) for row in rows} == {
        (kind, "yes" if k else "not proven") for kind, k in PLACES.items()
    }


def test_the_main_table_tells_noise_and_what_is_real(found: Findings) -> None:
    rows = {(row["m"], row["router"]): row for row in table(found, "summary.csv")}
    real = float(rows["5", "headroom_real"]["mean"])
    means = {row.benchmark: row for row in found.means if row.m == 5}.values()
    oracle, best = (sum(getattr(r, k) for r in means) for k in ("oracle_score", "best_single_score"))
    noise_sum = sum(r.noise_oracle or 0 for r in means)
    assert real == pytest.approx((oracle - noise_sum) / (oracle - best), abs=1e-6)
    text = texts(found)["summary.md"].decode()
    n = len({(r.benchmark, r.m, r.kind) for r in found.rows})
    assert f"Over the {n} cells (benchmark, m, kind) it goes from -0.10 to 0.30, median 0.10" in text
    assert "| 5 | Noise alone |" in text


def test_where_nothing_is_known_nothing_is_told(plain: Findings) -> None:
    unknown = dict.fromkeys(field.name for field in fields(Limits))
    parts = ("rows", "means", "published", "published_means")
    plain = replace(plain, **{k: tuple(replace(r, **unknown) for r in getattr(plain, k)) for k in parts})
    made = texts(plain)
    assert {"noise.md", "published.md"}.isdisjoint(made)
    assert b"Noise alone" not in made["summary.md"]
    assert noise.real_shares(plain) is None
    page = render_page(plain)
    assert 'id="noise"' not in page
    assert "holds no noise floor of these groups" in page


def test_as_published_stands_beside_a_world_of_abilities_alone(found: Findings) -> None:
    rows = {(r["benchmark"], r["m"], r["kind"]): r for r in table(found, "published.csv")}
    strong, mean = rows["gsm8k", "3", "all_strong"], rows["gsm8k", "3", "mean"]
    assert (strong["oracle_noise"], strong["best_single_noise"]) == ("2.0", "1.0")
    # a mean of ratios, as V_B of the paper's tables is
    assert float(mean["oracle_noise"]) == pytest.approx((2 + 1.6 + 1) / 3, abs=1e-6)
    measured = next(
        r for r in found.published
        if (r.benchmark, r.m, r.kind, r.router) == ("gsm8k", 3, "all_strong", "best_single")
    )  # fmt: skip
    assert strong["best_single"] == str(measured.metrics["v_b"].value)


def test_the_privileged_router_stands_beside_the_oracle(found: Findings) -> None:
    rows = tuple(replace(row, router="privileged") for row in found.rows if row.router == "knn")
    with_it = replace(found, rows=found.rows + rows)
    expected = {(r.benchmark, r.m, r.kind): r.metrics["mu_o"].value for r in rows}
    for row in table(with_it, "noise.csv"):
        known = expected.get((row["benchmark"], int(row["m"]), row["kind"]))
        assert row["privileged"] == ("" if known is None else str(known))
    assert "privileged" not in table(found, "noise.csv")[0]


def test_figure_3_marks_the_floor_of_each_kind(found: Findings, plain: Findings) -> None:
    page = render_page(found)
    panels = len({row.benchmark for row in found.rows})
    assert page.count('class="floor"/>') == 3 * panels
    row = next(r for r in found.rows if (r.benchmark, r.m, r.kind) == ("gsm8k", 5, "all_weak"))
    assert f"Noise alone, all-weak: {row.noise_oracle:.3f} [" in page
    pictures = [figures(each)["figure3_kinds.png"] for each in (plain, found)]
    assert pictures[0] != pictures[1]
    told = [r for r in table(found, "figure3_kinds.csv") if r["router"] == "noise_oracle"]
    assert len(told) == len({(r.benchmark, r.m) for r in found.rows})


def test_values_without_intervals_are_shown(found: Findings) -> None:
    """Where a metric has no valid interval, there is none."""

    def bare(row: Row) -> Row:
        return replace(row, metrics={name: Estimate(e.value) for name, e in row.metrics.items()})

    parts = ("rows", "means", "family", "family_means", "published", "published_means")
    without = replace(found, **{name: tuple(map(bare, getattr(found, name))) for name in parts})
    assert contents.verdicts(without) == (0, 0, 0)
    assert render_page(without)
    assert figures(without)
    assert texts(without)
