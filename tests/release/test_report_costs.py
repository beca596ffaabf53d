"""Score over cost in a report: its tables, figures and words, and what a release publishes of them."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerset.release.evaluator import TRAINING_FREE, UsageError, evaluate, load_release
from routerset.release.reporting import cost_tables
from routerset.release.reporting.check import check_report
from routerset.release.reporting.costs import CostFindings
from routerset.release.reporting.evaluation import Findings, find
from routerset.release.reporting.page import render_page
from routerset.release.reporting.panels import cap_panels, plane_panels, rate_panels, spread
from routerset.release.reporting.report import PAGE, write_report
from routerset.release.verify import verify
from tests.release.builds import write_priced
from tests.release.test_report import Page

COST_FILES = {
    *(f"cost_{table}.{ending}" for table in ("areas", "metrics", "tiers") for ending in ("md", "tex", "csv")),
    "cost_points.csv",
    "cost_results.csv",
    "figure4_cost_plane.png",
    "figure5_cost_caps.png",
}


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release where all answers have costs, with groups of two; not to be changed."""
    return write_priced(tmp_path_factory.mktemp("priced"), ("gsm8k", "arc"))


@pytest.fixture(scope="module")
def found(priced: Path) -> Findings:
    return find(priced)


def of_cost(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if "cost" in path.name or "rate" in path.name}


def test_a_release_publishes_score_over_cost_and_verify_makes_it_again(priced: Path) -> None:
    assert of_cost(priced / "reports") == COST_FILES | {"figure6_routing_rate.png"}
    assert verify(priced, [check_report]) == []
    card = (priced / "README.md").read_text("utf-8")
    assert (priced / "reports/cost_areas.md").read_text("utf-8") in card
    assert "(reports/figure4_cost_plane.png)" in card
    assert "figure5" not in card
    assert "figure6" not in card


@pytest.mark.parametrize("name", [*sorted(COST_FILES)[::4]])
def test_a_changed_number_of_cost_is_found(priced: Path, tmp_path: Path, name: str) -> None:
    release = Path(shutil.copytree(priced, tmp_path / "release"))
    path = release / "reports" / name
    content = path.read_bytes()
    path.write_bytes(content[:-60] + bytes([content[-60] ^ 1]) + content[-59:])
    assert [problem.path for problem in check_report(release)] == [f"reports/{name}"]


def test_the_same_release_gives_the_same_bytes(priced: Path, tmp_path: Path) -> None:
    for path in write_report(priced, tmp_path / "out"):
        assert path.read_bytes() == (priced / "reports" / path.name).read_bytes(), path.name


def test_numbers_are_those_of_the_evaluator(priced: Path, found: Findings) -> None:
    routers = [*TRAINING_FREE, "heuristic"]
    told = evaluate(load_release(priced), routers, benchmarks=["gsm8k"], sizes=[5], costs="usd")
    ours = {spent.router: spent for spent in found.costs.spent if (spent.benchmark, spent.m) == ("gsm8k", 5)}
    assert len(told.means) == len(routers)
    for row in told.means:
        assert ours[row.router].spending == row.spending
    with (priced / "reports/cost_results.csv").open(newline="") as file:
        rows = {(r["benchmark"], r["m"], r["router"]): r for r in csv.DictReader(file)}
    area = ours["knn"].spending.metrics["area_cap"]
    assert rows["gsm8k", "5", "knn"]["area_cap"] == str(area.value)
    assert rows["gsm8k", "5", "knn"]["area_cap_lo"] == str(area.lo)


def test_curves_are_those_of_the_evaluator(priced: Path, found: Findings) -> None:
    for curve in ("cap", "mean"):
        told = evaluate(
            load_release(priced), ["knn"], benchmarks=["gsm8k"], sizes=[5], costs="usd", curve=curve
        ).curves
        expected = {c.router: c for c in told if c.kind == "strong_to_weak"}
        ours = {c.router: c for c in found.costs.curves[curve, "gsm8k"]}
        for router, other in expected.items():
            assert ours[router].cost.tolist() == other.cost.tolist()
            assert ours[router].score.tolist() == other.score.tolist()


def test_costs_that_some_groups_lack(tmp_path: Path) -> None:
    release = write_priced(tmp_path, ("gsm8k",))
    found = find(release)
    assert found.costs.kind == "params_b"  # which all groups have
    assert {spent.benchmark for spent in found.costs.spent} == {"gsm8k", "arc"}
    usd = find(release, costs="usd")
    assert usd.costs.kind == "usd"
    assert {spent.benchmark for spent in usd.costs.spent} == {"gsm8k"}
    assert "arc: 6 of 6 groups without usd of every LLM: no curves" in usd.notes
    assert find(release, costs="latency_s").costs.kind is None
    with pytest.raises(UsageError, match="no costs 'euros'; valid: usd, "):
        find(release, costs="euros")


def test_without_costs_there_is_a_line_and_no_picture(built: Path, tmp_path: Path) -> None:
    written = write_report(built / "release", tmp_path / "out")
    assert of_cost(tmp_path / "out") == set()
    text = (tmp_path / "out" / PAGE).read_text("utf-8")
    assert "No group of this release has costs of all its LLMs (usd, tokens, params_b)" in text
    assert len(written) > 10


def test_the_page_says_how_to_read_each_figure(priced: Path, found: Findings) -> None:
    page = Page((priced / "reports" / PAGE).read_text("utf-8"))
    text = (priced / "reports" / PAGE).read_text("utf-8")
    assert text.count("How to read it:") == 4
    pictures = {str(a["aria-label"]) for a in page.all("svg") if a.get("aria-hidden") != "true"}
    for panel in (*plane_panels(found.costs), *cap_panels(found.costs), *rate_panels(found.costs)):
        assert panel.summary in pictures
    names = {line.words for panel in plane_panels(found.costs) for line in panel.lines}
    assert {"Oracle", "Heuristic", "Random", "Hull of singles", "PRknn", "C-RoBERTa"} == names
    assert "Costs are in <strong>USD</strong>" in text


def test_a_plane_has_the_candidates_of_its_cell(priced: Path, found: Findings) -> None:
    release = load_release(priced)
    (group,) = (g for g in release.groups_of("gsm8k", "paper") if (g.m, g.kind) == (5, "strong_to_weak"))
    assert [single.model for single in found.costs.singles["gsm8k"]] == list(group.candidates)
    (panel,) = (panel for panel in plane_panels(found.costs) if panel.name == "gsm8k")
    assert [name for *_, name in panel.dots] == list(group.candidates)
    assert all(panel.across.low <= x <= panel.across.high for x, *_ in panel.dots)
    assert all(panel.up.low <= y <= panel.up.high for _, y, _ in panel.dots)
    best = max(found.costs.singles["gsm8k"], key=lambda single: single.score)
    (mixed,) = (line for line in panel.lines if line.name == "zero")
    assert max(mixed.y) == pytest.approx(best.score)


def test_shares_of_tiers_add_up(found: Findings) -> None:
    assert len(found.costs.shares) > 8
    assert all(sum(shares.of.values()) == pytest.approx(1, abs=1e-5) for shares in found.costs.shares)
    assert len(cost_tables.tiers(found).columns) > 4


def test_names_of_models_cannot_inject_markup(found: Findings) -> None:
    hostile = '"><img src=x onerror=alert(1)>'
    singles = {name: tuple(replace(s, model=hostile) for s in of) for name, of in found.costs.singles.items()}
    rates = tuple(replace(rate, small=hostile, large=hostile) for rate in found.costs.rates)
    text = render_page(replace(found, costs=replace(found.costs, singles=singles, rates=rates)))
    assert Page(text).all("img") == []
    assert "&gt;&lt;img src=x onerror=alert(1)&gt;" in text


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.01, 0.3))
def test_labels_stay_apart_inside_and_in_order(wanted: list[float], gap: float) -> None:
    places = spread(wanted, gap)
    apart = min(gap, 1 / max(len(wanted) - 1, 1))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in places)
    ordered = sorted(places)
    assert all(b - a >= apart - 1e-9 for a, b in pairwise(ordered))
    order = np.argsort(wanted, kind="stable")
    assert all(wanted[a] == wanted[b] or places[a] < places[b] for a, b in pairwise(order))


def test_labels_that_fit_do_not_move() -> None:
    assert spread([0.9, 0.1, 0.5], 0.1) == pytest.approx([0.9, 0.1, 0.5])
    assert spread([0.5, 0.5], 0.2) == pytest.approx([0.6, 0.4])  # the first on top


def test_without_findings_nothing_is_drawn() -> None:
    nothing = CostFindings()
    assert (plane_panels(nothing), cap_panels(nothing), rate_panels(nothing)) == ([], [], [])


def test_what_routers_lose_on_unknown_categories_is_shown_where_asked_for(
    priced: Path, tmp_path: Path, found: Findings
) -> None:
    assert found.held_out == ()
    assert "held_out.csv" not in {path.name for path in write_report(priced, tmp_path / "without")}
    write_report(priced, tmp_path / "with", sizes=[3], hold_out=True)
    with (tmp_path / "with/held_out.csv").open(newline="") as file:
        rows = {(row["benchmark"], row["router"], row["category"]): row for row in csv.DictReader(file)}
    told = evaluate(load_release(priced), ["knn"], sizes=[3], benchmarks=["gsm8k"], hold_out=["all"])
    expected = [of for of in told.held_out if of.kind == "mean" and of.router == "knn"]
    assert expected
    for of in expected:
        assert float(rows["gsm8k", "knn", of.label]["delta"]) == of.metrics["delta"].value
    assert {router for _, router, _ in rows} >= {"best_single", "heuristic"}
    assert 'id="held-out"' in (tmp_path / "with" / PAGE).read_text("utf-8")
